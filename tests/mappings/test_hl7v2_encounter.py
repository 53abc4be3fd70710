"""ADT to Encounter: the life of a visit, its places, and what its codes mean."""

import random

import pytest

from tests.mappings.harness_hl7v2 import DEAD, PID, adt, map_text, one, visit

ADMIT = adt("A01", "20250601080500", visit(), occurred="20250601080000")
MOVE = adt("A02", "20250602100000", visit(ward="W2^B3^7"))
LEAVE = adt("A03", "20250603150500", visit(ended="20250603150000", f36="1", f37="19", ward=""))
METHOD = {"pv1_36": {"I": "discharge_method", "E": "attendance_disposal"}}


def encounter(*texts: str, **settings) -> dict:
    return one(map_text(*texts, settings=settings), "Encounter")


def places(found: dict) -> list[tuple]:
    return [(stay["location"]["display"], stay.get("status"), stay["period"].get("end")) for stay in found["location"]]


def test_an_admission_is_in_progress():
    found = encounter(ADMIT)
    assert (found["status"], found["class"]["code"]) == ("in-progress", "IMP")
    assert found["period"] == {"start": "2025-06-01T08:00:00+01:00"}
    assert found["identifier"] == [{"system": "https://fhir.nhs.uk/RXX/Id/Encounter", "value": "V1"}]
    assert places(found) == [("W1, B1, 1", "active", None)]


def test_a_transfer_ends_one_stay_and_begins_another():
    assert places(encounter(ADMIT, MOVE)) == [
        ("W1, B1, 1", "completed", "2025-06-02T10:00:00+01:00"),
        ("W2, B3, 7", "active", None),
    ]


def test_a_discharge_ends_the_visit_and_says_where_to():
    found = encounter(ADMIT, MOVE, LEAVE)
    assert found["status"] == "finished" and found["period"]["end"] == "2025-06-03T15:00:00+01:00"
    assert found["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "19"
    assert places(found)[-1] == ("W2, B3, 7", "completed", "2025-06-03T15:00:00+01:00")


def test_a_discharge_without_its_time_ends_when_the_event_happened():
    found = encounter(ADMIT, adt("A03", "20250603150500", visit(), occurred="20250603144500"))
    assert found["period"]["end"] == "2025-06-03T14:45:00+01:00"


@pytest.mark.hazard("HZ-HL7V2-09")
def test_a_cancelled_transfer_reopens_the_place_before():
    cancel = adt("A12", "20250602110000", visit(ward="W1^B1^1"), occurred="20250602100000")
    assert places(encounter(ADMIT, MOVE, cancel)) == [("W1, B1, 1", "active", None)]
    assert places(encounter(ADMIT, cancel, MOVE)) == [("W1, B1, 1", "active", None)]


@pytest.mark.hazard("HZ-HL7V2-18")
@pytest.mark.parametrize("seed", range(4))
def test_a_cancellation_undoes_nothing_that_was_recorded_after_it(seed):
    """Each event is cancelled at 11 and then entered anew in the evening, for a time before 11."""
    shuffled = random.Random(seed)
    admissions = [ADMIT, adt("A11", "20250601110000", visit(), occurred="20250601080000")]
    admissions += [adt("A01", "20250601200000", visit(), occurred="20250601090000")]
    transfers = [ADMIT, MOVE, adt("A12", "20250602110000", visit(), occurred="20250602100000")]
    transfers += [adt("A02", "20250602200000", visit(ward="W3"), occurred="20250602103000")]
    ends = [ADMIT, LEAVE.replace("A03|20250603150500", "A03|20250603090000")]
    ends += [adt("A13", "20250603110000", visit(), occurred="20250603090000")]
    ends += [adt("A03", "20250603200000", visit(ended="20250603103000"), occurred="20250603103000")]
    for texts in (admissions, transfers, ends):
        shuffled.shuffle(texts)
    assert encounter(*admissions)["status"] == "in-progress"
    assert places(encounter(*transfers)) == [
        ("W1, B1, 1", "completed", "2025-06-02T10:30:00+01:00"),
        ("W3", "active", None),
    ]
    found = encounter(*ends)
    assert (found["status"], found["period"]["end"]) == ("finished", "2025-06-03T10:30:00+01:00")


@pytest.mark.hazard("HZ-HL7V2-08")
def test_a_cancelled_discharge_puts_the_patient_back_on_the_ward():
    cancel = adt("A13", "20250603170000", visit(ended="20250603150000", f36="1", f37="19"), occurred="20250603150000")
    found = encounter(ADMIT, LEAVE, cancel)
    assert found["status"] == "in-progress" and "end" not in found["period"] and "extension" not in found
    assert "dischargeDisposition" not in found.get("hospitalization", {})
    assert places(found)[-1][1:] == ("active", None)
    again = encounter(ADMIT, LEAVE, cancel, adt("A03", "20250605120000", visit(ended="20250605115900")))
    assert again["status"] == "finished" and again["period"]["end"] == "2025-06-05T11:59:00+01:00"
    silent = encounter(ADMIT, LEAVE, cancel, adt("A03", "20250605120000", visit()))
    assert silent["status"] == "finished" and "end" not in silent["period"] and "extension" not in silent


@pytest.mark.hazard("HZ-HL7V2-08")
def test_an_update_after_a_cancelled_discharge_does_not_end_the_visit():
    cancel = adt("A13", "20250603170000", visit(), occurred="20250603150000")
    found = encounter(ADMIT, LEAVE, cancel, adt("A08", "20250604100000", visit(ended="20250603150000", f36="1")))
    assert found["status"] == "in-progress" and "end" not in found["period"] and "extension" not in found


@pytest.mark.hazard("HZ-HL7V2-10")
@pytest.mark.parametrize("later", ["A08", "A02", "A03", "A13", "A22"])
def test_a_cancelled_admission_stays_cancelled(later):
    cancel = adt("A11", "20250601090000", visit(), occurred="20250601080000")
    assert encounter(ADMIT, cancel)["status"] == "cancelled"
    assert encounter(ADMIT, cancel, adt(later, "20250602090000", visit()))["status"] == "cancelled"


def test_a_cancelled_visit_may_be_admitted_again():
    cancel = adt("A11", "20250601090000", visit(), occurred="20250601080000")
    assert (
        encounter(ADMIT, cancel, adt("A01", "20250602080000", visit(admitted="20250602080000")))["status"]
        == "in-progress"
    )


@pytest.mark.parametrize(
    "events, status",
    [
        (["A05"], "planned"),
        (["A04"], "arrived"),
        (["A05", "A38"], "cancelled"),
        (["A01", "A27"], "in-progress"),
        (["A01", "A14"], "in-progress"),
        (["A01", "A21"], "onleave"),
        (["A01", "A21", "A22"], "in-progress"),
        (["A01", "A21", "A52"], "in-progress"),
        (["A01", "A16", "A25"], "in-progress"),
        (["A08"], "in-progress"),
    ],
)
def test_the_status_follows_the_events(events, status):
    assert encounter(*(adt(event, f"2025060108000{n}", visit()) for n, event in enumerate(events)))["status"] == status


def test_a_visit_known_only_by_updates_says_what_its_fields_say():
    assert encounter(adt("A08", "20250601", visit(kind="P", admitted="")))["status"] == "planned"
    assert encounter(adt("A08", "20250601", visit(ended="20250602")))["status"] == "finished"
    assert encounter(adt("A08", "20250601", visit(admitted="")))["status"] == "unknown"


def test_a_deleted_visit_is_gone():
    assert not [
        each for each in map_text(ADMIT, adt("A23", "20250602", visit())) if each["resourceType"] == "Encounter"
    ]


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("I", "IMP"), ("B", "IMP"), ("E", "EMER"), ("O", "AMB"), ("R", "AMB"), ("P", "PRENC"), ("W", "PRENC"), ("EMERGENCY", "EMER"),
        ("N", None), ("", None),
    ],
)  # fmt: skip
def test_class_by_table(kind, expected):
    found = encounter(adt("A01", "20250601", visit(kind=kind)))["class"]
    assert found.get("code") == expected and (expected or found.get("display") == kind or found["extension"])


@pytest.mark.hazard("HZ-HL7V2-01")
@pytest.mark.parametrize(
    "kind, settings, url, code, words",
    [
        ("I", METHOD, "DischargeMethod", "4", "Patient died"),
        ("E", METHOD, "EmergencyCareDischargeStatus", "4", "Referred to A&E clinic"),
        ("O", METHOD, "DischargeMethod", "4", "of a table not known"),
        ("I", {}, "DischargeMethod", "4", "of a table not known"),
        ("E", {}, "DischargeMethod", "4", "of a table not known"),
    ],
)
def test_pv1_36_means_what_the_feed_says_and_nothing_by_default(kind, settings, url, code, words):
    found = encounter(adt("A03", "20250603", visit(kind=kind, ended="20250603", f36=code)), **settings)
    [extension] = found["extension"]
    coding = extension["valueCodeableConcept"]["coding"][0]
    assert extension["url"].endswith(url) and words in extension["valueCodeableConcept"]["text"]
    understood = coding["system"] == "https://fhir.hl7.org.uk/CodeSystem/UKCore-DischargeMethodEngland"
    assert understood is (kind == "I" and settings == METHOD)


@pytest.mark.hazard("HZ-HL7V2-01")
def test_a_discharge_code_never_makes_a_patient_dead():
    resources = map_text(adt("A03", "20250603", visit(ended="20250603", f36="4")), settings=METHOD)
    assert not [name for name in one(resources, "Patient") if name.startswith("deceased")]


def test_codes_of_admission_are_kept_when_nobody_maps_them():
    found = encounter(adt("A01", "20250601", visit(f4="21", f14="19", f10="300")))
    assert found["hospitalization"]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "21"
    assert found["hospitalization"]["admitSource"]["coding"][0]["system"].endswith("SourceOfAdmissionEngland")
    odd = encounter(adt("A01", "20250601", visit(f4="28b")))["hospitalization"]["extension"][0]["valueCodeableConcept"]
    assert odd == {
        "coding": [{"system": "https://fhir.nhs.uk/RXX/CodeSystem/admission-method", "code": "28b"}],
        "text": "28b",
    }


@pytest.mark.parametrize(
    "sent, gmc",
    [
        ("C9991204^Bennett^Fay^^^Dr", "9991204"),
        ("9991204^Bennett^Fay^^^Dr^^^GMC", "9991204"),
        ("X77^Bennett^Fay^^^Dr", None),
        ("^Bennett^Fay^^^Dr", None),
    ],
)
def test_a_clinician_has_a_number_only_if_one_was_sent(sent, gmc):
    [found] = encounter(adt("A01", "20250601", visit(f7=sent)))["participant"]
    assert (
        found["individual"].get("identifier", {}).get("value") == gmc
        and found["individual"]["display"] == "Dr Fay Bennett"
    )


def test_diagnoses_and_procedures_belong_to_the_visit():
    diagnosis, operation = (
        "DG1|1|I10|J18.9^Pneumonia^I10||20250601|F|||||||||1",
        "PR1|1||E85.1^Ventilation^O4||20250602",
    )
    text = adt("A03", "20250603", visit(ended="20250603"), diagnosis, operation)
    resources = map_text(ADMIT, text)
    condition, procedure, found = (one(resources, each) for each in ("Condition", "Procedure", "Encounter"))
    assert condition["code"]["coding"][0] == {
        "system": "http://hl7.org/fhir/sid/icd-10",
        "code": "J18.9",
        "display": "Pneumonia",
    }
    assert condition["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert found["diagnosis"] == [{"condition": {"reference": f"Condition/{condition['id']}"}, "rank": 1}]
    assert (procedure["status"], procedure["performedDateTime"]) == ("completed", "2025-06-02")


@pytest.mark.parametrize("kind, status", [("A", "provisional"), ("W", "provisional"), ("F", "confirmed"), ("", None)])
def test_a_working_diagnosis_is_not_confirmed(kind, status):
    found = one(
        map_text(adt("A01", "20250601", visit(), f"DG1|1|I10|J18.9^Pneumonia^I10||20250601|{kind}")), "Condition"
    )
    assert found.get("verificationStatus", {"coding": [{"code": None}]})["coding"][0]["code"] == status


@pytest.mark.hazard("HZ-CDS-10")
@pytest.mark.parametrize(
    ("segment", "type_", "text"),
    [
        ("DG1|1|I10|B24^^I10", "Condition", "B24: HIV disease"),
        ("DG1|1||B24^^ICD10", "Condition", "B24: HIV disease"),
        ("DG1|1||B24^Immune disorder^I10", "Condition", "Immune disorder: HIV disease"),
        ("DG1|1||Z83.0^^I10", "Condition", "Z83.0: HIV disease in the family"),
        ("DG1|1||X1^^L^N74.3^^I10", "Condition", "X1: gonococcal pelvic inflammatory disease (gonorrhoea)"),
        ("DG1|1||B24", "Condition", "B24 (in ICD-10: HIV disease)"),
        ("DG1|1||B24^Broken leg^PAS", "Condition", "Broken leg"),
        ("DG1|1||I10^^I10", "Condition", "I10"),
        ("PR1|1||Q14.1^^O4", "Procedure", "Q14.1: termination of pregnancy"),
        ("PR1|1||Q141", "Procedure", "Q141 (in OPCS-4: termination of pregnancy)"),
        ("PR1|1||W37.1^Hip^O4", "Procedure", "Hip"),
    ],
)
def test_a_protected_code_of_a_visit_has_words_by_which_it_is_held_back(segment, type_, text):
    assert one(map_text(adt("A01", "20250601", visit(), segment)), type_)["code"]["text"] == text


def test_a_procedure_of_a_visit_that_was_planned_is_not_completed():
    assert (
        one(map_text(adt("A05", "20250601", visit(kind="P"), "PR1|1||W37.1^Hip^O4||20250701")), "Procedure")["status"]
        == "preparation"
    )


def test_diagnoses_that_are_sent_again_replace_those_of_their_kind():
    def codes(*texts):
        return sorted(each["code"]["text"] for each in map_text(*texts) if each["resourceType"] == "Condition")

    first = adt("A01", "20250601", visit(), "DG1|1|I10|J18.9^Pneumonia^I10|||A", "DG1|2|I10|I10^Pressure^I10|||W")
    assert codes(first, adt("A08", "20250602", visit())) == ["Pneumonia", "Pressure"]
    assert codes(first, adt("A08", "20250602", visit(), "DG1|1|I10|I21^Infarct^I10|||W")) == ["Infarct", "Pneumonia"]
    assert codes(first, adt("A08", "20250602", visit(), "DG1|1|I10|I10^Pressure^I10|||W|||||||||||||||D")) == [
        "Pneumonia"
    ]


def test_a_merge_moves_the_visits_it_names_to_the_survivor():
    stay = adt("A01", "20250601", DEAD, visit())
    resources = map_text(adt("A28", "20250101"), stay, adt("A40", "20250701", "MRG|H2^^^RXX^MR||||V1^^^RXX"))
    survivor = next(each for each in resources if each["resourceType"] == "Patient" and each["active"])
    assert one(resources, "Encounter")["subject"] == {"reference": f"Patient/{survivor['id']}"}


@pytest.mark.hazard("HZ-HL7V2-06")
def test_a_shielded_patients_visit_shows_no_ward():
    found = encounter(adt("A01", "20250601", visit(), "ZU8||||1"), MOVE)
    assert found["meta"]["security"] == ["R"] and "location" not in found


@pytest.mark.hazard("HZ-HL7V2-11")
@pytest.mark.parametrize(
    "time, shown, flagged",
    [
        ("20251026013000", "2025-10-26T01:30:00+01:00", True),
        ("20251026013000+0000", "2025-10-26T01:30:00+00:00", False),
        ("20251026003000", "2025-10-26T00:30:00+01:00", False),
        ("20251026023000", "2025-10-26T02:30:00+00:00", False),
        ("20251025013000", "2025-10-25T01:30:00+01:00", False),
        ("20251026", "2025-10-26", False),
        ("20250330013000", "2025-03-30T01:30:00+00:00", True),
    ],
)
def test_the_hour_that_october_repeats_is_flagged(time, shown, flagged):
    found = encounter(adt("A01", time, visit(admitted=time)))
    assert found["period"]["start"] == shown
    assert ([tag["code"] for tag in found["meta"].get("tag", [])] == ["ambiguous-time"]) is flagged


@pytest.mark.hazard("HZ-HL7V2-05")
def test_a_visit_stays_with_the_survivor_though_a_later_message_names_the_dead_number():
    merge = adt("A40", "20250701", "MRG|H2^^^RXX^MR||||V1^^^RXX")
    stay = adt("A01", "20250601", DEAD, visit())
    later = adt("A03", "20250801", DEAD, visit(ended="20250801"))
    before, after = encounter(stay, merge), encounter(stay, merge, later)
    assert after["subject"] == before["subject"] and after["status"] == "finished"
    back = adt("A40", "20250702", DEAD, "MRG|H1^^^RXX^MR||||V1^^^RXX")
    assert encounter(stay, merge, back, later)["subject"] == encounter(stay)["subject"] != before["subject"]


def test_an_end_before_the_beginning_is_left_out():
    assert "end" not in encounter(adt("A03", "20250603", visit(ended="20250101")))["period"]


def test_an_event_without_a_visit_number_makes_no_encounter():
    resources = map_text(adt("A01", "20250601", PID, visit().replace("V1^^^RXX", "")))
    assert [each["resourceType"] for each in resources] == ["Patient"]
