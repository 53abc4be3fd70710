"""Orders (ORM, ORR, OML, OMG): ServiceRequests that results are based on, whichever arrives first."""

import itertools

import pytest

from gateway.errors import Invalid
from mappings import Feed
from mappings.hl7v2.reader import rows
from tests.mappings.harness_hl7v2 import PID, map_sent, oru, visit
from tests.mappings.test_hl7v2_letters import FILE, mdm

BO = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
FBC, UE = "FBC^Full blood count^LIMS", "UE^Urea and electrolytes^LIMS"


def orm(time: str, *segments: str, kind: str = "ORM^O01", pid: str = PID) -> str:
    return "\r".join(
        [f"MSH|^~\\&|ICE|RXX|TIE|RXX|{time}||{kind}|o{time}{len(segments)}|T|2.4", pid, visit(), *segments]
    )


def orc(control: str = "NW", status: str = "", number: str = "P1^PAS", filler: str = "", reason: str = "") -> str:
    return f"ORC|{control}|{number}|{filler}||{status}||^^^^^S||20250601070000|||C1234567^Marsh^Sarah||||{reason}"


def obr(code: str = FBC, **fields: str) -> str:
    values = {4: code} | {int(name[1:]): value for name, value in fields.items()}
    return "OBR|1|" + "|".join(values.get(n, "") for n in range(2, 32))


def requests(*messages: str, warnings: list | None = None) -> list[dict]:
    """The ServiceRequests that messages make: the same in every order of arrival."""
    answers = [
        of_type("ServiceRequest", map_sent(*arrived, warnings=warnings)) for arrived in itertools.permutations(messages)
    ]
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def of_type(type_: str, made: list[dict]) -> list[dict]:
    return [each for each in made if each["resourceType"] == type_]


NEW = orm("20250601070000", orc(), obr())


def test_an_order_says_what_is_asked_for_by_whom_and_why():
    made = map_sent(orm(
        "20250601070000", "ORC|NW|P1^PAS|F1^LAB|G1^PAS|IP||||20250601065500|||C1234567^Marsh^Sarah", "TQ1|1||||||20250602080000||R",
        obr(f13="Tired", f24="LAB", f31="D50^Anaemia^I10"), "NTE|1||Fasting sample", "DG1|1||I10^Hypertension^I10", "OBX|1|CE|Q1^Pregnant^L||N^No^L||||||F",
        "SPM|1|S1||BLD^Blood^L",
    ))  # fmt: skip
    (request,), (specimen,) = of_type("ServiceRequest", made), of_type("Specimen", made)
    assert {number["value"] for number in request["identifier"]} == {"P1", "F1"} and request["requisition"][
        "value"
    ] == "G1"
    assert (request["status"], request["intent"], request["priority"]) == ("active", "order", "routine")
    assert request["code"]["coding"][0]["code"] == "FBC" and request["category"][0]["coding"][0]["code"] == "LAB"
    assert request["requester"]["display"] == "Sarah Marsh" and request["authoredOn"] == "2025-06-01T06:55:00+01:00"
    assert request["occurrenceDateTime"] == "2025-06-02T08:00:00+01:00" and request["encounter"]
    assert [reason["text"] for reason in request["reasonCode"]] == ["Anaemia", "Hypertension"]
    assert [note["text"] for note in request["note"]] == ["Clinical details: Tired", "Pregnant: No", "Fasting sample"]
    assert request["specimen"][0]["reference"].endswith(specimen["id"]) and specimen["type"]["text"] == "Blood"


@pytest.mark.hazard("HZ-HL7V2-88")
def test_an_order_is_never_a_result():
    made = map_sent(orm("20250601070000", orc(), obr(f25="F"), "OBX|1|NM|WT^Weight^L||80|kg|||||F"))
    assert {each["resourceType"] for each in made} == {"Patient", "ServiceRequest"}


STATUSES = [
    (("NW", ""), "active"), (("NW", "SC"), "active"), (("NW", "CA"), "revoked"), (("CA", ""), "revoked"), (("OC", ""), "revoked"),
    (("DC", ""), "revoked"), (("CR", "IP"), "revoked"), (("UA", ""), "revoked"), (("HD", ""), "on-hold"), (("SC", "CM"), "completed"),
    (("SC", "ER"), "entered-in-error"), (("RP", ""), "revoked"), (("SC", ""), "unknown"), (("ZZ", "ZZ"), "unknown"), (("", ""), "unknown"),
]  # fmt: skip


@pytest.mark.hazard("HZ-HL7V2-88")
@pytest.mark.parametrize("said, status", STATUSES)
def test_the_status_of_an_order(said, status):
    (request,) = requests(orm("20250601070000", orc(*said), obr()))
    assert request["status"] == status


@pytest.mark.hazard("HZ-HL7V2-88")
@pytest.mark.parametrize("changes, status", [
    ((("CA", ""),), "revoked"),
    ((("CA", ""), ("SC", "IP")), "revoked"),
    ((("CA", ""), ("UC", "")), "active"),
    ((("CA", ""), ("NW", "")), "active"),
    ((("HD", ""), ("RL", "")), "active"),
    ((("SC", "CM"),), "completed"),
    ((("SC", "CM"), ("CA", ""), ("UC", "")), "completed"),
    ((("SC", "CM"), ("DC", ""), ("UD", "")), "completed"),
    ((("SC", "CM"), ("NA", "")), "completed"),
    ((("SC", "CM"), ("OK", "")), "completed"),
    ((("SC", "CM"), ("SN", ""), ("SC", "IP")), "completed"),
    ((("SC", "CM"), ("HD", ""), ("UH", "")), "completed"),
    ((("SC", "CM"), ("XO", "")), "active"),
    ((("SC", "CM"), ("RO", "IP")), "active"),
    ((("SC", "CM"), ("SC", "ER")), "entered-in-error"),
    ((("SC", "CM"), ("OC", "")), "revoked"),
    ((("HD", ""), ("CA", ""), ("UC", "")), "active"),
    ((("RP", ""), ("UM", "")), "active"),
    ((("HD", ""), ("UH", "")), "active"),
    ((("CA", ""), ("UC", "CM")), "completed"),
    ((("CA", ""), ("UH", "")), "revoked"),
])  # fmt: skip
def test_a_cancelled_order_is_open_again_only_when_it_is_placed_again_or_could_not_be_cancelled(changes, status):
    later = [orm(f"2025060108000{n}", orc(*said, reason="D^Duplicate")) for n, said in enumerate(changes)]
    (request,) = requests(NEW, *later)
    assert request["status"] == status and request["code"]["text"] == "Full blood count"
    if changes[0] == ("CA", ""):
        assert {"text": "Reason: Duplicate"} in request["note"]
    assert {"text": "Replaced by another order"} not in request.get("note", ())


def test_a_replaced_order_is_revoked_and_the_new_one_names_it():
    made = requests(NEW, orm("20250601080000", orc("RP"), orc("RO", number="P2^PAS"), obr(UE)))
    old, new = sorted(made, key=lambda each: each["code"]["text"])
    assert (old["status"], new["status"]) == ("revoked", "active") and old["note"] == [
        {"text": "Replaced by another order"}
    ]
    assert new["replaces"][0]["identifier"]["value"] == "P1"


def test_two_tests_under_one_number_are_two_and_a_cancellation_by_number_is_of_both():
    made = requests(orm("20250601070000", orc(), obr(), obr(UE)), orm("20250601080000", orc("CA")))
    assert [each["status"] for each in made] == ["revoked", "revoked"] and len({each["id"] for each in made}) == 2
    made = requests(orm("20250601070000", orc(), obr(), obr(UE)), orm("20250601080000", orc("CA"), obr(UE)))
    assert {each["code"]["text"]: each["status"] for each in made} == {
        "Full blood count": "active",
        "Urea and electrolytes": "revoked",
    }


def test_an_answer_gives_the_order_its_number_and_a_change_of_none_makes_none():
    answer = orm("20250601070100", "MSA|AA|1", orc("OK", filler="F1^LAB"), kind="ORR^O02")
    (request,) = requests(NEW, answer)
    assert {number["value"] for number in request["identifier"]} == {"P1", "F1"}
    warnings = []
    assert not requests(orm("20250601080000", orc("CA")), warnings=warnings)
    assert warnings == [("ORC-1", "a change of an order that nobody placed")]


RESULT = "OBX|1|NM|HB^Haemoglobin||120|g/L||||F"


@pytest.mark.hazard("HZ-HL7V2-89")
@pytest.mark.parametrize("order, sent, is_linked", [
    (NEW, oru("20250601100000", RESULT, order="P1^PAS|F1^LAB"), True),
    (orm("20250601070000", orc(number="", filler="F1^LAB"), obr()), oru("20250601100000", RESULT, order="|F1^LAB"), True),
    (NEW, oru("20250601100000", RESULT, order="P1^PAS|F1^LAB", code=UE), False),
    (NEW, oru("20250601100000", RESULT, order="P1^PAS|F1^LAB", code=""), True),
    (orm("20250601070000", orc(), obr("")), oru("20250601100000", RESULT, order="P1^PAS|F1^LAB"), True),
    (orm("20250601070000", orc(), obr(), obr(UE)), oru("20250601100000", RESULT, order="P1^PAS|F1^LAB", code=""), False),
    (orm("20250601070000", orc(), obr(), obr(UE)), oru("20250601100000", RESULT, order="P1^PAS|F1^LAB"), True),
    (orm("20250601070000", orc(), obr(), obr(UE)), oru("20250601100000", RESULT, order="P1^PAS|F1^LAB", code="LFT^Liver^LIMS"), False),
    (NEW, oru("20250601100000", RESULT, order="P2^PAS|F1^LAB"), False),
    (NEW, oru("20250601100000", RESULT, order="P1^OTHER|F1^LAB"), False),
    (NEW, oru("20250601100000", RESULT, order="P1^PAS|F1^LAB", pid=BO), False),
])  # fmt: skip
def test_a_result_is_based_on_the_order_of_its_number_and_patient(order, sent, is_linked):
    for arrived in ((order, sent), (sent, order)):
        made = map_sent(*arrived)
        ids = {f"ServiceRequest/{each['id']}" for each in of_type("ServiceRequest", made)}
        found = [
            each.get("basedOn", [{}])[0].get("reference")
            for type_ in ("DiagnosticReport", "Observation")
            for each in of_type(type_, made)
        ]
        assert len(found) == 2 and all((reference in ids) == is_linked for reference in found)


BOTH, ONE = orm("20250601070000", orc(), obr(), obr(UE)), orm("20250601080000", orc("XO"), obr())


@pytest.mark.hazard("HZ-HL7V2-89")
@pytest.mark.parametrize("code", [FBC, UE])
def test_a_result_is_of_its_own_test_though_a_later_message_names_fewer(code):
    sent = oru("20250601100000", RESULT, order="P1^PAS|F1^LAB", code=code)
    for arrived in itertools.permutations((BOTH, ONE, sent)):
        made = map_sent(*arrived)
        asked = {f"ServiceRequest/{each['id']}": each["code"]["text"] for each in of_type("ServiceRequest", made)}
        (report,) = of_type("DiagnosticReport", made)
        assert [asked[each["reference"]] for each in report["basedOn"]] == [code.split("^")[1]]


@pytest.mark.hazard("HZ-HL7V2-89")
def test_a_letter_is_tied_to_no_one_of_several_tests_of_an_order():
    for arrived in itertools.permutations((BOTH, ONE, mdm("T02", "20250601120000", *FILE, f14="P1^PAS"))):
        (letter,) = of_type("DocumentReference", map_sent(*arrived))
        assert "reference" not in letter["context"]["related"][0]


def test_a_letter_is_related_to_the_order_that_it_answers():
    made = map_sent(NEW, mdm("T02", "20250601120000", *FILE, f14="P1^PAS"))
    (letter,), (request,) = of_type("DocumentReference", made), of_type("ServiceRequest", made)
    assert letter["context"]["related"][0]["reference"].endswith(request["id"])


@pytest.mark.hazard("HZ-HL7V2-89")
def test_one_order_number_of_two_people_is_an_order_of_each():
    warnings = []
    made = requests(NEW, orm("20250601080000", orc("CA"), obr(), pid=BO), warnings=warnings)
    assert {each["status"] for each in made} == {"active", "revoked"} and len(
        {each["subject"]["reference"] for each in made}
    ) == 2
    assert ("ORC-2", "one order number, two people") in warnings


@pytest.mark.parametrize(
    "priority, code, words",
    [("S", "stat", ""), ("A", "asap", ""), ("R", "routine", ""), ("T", None, "Timing is critical"), ("7", None, "7")],
)
def test_a_priority_that_fhir_has_no_code_for_stays_in_words(priority, code, words):
    (request,) = requests(orm("20250601070000", "ORC|NW|P1^PAS", obr(f5=priority)))
    assert request.get("priority") == code
    assert [note["text"] for note in request.get("note", ())] == ([f"Priority sent: {words}"] if words else [])


@pytest.mark.parametrize("message, reason", [
    (orm("20250601070000", orc(), "RXO|1^Aspirin^L"), "RXO: orders of medicines"),
    (orm("20250601070000", orc(number="")), "without a number"),
    (orm("20250601070000"), "no OBR or ORC"),
])  # fmt: skip
def test_what_is_no_order_of_a_service_is_refused(message, reason):
    with pytest.raises(Invalid, match=reason):
        list(rows(message.encode(), Feed()))


def test_an_order_without_a_number_is_known_by_its_patient_service_and_time():
    made = requests(
        orm("20250601070000", "ORC|NW", obr(f7="20250601")), orm("20250601080000", "ORC|OC", obr(f7="20250601"))
    )
    assert [each["status"] for each in made] == ["revoked"] and "identifier" not in made[0]


def test_an_allergy_that_comes_with_an_order_counts():
    made = map_sent(orm("20250601070000", "AL1|1|DA|1^Penicillin^L", orc(), obr()))
    assert len(of_type("AllergyIntolerance", made)) == 1
