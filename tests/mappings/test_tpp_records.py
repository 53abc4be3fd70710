"""SystmOne's rows become what they say: the traps that would harm somebody, one by one."""

import pytest

from gateway.nhs import identity, sensitive
from gateway.nhs.codesets import CodeSet, CodeSets
from mappings.tpp import SOURCE
from mappings.tpp.codes import CTV3, LOCAL
from tests.mappings.harness import Mapped, map_rows
from tests.mappings.harness_tpp import NURSES, PRACTICE, code, deleted, mapped, of_patient, patient, sent

SNOMED = "http://snomed.info/sct"


def option(key: str, word: str):
    return sent("SRConfiguredListOption", RowIdentifier=key, ConfiguredListOption=word, RemovedData="0")


def listed(key: str, word: str):
    return sent("SRMapping", RowIdentifier=key, IdMappingGroup="1", Mapping=word)


def types(found: Mapped) -> list[str]:
    return [made["resourceType"] for made in found.resources()]


def notes(resource: dict) -> list[str]:
    return [note["text"] for note in resource.get("note", ())]


# Coded entries


ROUTES = {
    # term, CTV3, SNOMED CT: what it becomes
    ("Asthma", "H33..", "195967001"): "Condition",
    ("Allergy to penicillin", "XaDfx", "91936005"): "AllergyIntolerance",
    ("H/O: penicillin allergy", "14L1.", ""): "AllergyIntolerance",
    ("FH: Ischaemic heart disease", "12C2.", ""): "FamilyMemberHistory",
    ("Appendicectomy", "XaPGa", "80146002"): "Procedure",
    ("Seasonal influenza vaccination", "XaZ0d", "822851000000102"): "Immunization",
    ("Referral to physiotherapist", "XaBTp", "306170007"): "ServiceRequest",
    ("Serum potassium", "44I4.", ""): "Observation",
    ("Asthma annual review", "66YJ.", "394700004"): "Observation",
    ("Asthma not present", "XaXXX", ""): "Observation",
    ("AMOXICILLIN 500mg capsules", "e311.", ""): "MedicationStatement",
    ("Penicillin allergy", "x00aG", ""): "AllergyIntolerance",
    ("Aspirin declined", "bu23.", ""): "Observation",
    ("No family history of diabetes", "XaYYY", ""): "Observation",
    ("Advice about asthma", "XaZZ1", ""): "Observation",
}


@pytest.mark.hazard("HZ-TPP-01")
@pytest.mark.parametrize(
    ("words", "route"), ROUTES.items(), ids=lambda part: part[0] if isinstance(part, tuple) else part
)
def test_an_entry_is_what_its_chapter_and_words_say(words, route):
    found = mapped(code(*words))
    assert types(found) == [route]
    assert not found.unlisted


@pytest.mark.hazard("HZ-TPP-01")
def test_a_medicine_among_the_coded_entries_is_no_diagnosis_and_no_prescription():
    course = mapped(code("Ramipril", "bi6..", IsNumeric="TRUE", NumericValue="28")).one("MedicationStatement")
    assert course["status"] == "unknown" and "basedOn" not in course
    assert [coding["code"] for coding in course["medicationCodeableConcept"]["coding"]] == ["196421000000109", "bi6.."]
    assert notes(course) == ["Recorded as a coded entry, not as a prescription", "Value: 28"]


def test_what_neither_chapter_nor_words_tell_is_a_condition_and_is_counted():
    found = mapped(code("Frobnication", "XaQQQ"))
    assert types(found) == ["Condition"] and found.unlisted == ["SRCode CTV3Code"]
    assert mapped(code("Frobnication", "H3zzz")).unlisted == [], "its chapter tells"


@pytest.mark.hazard("HZ-TPP-02")
def test_an_allergy_on_the_problem_list_stays_an_allergy_and_becomes_a_condition_too():
    entry = code("Allergy to penicillin", "XaDfx", "91936005")
    found = mapped(entry, of_patient("SRProblem", "1", IDCode="1000", DateEnd="12 Mar 2024 00:00:00"))
    assert types(found) == ["AllergyIntolerance", "Condition"]
    allergy = found.one("AllergyIntolerance")
    assert allergy["clinicalStatus"]["coding"][0]["code"] == "active", "the problem ended, and not the allergy"


@pytest.mark.hazard("HZ-TPP-32")
@pytest.mark.parametrize(
    ("texts", "degraded", "said"),
    [
        ({"CTV3Text": "Allergy to penicillin"}, "196461000000101", "Allergy to penicillin"),
        ({"SNOMEDText": "Allergy to penicillin"}, "196461000000101", "Allergy to penicillin"),
        ({"CTV3Text": "Non-drug allergy: peanut"}, "196471000000108", "Non-drug allergy: peanut"),
        (
            {"SNOMEDText": "Drug allergy", "CTV3Text": "Allergy to penicillin"},
            "196461000000101",
            "Drug allergy; Allergy to penicillin",
        ),
    ],
)
def test_an_allergy_without_a_code_keeps_the_words_that_name_its_substance(texts, degraded, said):
    allergy = mapped(of_patient("SRCode", "1000", CTV3Code=" ", SNOMEDCode="-1", **texts)).one("AllergyIntolerance")
    assert [coding["code"] for coding in allergy["code"]["coding"]] == [degraded]
    assert allergy["code"]["text"] == said


@pytest.mark.hazard("HZ-TPP-32")
@pytest.mark.parametrize("term", [term for term, _, _ in ROUTES])
def test_no_kind_of_entry_loses_its_words_for_want_of_a_code(term):
    [made] = mapped(of_patient("SRCode", "1000", SNOMEDCode="-1", CTV3Text=term)).resources()
    assert f"'text': '{term}'" in str(made)


def test_any_code_of_the_stores_own_allergy_set_is_an_allergy():
    own = CodeSets((CodeSet("allergy", {(LOCAL, "Y1234"): "drug"}, covers=frozenset({LOCAL})),))
    assert types(map_rows(SOURCE, [code("Practice template 3", "Y1234")], own=own)) == ["AllergyIntolerance"]


@pytest.mark.hazard("HZ-TPP-03")
def test_ctv3_and_snomed_are_both_kept_each_in_its_system():
    concept = mapped(code("Asthma", "H33..", "195967001", CTV3Text="Asthma NOS")).one("Condition")["code"]
    assert [(coding["system"], coding["code"], coding["display"]) for coding in concept["coding"]] == [
        (CTV3, "H33..", "Asthma NOS"),
        (SNOMED, "195967001", "Asthma"),
    ]
    local = mapped(code("Our own asthma", "Y1234")).one("Condition")["code"]["coding"]
    assert [(coding["system"], coding["code"]) for coding in local] == [(LOCAL, "Y1234")], "-1 is no concept"


@pytest.mark.hazard("HZ-TPP-03")
def test_a_sensitive_ctv3_or_local_code_is_found_by_its_set():
    for system, ctv3 in ((CTV3, "XaQVY"), (LOCAL, "Y1234")):
        own = CodeSets((CodeSet("sensitive", {(system, ctv3): "gender"}, covers=frozenset({system})),))
        (made,) = map_rows(SOURCE, [code("A word", ctv3)], own=own).resources()
        _, causes = sensitive.own_labels(made, [], own, "gp", "share")
        assert causes, ctv3


VALUES = {
    # IsNumeric, NumericValue, NumericComparator: the value
    ("TRUE", "4.30", ""): {"value": "4.30"},
    ("TRUE", "0", ""): {"value": "0"},
    ("TRUE", "4.3", "<"): {"value": "4.3", "comparator": "<"},
    ("TRUE", "4.3", "8"): {"value": "4.3", "comparator": "<="},
    ("FALSE", "4.3", ""): None,
    ("", "-1", ""): None,
    ("", "0.0", ""): None,
    ("", "4.3", ""): {"value": "4.3"},
}


@pytest.mark.hazard("HZ-TPP-04")
@pytest.mark.parametrize(("told", "value"), VALUES.items(), ids=str)
def test_a_placeholder_is_no_value_and_a_comparator_is_kept(told, value):
    numeric, number, comparator = told
    entry = code("Serum potassium", "44I4.", IsNumeric=numeric, NumericValue=number, NumericComparator=comparator)
    observation = mapped(entry).one("Observation")
    if value is None:
        assert "valueQuantity" not in observation and "dataAbsentReason" in observation
    else:
        assert {name: str(part) for name, part in observation["valueQuantity"].items()} == value


def test_an_approximate_value_says_so_and_words_stay_words():
    entry = code("Serum potassium", "44I4.", IsNumeric="TRUE", NumericValue="4", NumericComparator="~")
    assert notes(mapped(entry).one("Observation")) == ["Approximately"]
    entry = code("Serum potassium", "44I4.", IsNumeric="TRUE", NumericValue="haemolysed", NumericUnit="mmol/L")
    assert mapped(entry).one("Observation")["valueString"] == "haemolysed mmol/L"
    entry = code("Allergy to penicillin", "XaDfx", IsNumeric="TRUE", NumericValue="3", NumericUnit="kU/L")
    assert notes(mapped(entry).one("AllergyIntolerance")) == ["Value: 3 kU/L"]


@pytest.mark.hazard("HZ-TPP-05")
def test_blood_pressures_are_told_by_their_codes_and_never_by_size():
    found = mapped(
        code("Diastolic blood pressure", "246A.", "271650006", "1", IsNumeric="TRUE", NumericValue="125"),
        code("Systolic blood pressure", "2469.", "271649006", "2", IsNumeric="TRUE", NumericValue="80"),
    )
    values = {each["code"]["text"]: str(each["valueQuantity"]["value"]) for each in found.resources()}
    assert values == {"Diastolic blood pressure": "125", "Systolic blood pressure": "80"}


@pytest.mark.hazard("HZ-TPP-06")
@pytest.mark.parametrize(
    "words",
    ["Influenza vaccination declined", "Influenza vaccination not given", "Influenza vaccination contraindicated"],
)
def test_a_vaccination_that_was_not_given_is_not_done(words):
    coded = mapped(code(words, "XaZ0e")).one("Immunization")
    assert coded["status"] == "not-done" and coded["statusReason"]["text"] == words and "performer" not in coded
    term = sent("SRCtv3", RowIdentifier="1", Ctv3Code="XaZ0e", Ctv3Text=words)
    row = mapped(term, of_patient("SRImmunisation", "1", ImmsReadCode="XaZ0e", IDDoneBy="7")).one("Immunization")
    assert row["status"] == "not-done" and "performer" not in row


@pytest.mark.hazard("HZ-TPP-06")
@pytest.mark.parametrize(
    ("status", "made", "counted"),
    [("Given", "completed", 0), ("Refused", "not-done", 0), ("Not given", "not-done", 0), ("Purple", "completed", 1)],
)
def test_a_vaccination_status_is_read_by_its_words_and_an_unknown_one_is_counted(status, made, counted):
    found = mapped(listed("9", status), of_patient("SRImmunisation", "1", ImmsReadCode="65E..", VaccinationStatus="9"))
    immunisation = found.one("Immunization")
    assert immunisation["status"] == made and f"Vaccination status: {status}" in notes(immunisation)
    assert found.unlisted.count("SRImmunisation VaccinationStatus") == counted


def test_a_vaccination_done_elsewhere_is_reported_and_an_unnamed_one_says_so():
    row = mapped(of_patient("SRImmunisation", "1", IDOrganisationDoneAt="ZZ7", IDDoneBy="7")).one("Immunization")
    assert row["primarySource"] is False and "performer" not in row
    assert row["vaccineCode"] == {"text": "Vaccination not named in the data received"}


@pytest.mark.hazard("HZ-TPP-07")
def test_a_deletion_that_says_only_its_key_deletes_and_a_row_that_comes_again_is_there_again():
    entry = code("Asthma", "H33..", "195967001", order=1)
    gone, back = deleted("SRCode", "1000", order=2), code("Asthma", "H33..", "195967001", order=3)
    assert types(mapped(entry, gone)) == types(mapped(gone, entry)) == []
    assert types(mapped(gone, back, entry)) == types(mapped(entry, gone, back)) == ["Condition"]


@pytest.mark.hazard("HZ-TPP-07")
def test_a_deleted_address_number_or_relationship_leaves_the_patient():
    home = of_patient("SRPatientAddressHistory", "40", NameOfTown="Testford")
    number = of_patient("SRPatientContactDetails", "50", ContactNumber="01632 960001")
    relative = of_patient("SRPatientRelationship", "60", RelationshipWithName="Ida")
    whole = mapped(patient(), home, number, relative).one("Patient")
    assert whole["address"] and whole["telecom"] and whole["contact"]
    gone = [deleted(row.table, row.key) for row in (home, number, relative)]
    left = mapped(*gone, patient(), home, number, relative).one("Patient")
    assert not {"address", "telecom", "contact"} & left.keys()


@pytest.mark.hazard("HZ-TPP-08")
def test_a_problem_waits_for_its_entry_and_outlives_nothing():
    problem = of_patient("SRProblem", "1", IDCode="1000")
    assert list(map_rows(SOURCE, [problem]).faults.values()) == ["column IDCode"]
    entry = code("Asthma", "H33..", "195967001")
    assert types(mapped(problem, entry, deleted("SRCode", "1000"))) == []
    plain = mapped(problem, entry, deleted("SRProblem", "1")).one("Condition")
    assert plain["category"][0]["coding"][0]["code"] == "encounter-diagnosis" and "clinicalStatus" not in plain


@pytest.mark.hazard("HZ-TPP-08")
def test_of_two_problems_of_one_entry_the_open_one_counts():
    entry = code("Asthma", "H33..", "195967001")
    ended = of_patient("SRProblem", "1", 5, IDCode="1000", DateEnd="01 Jan 2023 00:00:00")
    still = of_patient("SRProblem", "2", 4, IDCode="1000")
    for rows in ((ended, still), (still, ended)):
        assert mapped(entry, *rows).one("Condition")["clinicalStatus"]["coding"][0]["code"] == "active"


@pytest.mark.hazard("HZ-TPP-08")
def test_a_problem_without_an_entry_is_a_condition_of_its_own():
    term = sent("SRCtv3", RowIdentifier="1", Ctv3Code="N131.", Ctv3Text="Low back pain")
    found = mapped(term, of_patient("SRProblem", "1", IDCode="-1", CTV3Code="N131."))
    assert found.one("Condition")["code"]["text"] == "Low back pain"
    assert mapped(of_patient("SRProblem", "1", IDCode="-1")).one("Condition")["code"] == {
        "text": "Problem without a code"
    }


@pytest.mark.hazard("HZ-TPP-09")
def test_major_is_how_a_problem_is_filed_and_ended_does_not_say_healed():
    entry = code("Asthma", "H33..", "195967001")
    problem = of_patient("SRProblem", "1", IDCode="1000", Severity="9", DateEnd="12 Mar 2024 00:00:00")
    condition = mapped(listed("9", "Major"), entry, problem).one("Condition")
    assert "severity" not in condition and condition["category"][1] == {"text": "Major"}
    assert condition["clinicalStatus"]["coding"][0]["code"] == "inactive"
    later = of_patient("SRProblem", "1", IDCode="1000", DateEnd="12 Mar 2025 00:00:00")
    condition = mapped(entry, later).one("Condition")
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active" and "abatementDateTime" not in condition
    assert notes(condition) == ["End date of the problem: 2025-03-12"]


# Times


@pytest.mark.hazard("HZ-TPP-10")
def test_midnight_is_no_time_and_a_repeated_hour_is_tagged():
    entry = code("Asthma", "H33..", DateEvent="27 Oct 2019 00:00:00", DateEventRecorded="27 Oct 2019 01:30:00")
    condition = mapped(entry).one("Condition")
    assert condition["onsetDateTime"] == "2019-10-27"
    assert condition["meta"]["tag"][0]["code"] == "ambiguous-time"
    entry = code("Asthma", "H33..", DateEvent="7 Jul 2023 09:31:00", DateEventRecorded="07 jul 2023 09:31")
    condition = mapped(entry).one("Condition")
    assert condition["onsetDateTime"] == condition["recordedDate"] == "2023-07-07T09:31:00+01:00"


@pytest.mark.parametrize(
    "written", ["2024-03-11", "11/03/2024", "31 Feb 2024 00:00:00", "11 Mar 2024 25:00:00", "soon"]
)
def test_what_is_no_date_waits_and_is_named_by_its_column(written):
    assert list(map_rows(SOURCE, [code("Asthma", "H33..", DateEvent=written)]).faults.values()) == ["column DateEvent"]


# Sensitivities


@pytest.mark.hazard("HZ-TPP-11")
def test_a_drug_sensitivity_is_shown_before_the_name_of_its_medicine_has_come():
    row = of_patient("SRDrugSensitivity", "1", IDDrugCode="123", DateStarted="01 Jan 2001 00:00:00")
    found = mapped(row)
    allergy = found.one("AllergyIntolerance")
    assert [coding["code"] for coding in allergy["code"]["coding"]] == ["196461000000101", "123"]
    assert allergy["clinicalStatus"]["coding"][0]["code"] == "active" and found.unlisted
    name = sent(
        "SRMedicationReadCodeDetails",
        RowIdentifier="1",
        IDMultiLexProduct="123",
        DrugReadCode="x00aG",
        DrugReadCodeDesc="Flucloxacillin",
    )
    named = mapped(row, name).one("AllergyIntolerance")["code"]
    assert named["text"] == "Flucloxacillin" and (CTV3, "x00aG") in [(c["system"], c["code"]) for c in named["coding"]]
    assert named["coding"][0]["code"] == "196461000000101", "no decision support knows these codes"


@pytest.mark.hazard("HZ-TPP-11")
def test_a_sensitivity_ends_on_its_day_and_not_before():
    for end, status in (("01 Jan 2024 00:00:00", "inactive"), ("01 Jan 2025 00:00:00", "active")):
        row = of_patient("SRDrugSensitivity", "1", IDMultiLexAction="45", DateEnded=end)
        assert mapped(row).one("AllergyIntolerance")["clinicalStatus"]["coding"][0]["code"] == status


# Medicines


def medicine(key: str = "1", **values: str):
    basic = {
        "NameOfMedication": "Ramipril 5mg capsules",
        "IDMultiLexDMD": "39112711000001103",
        "IsRepeatMedication": "FALSE",
    }
    return of_patient(
        "SRPrimaryCareMedication", key, **{**basic, "DateMedicationStart": "11 Mar 2024 00:00:00", **values}
    )


def template(key: str = "9", **values: str):
    basic = {"NameOfMedication": "Ramipril 5mg capsules", "IDMultiLexDMD": "39112711000001103"}
    return of_patient(
        "SRRepeatTemplate", key, **{**basic, "DateMedicationTemplateStart": "01 Jan 2024 00:00:00", **values}
    )


@pytest.mark.hazard("HZ-TPP-12")
def test_an_acute_course_is_neither_current_nor_over_by_its_expected_end():
    found = mapped(medicine(DateMedicationEnd="18 Mar 2024 00:00:00"))
    course, issue = found.one("MedicationStatement"), found.one("MedicationRequest")
    assert course["status"] == "unknown" and course["effectivePeriod"] == {"start": "2024-03-11", "end": "2024-03-18"}
    assert issue["status"] == "completed" and issue["courseOfTherapyType"]["coding"][0]["code"] == "acute"
    assert issue["dispenseRequest"]["expectedSupplyDuration"]["value"] == 7
    old = mapped(medicine(DateMedicationEnd="11 Mar 2024 00:00:00", DateMedicationStart="01 Mar 2024 00:00:00"))
    assert old.one("MedicationStatement")["status"] == "completed"


@pytest.mark.hazard("HZ-TPP-12")
def test_an_issue_dated_after_the_extract_is_still_to_come_and_is_not_the_last_one():
    rows = (
        template(),
        medicine("1", IDRepeatTemplate="9"),
        medicine("2", IDRepeatTemplate="9", DateMedicationStart="11 Jul 2024 00:00:00"),
    )
    found = mapped(*rows)
    statuses = sorted(each["status"] for each in found.resources("MedicationRequest"))
    assert statuses == ["active", "active", "completed"]
    assert found.one("MedicationStatement")["extension"][0]["valueDateTime"] == "2024-03-11"


@pytest.mark.hazard("HZ-TPP-13")
@pytest.mark.parametrize("column", ["IsHospitalMedication", "IsDentalMedication", "IsOtherMedication"])
def test_a_medicine_that_others_give_is_no_issue_of_the_practice(column):
    found = mapped(medicine(**{column: "TRUE"}))
    assert types(found) == ["MedicationStatement"]
    assert "prescribed-by-another-organisation" in str(found.one("MedicationStatement")["extension"])


@pytest.mark.hazard("HZ-TPP-13")
def test_a_medicine_that_another_organisation_entered_is_reported():
    found = mapped(template(), medicine(IDRepeatTemplate="9", IDOrganisation="ZZ7"))
    issue = next(each for each in found.resources("MedicationRequest") if each["intent"] == "order")
    assert issue["reportedBoolean"] is True and "Recorded at organisation ZZ7" in notes(issue)
    assert "extension" not in found.one("MedicationStatement"), "it is not the practice's last issue"


@pytest.mark.hazard("HZ-TPP-13")
@pytest.mark.parametrize(
    ("number", "word", "elsewhere"), [("11", "Hospital", True), ("0", "Normal", False), ("70001", "Dental", True)]
)
def test_the_status_of_a_template_says_who_prescribes_it(number, word, elsewhere):
    found = mapped(listed("70001", "Dental"), template(DrugStatus=number))
    plan = found.one("MedicationRequest")
    assert plan.get("reportedBoolean", False) is elsewhere
    assert notes(plan) == ([] if word == "Normal" else [f"Status of the medicine: {word}"])


@pytest.mark.hazard("HZ-TPP-14")
def test_a_repeat_goes_on_until_its_end_has_come():
    ends = (("01 Jan 2024 00:00:00", "completed"), ("01 Jan 2025 00:00:00", "active"), ("", "active"))
    for end, status in ends:
        found = mapped(template(DateMedicationTemplateEnd=end))
        assert {found.one(kind)["status"] for kind in ("MedicationStatement", "MedicationRequest")} == {status}


def test_a_medicine_without_dm_and_d_is_degraded_and_words_are_no_quantity():
    row = medicine(IDMultiLexDMD="-1", IDMultiLexProduct="77", MedicationQuantity="2 x 28 tablets")
    request = mapped(row).one("MedicationRequest")
    codings = request["medicationCodeableConcept"]["coding"]
    assert [coding["code"] for coding in codings] == ["196421000000109", "77"]
    assert notes(request) == ["Quantity: 2 x 28 tablets"] and "quantity" not in request.get("dispenseRequest", {})


# People


def registered(**values: str):
    basic = {"DateRegistration": "01 May 2015 00:00:00", "RegistrationStatus": "GMS"}
    return of_patient("SRPatientRegistration", "10", **{**basic, **values})


REGISTRATIONS = {
    "GMS": True,
    "GMS,Contraception": True,
    "Minor Surgery,gms": True,
    "Temporary Resident < 16 days": False,
    "Private": False,
    "Applied": False,
    "Remotely Registered": False,
    "Something new": False,
    "9999": False,
    "": False,
}


@pytest.mark.hazard("HZ-TPP-15")
@pytest.mark.parametrize(("status", "is_regular"), REGISTRATIONS.items())
def test_only_gms_makes_a_regular_patient(status, is_regular):
    found = mapped(patient(), registered(RegistrationStatus=status))
    assert identity.is_regular_registration(found.one("EpisodeOfCare")) is is_regular
    assert bool(found.unlisted) is (status in ("Something new", "9999"))
    assert "9999" not in str(found.one("EpisodeOfCare").get("type")), "a number is no word"


@pytest.mark.hazard("HZ-TPP-15")
def test_a_number_becomes_a_registration_type_when_its_word_comes():
    found = mapped(patient(), registered(RegistrationStatus="9101"), listed("9101", "GMS"))
    assert identity.is_regular_registration(found.one("EpisodeOfCare"))


@pytest.mark.hazard("HZ-TPP-16")
def test_a_registration_at_another_organisation_is_none_here():
    found = mapped(patient(), registered(IDOrganisation="A99778"))
    assert types(found) == ["Patient"] and found.unlisted == ["IDOrganisation (a registration at another organisation)"]
    assert "EpisodeOfCare" in types(mapped(patient(), registered(IDOrganisation="")))


def test_registrations_one_after_another_are_episodes_of_their_own():
    first = of_patient(
        "SRPatientRegistration",
        "9",
        DateRegistration="01 May 2001 00:00:00",
        DateDeRegistration="30 Apr 2010 00:00:00",
        RegistrationStatus="GMS",
    )
    spells = mapped(patient(), first, registered()).resources("EpisodeOfCare")
    assert sorted((spell["status"], spell["period"]["start"]) for spell in spells) == [
        ("active", "2015-05-01"),
        ("finished", "2001-05-01"),
    ]


@pytest.mark.hazard("HZ-TPP-17")
def test_a_number_is_verified_only_where_the_spine_matched_it_and_a_wrong_one_identifies_nobody():
    for matched, verified in (("TRUE", True), ("FALSE", False), ("", False)):
        first = mapped(patient(SpineMatched=matched)).one("Patient")["identifier"][0]
        assert ("extension" in first) is verified
    wrong = mapped(patient(NHSNumber="9990000019", SpineMatched="TRUE")).one("Patient")["identifier"]
    assert "https://fhir.nhs.uk/Id/nhs-number" not in [each.get("system") for each in wrong]


@pytest.mark.hazard("HZ-TPP-17")
def test_a_superseded_number_is_gone_with_the_row_that_replaces_it():
    rows = (patient(order=1), patient(order=2, NHSNumber="999 000 0026"))
    for sent_rows in (rows, rows[::-1]):
        numbers = [each["value"] for each in mapped(*sent_rows).one("Patient")["identifier"]]
        assert numbers == ["9990000026", "1"]


@pytest.mark.hazard("HZ-TPP-18")
def test_a_deleted_patient_is_withheld_and_a_test_patient_is_nobody():
    found = mapped(patient(), registered(), deleted("SRPatient", "1"))
    assert found.one("Patient")["meta"]["security"] == ["withheld"] and found.one("Patient")["active"] is False
    assert found.one("Patient")["identifier"][0]["value"] == "9990000018", "it is still known whose record is withheld"
    assert found.one("EpisodeOfCare")["status"] == "finished" and found.one("EpisodeOfCare")["meta"]["security"] == [
        "withheld"
    ]
    assert mapped(patient(TestPatient="TRUE"), registered()).resources() == []


@pytest.mark.hazard("HZ-TPP-18")
def test_a_patient_deleted_before_any_row_of_them_came_is_withheld():
    assert mapped(deleted("SRPatient", "1")).one("Patient")["meta"]["security"] == ["withheld"]


DEATHS = {"02 Feb 2024 00:00": "2024-02-02", "02 Feb 1950 00:00": "", "02 Feb 2025 00:00": "", "01 Jan 1900 00:00": ""}


@pytest.mark.hazard("HZ-TPP-19")
@pytest.mark.parametrize(("written", "died"), DEATHS.items())
def test_nobody_is_dead_by_a_date_that_cannot_be(written, died):
    found = mapped(patient(DateDeath=written), registered())
    assert found.one("Patient").get("deceasedDateTime", "") == died
    assert found.one("EpisodeOfCare")["status"] == ("finished" if died else "active")
    assert bool(found.unlisted) is not bool(died)


@pytest.mark.hazard("HZ-TPP-20")
def test_the_number_of_an_emergency_contact_is_not_the_patients():
    numbers = [of_patient("SRPatientContactDetails", key, ContactType=kind, ContactNumber=f"0770090000{key}")
               for key, kind in (("1", "Mobile"), ("2", "Emergency Contact"))]  # fmt: skip
    person = mapped(patient(), *numbers).one("Patient")
    assert [each["value"] for each in person["telecom"]] == ["07700900001"]
    assert person["contact"][0]["relationship"][0]["text"] == "Emergency contact"


@pytest.mark.hazard("HZ-TPP-20")
def test_an_address_that_has_ended_is_old_and_a_postal_one_is_no_home():
    rows = [
        of_patient("SRPatientAddressHistory", "1", AddressType="Home", NameOfTown="Old", DateTo="01 Jan 2020 00:00:00"),
        of_patient("SRPatientAddressHistory", "2", AddressType="Correspondence only", NameOfTown="Post"),
        of_patient("SRPatientAddressHistory", "3", AddressType="Home", NameOfTown="New"),
        of_patient("SRPatientAddressHistory", "4", AddressType="Official", NameOfTown="Office"),
    ]
    kinds = {
        each["city"]: (each.get("use"), each.get("type")) for each in mapped(patient(), *rows).one("Patient")["address"]
    }
    assert kinds == {"Old": ("old", None), "Post": (None, "postal"), "New": ("home", None), "Office": (None, None)}


def test_a_relationship_that_has_ended_is_not_shown():
    row = of_patient(
        "SRPatientRelationship", "1", RelationshipWithName="Ida", NextOfKin="TRUE", DateEnded="01 Jan 2020 00:00:00"
    )
    assert "contact" not in mapped(patient(), row).one("Patient")


# What must stay hidden


@pytest.mark.hazard("HZ-TPP-21")
def test_safeguarding_is_always_restricted():
    for table, column in (("SRChildAtRisk", "ChildProtectionPlan"), ("SRPersonAtRisk", "ProtectionPlan")):
        row = of_patient(table, "1", DateAdded="01 Jan 2024 00:00:00", **{column: "TRUE"})
        flag = mapped(row).one("Flag")
        assert flag["meta"]["security"] == ["R"] and flag["status"] == "active"
        assert SOURCE.hides(map_group(row)), "also while the row cannot be mapped"


def map_group(row):
    from mappings import Group

    return Group(row.groups[0], PRACTICE, (row,))


@pytest.mark.hazard("HZ-TPP-22")
@pytest.mark.parametrize("column", ["IsConfidential", "MarkedAsSensitive", "RestrictedAccess", "Withheld"])
@pytest.mark.parametrize("row", [
    code("Asthma", "H33..", "195967001"), medicine(), template(), patient(), of_patient("SREvent", "1"),
    of_patient("SRImmunisation", "1"), of_patient("SRDrugSensitivity", "1"), of_patient("SRReferralOut", "1"),
    of_patient("SRReferralIn", "1"), of_patient("SRRecall", "1"), of_patient("SRSpecialNotes", "1"), of_patient("SRProblem", "1"),
], ids=lambda row: row.table)  # fmt: skip
def test_a_new_column_that_asks_for_a_row_to_be_hidden_hides_it(row, column):
    from msgspec.structs import replace

    marked = replace(row, values=type(row.values)({**row.values, column: "TRUE"}))
    resources = mapped(marked).resources()
    assert resources and all(made["meta"]["security"] == ["R"] for made in resources)
    assert SOURCE.hides(map_group(marked))
    plain = replace(row, values=type(row.values)({**row.values, column: "FALSE"}))
    assert not any("security" in made["meta"] for made in mapped(plain).resources())


@pytest.mark.hazard("HZ-TPP-22")
def test_a_hidden_problem_hides_the_condition_of_its_entry():
    problem = of_patient("SRProblem", "1", IDCode="1000", IsConfidential="1")
    assert mapped(code("Asthma", "H33.."), problem).one("Condition")["meta"]["security"] == ["R"]


@pytest.mark.hazard("HZ-TPP-23")
def test_nothing_of_a_relative_that_would_find_them_is_kept():
    assert SOURCE.never["SRPatientRelationship"] == {"CodeRelationshipWithUser", "RelationshipWithDateOfBirth"}
    row = of_patient(
        "SRPatientRelationship",
        "1",
        RelationshipWithName="Ida",
        CodeRelationshipWithUser="9990000026",
        IDPatientRelationshipWith="2",
    )
    found = mapped(patient(), row)
    assert "9990000026" not in str(found.one("Patient"))
    assert all("9990000026" not in str(kept.values) for kept in found.kept.values())


# Events, referrals and units


def test_words_of_an_event_make_its_class_or_are_counted():
    rows = (option("1", "Telephone"), option("2", "Smoke signals"))
    found = mapped(*rows, of_patient("SREvent", "1", ContactMethod="1"))
    assert found.one("Encounter")["class"]["code"] == "VR"
    found = mapped(*rows, of_patient("SREvent", "1", ContactMethod="2"))
    assert "code" not in found.one("Encounter")["class"] and found.unlisted == ["SREvent ContactMethod"]


@pytest.mark.hazard("HZ-TPP-24")
@pytest.mark.parametrize(
    ("incomplete", "clinical", "status"),
    [
        ("FALSE", "TRUE", "finished"),
        ("TRUE", "TRUE", "in-progress"),
        ("TRUE", "FALSE", "unknown"),
        ("TRUE", "", "unknown"),
        ("", "TRUE", "unknown"),
    ],
)
def test_only_a_clinical_event_can_be_open(incomplete, clinical, status):
    row = of_patient("SREvent", "1", EventIncomplete=incomplete, ClinicalEvent=clinical)
    assert mapped(row).one("Encounter")["status"] == status


def test_a_referral_has_its_last_status_and_words_that_units_make_stay_words():
    rows = [
        option("1", "Waiting"),
        option("2", "Completed"),
        option("3", "In the tray"),
        of_patient("SRReferralOut", "700"),
    ]

    def state(key, word, day):
        return of_patient(
            "SRReferralOutStatusDetails",
            key,
            IDReferralOut="700",
            StatusOfReferralOut=word,
            DateEvent=f"{day} Mar 2024 00:00:00",
        )  # noqa: E704, E501

    assert mapped(*rows, state("1", "1", "11"), state("2", "2", "12")).one("ServiceRequest")["status"] == "completed"
    found = mapped(*rows, state("1", "1", "12"), state("2", "3", "13")).one("ServiceRequest")
    assert found["status"] == "unknown" and notes(found) == ["Status of the referral: In the tray"]
    assert mapped(*rows).one("ServiceRequest")["status"] == "unknown"


def test_a_referral_received_is_active_until_the_discharge():
    for values, status in (
        ({"ActiveStatus": "TRUE"}, "active"),
        ({}, "unknown"),
        ({"ActiveStatus": "TRUE", "DateDischarge": "01 May 2024 00:00:00"}, "completed"),
        ({"ActiveStatus": "TRUE", "DateDischarge": "01 May 2025 00:00:00"}, "active"),
    ):
        assert mapped(of_patient("SRReferralIn", "1", **values)).one("ServiceRequest")["status"] == status


@pytest.mark.hazard("HZ-TPP-25")
def test_only_a_practice_is_a_practice():
    assert [SOURCE.kind_of(each) for each in (PRACTICE, "Y00123", NURSES, "RY301", "NL1", "")] == [
        "gp",
        "gp",
        "community",
        "community",
        "community",
        "community",
    ]


def test_a_problem_of_another_patient_is_not_taken_and_is_counted():
    entry = code("Asthma", "H33..", "195967001")
    found = mapped(entry, of_patient("SRProblem", "1", IDCode="1000", IDPatient="2"))
    assert found.one("Condition")["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
    assert found.unlisted == ["IDCode (a problem of another patient's entry)"]
