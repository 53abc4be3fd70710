"""Vaccinations (VXU): what was given, what was not and why, and what was told of by others."""

import itertools

import pytest

from gateway.nhs import ukcore
from tests.mappings.harness_hl7v2 import DEAD, PID, adt, map_sent

FLU, HPV = "140^Influenza^CVX", "48^HPV^CVX"


def vxu(time: str, *segments: str, pid: str = PID) -> str:
    return "\r".join([f"MSH|^~\\&|IMMS|RXX|TIE|RXX|{time}||VXU^V04|v{time}|T|2.5.1", pid, *segments])


def rxa(vaccine: str = FLU, day: str = "20241001", **fields: str) -> str:
    values = {3: day, 5: vaccine, 6: "0.5", 7: "mL", 9: "00^New^NIP001", 15: "L1", 20: "CP", 21: "A"} | {
        int(name[1:]): value for name, value in fields.items()
    }
    return "RXA|0|1|" + "|".join(values.get(n, "") for n in range(3, 23))


def orc(number: str = "IZ1^SYS") -> str:
    return f"ORC|RE||{number}"


def doses(*messages: str, warnings: list | None = None) -> list[dict]:
    """The Immunizations that messages make: the same in every order of arrival."""
    answers = [
        [each for each in map_sent(*arrived, warnings=warnings) if each["resourceType"] == "Immunization"]
        for arrived in itertools.permutations(messages)
    ]
    assert all(answer == answers[0] for answer in answers)
    assert not [issue for each in answers[0] for issue in ukcore.check(each) if issue.severity == "error"]
    return answers[0]


def test_all_that_is_said_of_a_vaccination_is_kept():
    (dose,) = doses(vxu(
        "20241002", orc(), rxa(f10="C1234567^Marsh^Sarah", f11="W1^^^Clinic", f16="20251231", f17="SKB^GlaxoSmithKline^MVX", f19="I1^Asthma^L", f22="20241001101500"),
        "RXR|IM^Intramuscular^HL70162|LA^Left arm^HL70163", "OBX|1|CE|31044-1^Reaction^LN||R1^Rash^L||||||F", "NTE|1||Well tolerated",
    ))  # fmt: skip
    assert dose["vaccineCode"]["coding"][0] == {
        "system": "http://hl7.org/fhir/sid/cvx",
        "code": "140",
        "display": "Influenza",
    }
    assert (dose["status"], dose["occurrenceDateTime"], dose["lotNumber"], dose["expirationDate"]) == (
        "completed",
        "2024-10-01",
        "L1",
        "2025-12-31",
    )
    assert (
        dose["primarySource"] is True
        and dose["recorded"] == "2024-10-01T10:15:00+01:00"
        and str(dose["doseQuantity"]["value"]) == "0.5"
    )
    assert (dose["route"]["text"], dose["site"]["text"], dose["manufacturer"]["display"]) == (
        "Intramuscular",
        "Left arm",
        "GlaxoSmithKline",
    )
    assert (
        dose["performer"][0]["actor"]["display"] == "Sarah Marsh"
        and dose["location"]["display"] == "W1, Clinic"
        and dose["reasonCode"][0]["text"] == "Asthma"
    )
    assert [note["text"] for note in dose["note"]] == ["Reaction: Rash", "Well tolerated"]


STATUSES = [
    ({"f20": "CP"}, "completed", None), ({"f20": "PA"}, "completed", "Given in part"), ({"f20": "RE"}, "not-done", None), ({"f20": "NA"}, "not-done", None),
    ({"f20": "RE", "f18": "03^Parental decision^NIP002"}, "not-done", None), ({"f20": "", "f18": "00^Refused^NIP002"}, "not-done", None),
    ({"f20": "??"}, "not-done", "Completion sent: ??"), ({"f20": ""}, "completed", None), ({"f20": "", "f9": "", "f15": ""}, "completed", "did not say"),
    ({"f21": "D"}, None, None), ({"f20": "CP", "f18": "00^Refused^NIP002"}, "completed", "A reason why it was refused"),
]  # fmt: skip


@pytest.mark.hazard("HZ-HL7V2-90")
@pytest.mark.parametrize("fields, status, note", STATUSES)
def test_what_was_not_given_is_not_done_with_its_reason(fields, status, note):
    found = doses(vxu("20241002", orc(), rxa(**fields)))
    assert [dose["status"] for dose in found] == ([status] if status else [])
    for dose in found:
        assert ("statusReason" in dose) == (status == "not-done") and ("doseQuantity" in dose) == (
            status == "completed"
        )
        assert bool(note) == any(note in said["text"] for said in dose.get("note", ())) if note else "note" not in dose


@pytest.mark.hazard("HZ-HL7V2-90")
def test_a_record_of_no_vaccine_makes_no_vaccination():
    warnings = []
    assert not doses(vxu("20241002", orc(), rxa("998^No vaccine administered^CVX", f9="", f15="")), warnings=warnings)
    assert ("RXA-5", "no vaccine given: no vaccination is made of it") in warnings
    (refused,) = doses(vxu("20241002", orc(), rxa("998^No vaccine administered^CVX", f20="RE")))
    assert refused["status"] == "not-done"


@pytest.mark.parametrize(
    "said, is_first, text",
    [
        ("00^New^NIP001", True, None),
        ("01^Historical^NIP001", False, "Historical"),
        ("07", False, "Historical information - from school record"),
        ("", None, None),
        ("99", None, None),
    ],
)
def test_what_others_gave_is_told_from_what_was_given_here(said, is_first, text):
    (dose,) = doses(vxu("20241002", orc(), rxa(f9=said)))
    assert dose.get("primarySource") is is_first and dose.get("reportOrigin", {}).get("text") == text


@pytest.mark.hazard("HZ-HL7V2-91")
def test_vaccinations_that_share_a_number_are_each_kept():
    assert len(doses(vxu("20241002", orc(), rxa(), orc(), rxa(HPV)))) == 2, "in one message"
    assert len(doses(vxu("20241002", orc(), rxa()), vxu("20241003", orc(), rxa(HPV)))) == 2, "in two"
    assert len(doses(vxu("20241002", orc(), rxa()), vxu("20241102", orc(), rxa(day="20241101")))) == 2, "a second dose"
    other = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
    assert (
        len(
            {
                dose["patient"]["reference"]
                for dose in doses(vxu("20241002", orc(), rxa()), vxu("20241003", orc(), rxa(), pid=other))
            }
        )
        == 2
    )
    assert len(doses(vxu("20241002", orc(), rxa()), vxu("20241003", orc(), rxa()))) == 1, "sent again"
    assert len(doses(vxu("20241002", "ORC|RE", rxa(), "ORC|RE", rxa(HPV)))) == 2, "without a number"


@pytest.mark.hazard("HZ-HL7V2-91")
def test_an_update_changes_the_vaccination_and_a_deletion_takes_it_back():
    sent = vxu("20241002", orc(), rxa())
    (changed,) = doses(sent, vxu("20241003", orc(), rxa(HPV, day="20240930", f21="U")))
    assert changed["vaccineCode"]["coding"][0]["code"] == "48" and changed["occurrenceDateTime"] == "2024-09-30"
    (gone,) = doses(sent, vxu("20241003", orc(), rxa(f21="D")))
    assert gone["status"] == "entered-in-error"
    warnings = []
    assert not doses(vxu("20241003", orc(), rxa(f21="D")), warnings=warnings) and warnings[0][0] == "RXA-21"


def test_a_day_that_nobody_knows_and_an_amount_of_999_are_not_made_up():
    (dose,) = doses(vxu("20241002", orc(), rxa(day="", f6="999")))
    assert dose["occurrenceString"] == "unknown" and "doseQuantity" not in dose


@pytest.mark.hazard("HZ-HL7V2-90")
@pytest.mark.parametrize("fields", [{}, {"f20": ""}, {"f20": "PA"}, {"f20": "", "f9": "", "f15": ""}, {"f21": "U"}])
@pytest.mark.parametrize("day", ["20991001", "20241101", "1941"])
def test_a_dose_of_a_day_that_cannot_be_was_not_given_and_changes_nothing(day, fields):
    warnings = []
    assert not doses(vxu("20241002", orc(), rxa(day=day, **fields)), warnings=warnings)
    assert ("RXA-3", "given on a day that cannot be: no vaccination is made of it") in warnings
    (dose,) = doses(vxu("20241002", orc(), rxa()), vxu("20241003", orc(), rxa(day=day, **fields)))
    assert dose["status"] == "completed" and dose["occurrenceDateTime"] == "2024-10-01"


def test_a_dose_that_was_refused_or_taken_back_counts_though_its_day_cannot_be():
    (refused,) = doses(vxu("20241002", orc(), rxa(day="20991001", f20="RE")))
    assert refused["status"] == "not-done" and "occurrenceDateTime" not in refused
    (gone,) = doses(vxu("20241002", orc(), rxa()), vxu("20241003", orc(), rxa(day="20991001", f21="D")))
    assert gone["status"] == "entered-in-error"


MERGED = adt("A40", "20241005090000", DEAD, "MRG|H1^^^RXX^MR")
"""H1 is retired: the patient is H2 now."""


@pytest.mark.hazard("HZ-HL7V2-91")
def test_a_vaccination_is_found_under_the_number_that_its_patient_had_before_a_merge():
    sent = vxu("20241002", orc(), rxa())
    (gone,) = doses(sent, MERGED, vxu("20241006", orc(), rxa(f21="D"), pid=DEAD))
    assert gone["status"] == "entered-in-error"
    assert len(doses(sent, MERGED, vxu("20241006", orc(), rxa(), pid=DEAD))) == 1, "sent again"
    (changed,) = doses(sent, MERGED, vxu("20241006", orc(), rxa(HPV, f21="U"), pid=DEAD))
    assert changed["vaccineCode"]["coding"][0]["code"] == "48"


@pytest.mark.hazard("HZ-HL7V2-91")
def test_a_deletion_under_another_patient_takes_back_nothing():
    other = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
    made = doses(vxu("20241002", orc(), rxa()), vxu("20241006", orc(), rxa(f21="D"), pid=other))
    assert [dose["status"] for dose in made] == ["completed"]


@pytest.mark.hazard("HZ-HL7V2-91")
@pytest.mark.parametrize("number", ["UNKNOWN^SYS", "0000^SYS"])
def test_a_word_for_no_number_joins_no_vaccinations(number):
    made = doses(vxu("20241002", orc(number), rxa()), vxu("20241003", orc(number), rxa(HPV, f21="U")))
    assert len(made) == 2
