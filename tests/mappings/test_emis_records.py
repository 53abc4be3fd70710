"""Patients with their registration, medicines, consultations and the directory."""

import pytest

from mappings import Group
from mappings.emis import SOURCE
from mappings.vocabulary import code_table
from tests.mappings.harness import DictLook, map_rows
from tests.mappings.harness_emis import (
    AGREEMENT,
    CONDITIONS,
    PRACTICE,
    code,
    dated,
    deleted,
    drug,
    drug_code,
    issue,
    mapped,
    observation,
    owned,
    patient,
    sent,
)

AMLODIPINE = drug_code("1", "Amlodipine 5mg tablets", "319283006")
MIXTURE = drug_code("2", "Local mixture")
NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


def numbers(resource: dict) -> list[str]:
    return [each["value"] for each in resource["identifier"] if each.get("system") == NUMBER]


def test_a_patient_and_the_registration():
    found = mapped(
        patient(
            UsualGpUserInRoleGuid="{U1}",
            Postcode="LS11AA",
            MobilePhone="07700900001",
            MiddleNames="Jo Kay",
            CarerName="Sam",
        )
    )
    person, episode = found.one("Patient"), found.one("EpisodeOfCare")
    assert person["name"] == [{"use": "official", "family": "Marsh", "given": ["Ann", "Jo", "Kay"]}]
    assert person["address"] == [{"postalCode": "LS1 1AA"}] and person["contact"][0]["name"] == {"text": "Sam"}
    assert person["active"] and person["gender"] == "female" and numbers(person) == ["9990000018"]
    assert (episode["status"], episode["period"], episode["type"][0]["coding"][0]["code"]) == (
        "active",
        {"start": "2001-05-05"},
        "R",
    )
    assert person["managingOrganization"] == episode["managingOrganization"]


@pytest.mark.hazard("HZ-EMIS-18")
@pytest.mark.parametrize(("said", "written"), [("01", ["01"]), ("", []), ("1", []), ("traced", []), ("02", ["02"])])
def test_a_verification_status_is_written_only_when_the_source_says_one(said, written):
    extensions = mapped(patient(NHSNumberStatus=said)).one("Patient")["identifier"][0].get("extension", [])
    assert [each["valueCodeableConcept"]["coding"][0]["code"] for each in extensions] == written


@pytest.mark.hazard("HZ-EMIS-18")
def test_a_number_with_a_wrong_check_digit_identifies_nobody():
    person = mapped(patient(NhsNumber="9990000012")).one("Patient")
    assert numbers(person) == [] and person["identifier"][0]["type"]["text"].startswith("NHS number as sent")


def test_a_number_is_never_part_of_an_id():
    one, other = mapped(patient()).one("Patient"), mapped(patient(NhsNumber="9990000026")).one("Patient")
    assert one["id"] == other["id"]


@pytest.mark.hazard("HZ-EMIS-19")
@pytest.mark.parametrize("flag", ["SpineSensitive", "IsConfidential"])
def test_a_sensitive_patient_is_restricted_with_the_registration(flag):
    found = mapped(patient(**{flag: "true"}))
    assert [each["meta"]["security"] for each in found.resources()] == [["R"], ["R"]]


@pytest.mark.hazard("HZ-EMIS-21")
def test_a_deleted_patient_is_ended_and_withheld_with_the_last_values():
    found = mapped(patient(SpineSensitive="true"), deleted("Admin_Patient", PatientGuid="{P1}"))
    person, episode = found.one("Patient"), found.one("EpisodeOfCare")
    assert person["active"] is False and person["name"][0]["family"] == "Marsh" and episode["status"] == "finished"
    assert person["meta"]["security"] == episode["meta"]["security"] == ["R", "withheld"]
    assert {each["id"] for each in found.resources()} == {each["id"] for each in mapped(patient()).resources()}


@pytest.mark.hazard("HZ-EMIS-21")
def test_a_patient_known_only_by_a_delete_is_withheld_too():
    found = mapped(deleted("Admin_Patient", PatientGuid="{P1}"))
    assert [each["meta"]["security"] for each in found.resources()] == [["withheld"], ["withheld"]]


def test_a_patient_deleted_and_sent_again_is_back():
    rows = (patient(), deleted("Admin_Patient", PatientGuid="{P1}"), patient(order=10))
    assert mapped(*rows).resources() == mapped(patient()).resources()


def test_a_dummy_patient_is_nobody():
    assert mapped(patient(DummyType="true")).resources() == []


@pytest.mark.parametrize(
    ("told", "status", "period"),
    [
        ({"DateofDeactivation": "2023-01-31"}, "finished", {"start": "2001-05-05", "end": "2023-01-31"}),
        ({"DateOfDeath": "2024-01-02"}, "finished", {"start": "2001-05-05", "end": "2024-01-02"}),
        ({"DateOfRegistration": "1950-01-01"}, "active", None),
        ({"DateOfRegistration": ""}, "active", None),
    ],
)
def test_a_registration_ends_when_it_was_ended_or_the_patient_died(told, status, period):
    episode = mapped(patient(**told)).one("EpisodeOfCare")
    assert (episode["status"], episode.get("period")) == (status, period)


def test_a_death_is_told_by_its_day():
    assert mapped(patient(DateOfDeath="2024-01-02")).one("Patient")["deceasedDateTime"] == "2024-01-02"


def test_every_registration_type_has_a_code_and_only_regular_is_r():
    told = {row["type"]: row["code"] for row in code_table("mappings.emis", "codes_registration")}
    assert [name for name, registration in told.items() if registration == "R"] == ["Regular"]
    unknown = mapped(patient(PatientTypeDescription="Something new")).one("EpisodeOfCare")["type"]
    assert unknown == [{"text": "Something new"}]


def test_the_history_of_a_registration_is_its_statuses():
    rows = [
        sent("Admin_PatientHistory", **owned(HistoryDate=day, HistoryTime="10:00:00", StatusDescription=status))
        for day, status in (("2001-05-05", "Registered"), ("2001-05-06", "Notes arrived"), ("2020-01-10", "Deducted"))
    ]
    history = mapped(patient(), *rows).one("EpisodeOfCare")["statusHistory"]
    assert history == [
        {"status": "active", "period": {"start": "2001-05-05T10:00:00+01:00", "end": "2001-05-06T10:00:00+01:00"}},
        {"status": "finished", "period": {"start": "2020-01-10T10:00:00+00:00"}},
    ]
    doubtful = sent(
        "Admin_PatientHistory",
        **owned(HistoryDate="2019-10-27", HistoryTime="01:10:00", StatusDescription="Registered"),
    )
    assert mapped(patient(), doubtful).one("EpisodeOfCare")["meta"]["tag"][0]["code"] == "ambiguous-time"


def test_a_course_its_authorisation_and_its_issues():
    found = mapped(
        AMLODIPINE,
        drug(NumberOfIssues="2", NumberOfIssuesAuthorised="6"),
        issue(),
        issue("I2", EffectiveDate="2024-04-08"),
    )
    statement = found.one("MedicationStatement")
    plan = next(each for each in found.resources("MedicationRequest") if each["intent"] == "plan")
    orders = [each for each in found.resources("MedicationRequest") if each["intent"] == "order"]
    assert statement["basedOn"] == orders[0]["basedOn"] == [{"reference": f"MedicationRequest/{plan['id']}"}]
    assert (
        statement["extension"][0]["valueDateTime"] == "2024-04-08" and statement["status"] == plan["status"] == "active"
    )
    assert (
        plan["dispenseRequest"]["numberOfRepeatsAllowed"] == 5
        and plan["courseOfTherapyType"]["coding"][0]["code"] == "continuous"
    )
    assert all("substitution" in each for each in found.resources("MedicationRequest"))
    assert [each["code"] for each in statement["medicationCodeableConcept"]["coding"]] == ["1", "319283006"]


@pytest.mark.hazard("HZ-EMIS-22")
def test_a_derived_end_is_marked_as_estimated_and_a_stated_one_is_not():
    derived = mapped(AMLODIPINE, drug(IsActive="false"), issue()).one("MedicationStatement")["effectivePeriod"]
    assert derived["end"] == "2024-04-08" and derived["_end"]["extension"][0]["valueBoolean"] is True
    stated = mapped(AMLODIPINE, drug(IsActive="false", CancellationDate="2024-03-20"), issue()).one(
        "MedicationStatement"
    )
    assert stated["effectivePeriod"] == {"start": "2024-03-11", "end": "2024-03-20"} and stated["status"] == "stopped"


@pytest.mark.hazard("HZ-EMIS-23")
@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"IsActive": "true", "CancellationDate": "2024-03-20"}, "active"),
        ({"IsActive": "false"}, "completed"),
        ({"IsActive": "false", "CancellationDate": "2024-03-20"}, "stopped"),
        ({"IsActive": ""}, "unknown"),
    ],
)
def test_a_course_has_the_status_its_row_says_and_no_date_makes_it_another(told, status):
    found = mapped(AMLODIPINE, drug(EffectiveDate="1999-01-01", **told)).one("MedicationStatement")
    assert found["status"] == status
    assert ("end" in found["effectivePeriod"]) == (status == "stopped")


@pytest.mark.hazard("HZ-EMIS-24")
def test_a_medicine_without_dmd_says_that_it_is_degraded():
    found = mapped(MIXTURE, drug(CodeId="2")).one("MedicationStatement")["medicationCodeableConcept"]
    assert found["coding"][0]["code"] == "196421000000109" and found["text"] == "Local mixture"
    assert not any(each["system"] == "https://dmd.nhs.uk" for each in found["coding"])


def test_a_medicine_waits_for_its_code():
    assert map_rows(SOURCE, [drug()]).faults == {"drug:d1": "column CodeId"}


@pytest.mark.hazard("HZ-EMIS-15")
def test_a_confidential_medicine_is_labelled():
    found = mapped(AMLODIPINE, drug(IsConfidential="true"), issue(IsConfidential="true"))
    assert all(each["meta"]["security"] == ["R"] for each in found.resources())


def test_an_issue_without_a_course_and_a_deleted_one():
    lone = mapped(AMLODIPINE, issue(drug_guid="")).one("MedicationRequest")
    assert "basedOn" not in lone and lone["dispenseRequest"]["expectedSupplyDuration"]["value"] == 28
    rows = (AMLODIPINE, drug(), issue(), deleted("Prescribing_IssueRecord", IssueRecordGuid="{I1}"))
    assert "extension" not in mapped(*rows).one("MedicationStatement")


def test_a_medicine_keeps_its_number_as_sent():
    found = mapped(AMLODIPINE, issue(Quantity="28.000")).one("MedicationRequest")
    assert str(found["dispenseRequest"]["quantity"]["value"]) == "28.000"
    words = mapped(AMLODIPINE, issue(Quantity="two boxes")).one("MedicationRequest")
    assert "quantity" not in words["dispenseRequest"] and words["note"] == [{"text": "Quantity: two boxes"}]


def consultation(**values: str):
    return sent("CareRecord_Consultation", **dated(ConsultationGuid="{C1}", Complete="true", **values))


@pytest.mark.parametrize(
    ("term", "klass"),
    [("GP Surgery", "AMB"), ("Telephone consultation", "VR"), ("Home Visit", "HH"), ("Third party", None)],
)
def test_a_consultation_has_the_class_its_source_means_or_none(term, klass):
    found = mapped(consultation(ConsultationSourceTerm=term)).one("Encounter")
    assert found["class"].get("code") == klass and found["type"] == [{"text": term}]
    assert klass or found["class"]["extension"][0]["valueCode"] == "unknown"


def test_an_observation_points_at_its_consultation():
    found = mapped(code("1", "Asthma", CONDITIONS), consultation(), observation("O1", "1", ConsultationGuid="{C1}"))
    assert found.one("Condition")["encounter"] == {"reference": f"Encounter/{found.one('Encounter')['id']}"}


def test_the_directory_hangs_together():
    rows = (
        sent(
            "Admin_Organisation",
            OrganisationGuid=PRACTICE,
            OrganisationName="Low Mill",
            ODSCode="A99001",
            MainLocationGuid="{L1}",
            OpenDate="1990-01-01",
        ),
        sent(
            "Admin_Location", LocationGuid="{L1}", LocationName="Low Mill", Postcode="LS11AA", PhoneNumber="01632960001"
        ),
        sent("Admin_OrganisationLocation", OrganisationGuid=PRACTICE, LocationGuid="{L1}", IsMainLocation="1"),
        sent(
            "Admin_UserInRole",
            UserInRoleGuid="{U1}",
            OrganisationGuid=PRACTICE,
            GivenName="Sue",
            Surname="Green",
            RegistrationNumber="G9999999",
        ),
    )
    found = mapped(*rows, patient(UsualGpUserInRoleGuid="{U1}"))
    organisation, location, role = found.one("Organization"), found.one("Location"), found.one("PractitionerRole")
    assert organisation["identifier"][0] == {
        "system": "https://fhir.nhs.uk/Id/ods-organization-code",
        "value": "A99001",
    }
    assert organisation["extension"][0]["valueReference"] == {"reference": f"Location/{location['id']}"}
    here = {"reference": f"Organization/{organisation['id']}"}
    assert (
        location["managingOrganization"] == role["organization"] == found.one("Patient")["managingOrganization"] == here
    )
    assert found.one("Patient")["generalPractitioner"] == [{"reference": f"PractitionerRole/{role['id']}"}]
    assert found.one("Practitioner")["identifier"][0]["system"].endswith("gmp-number")


METHODS = [
    ("Outside Hospital", True),
    ("Hospital", True),
    ("Outside - Out of hours", True),
    ("Over the counter", True),
    ("Record only", True),
    ("Electronic", False),
    ("Print Script", False),
    ("", False),
]


@pytest.mark.hazard("HZ-EMIS-39")
@pytest.mark.parametrize(("method", "is_elsewhere"), METHODS)
def test_what_another_organisation_supplies_is_not_last_issued(method, is_elsewhere):
    rows = (
        AMLODIPINE,
        patient(),
        drug(),
        issue(),
        issue("I2", IssueMethodDescription=method, EffectiveDate="2024-05-01"),
    )
    found = mapped(*rows)
    statement = found.one("MedicationStatement")
    told = {each["url"].rpartition("UKCore-")[2]: each for each in statement["extension"]}
    last = told["MedicationStatementLastIssueDate"]["valueDateTime"]
    assert last == ("2024-03-11" if is_elsewhere else "2024-05-01")
    assert ("MedicationPrescribingOrganizationType" in told) is is_elsewhere
    plan, *orders = sorted(found.resources("MedicationRequest"), key=lambda each: each["intent"] != "plan")
    words = [{"text": f"Supplied elsewhere: {method}"}] if is_elsewhere else None
    assert plan.get("note") == statement.get("note") == words
    assert sorted(each.get("reportedBoolean", False) for each in orders) == [False, is_elsewhere]


@pytest.mark.hazard("HZ-EMIS-40")
def test_a_post_dated_issue_is_still_to_come():
    found = mapped(AMLODIPINE, patient(), drug(), issue(), issue("I2", EffectiveDate="2024-07-01"))
    assert found.one("MedicationStatement")["extension"][0]["valueDateTime"] == "2024-03-11"
    statuses = {each["authoredOn"]: each["status"] for each in found.resources("MedicationRequest")}
    assert statuses["2024-07-01"] == "active"
    only = mapped(AMLODIPINE, patient(), drug(), issue("I2", EffectiveDate="2024-07-01"))
    assert "extension" not in only.one("MedicationStatement")


def test_a_quantity_in_words_is_kept_on_the_course_the_authorisation_and_the_issue():
    found = mapped(AMLODIPINE, patient(), drug(Quantity="2 x 28"), issue(Quantity="2 x 28", QuantityUnit="tablet"))
    made = [*found.resources("MedicationRequest"), found.one("MedicationStatement")]
    assert [each["note"] for each in made] == [[{"text": "Quantity: 2 x 28 tablet"}]] * 3
    assert not [each for each in made if "quantity" in each.get("dispenseRequest", {})]


@pytest.mark.hazard("HZ-EMIS-38")
@pytest.mark.parametrize("death", ["1950-01-01", "9999-12-31", "2024-06-02", "1900-01-01", "0001-01-01"])
@pytest.mark.parametrize("birth", ["1960-01-15", ""])
def test_nobody_is_dead_by_a_date_that_cannot_be(death, birth):
    if death == "1950-01-01" and not birth:
        return
    found = mapped(patient(DateOfDeath=death, DateOfBirth=birth))
    assert not [name for name in found.one("Patient") if name.startswith("deceased")]
    assert found.one("EpisodeOfCare")["status"] == "active"
    assert found.unlisted == ["DateOfDeath (a date that cannot be)"]


@pytest.mark.parametrize("column", ["DateOfBirth", "DateofDeactivation"])
def test_a_date_after_the_extract_is_left_out_and_counted(column):
    found = mapped(patient(**{column: "9999-12-31"}))
    assert found.one("EpisodeOfCare")["status"] == "active" and "9999" not in str(found.resources())
    assert found.unlisted == [f"{column} (a date that cannot be)"]


@pytest.mark.parametrize("number", ["NULL", "N/A", "-"])
def test_a_word_is_no_nhs_number(number):
    assert [each["value"] for each in mapped(patient(NhsNumber=number)).one("Patient")["identifier"]] == ["p1"]


@pytest.mark.parametrize(("closed", "active"), [("", True), ("2023-01-01", False), ("2030-01-01", True)])
def test_an_organisation_is_closed_by_the_day_of_its_extract(closed, active):
    assert (
        mapped(sent("Admin_Organisation", OrganisationGuid=PRACTICE, CloseDate=closed)).one("Organization")["active"]
        is active
    )


def test_only_codes_are_looked_up_so_that_a_change_of_address_maps_nothing_else_again():
    rows = (
        code("1", "Asthma", CONDITIONS),
        AMLODIPINE,
        patient(),
        observation("O1", "1"),
        drug(),
        issue(),
        consultation(),
    )
    kept = {(row.publisher, row.table, row.key): row for row in rows}
    for row in rows[3:]:
        look = DictLook(SOURCE, kept, row.publisher, feed=None)
        SOURCE.to_fhir(Group(row.groups[0], row.publisher, (row,)), look)
        assert {(publisher, table) for publisher, table, _ in look.asked} <= {
            (AGREEMENT, "Coding_ClinicalCode"),
            (AGREEMENT, "Coding_DrugCode"),
            (PRACTICE.strip("{}").lower(), "Agreements_SharingOrganisation"),
        }
