"""Which results are of one observation, what ties them, and what belongs to which."""

import base64
import itertools
import re
import time
from decimal import Decimal

import pytest

from gateway.fhir.build import encode
from gateway.fhir.model import check
from mappings import Feed, Group, Row, Values
from mappings.hl7v2 import SOURCE
from mappings.hl7v2.reader import row
from tests.mappings.harness_hl7v2 import PID, DictLook, map_rows, map_text, one, oru
from tests.mappings.test_hl7v2_results import obx

OTHER = "PID|1||H7^^^RXX^MR~9990001014^^^NHS||Stone^Ed||19500101|1"


def observations(*texts: str) -> list[dict]:
    """Return the Observations, which must be the same in any order of the messages."""
    answers = [
        [each for each in map_text(*order) if each["resourceType"] == "Observation"]
        for order in itertools.permutations(texts)
    ]
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def values(*texts: str) -> list[str]:
    shown = []
    for each in observations(*texts):
        quantity = each.get("valueQuantity", {}).get("value")
        shown.append(f"{each['status']} {quantity if quantity is not None else each.get('valueString', '')}".strip())
    return sorted(shown)


def nm(value: str, status: str = "F", **fields: str) -> str:
    return obx("NM", value, status, **fields)


def report(issued: str, *segments: str, status: str = "F", **kw) -> str:
    return oru(issued, *segments, status=status, **kw)


EARLY, LATE = "20250601080000", "20250601100000"


@pytest.mark.hazard("HZ-HL7V2-20")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([report("202506011100", nm("5.1", f14=EARLY), nm("5.1", f14=LATE))], ["final 5.1", "final 5.1"]),
        ([report("202506010805", nm("80", f14=EARLY)), report("202506011005", nm("135", f14=LATE))], ["final 135", "final 80"]),
        ([report("202506010805", nm("80", "P", f14=EARLY)), report("202506011005", nm("80", f14=LATE))], ["final 80"]),
        ([report("202506010805", nm("80", f14=EARLY)), report("202506011005", nm("85", "C", f14=LATE))], ["corrected 85"]),
        (
            [report("202506011100", nm("5.1", f14=EARLY), nm("9.9", f14=LATE)), report("202506011200", nm("", "W", f14=LATE))],
            ["entered-in-error", "final 5.1"],
        ),
        (
            [report("202506011100", nm("5.1", f14=EARLY), nm("9.9", f14=LATE)), report("202506011200", nm("9.9", "D"))],
            ["entered-in-error", "final 5.1"],
        ),
        (
            [report("202506011100", nm("5.1", f14=EARLY), nm("9.9", f14=LATE)), report("202506011200", nm("", "D"))],
            ["entered-in-error", "entered-in-error"],
        ),
        ([report("202506011100", nm("5", code="^^^A1^Sodium^L"), nm("7", code="^^^B2^Potassium^L"))], ["final 5", "final 7"]),
        ([report("202506011100", nm("5", code="^^^A1^Sodium^L")), report("202506011200", nm("7", code="^^^B2^Potassium^L"))], ["final 5", "final 7"]),
        ([report("202506011100", nm("1", code="R^Influenza"), nm("1", code="R^RSV"))], ["final 1", "final 1"]),
        ([report("202506011100", nm("1", code="R^Influenza")), report("202506011200", nm("2", code="R^RSV"))], ["final 1", "final 2"]),
        ([report("202506011100", nm("7.9", code="K^Potassium")), report("202506011200", nm("4.1", "C", code="K^Serum potassium"))], ["corrected 4.1"]),
        ([report("202506011100", nm("7.9", code="K^Potassium", sub="1")), report("202506011200", nm("7.9", "W", code="K^Potassium"))], ["entered-in-error"]),
    ],
)  # fmt: skip
def test_results_are_of_one_observation_by_name_and_time_and_never_by_value(texts, expected):
    assert values(*texts) == expected


@pytest.mark.hazard("HZ-HL7V2-21")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([report("202506011100", nm("7.9")), report("202506011200", nm("4.1"), status="C")], ["corrected 4.1"]),
        (
            [report("202506011100", nm("7.9"), nm("140", code="NA")), report("202506011200", nm("4.1"), nm("140", code="NA"), status="C")],
            ["corrected 4.1", "final 140"],
        ),
        ([report("202506011100", nm("7.9", "P"), status="P"), report("202506011200", status="X")], ["cancelled"]),
        ([report("202506011100", nm("7.9")), report("202506011200", status="X")], ["final 7.9"]),
        ([report("202506011100", nm("7.9")), report("202506011200", status="W")], ["entered-in-error"]),
        ([report("202506011100", nm("7.9")), report("202506011200", nm("4.1", "C"), status="W")], ["corrected 4.1"]),
        ([report("202506011100", nm("7.9")), report("202506011200", nm("4.1"), status="W")], ["entered-in-error"]),
        ([report("202506011100", nm("7.9", "P"), status="X")], ["cancelled 7.9"]),
        ([report("202506011100", nm("7.9", ""), "NTE|1||x", status="P")], ["preliminary 7.9"]),
        ([report("202506011100", nm("7.9", ""), "NTE|1||x", status="")], ["unknown 7.9"]),
        ([report("20260601110000", nm("7.9")).replace("|20260601110000||ORU", "|20250601110000||ORU"), report("202506011200", nm("4.1", "C"))], ["corrected 4.1"]),
    ],
)  # fmt: skip
def test_the_status_of_the_order_and_of_the_result_are_heard_together(texts, expected):
    assert values(*texts) == expected


@pytest.mark.hazard("HZ-HL7V2-40")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([(1, "450", "", EARLY), (2, "123", "", LATE)], ["unknown 123", "unknown 450"]),
        ([(1, "450", "", EARLY), (2, "123", "F", LATE)], ["final 123", "unknown 450"]),
        ([(1, "450", "F", EARLY), (2, "123", "", LATE)], ["final 450", "unknown 123"]),
        ([(1, "450", "", EARLY), (2, "123", "", EARLY)], ["unknown 123 (450 before)"]),
        ([(1, "450", "", ""), (2, "123", "F", "")], ["final 123 (450 before)"]),
        ([(1, "450", "F", ""), (2, "123", "", "")], ["final 450 (123 later)"]),
        ([(1, "450", "", EARLY), (2, "450", "", EARLY)], ["unknown 450"]),
        ([(1, "450", "", EARLY), (2, "123", "C", LATE)], ["corrected 123"]),
        ([(1, "450", "P", EARLY), (2, "123", "", LATE)], ["unknown 123"]),
        ([(1, "11", "P", ""), (2, "11", "P", ""), (2, "22", "P", "")], ["preliminary 11", "preliminary 22"]),
    ],
)  # fmt: skip
def test_a_value_without_a_status_neither_hides_another_nor_is_hidden(texts, expected):
    messages = [
        report(
            f"202506011{hour}00", *(nm(v, said, f14=at) for h, v, said, at in texts if h == hour), "NTE|1||x", status=""
        )
        for hour in (1, 2)
    ]
    shown = []
    for each in observations(*messages):
        notes = " ".join(note["text"] for note in each.get("note", []))
        aside = re.search(r"Sent (before|later) without a status, another value: (\d+)", notes)
        words = f" ({aside[2]} {aside[1]})" if aside else ""
        shown.append(f"{each['status']} {each['valueQuantity']['value']}{words}")
    assert sorted(shown) == expected


@pytest.mark.hazard("HZ-HL7V2-22")
def test_lines_of_one_text_are_one_observation_and_a_correction_replaces_all_of_it():
    lines = [
        obx("TX", words, code="RPT^Report", units="")
        for words in ("Skin, left arm:", "MALIGNANT melanoma", "MALIGNANT melanoma")
    ]
    assert values(report("202506011100", *lines)) == ["final Skin, left arm:\nMALIGNANT melanoma\nMALIGNANT melanoma"]
    benign = report("202506011200", obx("TX", "BENIGN naevus", "C", code="RPT^Report", units=""))
    assert values(report("202506011100", *lines), benign) == ["corrected BENIGN naevus"]


MICRO = "20250601|||||||||||||||202506011000||MB|F"


def battery(number: int, parent: str, *segments: str) -> str:
    return "\r".join([f"OBR|{number}|P1|F1^LAB|SENS^Sensitivities|||{MICRO}|{parent}", *segments])


@pytest.mark.hazard("HZ-HL7V2-23")
@pytest.mark.parametrize("shape", ["parent", "sub-id", "sequence"])
def test_each_susceptibility_is_tied_to_its_organism(shape):
    def drug(flag: str, sub: str = "") -> str:
        return obx("ST", "GEN", code="GEN^Gentamicin", units="", sub=sub, f8=flag)

    def organism(name: str, sub: str = "") -> str:
        return obx("CE", name, code="ISO^Isolate", units="", sub=sub)

    if shape == "parent":
        segments = [organism("E^E. coli", "1"), organism("P^Proteus", "2")]
        segments += [battery(2, "ISO&Isolate^1", drug("S")), battery(3, "ISO&Isolate^2", drug("R"))]
    elif shape == "sub-id":
        segments = [organism("E^E. coli", "1"), organism("P^Proteus", "2"), drug("S", "1"), drug("R", "2")]
    else:
        segments = [organism("E^E. coli"), drug("S"), organism("P^Proteus"), drug("R")]
    resources = map_text(oru("202506011000", *segments))
    isolates = {
        each["valueCodeableConcept"]["text"]: f"Observation/{each['id']}"
        for each in resources
        if each.get("code", {}).get("text") == "Isolate"
    }
    told = {
        each["interpretation"][0]["coding"][0]["code"]: (each["derivedFrom"][0]["reference"], each["note"][0]["text"])
        for each in resources
        if each.get("code", {}).get("text") == "Gentamicin"
    }
    assert told == {
        "S": (isolates["E. coli"], "Found in Isolate: E. coli"),
        "R": (isolates["Proteus"], "Found in Isolate: Proteus"),
    }


@pytest.mark.hazard("HZ-HL7V2-24")
def test_a_comment_belongs_to_what_it_follows_and_after_an_orc_to_the_next_order():
    text = oru("202506011000", nm("140", code="NA^Sodium"), "NTE|1||Of the sodium").replace(
        PID, f"{PID}\rNTE|1||Of the patient"
    )
    text += "\r" + "\r".join(
        [
            "ORC|RE|P2^PAS|F2^LAB",
            "NTE|1||Of order two",
            f"OBR|2|P2^PAS|F2^LAB|UE^Urea|||{MICRO}",
            nm("5", code="U^Urea"),
        ]
    )
    resources = map_text(text)
    notes = {
        each["code"]["text"]: str(each.get("note", "")) + str(each.get("extension", ""))
        for each in resources
        if each["resourceType"] != "Patient"
    }
    assert "Of order two" in notes["Urea"] or "Of order two" in str(
        [each for each in resources if each["resourceType"] == "DiagnosticReport" and each["code"]["text"] == "Urea"]
    )
    sodium = next(each for each in resources if each.get("code", {}).get("text") == "Sodium")
    assert sodium["note"] == [{"text": "Of the sodium"}]
    first = next(each for each in resources if each.get("code", {}).get("text") == "Full blood count")
    assert first["extension"][0]["valueAnnotation"]["text"] == "Of the patient"


def test_a_specimen_is_a_resource_and_one_that_was_rejected_says_so():
    spm = "SPM|1|S1&PAS^L9&LAB||122575003^Urine^SCT||||78014005^Bladder^SCT"
    spm += "|||||||||20250601074500|20250601090000|||H^Haemolysed"
    resources = map_text(oru("202506011000", spm, "NTE|1||Leaking", nm("5")))
    found, value = one(resources, "Specimen"), one(resources, "Observation")
    assert (found["status"], found["type"]["text"], found["receivedTime"]) == (
        "unsatisfactory",
        "Urine",
        "2025-06-01T09:00:00+01:00",
    )
    assert found["collection"]["bodySite"]["text"] == "Bladder" and found["identifier"][0]["value"] == "L9"
    assert [note["text"] for note in found["note"]] == ["Rejected: Haemolysed", "Leaking"]
    assert (
        value["specimen"]["reference"]
        == one(resources, "DiagnosticReport")["specimen"][0]["reference"]
        == f"Specimen/{found['id']}"
    )
    assert not [issue for each in resources for issue in check(encode(each))]


def test_codes_of_a_repeated_value_are_kept():
    [found] = observations(
        report("202506011000", obx("CWE", "1^CRPA^SCT~5933001^C diff^SCT", code="S^Screen", units=""))
    )
    assert found["valueString"] == "CRPA\nC diff"
    assert [part["valueCodeableConcept"]["coding"][0]["code"] for part in found["component"]] == ["1", "5933001"]


def test_range_and_flag_of_a_result_without_a_value_are_kept():
    [found] = observations(report("202506011000", obx("NM", "", f7="3-5", f8="H")))
    assert found["interpretation"] and found["referenceRange"] and found["dataAbsentReason"]


WHOLE = b"%PDF-1.4\n" + b"invented words " * 20 + b"\n%%EOF\n"
ENCODED = base64.b64encode(WHOLE).decode()


def ed(value: str, sub: str = "", status: str = "F") -> str:
    return obx("ED", value, status, code="DOC^Letter", units="", sub=sub)


def part(data: str) -> str:
    return f"^application^pdf^Base64^{data}"


@pytest.mark.hazard("HZ-HL7V2-25")
@pytest.mark.parametrize(
    ("segments", "count"),
    [
        ([ed(part(ENCODED))], 1),
        ([ed(part(ENCODED.rstrip("=")))], 1),
        ([ed(part(ENCODED[:101]), "1"), ed(part(ENCODED[101:]), "2")], 1),
        ([ed(part(ENCODED[:101])), "NTE|1||x", ed(ENCODED[101:])], 1),
        ([ed(part(ENCODED[:101]) + "~" + ENCODED[101:])], 1),
        ([ed(part(base64.b64encode(WHOLE[:100]).decode())), ed(part(base64.b64encode(WHOLE[100:]).decode()))], 1),
        ([ed(part(ENCODED)), ed(part(ENCODED))], 2),
        ([ed(part(ENCODED), "1"), ed(part(ENCODED), "2")], 2),
        ([ed(ENCODED)], 1),
        ([ed(part(ENCODED[:200]))], 0),
        ([ed(part(ENCODED[:203]))], 0),
        ([ed(part(base64.b64encode(b"no pdf").decode()))], 0),
    ],
    ids=range(12),
)
def test_a_document_is_shown_whole_or_said_to_be_absent(segments, count):
    text = oru("202506011000", *segments)
    resources = map_text(text)
    found = one(resources, "DiagnosticReport")
    assert [base64.b64decode(form["data"]) for form in found.get("presentedForm", [])] == [WHOLE] * count
    lost = [each for each in resources if each["resourceType"] == "Observation"]
    assert ("not shown" in str(found)) is (count == 0) and [
        each["dataAbsentReason"]["coding"][0]["code"] for each in lost
    ] == ["error"] * (count == 0)
    sent, look = row(text.encode(), Feed()), DictLook("RXX", Feed())
    SOURCE.to_fhir(Group(sent.groups[0], "RXX", (sent,)), look)
    assert len(look.warnings) == (count == 0)


@pytest.mark.hazard("HZ-HL7V2-26")
def test_a_withdrawal_reaches_its_person_though_the_order_number_is_of_two():
    texts = [
        report("202506011000", nm("7.9")),
        report("202506011200", nm("7.9", "W")),
        report("202506011201", nm("7.9"), pid=OTHER),
    ]
    for order in itertools.permutations(texts):
        resources = map_text(*order)
        whose = {
            each["subject"]["reference"]: each["status"] for each in resources if each["resourceType"] == "Observation"
        }
        names = {
            f"Patient/{each['id']}": each["name"][0]["family"]
            for each in resources
            if each["resourceType"] == "Patient"
        }
        assert {names[key]: status for key, status in whose.items()} == {"Marsh": "entered-in-error", "Stone": "final"}


@pytest.mark.hazard("HZ-HL7V2-26")
def test_what_a_group_withdraws_can_be_told_apart_from_the_rest_of_it():
    texts = [
        report("202506011000", nm("7.9"), ed(part(ENCODED))),
        report("202506011200", nm("7.9", "W"), ed("", status="D")),
    ]
    rows = tuple(row(text.encode(), Feed()) for text in texts)
    look = DictLook("RXX", Feed())
    group = Group(rows[0].groups[0], "RXX", rows)
    told, made = SOURCE.withdrawn(group, look), SOURCE.to_fhir(group, look)
    ids = {(each["resourceType"], each["id"]) for each in made}
    assert {(each["resourceType"], each["id"]) for each in told} <= ids
    assert sorted((each["resourceType"], each["status"]) for each in told)[-1] == ("Observation", "entered-in-error")
    assert not any("presentedForm" in each or "valueQuantity" in each for each in told)
    assert not [issue for each in told for issue in check(encode(each))]


@pytest.mark.hazard("HZ-HL7V2-26")
def test_a_merge_makes_two_numbers_one_person():
    rows = [
        row(text.encode(), Feed())
        for text in (report("202506011000", nm("7.9"), pid=OTHER), report("202506011200", nm("4.9", "C")))
    ]
    merge = Row("MERGE", "RXX|H7", "RXX", 1, Values(survivor="RXX|H1"))
    found = one(map_rows([*rows, merge], Feed()), "Observation")
    assert (found["status"], found["valueQuantity"]["value"]) == ("corrected", Decimal("4.9"))
    circle = Row("MERGE", "RXX|H1", "RXX", 2, Values(survivor="RXX|H7"))
    assert one(map_rows([*rows, merge, circle], Feed()), "Observation")["status"] == "corrected"


@pytest.mark.parametrize("shape", ["own filler", "one filler", "one name"])
def test_a_message_of_many_orders_takes_time_in_proportion(shape):
    def message(count: int) -> Row:
        lines = ["MSH|^~\\&|L|RXX|T|RXX|20250601||ORU^R01|1|T|2.4", PID]
        for n in range(count):
            filler, name = f"F{n if shape == 'own filler' else 1}", "T" if shape == "one name" else f"T{n}"
            lines.append(f"OBR|{n}|P|{filler}^L|{name}^Test|||20250601||||||||||||||||||F")
            lines.append(f"OBX|1|CE|{name}^A||{n}^x{n}||||||F")
        return row("\r".join(lines).encode(), Feed())

    def seconds(count: int) -> float:
        sent, best = message(count), 9.0
        for _ in range(3):
            start = time.process_time()
            map_rows([sent], Feed())
            best = min(best, time.process_time() - start)
        return best

    assert seconds(600) < 10 * seconds(150), "four times as many take about four times as long"
