"""ORU^R01 to DiagnosticReport and Observation: types of value, statuses, corrections."""

import base64
from decimal import Decimal

import pytest

from tests.mappings.harness_hl7v2 import DEAD, PID, map_text, one, oru

GRAMS = {"unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"}
PDF = base64.b64encode(b"%PDF-1.4 invented\n%%EOF\n").decode()


def obx(
    kind: str,
    value: str,
    status: str = "F",
    units: str = "g/L",
    code: str = "HB^Haemoglobin^LIMS",
    sub: str = "",
    **fields: str,
) -> str:
    values = {
        2: kind,
        3: code,
        4: sub,
        5: value,
        6: units,
        11: status,
        **{int(name[1:]): text for name, text in fields.items()},
    }
    return "OBX|1|" + "|".join(values.get(n, "") for n in range(2, 15))


def result(*texts: str, **settings) -> dict:
    return one(map_text(*texts, settings=settings), "Observation")


def first(kind: str, value: str, **fields) -> dict:
    return result(oru("20250601", obx(kind, value, **fields)))


def test_a_report_holds_its_results():
    resources = map_text(
        oru("20250601101500", obx("NM", "140"), "NTE|1||Sample haemolysed", obx("NM", "5.10", code="K^Potassium^LIMS"))
    )
    report = one(resources, "DiagnosticReport")
    assert report["identifier"] == [{"system": "https://fhir.nhs.uk/RXX/Id/LAB-DiagnosticReport", "value": "F1"}]
    assert (report["status"], report["issued"]) == ("final", "2025-06-01T10:15:00+01:00")
    assert report["effectiveDateTime"] == "2025-06-01T08:00:00+01:00" and len(report["result"]) == 2
    assert report["category"][0]["coding"][0]["code"] == "LAB" and report["meta"]["profile"][0].endswith(
        "DiagnosticReport-Lab"
    )
    potassium = next(each for each in resources if each.get("code", {}).get("text") == "Potassium")
    assert str(potassium["valueQuantity"]["value"]) == "5.10"
    haemoglobin = next(each for each in resources if each.get("code", {}).get("text") == "Haemoglobin")
    assert haemoglobin["note"] == [{"text": "Sample haemolysed"}]


@pytest.mark.parametrize(
    "kind, value, name, expected",
    [
        ("NM", "140", "valueQuantity", {"value": Decimal(140), **GRAMS}),
        ("NM", "-1.50", "valueQuantity", {"value": Decimal("-1.50"), **GRAMS}),
        ("NM", "<5", "valueQuantity", {"value": Decimal(5), "comparator": "<", **GRAMS}),
        ("TX", "6.09", "valueQuantity", {"value": Decimal("6.09"), **GRAMS}),
        ("ST", ">= 90", "valueQuantity", {"value": Decimal(90), "comparator": ">=", **GRAMS}),
        ("NM", "Pending", "valueString", "Pending"),
        ("NM", "1,024", "valueString", "1,024 g/L"),
        ("SN", ">^100", "valueQuantity", {"value": Decimal(100), "comparator": ">", **GRAMS}),
        ("SN", "^100", "valueQuantity", {"value": Decimal(100), **GRAMS}),
        ("SN", "<>^100", "valueString", "<>100 g/L"),
        ("SN", "^1^:^128", "valueRatio", {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(128)}}),
        ("SN", "^2^+", "valueString", "2+"),
        ("ST", "Group A & B ^ C", "valueString", "Group A & B ^ C"),
        ("TX", "one~two", "valueString", "one\ntwo"),
        ("FT", "one\\.br\\two", "valueString", "one\ntwo"),
        ("DT", "20250601", "valueDateTime", "2025-06-01"),
        ("TS", "202506011230", "valueDateTime", "2025-06-01T12:30:00+01:00"),
        ("TS", "soon", "valueString", "soon"),
        ("TM", "1230", "valueTime", "12:30:00"),
        ("", "seen", "valueString", "seen"),
    ],
)
def test_a_value_by_its_type(kind, value, name, expected):
    found = first(kind, value)
    assert found[name] == expected and "dataAbsentReason" not in found


def test_a_range_of_numbers():
    assert first("SN", "^5^-^10")["valueRange"]["high"]["value"] == Decimal(10)


def test_a_coded_value_keeps_the_local_code_and_its_snomed_alternate():
    found = first("CE", "POS^Positive^LIMS^10828004^Positive^SCT")["valueCodeableConcept"]
    assert [each["system"] for each in found["coding"]] == [
        "https://fhir.nhs.uk/RXX/CodeSystem/LIMS",
        "http://snomed.info/sct",
    ]
    assert found["text"] == "Positive"


def test_a_code_that_cannot_be_snomed_is_not_called_snomed():
    assert first("CE", "T-D0050^Tissue^SCT")["valueCodeableConcept"]["coding"][0]["system"].endswith("/SCT")


@pytest.mark.parametrize(
    "sent, unit", [("x10\\S\\9/L", "x10^9/L"), ("10^9/L", "10^9/L"), ("g/L", "g/L"), ("mmol/L^millimole^L", "mmol/L")]
)
def test_a_unit_is_read_whole(sent, unit):
    assert first("NM", "5", units=sent)["valueQuantity"]["unit"] == unit


@pytest.mark.parametrize(
    "sent, low, high",
    [
        ("4.0-11.0", "4.0", "11.0"), ("[ 150 - 400 ]", "150", "400"), ("<48", None, "48"), ("[ > 60 ]", "60", None), ("-2 - 2", "-2", "2"),
        ("negative", None, None),
    ],
)  # fmt: skip
def test_a_reference_range(sent, low, high):
    [found] = first("NM", "5", f7=sent)["referenceRange"]
    assert [str(found[side]["value"]) if side in found else None for side in ("low", "high")] == [low, high] and found[
        "text"
    ] == sent


def test_no_flag_says_nothing_of_normal():
    assert "interpretation" not in first("NM", "5")
    assert first("NM", "5", f8="HH")["interpretation"][0]["coding"][0]["code"] == "HH"


def test_lines_of_a_text_are_one_result_and_parts_of_a_document_one_document():
    lines = [obx("TX", line, code="COM^Comment^LIMS") for line in ("first", "second", "third")]
    assert result(oru("20250601", *lines))["valueString"] == "first\nsecond\nthird"
    parts = [obx("ED", f"LIMS^AP^PDF^Base64^{part}", code="DOC^Letter^LIMS") for part in (PDF[:8], PDF[8:])]
    report = one(map_text(oru("20250601", *parts)), "DiagnosticReport")
    assert report["presentedForm"] == [{"contentType": "application/pdf", "data": PDF, "title": "Letter"}]


@pytest.mark.hazard("HZ-HL7V2-17")
@pytest.mark.parametrize("at", range(3))
def test_a_deleted_line_of_a_text_is_not_shown_with_the_others(at):
    lines = [
        obx("TX", line, "D" if number == at else "F", code="COM^Comment^LIMS")
        for number, line in enumerate(("one", "two", "three"))
    ]
    found = map_text(oru("20250601", *lines, "NTE|1||x"))
    shown = {each.get("valueString", ""): each["status"] for each in found if each["resourceType"] == "Observation"}
    assert not any(("one", "two", "three")[at] in words for words in shown) and shown[""] == "entered-in-error"


def test_a_document_that_cannot_be_read_is_said_to_be_so():
    found = result(oru("20250601", obx("ED", "LIMS^AP^PDF^Base64^not base 64!", code="DOC^Letter^LIMS")))
    assert found["dataAbsentReason"]["coding"][0]["code"] and "valueString" not in found


@pytest.mark.parametrize(
    "sent, status",
    [
        ("F", "final"), ("P", "preliminary"), ("C", "corrected"), ("D", "entered-in-error"), ("W", "entered-in-error"), ("X", "cancelled"),
        ("I", "registered"), ("N", "cancelled"), ("R", "preliminary"), ("S", "preliminary"), ("U", "final"), ("O", "registered"),
        ("?", "unknown"), ("", "final"), ("B", "final"), ("V", "final"),
    ],
)  # fmt: skip
def test_the_status_of_a_result(sent, status):
    found = map_text(oru("20250601", obx("NM", "5", sent), "NTE|1||x"))
    assert one(found, "Observation")["status"] == status


@pytest.mark.parametrize(
    "sent, status",
    [("F", "final"), ("P", "preliminary"), ("R", "partial"), ("C", "corrected"), ("X", "cancelled"), ("", "unknown")],
)
def test_the_status_of_a_report(sent, status):
    assert one(map_text(oru("20250601", obx("NM", "5"), status=sent)), "DiagnosticReport")["status"] == status


FINAL = oru("20250601100000", obx("NM", "140"))


@pytest.mark.hazard("HZ-HL7V2-02")
@pytest.mark.parametrize("issued", ["20250601090000", "20250601110000"])
def test_a_preliminary_result_never_replaces_a_final_one(issued):
    early = oru(issued, obx("NM", "99", "P"), status="P")
    for texts in ((FINAL, early), (early, FINAL)):
        resources = map_text(*texts)
        found = one(resources, "Observation")
        assert (found["status"], found["valueQuantity"]["value"]) == ("final", Decimal(140)) and "note" not in found
        assert one(resources, "DiagnosticReport")["status"] == "final"


@pytest.mark.hazard("HZ-HL7V2-03")
def test_a_corrected_result_is_shown_as_corrected():
    resources = map_text(FINAL, oru("20250601120000", obx("NM", "104", "C"), status="C"))
    found = one(resources, "Observation")
    assert (found["status"], found["valueQuantity"]["value"]) == ("corrected", Decimal(104))
    assert one(resources, "DiagnosticReport")["status"] == "corrected"


@pytest.mark.hazard("HZ-HL7V2-02")
@pytest.mark.parametrize("late", ["P", "R", "I", "O", "S"])
def test_nothing_unsettled_replaces_a_corrected_result(late):
    texts = (
        FINAL,
        oru("20250601120000", obx("NM", "104", "C"), status="C"),
        oru("20250601130000", obx("NM", "99", late), status="P"),
    )
    found = result(*texts)
    assert (found["status"], found["valueQuantity"]["value"]) == ("corrected", Decimal(104)) and "note" not in found


@pytest.mark.hazard("HZ-HL7V2-03")
def test_the_corrected_value_sent_again_as_final_stays_corrected():
    again = oru("20250601130000", obx("NM", "104"))
    resources = map_text(FINAL, oru("20250601120000", obx("NM", "104", "C"), status="C"), again)
    assert one(resources, "Observation")["status"] == one(resources, "DiagnosticReport")["status"] == "corrected"


@pytest.mark.hazard("HZ-HL7V2-15")
@pytest.mark.parametrize("turned", [False, True])
def test_another_final_value_not_marked_as_a_correction_is_shown_as_amended(turned):
    texts = [FINAL, oru("20250601120000", obx("NM", "104"))]
    resources = map_text(*(reversed(texts) if turned else texts))
    found = one(resources, "Observation")
    assert (found["status"], found["valueQuantity"]["value"]) == ("amended", Decimal(104))
    assert "140 g/L" in found["note"][0]["text"] and one(resources, "DiagnosticReport")["status"] == "amended"


@pytest.mark.hazard("HZ-HL7V2-15")
def test_a_value_that_a_correction_took_back_does_not_come_back_unmarked():
    again = oru("20250601130000", obx("NM", "140"))
    found = result(FINAL, oru("20250601120000", obx("NM", "104", "C"), status="C"), again)
    assert (found["status"], found["valueQuantity"]["value"]) == ("corrected", Decimal(104))
    assert "140 g/L" in found["note"][0]["text"]


@pytest.mark.parametrize("status", ["D", "W"])
def test_a_withdrawn_result_keeps_no_value(status):
    found = result(FINAL, oru("20250601120000", obx("NM", "140", status)))
    assert found["status"] == "entered-in-error" and "valueQuantity" not in found
    again = result(FINAL, oru("20250601120000", obx("NM", "140", status)), oru("20250601130000", obx("NM", "104")))
    assert (again["status"], again["valueQuantity"]["value"]) == ("final", Decimal(104))


def test_final_without_a_value_makes_the_value_held_final():
    found = result(oru("20250601090000", obx("NM", "140", "P"), status="P"), oru("20250601100000", obx("NM", "", "U")))
    assert (found["status"], found["valueQuantity"]["value"]) == ("final", Decimal(140))


def test_a_correction_of_one_result_leaves_the_others():
    both = oru("20250601", obx("NM", "140"), obx("NM", "5.1", code="K^Potassium^LIMS"))
    resources = map_text(both, oru("20250602", obx("NM", "4.1", "C", code="K^Potassium^LIMS"), status="C"))
    assert len(one(resources, "DiagnosticReport")["result"]) == 2
    assert sorted(each["status"] for each in resources if each["resourceType"] == "Observation") == [
        "corrected",
        "final",
    ]


def test_two_services_under_one_filler_number_do_not_mix():
    comment = "COM^Comment^LIMS"
    text = (
        oru("20250601", obx("ST", "clotted", code=comment))
        + "\r"
        + "\r".join(
            [
                "OBR|2|P1^PAS|F1^LAB|UE^Urea^LIMS|||20250601|||||||||||||||20250601||LAB|F",
                obx("ST", "haemolysed", code=comment),
            ]
        )
    )
    correction = oru("20250602", obx("ST", "clear", "C", code=comment), status="C", code="UE^Urea^LIMS")
    resources = map_text(text, correction)
    assert len([each for each in resources if each["resourceType"] == "DiagnosticReport"]) == 2
    assert sorted(each["valueString"] for each in resources if each["resourceType"] == "Observation") == [
        "clear",
        "clotted",
    ]


def test_a_coded_result_repeated_in_one_message_is_two_results():
    resources = map_text(culture("20250601", "E. coli", "Proteus"))
    assert shown(resources) == ["E. coli final", "Proteus final"]


def culture(issued: str, *organisms: str, status: str = "F") -> str:
    return oru(
        issued, *(obx("CE", f"^{organism}", status, code="ORG", units="") for organism in organisms), status=status
    )


def shown(resources: list[dict]) -> list[str]:
    found = [each for each in resources if each["resourceType"] == "Observation"]
    assert not any("note" in each for each in found)
    return sorted(f"{each['valueCodeableConcept']['text']} {each['status']}" for each in found)


@pytest.mark.hazard("HZ-HL7V2-19")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((culture("20250602", "Proteus"),), ["E. coli final", "Proteus final"]),
        (
            (culture("20250602", "Proteus mirabilis", status="C"),),
            ["E. coli final", "Proteus final", "Proteus mirabilis corrected"],
        ),
        (
            (culture("20250602", "Klebsiella", "E. coli", "Proteus"),),
            ["E. coli final", "Klebsiella final", "Proteus final"],
        ),
        (
            (culture("20250602", "E. coli", "Proteus mirabilis", status="C"),),
            ["E. coli corrected", "Proteus mirabilis corrected"],
        ),
        ((culture("20250531", "Coliform", status="P"),), ["E. coli final", "Proteus final"]),
        ((culture("20250602", "Proteus"), culture("20250603", "E. coli")), ["E. coli final", "Proteus final"]),
    ],
)
def test_of_two_results_of_one_name_none_takes_the_others_place(texts, expected):
    assert shown(map_text(culture("20250601", "E. coli", "Proteus"), *texts)) == expected


@pytest.mark.hazard("HZ-HL7V2-16")
def test_an_order_number_used_again_for_another_person_mixes_nothing():
    other = "PID|1||H7^^^RXX^MR~9990001014^^^NHS||Stone^Ed||19500101|1"
    alone = map_text(FINAL)
    resources = map_text(FINAL, oru("20250701", obx("NM", "90"), pid=other))
    whose = {each["subject"]["reference"]: each for each in resources if each["resourceType"] == "Observation"}
    assert sorted(each["valueQuantity"]["value"] for each in whose.values()) == [90, 140]
    assert {each["status"] for each in whose.values()} == {"final"} and len(whose) == 2
    assert len({each["subject"]["reference"] for each in resources if each["resourceType"] == "DiagnosticReport"}) == 2
    assert one(alone, "Observation")["id"] not in {each["id"] for each in whose.values()}, (
        "an id never changes its person"
    )


def test_a_correction_after_a_merge_comes_under_the_surviving_number():
    resources = map_text(
        oru("20250601", obx("NM", "140"), pid=DEAD), oru("20250701", obx("NM", "104", "C"), pid=PID, status="C")
    )
    found = one(resources, "Observation")
    survivor = next(
        each
        for each in resources
        if each["resourceType"] == "Patient" and "H1" in [i["value"] for i in each["identifier"]]
    )
    assert found["status"] == "corrected" and found["subject"]["reference"] == f"Patient/{survivor['id']}"


def test_a_report_of_another_department_is_no_laboratory_report():
    resources = map_text(oru("20250601", obx("TX", "Clear chest")).replace("||LAB|F", "||RAD|F"))
    assert one(resources, "DiagnosticReport")["category"][0]["coding"][0]["code"] == "RAD"
    assert "category" not in one(resources, "Observation")


def test_comments_before_the_first_result_belong_to_the_report():
    report = one(map_text(oru("20250601", "NTE|1||Taken from a drip arm", obx("NM", "140"))), "DiagnosticReport")
    assert report["extension"][0]["valueAnnotation"] == {"text": "Taken from a drip arm"}


@pytest.mark.hazard("HZ-HL7V2-11")
def test_a_result_in_the_repeated_hour_is_flagged():
    found = result(oru("20251027", obx("NM", "140", f14="20251026011500")))
    assert (
        found["meta"]["tag"][0]["code"] == "ambiguous-time"
        and found["effectiveDateTime"] == "2025-10-26T01:15:00+01:00"
    )


@pytest.mark.hazard("HZ-HL7V2-11")
def test_a_value_or_a_document_of_the_repeated_hour_is_flagged():
    assert first("TS", "20251026011500")["meta"]["tag"][0]["code"] == "ambiguous-time"
    assert "tag" not in first("TS", "20251026031500")["meta"] and "tag" not in first("ST", "20251026011500")["meta"]
    document = obx("ED", f"LIMS^AP^PDF^Base64^{PDF}", f14="20251026011500", code="DOC^Letter^LIMS")
    assert one(map_text(oru("20251027", document)), "DiagnosticReport")["meta"]["tag"][0]["code"] == "ambiguous-time"


def test_a_result_without_a_name_says_that_it_has_none():
    found = result(oru("20250601", obx("NM", "140", code="^^LIMS"), code="^^LIMS"))
    assert found["code"]["extension"][0]["valueCode"] == "unknown"


@pytest.mark.parametrize(("other", "reports"), [("9990001006", 1), ("9990001014", 2)])
def test_one_person_under_an_order_number_is_known_by_the_nhs_number_of_pid_2_too(other, reports):
    first = oru("20250601110000", obx("NM", "5.1", "F"))
    second = oru("20250601120000", obx("NM", "6.2", "C"), pid=f"PID|1|{other}^^^NHS|H5^^^RYY^MR||Hale^Ann||19700203|2")
    assert len([item for item in map_text(first, second) if item["resourceType"] == "DiagnosticReport"]) == reports
