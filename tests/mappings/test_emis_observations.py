"""An observation row becomes what it is: the traps of routing, negation, blood pressure and results, each a named
test."""

import csv
import itertools
from pathlib import Path

import pytest

from gateway.errors import Invalid
from gateway.nhs import labels, links
from mappings.emis import SOURCE
from mappings.emis.codes import is_concept
from mappings.emis.qualifiers import qualifiers
from mappings.vocabulary import code_table
from tests.mappings.harness import map_rows
from tests.mappings.harness_emis import (
    ALLERGIES,
    CONDITIONS,
    code,
    dated,
    deleted,
    mapped,
    named,
    observation,
    problem,
    qualifier,
    referral,
    sent,
)

ASTHMA = code("1", "Asthma", CONDITIONS, "H33..00", "195967001")
PENICILLIN = code("2", "Allergy to penicillin", ALLERGIES, "14L1.00", "91936005")
FLU = code("3", "Influenza vaccination", "Immunisations", "65E..00", "86198006")
PANEL = code("10", "O/E - blood pressure reading", "Biological values", "246..00", "75367002")
SYSTOLIC = code("11", "O/E - Systolic BP reading", "Biological values", "2469.00", "72313002")
DIASTOLIC = code("12", "O/E - Diastolic BP reading", "Biological values", "246A.00", "1091811000000102")
FBC = code("20", "Full blood count - FBC", "Haematology", "424..00", "1022441000000101")
HAEMOGLOBIN = code("21", "Haemoglobin estimation", "Haematology", "423..00", "1022431000000105")
CODES = (ASTHMA, PENICILLIN, FLU, PANEL, SYSTOLIC, DIASTOLIC, FBC, HAEMOGLOBIN)


def status_of(resource: dict, element: str) -> str:
    return resource[element]["coding"][0]["code"] if element in resource else ""


def types(found) -> list[str]:
    return [each["resourceType"] for each in found.resources()]


@pytest.mark.hazard("HZ-EMIS-01")
def test_an_allergy_on_the_problem_list_stays_an_allergy_and_becomes_a_condition_too():
    found = mapped(
        *CODES, observation("O1", "2"), problem("O1", ProblemStatusDescription="Past Problem", EndDate="2024-04-01")
    )
    allergy, condition = found.one("AllergyIntolerance"), found.one("Condition")
    assert status_of(allergy, "clinicalStatus") == "active"  # a past problem is no past allergy
    assert status_of(condition, "clinicalStatus") == "inactive"
    assert condition["category"][0]["coding"][0]["code"] == "problem-list-item"


@pytest.mark.parametrize(
    "told",
    [
        code("5", "Penicillin allergy", ALLERGIES),
        code("5", "Adverse reaction to aspirin", "Adverse drug reaction"),
        code("5", "H/O: penicillin allergy", CONDITIONS, "14L1.00"),
        code("5", "Allergy to penicillin", "Administration, documents and attachments", "", "91936005"),
        code("5", "Drug allergy NOS", "Administration, documents and attachments", "SN52."),
        code("5", "No known allergies", "Symptoms and Findings"),
        code("5", "Allergy to latex", "Administration, documents and attachments", "", "300916003"),
        code("5", "Allergy to elderflower", CONDITIONS),
        code("5", "H/O: flucloxacillin allergy", CONDITIONS),
        code("5", "Anaphylaxis due to bee sting", CONDITIONS),
        code("5", "Suspected allergy to trimethoprim", "Symptoms / Findings"),
        code("5", "[X]Adverse drug reaction to statin", CONDITIONS),
    ],
    ids=lambda row: row.values["Term"],
)
@pytest.mark.hazard("HZ-EMIS-02")
def test_any_code_of_an_allergy_is_an_allergy_whatever_its_category(told):
    assert types(mapped(told, observation("O1", "5"))) == ["AllergyIntolerance"]


@pytest.mark.hazard("HZ-EMIS-02")
@pytest.mark.parametrize(
    ("term", "made"),
    [
        ("Allergic rhinitis due to pollen", "Condition"),
        ("Allergic asthma", "Condition"),
        ("Intolerance to cold", "Condition"),
        ("FH: Allergy to penicillin", "FamilyMemberHistory"),
        ("Test for allergy to latex", "Condition"),
        ("Referral for allergy to nuts requested", "Observation"),
        ("Allergy to nuts leaflet given", "Observation"),
    ],
)
def test_words_that_only_speak_of_allergy_make_none(term, made):
    assert types(mapped(code("5", term, CONDITIONS), observation("O1", "5"))) == [made]


@pytest.mark.hazard("HZ-EMIS-02")
def test_every_code_of_the_allergy_sets_is_an_allergy():
    sets = Path(__file__).parents[2] / "terminology" / "sets"
    for name in ("allergy", "no-known-allergy"):
        for row in csv.DictReader((sets / f"{name}.csv").read_text(encoding="utf-8").splitlines()):
            snomed, read = (
                row["code"] if row["system"] == system else ""
                for system in ("http://snomed.info/sct", "http://read.info/readv2")
            )
            assert types(mapped(code("5", "A term", CONDITIONS, read, snomed), observation("O1", "5"))) == [
                "AllergyIntolerance"
            ], row["code"]


@pytest.mark.hazard("HZ-EMIS-02")
def test_an_entry_typed_as_an_allergy_is_one_whatever_its_code():
    assert types(mapped(*CODES, observation("O1", "1", ObservationType="Allergy"))) == ["AllergyIntolerance"]


@pytest.mark.hazard("HZ-EMIS-03")
def test_no_known_allergies_is_said_by_its_code_and_never_refuted():
    told = code("5", "No known allergies", ALLERGIES, "1151.00", "716186003")
    allergy = mapped(told, observation("O1", "5")).one("AllergyIntolerance")
    assert allergy["code"]["coding"][1]["code"] == "716186003" and allergy["code"]["text"] == "No known allergies"
    assert status_of(allergy, "verificationStatus") == "unconfirmed"


@pytest.mark.hazard("HZ-EMIS-04")
def test_a_text_only_allergy_says_that_it_is_degraded():
    allergy = mapped(code("5", "Elastoplast allergy (local)", ALLERGIES, "EMISNQAL9"), observation("O1", "5")).one(
        "AllergyIntolerance"
    )
    degraded, own = allergy["code"]["coding"]
    assert degraded["code"] == "196461000000101"
    assert (
        own["system"] == "https://fhir.hl7.org.uk/Id/egton-codes"
        and own["userSelected"]
        and allergy["code"]["text"] == own["display"]
    )


@pytest.mark.hazard("HZ-EMIS-05")
def test_a_problem_deleted_without_its_observation_leaves_the_condition():
    kept = mapped(*CODES, observation("O1", "1"), problem("O1"), deleted("CareRecord_Problem", ObservationGuid="{O1}"))
    condition = kept.one("Condition")
    assert condition["category"][0]["coding"][0]["code"] == "encounter-diagnosis" and "clinicalStatus" not in condition
    same = mapped(*CODES, observation("O1", "1"), problem("O1")).one("Condition")
    assert condition["id"] == same["id"] and status_of(same, "clinicalStatus") == "active"


def test_a_deleted_observation_makes_nothing_even_when_its_problem_stays():
    assert (
        types(
            mapped(
                *CODES, observation("O1", "1"), problem("O1"), deleted("CareRecord_Observation", ObservationGuid="{O1}")
            )
        )
        == []
    )
    assert types(mapped(*CODES, deleted("CareRecord_Observation", ObservationGuid="{O1}"))) == []


@pytest.mark.hazard("HZ-EMIS-05")
@pytest.mark.parametrize("told", [problem("O1"), referral("O1")], ids=["problem", "referral"])
def test_a_problem_or_referral_whose_observation_never_came_waits_and_is_counted(told):
    alone = map_rows(SOURCE, [*CODES, told])
    assert alone.faults == {"obs:o1": "column ObservationGuid"} and not alone.resources()
    assert mapped(*CODES, told, observation("O1", "1")).resources()
    assert types(mapped(*CODES, observation("O2", "1", ParentObservationGuid="{O1}"))) == ["Condition"]


@pytest.mark.hazard("HZ-EMIS-06")
@pytest.mark.parametrize(
    ("term", "category", "made", "status"),
    [
        ("Influenza vaccination", "Immunisations", "Immunization", "completed"),
        ("Influenza vaccination declined", "Immunisations", "Immunization", "not-done"),
        ("Influenza vaccination refused", "Immunisations", "Immunization", "not-done"),
        ("MMR vaccination not given", "Immunisations", "Immunization", "not-done"),
        ("Influenza vaccination contraindicated", "Immunisations", "Immunization", "not-done"),
        ("Influenza vaccination invitation first letter sent", "Immunisations", "Observation", "final"),
        ("Consent given for MMR vaccination", "Immunisations", "Observation", "final"),
        ("Pneumococcal vaccination due", "Immunisations", "Observation", "final"),
        ("Colonoscopy not done", CONDITIONS, "Procedure", "not-done"),
        ("Colonoscopy declined", CONDITIONS, "Procedure", "not-done"),
        ("Appendicectomy", CONDITIONS, "Procedure", "completed"),
        ("Colonoscopy planned", CONDITIONS, "Observation", "final"),
        ("Referral to dietitian declined", "Referral", "Observation", "final"),
        ("Parent declines MMR vaccination", "Immunisations", "Immunization", "not-done"),
        ("Mother refuses MMR vaccination", "Immunisations", "Immunization", "not-done"),
        ("Parental objection to MMR vaccination", "Immunisations", "Immunization", "not-done"),
        ("Influenza vaccination postponed", "Immunisations", "Immunization", "not-done"),
        ("Immunisations not up to date", "Immunisations", "Immunization", "not-done"),
        ("Requires pneumococcal vaccination", "Immunisations", "Observation", "final"),
        ("Immunisation status unknown", "Immunisations", "Observation", "final"),
        ("Operation cancelled", CONDITIONS, "Procedure", "not-done"),
    ],
)
def test_what_was_not_done_is_never_completed(term, category, made, status):
    found = mapped(code("5", term, category), observation("O1", "5")).one(made)
    assert found["status"] == status
    if status == "not-done":
        assert found["statusReason"]["text"] == term


@pytest.mark.hazard("HZ-EMIS-07")
@pytest.mark.parametrize(
    ("term", "made"),
    [
        ("No H/O: asthma", "Observation"),
        ("No evidence of diabetes", "Observation"),
        ("Not pregnant", "Observation"),
        ("Myocardial infarction ruled out", "Observation"),
        ("Never had chickenpox", "Observation"),
        ("Asthma unlikely", "Observation"),
        ("Hepatitis B antigen negative", "Observation"),
        ("Seronegative arthritis", "Condition"),
        ("Delayed puberty", "Condition"),
        ("Diabetes screening declined", "Observation"),
        ("FH: Asthma", "FamilyMemberHistory"),
        ("[V]Family history of ischaemic heart disease", "FamilyMemberHistory"),
        ("No FH: Diabetes mellitus", "Observation"),
        ("Deafness due to noise", "Condition"),
        ("Cognitive decline", "Condition"),
        ("Congenital absence of kidney", "Condition"),
        ("Non-Hodgkin lymphoma", "Condition"),
        ("Noonan syndrome", "Condition"),
    ],
)
def test_a_code_that_denies_makes_no_condition_and_is_not_denied_twice(term, made):
    found = mapped(code("5", term, CONDITIONS), observation("O1", "5"))
    assert types(found) == [made]
    text = found.resources()[0]
    assert (text["condition"][0]["code"] if made == "FamilyMemberHistory" else text["code"])["text"] == term
    assert "verificationStatus" not in text


@pytest.mark.hazard("HZ-EMIS-08")
@pytest.mark.parametrize(
    ("term", "verification", "clinical"),
    [
        ("Suspected UTI", "provisional", ""),
        ("?Appendicitis", "provisional", ""),
        ("Asthma resolved", "", "resolved"),
        ("Acute leukaemia in remission", "", "remission"),
        ("H/O: asthma", "", "inactive"),
        ("Asthma", "", ""),
    ],
)
def test_uncertain_resolved_and_past_conditions_say_so(term, verification, clinical):
    condition = mapped(code("5", term, CONDITIONS), observation("O1", "5")).one("Condition")
    assert (status_of(condition, "verificationStatus"), status_of(condition, "clinicalStatus")) == (
        verification,
        clinical,
    )


@pytest.mark.hazard("HZ-EMIS-09")
@pytest.mark.parametrize(
    ("pair", "verification"),
    [
        (("Certainty", "Suspected"), "provisional"),
        (("Certainty", "Confirmed"), "confirmed"),
        (("Certainty", "Unlikely"), "unconfirmed"),  # not likely is not ruled out
        (("Certainty", "Excluded"), "refuted"),
        (("Certainty", "As per letter of 3 May"), "unconfirmed"),
        (("Presence", "Absent"), "refuted"),
        (("Finding context", "Known absent"), "refuted"),
        (("Presence", "True"), "confirmed"),
        (("Presence", "No"), "refuted"),
        (("Negation", "Yes"), "refuted"),
        (("Negated", "true"), "refuted"),
        (("Negation", "No"), ""),
        (("Negated", "false"), ""),
        (("Negation", "somewhat"), "unconfirmed"),
    ],
)
def test_qualifiers_of_certainty_and_negation_change_the_status(pair, verification):
    condition = mapped(*CODES, observation("O1", "1", Qualifiers=qualifier(*pair))).one("Condition")
    assert status_of(condition, "verificationStatus") == verification


@pytest.mark.hazard("HZ-EMIS-09")
def test_a_qualifier_of_subject_makes_it_somebody_elses():
    found = mapped(*CODES, observation("O1", "1", Qualifiers=qualifier("Relationship", "Mother")), problem("O1"))
    history = found.one("FamilyMemberHistory")
    assert types(found) == ["FamilyMemberHistory"] and history["relationship"]["text"] == "Mother"


@pytest.mark.hazard("HZ-EMIS-09")
@pytest.mark.parametrize(
    ("told", "pairs"),
    [
        (ASTHMA, (("Relationship", "Mother"), ("Presence", "Absent"))),
        (code("1", "FH: Asthma", CONDITIONS), (("Presence", "Absent"),)),
        (code("1", "Asthma", "Family history"), (("Presence", "Absent"),)),
    ],
)
def test_an_illness_a_relative_has_not_is_neither_the_relatives_nor_denied_of_the_patient(told, pairs):
    found = mapped(told, observation("O1", "1", Qualifiers=named("qualifier", *pairs))).one("Observation")
    assert "Presence: Absent" in found["valueCodeableConcept"]["text"] and (
        "Mother" in found["valueCodeableConcept"]["text"]
    ) is (len(pairs) == 2)


@pytest.mark.hazard("HZ-EMIS-09")
@pytest.mark.parametrize("number", ["1", "2", "3", "10", "30", "31"])
@pytest.mark.parametrize(
    "pairs",
    [
        (("Certainty", "Possible"), ("Temporality", "Past")),
        (("Certainty", "Confirmed"), ("Status", "Resolved")),
        (("Relationship", "Mother"), ("Certainty", "Possible")),
    ],
)
def test_of_several_qualifiers_none_is_lost(number, pairs):
    from gateway.fhir.build import encode

    more = code("30", "Appendicectomy", CONDITIONS), code("31", "Haemoglobin", "Haematology")
    values = {"Value": "131"} if number == "31" else {}
    row = observation("O1", number, Qualifiers=named("qualifier", *pairs), **values)
    told = b"".join(encode(each) for each in mapped(*CODES, *more, row).resources()).decode()
    assert all(f"{key}: {value}" in told for key, value in pairs)


@pytest.mark.hazard("HZ-EMIS-09")
@pytest.mark.parametrize(
    ("told", "pair", "values"),
    [
        (code("5", "Asthma", "Family history"), ("Certainty", "Possible"), {}),
        (HAEMOGLOBIN, ("Temporality", "Past"), {"Value": "131"}),
    ],
    ids=["family", "past value"],
)
def test_a_qualifier_that_a_kind_has_no_element_for_is_kept_in_words(told, pair, values):
    from gateway.fhir.build import encode

    [found] = mapped(told, observation("O1", told.key, **{"Qualifiers": qualifier(*pair), **values})).resources()
    assert encode(found).decode().count(": ".join(pair)) == 1


@pytest.mark.hazard("HZ-EMIS-09")
@pytest.mark.parametrize("value", ["Suspected", "Possible"])
def test_an_uncertain_allergy_says_so_in_words(value):
    allergy = mapped(*CODES, observation("O1", "2", Qualifiers=qualifier("Certainty", value))).one("AllergyIntolerance")
    assert status_of(allergy, "clinicalStatus") == "active" and allergy["note"] == [{"text": f"Certainty: {value}"}]


def test_a_severity_without_a_reaction_invents_none():
    [reaction] = mapped(*CODES, observation("O1", "2", Qualifiers=qualifier("Severity", "Severe"))).one(
        "AllergyIntolerance"
    )["reaction"]
    assert reaction["severity"] == "severe" and reaction["manifestation"][0]["extension"][0]["valueCode"] == "unknown"


@pytest.mark.hazard("HZ-EMIS-09")
@pytest.mark.parametrize(
    ("number", "pair", "made", "element", "expected"),
    [
        ("3", ("Status", "Declined"), "Immunization", "status", "not-done"),
        ("3", ("Status", "Planned"), "ServiceRequest", "intent", "plan"),
        ("2", ("Certainty", "Excluded"), "AllergyIntolerance", "verificationStatus", "refuted"),
        ("10", ("Status", "Declined"), "Observation", "status", "cancelled"),
        ("10", ("Presence", "Absent"), "Observation", "valueCodeableConcept", "2667000"),
    ],
)
def test_a_qualifier_gives_the_negative_form_of_every_kind(number, pair, made, element, expected):
    found = mapped(*CODES, observation("O1", number, Qualifiers=qualifier(*pair))).one(made)[element]
    assert (found["coding"][0]["code"] if isinstance(found, dict) else found) == expected


def test_details_and_unknown_keys_of_qualifiers_are_kept():
    text = named(
        "qualifier", ("Manufacturer", "Acme"), ("Batch number", "B7"), ("Expiry date", "2025-06-30"), ("Colour", "blue")
    )
    vaccine = mapped(*CODES, observation("O1", "3", Qualifiers=text)).one("Immunization")
    assert (vaccine["manufacturer"]["display"], vaccine["lotNumber"], vaccine["expirationDate"]) == (
        "Acme",
        "B7",
        "2025-06-30",
    )
    assert vaccine["note"] == [{"text": "Colour: blue"}]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><qualifier>&a;</qualifier>',
        "<qualifier><item><key>Presence</key><value>Abs",
        "<qualifier>" + "x" * 20_000 + "</qualifier>",
        "<qualifier>&unknown;</qualifier>",
    ],
)
@pytest.mark.hazard("HZ-EMIS-10")
def test_broken_qualifiers_quarantine_the_row_because_the_lost_half_may_say_not(text):
    with pytest.raises(Invalid, match="column Qualifiers"):
        qualifiers(text)
    found = map_rows(SOURCE, [*CODES, observation("O1", "1", Qualifiers=text)])
    assert found.faults == {"obs:o1": "column Qualifiers"} and not found.resources()


def test_every_pattern_of_the_tables_matches_its_example():
    for row in code_table("mappings.emis", "codes_sense"):
        found = mapped(code("5", row["example"], CONDITIONS), observation("O1", "5"))
        assert found.resources(), row["example"]


@pytest.mark.hazard("HZ-EMIS-11")
@pytest.mark.parametrize("value", ["false", "", "FALSE"])
def test_not_abnormal_is_not_normal(value):
    rows = observation("O1", "21", Value="131", NumericUnit="g/L")
    rows.values["Abnormal"] = value
    assert "interpretation" not in mapped(*CODES, rows).one("Observation")


def test_abnormal_is_said_with_its_reason():
    row = observation("O1", "21", Value="90", NumericUnit="g/L", AbnormalReason="LO")
    row.values["Abnormal"] = "TRUE"
    assert mapped(*CODES, row).one("Observation")["interpretation"] == [
        {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "L"}],
            "text": "LO",
        }
    ]


@pytest.mark.hazard("HZ-EMIS-12")
def test_significance_is_not_severity():
    condition = mapped(*CODES, observation("O1", "1"), problem("O1", SignificanceDescription="Minor Problem")).one(
        "Condition"
    )
    assert "severity" not in condition and condition["category"][1] == {"text": "Minor Problem"}
    severe = mapped(*CODES, observation("O1", "1", Qualifiers=qualifier("Severity", "Severe"))).one("Condition")
    assert severe["severity"]["coding"][0]["code"] == "24484000"


PRESSURES = (
    observation("BP", "10"),
    observation("DIA", "12", 2, ParentObservationGuid="{BP}", Value="130", NumericUnit="mmHg"),
    observation("SYS", "11", 3, ParentObservationGuid="{BP}", Value="80", NumericUnit="mmHg"),
)
"""With the values the wrong way round on purpose."""


@pytest.mark.hazard("HZ-EMIS-13")
def test_blood_pressure_is_told_by_child_code_never_by_value():
    found = mapped(*CODES, *PRESSURES)
    systolic, diastolic = found.one("Observation")["component"]
    assert systolic["code"]["text"] == "O/E - Systolic BP reading" and str(systolic["valueQuantity"]["value"]) == "80"
    assert (
        diastolic["code"]["text"] == "O/E - Diastolic BP reading" and str(diastolic["valueQuantity"]["value"]) == "130"
    )


@pytest.mark.hazard("HZ-EMIS-13")
def test_where_codes_cannot_tell_there_are_two_observations_and_a_flag():
    same = [
        observation(guid, "10", 2, ParentObservationGuid="{BP}", Value=value, NumericUnit="mmHg")
        for guid, value in (("A", "130"), ("B", "80"))
    ]
    found = mapped(*CODES, PRESSURES[0], *same).resources("Observation")
    readings = [each for each in found if "valueQuantity" in each]
    assert len(found) == 3 and len(readings) == 2 and not any("component" in each for each in found)
    assert all(each["meta"]["tag"][0]["code"] == "blood-pressure-part-unclear" and each["note"] for each in readings)


SECOND = (
    observation("DIA2", "12", 4, ParentObservationGuid="{BP}", Value="90", NumericUnit="mmHg"),
    observation("SYS2", "11", 5, ParentObservationGuid="{BP}", Value="142", NumericUnit="mmHg"),
)


@pytest.mark.hazard("HZ-EMIS-41")
@pytest.mark.parametrize("more", [SECOND, SECOND[:1], SECOND[1:]], ids=["two pairs", "diastolic", "systolic"])
def test_two_pressures_in_one_panel_are_not_joined(more):
    """Which systolic belongs to which diastolic nobody says."""
    found = mapped(*CODES, *PRESSURES, *more).resources("Observation")
    readings = [each for each in found if "valueQuantity" in each]
    [panel] = [each for each in found if "valueQuantity" not in each]
    assert len(readings) == 2 + len(more) and not any("component" in each for each in found)
    assert all(each["meta"]["tag"][0]["code"] == "blood-pressure-part-unclear" for each in readings)
    assert len(panel["hasMember"]) == len(readings)


@pytest.mark.hazard("HZ-EMIS-41")
def test_a_confidential_reading_of_several_hides_itself():
    hidden = observation(
        "SYS2", "11", 5, ParentObservationGuid="{BP}", Value="142", NumericUnit="mmHg", IsConfidential="true"
    )
    found = mapped(*CODES, *PRESSURES, hidden).resources("Observation")
    assert [str(each["valueQuantity"]["value"]) for each in found if each["meta"].get("security")] == ["142"]


def test_a_report_names_the_specimen_that_is_its_child():
    blood = code("33", "Venous blood specimen", "Pathology specimen")
    found = mapped(
        *CODES, blood, observation("R", "20"), observation("H", "21", ParentObservationGuid="{R}", Value="135"),
        observation("S", "33", ParentObservationGuid="{R}"),
    )  # fmt: skip
    specimen = {"reference": f"Specimen/{found.one('Specimen')['id']}"}
    assert found.one("DiagnosticReport")["specimen"] == [specimen]
    within = mapped(
        *CODES, blood, observation("R", "20", Value="1"), observation("S", "33", ParentObservationGuid="{R}")
    )
    assert within.one("Observation")["specimen"] == specimen


GIVEN = [
    ("Influenza vaccination given by other healthcare provider", True),
    ("Seasonal influenza vaccination given by pharmacist", True),
    ("First COVID-19 vaccination given elsewhere", True),
    ("Hepatitis B vaccination administered abroad", True),
    ("Influenza vaccination", False),
    ("Influenza vaccination given", False),
    ("Second hepatitis A vaccination given by intramuscular injection", False),
]


@pytest.mark.hazard("HZ-EMIS-42")
@pytest.mark.parametrize(("term", "is_elsewhere"), GIVEN)
def test_a_vaccination_that_somebody_else_gave_is_a_report_of_it(term, is_elsewhere):
    vaccine = mapped(code("5", term, "Immunisations"), observation("O1", "5")).one("Immunization")
    assert vaccine["status"] == "completed"
    assert vaccine.get("primarySource") is (False if is_elsewhere else None)
    assert ("performer" in vaccine) is not is_elsewhere


@pytest.mark.hazard("HZ-EMIS-14")
def test_a_delta_with_only_a_child_row_changes_the_pressure():
    newer = observation("SYS", "11", 99, ParentObservationGuid="{BP}", Value="142", NumericUnit="mmHg")
    assert newer.groups == ("obs:sys", "obs:bp")
    systolic, _ = mapped(*CODES, *PRESSURES, newer).one("Observation")["component"]
    assert str(systolic["valueQuantity"]["value"]) == "142"


@pytest.mark.hazard("HZ-EMIS-14")
def test_a_part_whose_parent_is_deleted_or_absent_or_another_patients_is_an_observation_of_its_own():
    gone = mapped(*CODES, *PRESSURES, deleted("CareRecord_Observation", ObservationGuid="{BP}")).resources()
    late = mapped(*CODES, *PRESSURES[1:]).resources()
    other = mapped(*CODES, *PRESSURES[1:], observation("BP", "10", PatientGuid="{P2}")).resources()
    assert [len(gone), len(late), len(other)] == [2, 2, 3]
    assert sum("valueQuantity" in each for each in gone) == sum("valueQuantity" in each for each in late) == 2


@pytest.mark.hazard("HZ-EMIS-14")
def test_a_part_is_shown_once_in_every_order_of_arrival():
    expected = mapped(*CODES, *PRESSURES).resources()
    for rows in itertools.permutations((*PRESSURES, SYSTOLIC, PANEL)):
        assert mapped(DIASTOLIC, *rows).resources() == expected


@pytest.mark.parametrize(
    "more",
    [
        {"Qualifiers": qualifier("Certainty", "Possible")},
        {"EffectiveDate": "2024-03-12"},
        {"ProblemGuid": "{P9}"},
        {"ConsultationGuid": "{C9}"},
    ],
)
def test_a_part_with_something_of_its_own_to_say_is_not_a_component(more):
    found = mapped(
        *CODES, *PRESSURES[:2], observation("SYS", "11", ParentObservationGuid="{BP}", Value="80", **more)
    ).resources("Observation")
    assert sorted(len(each.get("component", [])) for each in found) == [0, 1]


@pytest.mark.hazard("HZ-EMIS-15")
def test_a_confidential_part_hides_the_whole_pressure():
    rows = (*PRESSURES[:2], observation("SYS", "11", ParentObservationGuid="{BP}", Value="80", IsConfidential="true"))
    assert mapped(*CODES, *rows).one("Observation")["meta"]["security"] == ["R"]


@pytest.mark.hazard("HZ-EMIS-15")
@pytest.mark.parametrize("number", ["1", "2", "3", "10", "20", "21"])
def test_a_confidential_entry_is_labelled_whatever_it_becomes(number):
    rows = (observation("O1", number, IsConfidential="True"), problem("O1"))
    assert all(each["meta"]["security"] == ["R"] for each in mapped(*CODES, *rows).resources())
    assert not any("security" in each["meta"] for each in mapped(*CODES, observation("O1", number)).resources())


def test_a_battery_is_a_report_of_its_results_and_a_battery_within_it_a_group():
    rows = (
        observation("R", "20"),
        observation("G", "20", 2, ParentObservationGuid="{R}"),
        observation(
            "H",
            "21",
            3,
            ParentObservationGuid="{G}",
            Value="131.0",
            NumericUnit="g/L",
            NumericRangeLow="115",
            NumericRangeHigh="165",
        ),
    )
    found = mapped(*CODES, *rows)
    inner, result = sorted(found.resources("Observation"), key=lambda each: "valueQuantity" in each)
    assert found.one("DiagnosticReport")["result"] == [{"reference": f"Observation/{inner['id']}"}]
    assert inner["hasMember"] == [{"reference": f"Observation/{result['id']}"}]
    assert str(result["valueQuantity"]["value"]) == "131.0" and result["valueQuantity"]["code"] == "g/L"
    assert {name: str(bound["value"]) for name, bound in result["referenceRange"][0].items()} == {
        "low": "115",
        "high": "165",
    }


def test_a_test_request_waits_for_its_results():
    asked = observation("R", "20", ObservationType="Test Request")
    assert types(mapped(*CODES, asked)) == ["ServiceRequest"]
    result = observation("H", "21", 2, ParentObservationGuid="{R}", Value="131")
    assert types(mapped(*CODES, asked, result)) == ["DiagnosticReport", "Observation"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [("3.5", "", {"text": "> 3.5 mmol/L"}), ("", "5.3", {"text": "< 5.3 mmol/L"})],
)
def test_one_bound_alone_is_a_limit_in_words(low, high, expected):
    row = observation("O1", "21", Value="4", NumericUnit="mmol/L", NumericRangeLow=low, NumericRangeHigh=high)
    assert mapped(*CODES, row).one("Observation")["referenceRange"] == [expected]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (
            "1.00",
            "g/L",
            '"valueQuantity":{"value":1.00,"unit":"g/L","system":"http://unitsofmeasure.org","code":"g/L"}',
        ),
        (" 7 ", "", '"valueQuantity":{"value":7}'),
        ("7", "handfuls", '"valueQuantity":{"value":7,"unit":"handfuls"}'),
        ("<5", "g/L", '"valueString":"<5 g/L"'),
        ("NaN", "", '"valueString":"NaN"'),
    ],
)
def test_values_keep_their_digits_and_units_their_words(value, unit, expected):
    from gateway.fhir.build import encode

    found = mapped(*CODES, observation("O1", "21", Value=value, NumericUnit=unit)).one("Observation")
    assert expected in encode(found).decode()


@pytest.mark.hazard("HZ-EMIS-16")
def test_an_entry_waits_for_its_code_and_is_mapped_when_it_comes():
    waiting = map_rows(SOURCE, [observation("O1", "1")])
    assert waiting.faults == {"obs:o1": "column CodeId"}
    assert types(mapped(observation("O1", "1"), ASTHMA)) == ["Condition"]


@pytest.mark.hazard("HZ-EMIS-17")
@pytest.mark.parametrize(
    ("when", "precision", "expected"),
    [
        ("1998-01-01", "Y", "1998"),
        ("1998-05-01", "YM", "1998-05"),
        ("1998-05-07", "YMD", "1998-05-07"),
        ("1998-05-07", "YMDT", "1998-05-07"),
        ("2024-07-01 09:30:00", "YMDT", "2024-07-01T09:30:00+01:00"),
        ("1998-05-07", "U", None),
        ("", "U", None),
    ],
)
def test_a_partial_date_is_never_padded(when, precision, expected):
    row = observation("O1", "1", EffectiveDate=when, EffectiveDatePrecision=precision)
    assert mapped(*CODES, row).one("Condition").get("onsetDateTime") == expected


@pytest.mark.hazard("HZ-EMIS-26")
def test_an_immunisation_of_unknown_date_says_that_it_is_unknown():
    vaccine = mapped(*CODES, observation("O1", "3", EffectiveDate="", EffectiveDatePrecision="U")).one("Immunization")
    assert (
        vaccine["_occurrenceDateTime"]["extension"][0]["valueCode"] == "unknown" and "occurrenceDateTime" not in vaccine
    )


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("EffectiveDate", "2024-02-30", "column EffectiveDate"),
        ("EffectiveDatePrecision", "DECADE", "column EffectiveDatePrecision"),
        ("EnteredTime", "25:00:00", "column EnteredTime"),
        ("EnteredDate", "yesterday", "column EnteredDate"),
    ],
)
def test_a_date_that_is_none_is_a_fault_with_its_place(column, value, fault):
    assert map_rows(SOURCE, [*CODES, observation("O1", "1", **{column: value})]).faults == {"obs:o1": fault}


@pytest.mark.hazard("HZ-EMIS-17")
@pytest.mark.parametrize("number", ["1", "2", "3", "10", "20", "21", "30", "31", "32"])
def test_a_time_of_effect_the_clock_showed_twice_is_flagged_whatever_it_is_of(number):
    more = (
        code("30", "Referral to physiotherapist", "Referral"),
        code("31", "Blood", "Pathology specimen"),
        code("32", "FH: Asthma", "Family history"),
    )
    twice = {"EffectiveDate": "2024-10-27 01:30:00", "EffectiveDatePrecision": "YMDT"}
    [found] = mapped(*CODES, *more, observation("O1", number, **twice)).resources()
    assert found["meta"]["tag"][0]["code"] == "ambiguous-time"
    [once] = mapped(
        *CODES, *more, observation("O1", number, **twice | {"EffectiveDate": "2024-10-27 03:30:00"})
    ).resources()
    assert "tag" not in once["meta"]


@pytest.mark.hazard("HZ-EMIS-17")
def test_a_time_the_clock_showed_twice_is_flagged():
    row = observation("O1", "21", Value="1", EnteredDate="2024-10-27", EnteredTime="01:30:00")
    found = mapped(*CODES, row).one("Observation")
    assert found["issued"] == "2024-10-27T01:30:00+01:00" and found["meta"]["tag"][0]["code"] == "ambiguous-time"


def test_a_referral_is_one_request_with_what_its_row_adds():
    told = code("5", "Referral to cardiologist", "Referral", "8H44.00", "183519002")
    row = referral(
        "O1",
        ReferralUrgency="2 Week Wait",
        ReferralUBRN="000012345678",
        ReferralTargetOrganisationGuid="{ORG}",
        TransportRequired="true",
    )
    found = mapped(told, observation("O1", "5"), row).one("ServiceRequest")
    assert (
        found["priority"] == "urgent"
        and found["identifier"][0]["value"] == "000012345678"
        and found["status"] == "unknown"
    )
    assert [note["text"] for note in found["note"]] == ["Urgency: 2 Week Wait", "Transport required"]


@pytest.mark.parametrize(
    ("read", "snomed", "codings"),
    [
        ("H33..00", "195967001", [("http://read.info/readv2", "H33.."), ("http://snomed.info/sct", "195967001")]),
        ("H33..-1", "", [("http://read.info/readv2", "H33..")]),
        ("H33", "", [("http://read.info/readv2", "H33..")]),
        ("EMISNQAC724", "1777541000006100", [("https://fhir.hl7.org.uk/Id/egton-codes", "EMISNQAC724")]),
        ("", "301485011", [("https://fhir.hl7.org.uk/Id/egton-codes", "7")]),
        ("", "195967001", [("https://fhir.hl7.org.uk/Id/egton-codes", "7"), ("http://snomed.info/sct", "195967001")]),
    ],
)
def test_the_practices_coding_is_kept_and_a_standard_one_added_never_guessed(read, snomed, codings):
    found = mapped(code("7", "Asthma", CONDITIONS, read, snomed), observation("O1", "7")).one("Condition")["code"]
    assert [(each["system"], each["code"]) for each in found["coding"]] == codings
    assert [each.get("userSelected", False) for each in found["coding"]] == [True] + [False] * (len(codings) - 1)
    assert found["text"] == "Asthma"


def test_snomed_ids_of_the_tables_have_the_shape_of_concepts():
    told = [
        row["code"]
        for name in ("allergy", "blood_pressure")
        for row in code_table("mappings.emis", f"codes_{name}")
        if row["system"] == "snomed"
    ]
    assert all(is_concept(each) for each in told)


@pytest.mark.hazard("HZ-EMIS-27")
@pytest.mark.parametrize(
    "category",
    ["Investigation requests", "Referral", "Pathology specimen", CONDITIONS, "Dental procedure", "Something new"],
)
@pytest.mark.parametrize(
    "said", [{}, {"ObservationType": "Test Request"}, {"Qualifiers": qualifier("Certainty", "Possible")}]
)
def test_a_value_is_never_lost_to_a_kind_without_one(category, said):
    found = mapped(code("5", "A thing", category), observation("O1", "5", Value="5.0", NumericUnit="g/L", **said)).one(
        "Observation"
    )
    assert str(found["valueQuantity"]["value"]) == "5.0"


@pytest.mark.parametrize("number", ["2", "3", "32"])
def test_a_value_beside_what_has_none_is_a_note(number):
    from gateway.fhir.build import encode

    [found] = mapped(
        *CODES, code("32", "FH: Asthma", "Family history"), observation("O1", number, Value="2", NumericUnit="dose")
    ).resources()
    assert '"Value: 2 dose"' in encode(found).decode()


def test_every_kind_of_entry_is_told_by_its_category():
    categories = {
        "Biochemistry": "Observation",
        "Pathology specimen": "Specimen",
        "Investigation requests": "ServiceRequest",
        "Family history": "FamilyMemberHistory",
        "Referral": "ServiceRequest",
        "Something new": "Condition",
        CONDITIONS: "Condition",
    }
    for category, made in categories.items():
        assert types(mapped(code("5", "A thing", category), observation("O1", "5"))) == [made], category


@pytest.mark.parametrize(
    ("read", "made"),
    [
        ("7700.00", "Procedure"),
        ("H33..00", "Condition"),
        ("8H77.00", "Condition"),
        ("8B31.00", "Condition"),
        ("5100.00", "Procedure"),
        ("", "Condition"),
    ],
)
def test_conditions_and_procedures_are_told_apart_by_read_chapter(read, made):
    assert types(mapped(code("5", "A thing", CONDITIONS, read), observation("O1", "5"))) == [made]


@pytest.mark.hazard("HZ-EMIS-25")
@pytest.mark.parametrize("number", ["1", "3", "10", "20", "21", "30", "31", "32", "33"])
def test_what_is_filed_under_a_problem_points_at_it_so_that_it_can_be_hidden_with_it(number):
    more = (
        code("30", "Referral to physiotherapist", "Referral"),
        code("31", "Appendicectomy", CONDITIONS),
        code("32", "FH: Asthma", "Family history"),
        code("33", "Cervical swab", "Pathology specimen"),
    )
    found = mapped(*CODES, *more, observation("P", "1"), problem("P"), observation("O1", number, 2, ProblemGuid="{P}"))
    target = next(each for each in found["obs:p"])
    reference = {"reference": f"Condition/{target['id']}"}
    made = found["obs:o1"][0]
    assert reference in made.get("reasonReference", []) or reference in [
        each.get("valueReference") for each in made.get("extension", [])
    ]


@pytest.mark.hazard("HZ-EMIS-28")
@pytest.mark.parametrize("number", ["1", "2", "3", "10", "20", "21", "30", "31", "32", "33"])
def test_what_was_said_in_a_confidential_consultation_is_hidden_with_it(number):
    more = (
        code("30", "Referral to physiotherapist", "Referral"),
        code("31", "Appendicectomy", CONDITIONS),
        code("32", "FH: Asthma", "Family history"),
        code("33", "Cervical swab", "Pathology specimen"),
    )
    row = sent("CareRecord_Consultation", **dated(ConsultationGuid="{C1}", Complete="true", IsConfidential="true"))
    found = mapped(*CODES, *more, row, observation("O1", number, ConsultationGuid="{C1}")).resources()
    items = [
        (number, each, labels.CONFIDENTIAL if each["meta"].get("security") == ["R"] else 0)
        for number, each in enumerate(found)
    ]
    spread: dict[int, dict[int, str]] = {number: {} for number, _, _ in items}
    links.spread(items, spread)
    hidden = {number for number, _, own in items if own or spread[number]}
    assert len(found) == 2 and hidden == {0, 1}


@pytest.mark.hazard("HZ-EMIS-07")
def test_a_denying_code_on_the_problem_list_is_not_denied_twice():
    found = mapped(code("5", "Myocardial infarction ruled out", CONDITIONS), observation("O1", "5"), problem("O1"))
    assert types(found) == ["Condition", "Observation"] and "verificationStatus" not in found.one("Condition")


@pytest.mark.hazard("HZ-EMIS-07")
def test_a_family_without_illness_has_no_relative_with_one():
    assert types(mapped(code("5", "Nil of note in parents", "Family history"), observation("O1", "5"))) == [
        "Observation"
    ]


@pytest.mark.parametrize(
    ("term", "clinical", "verification"),
    [
        ("Penicillin allergy ruled out", "inactive", "refuted"),
        ("Penicillin allergy unlikely", "active", "unconfirmed"),
        ("Penicillin allergy not confirmed", "active", "unconfirmed"),
        ("Egg allergy resolved", "resolved", "unconfirmed"),
        ("No H/O: penicillin allergy", "active", "unconfirmed"),
        ("H/O: penicillin allergy", "active", "unconfirmed"),
    ],
)
@pytest.mark.hazard("HZ-EMIS-03")
def test_only_an_allergy_ruled_out_or_resolved_is_no_longer_active(term, clinical, verification):
    allergy = mapped(code("5", term, ALLERGIES), observation("O1", "5")).one("AllergyIntolerance")
    assert (status_of(allergy, "clinicalStatus"), status_of(allergy, "verificationStatus")) == (clinical, verification)


@pytest.mark.hazard("HZ-EMIS-14")
def test_a_pressure_with_a_referral_row_is_still_one_pressure():
    found = mapped(*CODES, *PRESSURES, referral("BP"), referral("SYS"))
    assert len(found.one("Observation")["component"]) == 2
