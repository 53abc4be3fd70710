"""What a community submission says of a person's care, trap by trap."""

import re
from pathlib import Path

import pytest

from gateway.errors import Refused
from mappings import Feed, Reject, Values
from mappings.community import SOURCE
from mappings.community.delivery import number, row
from tests.mappings.harness import faults, map_all, map_rows
from tests.mappings.harness_community import (
    ANN,
    FEED,
    MADE,
    MONTH,
    PROVIDER,
    activity,
    contact,
    mapped,
    person,
    referral,
    sample_rows,
    sent,
    service,
    whole,
    write,
)  # fmt: skip

LATER = "2024-03-18T08:00"


def statuses(found, resource_type: str) -> list[str]:
    return [each["status"] for each in found.resources(resource_type)]


@pytest.mark.hazard("HZ-COMM-01")
@pytest.mark.parametrize(
    ("attendance", "when", "status"),
    [
        ("5", "2024-01-09", "finished"), ("6", "2024-01-09", "finished"), ("7", "2024-01-09", "cancelled"),
        ("3", "2024-01-09", "cancelled"), ("2", "2024-01-09", "cancelled"), ("4", "2024-01-09", "cancelled"),
        ("", "2024-01-09", "unknown"), ("0", "2024-01-09", "unknown"), ("8", "2024-01-09", "unknown"),
        ("", "2024-03-09", "planned"), ("5", "2024-03-09", "planned"), ("2", "2024-03-09", "cancelled"),
    ],
)  # fmt: skip
def test_a_contact_to_which_nobody_came_is_no_visit(attendance, when, status):
    rows = [person(), referral(), contact(attendance, Contact_Date=when), activity(CareProfessionalID_Local="P1")]
    found = mapped(*rows)
    visit = found.one("Encounter")
    assert visit["status"] == status
    assert ("participant" in visit) == (status == "finished")
    if status == "cancelled":  # a reader names it by its first type
        assert visit["type"][0]["coding"][0]["code"] == attendance


@pytest.mark.hazard("HZ-COMM-02")
@pytest.mark.parametrize("attendance", ["2", "3", "4", "7"])
def test_nothing_is_done_or_found_in_a_contact_that_did_not_take_place(attendance):
    work = activity(Procedure_Scheme="06", CodedProcedure="82078001", Finding_Scheme="04", CodedFinding="271807003")
    weight = sent("CYP611Obs", CareActivityID="V1", Weight="60")
    found = mapped(person(), referral(), contact(attendance), work, weight)
    assert not found.resources("Procedure") and not found.resources("Observation")
    assert "AttendanceStatus (an activity of a contact that did not take place)" in found.unlisted
    assert len(mapped(person(), referral(), contact("5"), work, weight).resources("Observation")) == 2


@pytest.mark.hazard("HZ-COMM-02")
@pytest.mark.parametrize(
    ("attendance", "done", "seen"),
    [("5", "completed", "final"), *((code, "unknown", "unknown") for code in ("", "0", "8"))],
)
def test_what_was_done_in_a_contact_of_which_nobody_says_whether_it_took_place_is_unknown(attendance, done, seen):
    work = activity(Procedure_Scheme="06", CodedProcedure="82078001", Finding_Scheme="01", CodedFinding="J459")
    others = [
        sent("CYP611Obs", CareActivityID="V1", Weight="60"),
        sent("CYP610BreastfeedingStatus", CareActivityID="V1", BreastfeedingStatus="01"),
        sent("CYP612CodedAssessmentContact", CareActivityID="V1", SNOMED_ID="718087004", Score="7"),
    ]
    found = mapped(person(), referral(), contact(attendance), work, *others)
    assert statuses(found, "Procedure") == [done] and set(statuses(found, "Observation")) == {seen}
    assert len(found.resources("Observation")) >= 2
    is_told = "AttendanceStatus (an activity of a contact of which nobody says that it took place)" in found.unlisted
    assert is_told == ("verificationStatus" in found.one("Condition")) == (seen == "unknown")
    assert faults(found.resources()) == []


@pytest.mark.hazard("HZ-COMM-03")
def test_a_provisional_diagnosis_is_provisional_and_no_diagnosis_says_that_it_is_over():
    found = mapped(
        person(), referral(Discharge_Date="2024-01-20"),
        sent("CYP606ProvDiag", ServiceRequestID="R1", Diagnosis_Scheme="06", ProvisionalDiagnosis="35919005"),
        sent("CYP607PrimDiag", ServiceRequestID="R1", Diagnosis_Scheme="06", PrimaryDiagnosis="195967001"),
        sent("CYP601MedicalHistory", LocalPatientID="C1", Diagnosis_Scheme="06", PreviousDiagnosis="44054006"),
    )  # fmt: skip
    said = {each["code"]["coding"][0]["code"]: each for each in found.resources("Condition")}
    assert said["35919005"]["verificationStatus"]["coding"][0]["code"] == "provisional"
    assert "verificationStatus" not in said["195967001"]
    assert all("clinicalStatus" not in each for each in said.values())
    assert said["44054006"]["note"][0]["text"].startswith("Previous diagnosis")


@pytest.mark.hazard("HZ-COMM-04")
@pytest.mark.parametrize(
    ("discharged", "closed", "rejected", "status", "episodes"),
    [
        ("", "", "", "active", ["active"]),
        ("2024-01-30", "", "", "completed", ["finished"]),
        ("", "2024-01-30", "", "completed", ["finished"]),
        ("", "", "2024-01-05", "revoked", []),
        ("2024-03-30", "", "", "active", ["active"]),  # lies ahead of the submission
    ],
)
def test_a_referral_that_ended_gives_nobody_access_any_more(discharged, closed, rejected, status, episodes):
    closing = service(Referral_ClosureDate=closed, Referral_RejectionDate=rejected)
    found = mapped(person(), referral(Discharge_Date=discharged), closing, contact())
    assert statuses(found, "ServiceRequest") == [status] and statuses(found, "EpisodeOfCare") == episodes


@pytest.mark.hazard("HZ-COMM-05")
def test_somebody_who_was_only_referred_is_not_in_care():
    rows = (person(), referral(), service())
    assert not mapped(*rows, contact("3")).resources("EpisodeOfCare")
    assert mapped(*rows, contact("5")).one("EpisodeOfCare")["period"] == {"start": "2024-01-09"}


@pytest.mark.hazard("HZ-COMM-06")
def test_what_tells_of_danger_is_restricted_even_where_the_person_is_at_fault():
    child = person(ChildLookedAfter_Indicator="Y", Safeguarding_Indicator="y", Relationship_MainCarer="FPM")
    plan = sent("CYP403CPP", LocalPatientID="C1", CPP_Reason="01", CPP_StartDate="2023-11-01")
    factor = sent("CYP402SVF", LocalPatientID="C1", SafeguardingFactors_Type="03")
    home = sent("CYP003AccommType", LocalPatientID="C1", AccommStatus="MA01")
    found = mapped(child, plan, factor, home)
    hidden = [*found.resources("Flag"), *found.resources("RelatedPerson"), *found.resources("Observation")]
    assert len(found.resources("Flag")) == 4 and all(each["meta"]["security"] == ["R"] for each in hidden)
    broken = person(DateOfBirth="31/02/2010", ChildLookedAfter_Indicator="Y")
    at_fault = map_rows(SOURCE, [broken, plan], FEED)
    assert at_fault.faults.keys() == {"pat:C1"} and len(at_fault.resources("Flag")) == 2


def test_a_protection_plan_that_ended_is_inactive_and_a_carer_who_is_no_foster_parent_is_shown():
    plan = sent("CYP403CPP", LocalPatientID="C1", CPP_StartDate="2023-11-01", CPP_EndDate="2024-01-20")
    found = mapped(person(Relationship_MainCarer="BPM"), plan)
    assert statuses(found, "Flag") == ["inactive"]
    assert "security" not in found.one("RelatedPerson")["meta"]
    assert not mapped(person(Relationship_MainCarer="NOX")).resources("RelatedPerson")


@pytest.mark.hazard("HZ-COMM-07")
def test_the_number_of_the_mother_is_kept_nowhere(tmp_path):
    mother = ("CYP001MPI", {"LocalPatientID": "C1", "NHSNumber": ANN, "NHSNumber_Mother": "9990000026"})
    found = map_all(SOURCE, write(tmp_path / "m", [mother]), FEED)
    assert "9990000026" not in str([each.values for each in found.kept.values()])
    assert "9990000026" not in str(found.resources())


@pytest.mark.hazard("HZ-COMM-08")
@pytest.mark.parametrize("written", [ANN, f"{ANN[:3]} {ANN[3:6]}-{ANN[6:]}", f"RYA{ANN}001", f"P-{ANN}-1"])
def test_an_nhs_number_that_serves_as_local_number_is_no_key_and_names_nobody(written):
    risk = sent("CYP402SVF", LocalPatientID=written, SafeguardingFactors_Type="1")
    found = mapped(person("", key=written), referral(patient=written), risk)
    for kept in found.kept.values():
        assert ANN not in re.sub(r"[ -]", "", f"{kept.key} {kept.patient} {kept.groups}")
    patient = found.one("Patient")
    assert "identifier" not in patient
    assert found.one("ServiceRequest")["subject"] == {"reference": f"Patient/{patient['id']}"}


@pytest.mark.hazard("HZ-COMM-09")
@pytest.mark.parametrize(
    ("sent_number", "status", "verified"), [(ANN, "01", "01"), (ANN, "02", "02"), (ANN, "", ""), (ANN, "77", "")]
)
def test_a_number_is_as_verified_as_the_provider_says(sent_number, status, verified):
    identifier = mapped(person(sent_number, NHSNumber_Status=status)).one("Patient")["identifier"][0]
    coding = (
        identifier["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] if "extension" in identifier else ""
    )
    assert identifier["value"] == ANN and coding == verified


def test_a_number_whose_check_digit_is_wrong_is_shown_and_identifies_nobody():
    first = mapped(person("9990000019")).one("Patient")["identifier"][0]
    assert "system" not in first and first["value"] == "9990000019"


@pytest.mark.hazard("HZ-COMM-10")
def test_a_living_person_is_not_shown_as_dead():
    for died in ("1950-01-01", "2024-12-01", "1900-01-01"):
        found = mapped(person(DateOfDeath=died))
        assert "deceasedDateTime" not in found.one("Patient")
        assert "DateOfDeath (a date that cannot be)" in found.unlisted
    assert mapped(person(DateOfDeath="2024-01-20")).one("Patient")["deceasedDateTime"] == "2024-01-20"


@pytest.mark.hazard("HZ-COMM-11")
def test_a_month_that_is_sent_again_takes_back_what_it_lacks():
    rows = [
        person(),
        referral(),
        contact(),
        sent("CYP607PrimDiag", ServiceRequestID="R1", PrimaryDiagnosis="195967001", Diagnosis_Scheme="06"),
    ]
    again = [person(), referral(made=LATER), whole("CYP607PrimDiag", made=LATER), whole("CYP101Referral", made=LATER)]
    assert mapped(*rows).resources("Condition")
    found = mapped(*rows, *again)
    assert not found.resources("Condition") and found.resources("ServiceRequest") and found.resources("Encounter")
    # a later month, and the same month of a table that was not read whole, take nothing back
    assert mapped(*rows, whole("CYP607PrimDiag", "2024-02", LATER)).resources("Condition")
    assert mapped(*rows, whole("CYP607PrimDiag", made="2024-02-01T00:00")).resources("Condition")


@pytest.mark.hazard("HZ-COMM-11")
def test_a_table_with_a_row_that_cannot_be_read_takes_nothing_back(tmp_path):
    good = [
        ("CYP001MPI", {"LocalPatientID": "C1", "NHSNumber": ANN}),
        ("CYP402SVF", {"LocalPatientID": "C1", "SafeguardingFactors_Type": "03"}),
    ]
    write(tmp_path / "one", good)
    bad = [good[0], ("CYP402SVF", {"LocalPatientID": "C1"})]
    write(tmp_path / "two", bad, made=LATER)
    found = map_all(SOURCE, tmp_path, FEED)
    assert [str(reject.reason) for reject in found.rejects] == ["column SafeguardingFactors_Type"]
    assert len(found.resources("Flag")) == 1


@pytest.mark.hazard("HZ-COMM-12")
def test_absence_from_a_later_month_ends_nothing(tmp_path):
    rows = [row_ for row_ in sample_rows() if row_[0] != "CYP000Header"]
    write(tmp_path / "jan", rows)
    before = map_all(SOURCE, tmp_path, FEED).resources()
    write(tmp_path / "feb", [], "2024-02", "2024-03-15T10:00")
    assert map_all(SOURCE, tmp_path, FEED).resources() == before


@pytest.mark.hazard("HZ-COMM-13")
def test_the_words_of_a_disability_name_no_illness_that_nobody_said():
    found = mapped(person(), sent("CYP602DisabilityType", LocalPatientID="C1", Disability="08"))
    assert "hiv" not in str(found.one("Observation")).lower()
    assert not mapped(person(), sent("CYP602DisabilityType", LocalPatientID="C1", Disability="ZZ")).resources(
        "Observation"
    )


@pytest.mark.hazard("HZ-COMM-14")
@pytest.mark.parametrize(
    ("scheme", "code", "coded"),
    [
        ("06", "195967001", {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]}),
        ("02", "J459", {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "J459"}]}),
        ("05", "H33..", {"coding": [{"system": "http://read.info/ctv3", "code": "H33.."}]}),
        ("06", "H33..", {"text": "H33.."}),
        ("06", "195967001:363698007=39607008", {"text": "195967001:363698007=39607008"}),
        ("99", "195967001", {"text": "195967001"}),
        ("", "195967001", {"text": "195967001"}),
    ],
)
def test_a_code_is_of_the_scheme_that_its_row_names_and_of_no_other(scheme, code, coded):
    diagnosis = sent("CYP601MedicalHistory", LocalPatientID="C1", Diagnosis_Scheme=scheme, PreviousDiagnosis=code)
    assert mapped(person(), diagnosis).one("Condition")["code"] == coded


@pytest.mark.hazard("HZ-COMM-15")
def test_a_vaccination_of_tomorrow_was_not_given_and_one_of_another_provider_is_said_to_be():
    def jab(**values: str):
        return sent("CYP502Imm", LocalPatientID="C1", ChildhoodImmunisation_Type="062", **values)

    assert not mapped(person(), jab(Immunisation_Date="2024-03-09")).resources("Immunization")
    other = mapped(person(), jab(Immunisation_Date="2024-01-09", OrgID_ImmunisationResponsible="A99001")).one(
        "Immunization"
    )
    assert other["primarySource"] is False
    assert "primarySource" not in mapped(person(), jab(Immunisation_Date="2024-01-09")).one("Immunization")


def test_a_value_that_no_list_has_is_counted_and_takes_nothing_with_it():
    odd = person(Gender="Q", EthnicCategory="!", NHSNumber_Status="77", Relationship_MainCarer="ZZZ")
    found = mapped(odd, referral(Priority_Type="A"), contact("8", ConsMechanism="77"))
    columns = ("Gender", "EthnicCategory", "NHSNumber_Status", "Relationship_MainCarer")
    expected = [f"CYP001MPI {column}" for column in columns] + ["CYP101Referral Priority_Type"]
    expected += ["CYP201CareContact AttendanceStatus", "CYP201CareContact ConsMechanism"]
    assert sorted(found.unlisted) == sorted(expected)
    assert found.one("Encounter")["status"] == "unknown" and found.one("Patient")["identifier"]


def test_what_has_not_come_keeps_waiting_and_is_not_lost():
    for lone in (contact(), activity(), sent("CYP611Obs", CareActivityID="V9", Weight="60")):
        assert len(map_rows(SOURCE, [lone], FEED).faults) >= 1


@pytest.mark.parametrize(
    ("mechanism", "place", "code"),
    [
        ("01", "", "AMB"),
        ("01", "A01", "HH"),
        ("02", "A01", "VR"),
        ("11", "", "VR"),
        ("98", "", ""),
        ("", "", ""),
        ("77", "", ""),
    ],
)
def test_the_class_of_a_contact(mechanism, place, code):
    visit = mapped(person(), referral(), contact(ConsMechanism=mechanism, Activity_LocationType=place)).one("Encounter")
    assert visit["class"].get("code", "") == code


BAD = {
    "no header table": (lambda folder: (folder / "CYP000Header.csv").unlink(), "no CYP000Header"),
    "no people": (lambda folder: (folder / "CYP001MPI.csv").unlink(), "no CYP001MPI"),
    "another file": (lambda folder: (folder / "readme.csv").write_text("a\n"), "not named as a table"),
    "an unknown table": (lambda folder: (folder / "CYP999New.csv").write_text("a\n"), "does not have"),
    "two of one table": (lambda folder: (folder / "CYP001.csv").write_text("LocalPatientID\n"), "a second file of CYP001MPI"),
    "a missing column": (lambda folder: (folder / "CYP101Referral.csv").write_text("ServiceRequestID\n"), "column LocalPatientID is missing"),
    "no provider": (lambda folder: head(folder, provider="n/a"), "column OrgID_Provider"),
    "no month": (lambda folder: head(folder, start="1999-12-01"), "column RP_StartDate"),
    "made before its month": (lambda folder: head(folder, made="2023-12-31 10:00:00"), "column FileCreation_DateTime"),
    "made at no time": (lambda folder: head(folder, made="2024-02-16 29:00:00"), "column FileCreation_DateTime"),
}  # fmt: skip


def head(folder: Path, provider: str = PROVIDER, start: str = "2024-01-01", made: str = MADE) -> None:
    columns = "OrgID_Provider,RP_StartDate,FileCreation_DateTime"
    (folder / "CYP000Header.csv").write_text(f"{columns}\n{provider},{start},{made}\n")


@pytest.mark.hazard("HZ-COMM-16")
@pytest.mark.parametrize("case", BAD)
def test_half_a_submission_and_a_strange_one_are_refused_by_place(case, tmp_path):
    spoil, words = BAD[case]
    spoil(write(tmp_path / "s"))
    with pytest.raises(Refused, match=words):
        SOURCE.check(tmp_path, Feed())


def test_columns_are_matched_by_name_and_new_ones_are_told(tmp_path):
    folder = write(tmp_path / "s")
    (folder / "CYP001MPI.csv").write_text(f"Shoe Size,NHS NUMBER,local_patient_id\n42,{ANN},C1\n")
    found = map_all(SOURCE, tmp_path, FEED)
    assert found.one("Patient")["identifier"][0]["value"] == ANN
    assert [name for file in SOURCE.check(tmp_path, Feed()) for name in SOURCE.unread(file)] == ["CYP001MPI Shoe Size"]


def test_a_row_without_its_key_or_person_is_a_reject_by_line_and_column():
    for table, values in (
        ("CYP001MPI", {}),
        ("CYP101Referral", {"ServiceRequestID": "R1"}),
        ("CYP201CareContact", {"CareContactID": "K"}),
    ):
        answer = row(table, Values(values), PROVIDER, MONTH, number("2024-01-01", MADE), 7, FEED)
        assert isinstance(answer, Reject) and answer.place == "line 7" and answer.reason.startswith("column ")
