"""People, events and councils of Client Level Data as FHIR, and what must never be made of them."""

import json

import pytest

from mappings import Feed
from mappings.cld import SOURCE
from mappings.cld.person import CIRCUMSTANCES
from tests.mappings.harness import map_all
from tests.mappings.harness_cld import NUMBER, assessment, extension, line, map_path, one, service, snapshot

SYSTEM = "urn:nhs-record-gateway:cld:"


@pytest.fixture
def mapped(tmp_path):
    """Map the lines as one snapshot."""

    def map_lines(*lines: dict, feed: Feed | None = None) -> list[dict]:
        snapshot(tmp_path, 1, *lines)
        return map_path(tmp_path, feed)

    return map_lines


def of(resources: list[dict], resource_type: str) -> list[dict]:
    return [each for each in resources if each["resourceType"] == resource_type]


def test_a_person_becomes_a_patient(mapped):
    found = one(
        mapped(
            service(
                First_Name="Ann", Last_Name="Marsh", GP_Practice_Code="A99999", GP_Practice_Name="The Surgery", Date_of_Death="01/12/2025"
            )
        ),
        "Patient",
    )  # fmt: skip
    assert found["identifier"] == [
        {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER},
        {"system": SYSTEM + "503:person", "value": "P1"},
    ]
    assert found["name"] == [{"family": "Marsh", "given": ["Ann"]}] and found["address"] == [{"postalCode": "ZZ99 3WZ"}]
    assert (found["gender"], found["birthDate"], found["deceasedDateTime"]) == ("female", "1940-01-15", "2025-12-01")
    assert found["generalPractitioner"][0]["identifier"]["value"] == "A99999"
    assert found["managingOrganization"]["reference"].startswith("Organization/")


def test_the_nhs_number_of_a_council_has_no_verification_status(mapped):
    assert "NHSNumberVerificationStatus" not in json.dumps(mapped(service()))


def test_an_nhs_number_that_cannot_be_is_words(mapped):
    first = one(mapped(service(NHS_Number="999 000 0019")), "Patient")["identifier"][0]
    assert first == {"type": {"text": "NHS number as sent; its check digit is wrong"}, "value": "999 000 0019"}


@pytest.mark.parametrize(
    "sent, code",
    [
        ("White: English, Welsh, Scottish, Northern Irish or British", "A"),
        ("white - roma", "C"),
        ("Asian or Asian British: Chinese", "R"),
        ("No data: Refused", "Z"),
        ("Refused", "Z"),
        ("Mixed: White and Asian", "F"),
        ("White: English / Welsh / Scottish / Northern Irish / British", "A"),
        ("Asian / Asian British: Indian", "H"),
        ("Black / African / Caribbean / Black British: African", "N"),
        ("Black or Black British - Any other Black background", "P"),
        ("Asian or Asian British - Chinese", "R"),
        ("Asian", None),
        ("White", None),
        ("Invalid and not mapped", None),
    ],
)
def test_ethnicity_by_table_and_never_guessed(mapped, sent, code):
    [found] = one(mapped(service(Ethnicity=sent)), "Patient")["extension"]
    concept = found["valueCodeableConcept"]
    assert concept["text"] == sent
    assert [coding["code"] for coding in concept.get("coding", ()) if "UKCore" in coding["system"]] == (
        [code] if code else []
    )


@pytest.mark.parametrize(
    "sent, code",
    [
        ("Tenant - private landlord", "Tenant: Private landlord"),
        ("Tenant", None),  # of whom, nobody says
        ("OWNER OCCUPIER OR SHARED OWNERSHIP SCHEME", "Owner occupier or shared ownership scheme"),
    ],
)
def test_a_spelling_that_may_mean_two_values_stays_words(mapped, sent, code):
    value = one(mapped(service(Accommodation_Status=sent)), "Observation")["valueCodeableConcept"]
    assert value["text"] == sent and [coding["code"] for coding in value.get("coding", ())] == ([code] if code else [])


@pytest.mark.parametrize(
    "sent, gender",
    [("Male", "male"), ("FEMALE", "female"), ("Not known", "unknown"), ("M", "male"), ("X", None), ("", None)],
)
def test_gender_by_table(mapped, sent, gender):
    assert one(mapped(service(Gender=sent)), "Patient").get("gender") == gender


def test_a_snapshot_that_contradicts_itself_about_a_person_is_not_believed(mapped):
    second = {
        "Date_of_Birth": "15/01/1941",
        "Gender": "Male",
        "NHS_Number": "9990000026",
        "Postcode": "ZZ99 4WZ",
        "Accommodation_Status": "Refuge",
    }
    found = one(mapped(service(), assessment(**second | {"Accommodation_Status": ""})), "Patient")
    assert "birthDate" not in found and "gender" not in found
    assert [each["value"] for each in found["identifier"]] == [NUMBER, "9990000026", "P1"]
    assert len(found["address"]) == 2


def test_values_that_no_list_knows_are_counted_by_their_column(tmp_path):
    given = service(Ethnicity="White", Gender="X", Service_Component="Something new", Dementia="Yes")
    mapped = map_all(SOURCE, snapshot(tmp_path, 1, given))
    assert sorted(mapped.unlisted) == ["Event Service Component", "Person Ethnicity", "Person Gender"]


@pytest.mark.parametrize("sent", ["NULL", "Not known", "-", "N/A"])
def test_a_placeholder_is_no_nhs_number(mapped, sent):
    assert [each["value"] for each in one(mapped(service(NHS_Number=sent)), "Patient")["identifier"]] == ["P1"]


@pytest.mark.hazard("HZ-CLD-12")
@pytest.mark.parametrize("death", ["31/12/1939", "31/12/9999", "01/02/2026"])
def test_a_death_that_cannot_be_is_dropped_and_counted(tmp_path, death):
    mapped = map_all(SOURCE, snapshot(tmp_path, 1, service(Date_of_Death=death)))
    patient = one(mapped.resources(), "Patient")
    assert not [name for name in patient if name.startswith("deceased")]
    assert mapped.unlisted == ["Date of Death (before birth or after the submission)"]


@pytest.mark.hazard("HZ-CLD-13")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, None),
        ({"Client_Type": "Carer"}, "carer"),
        ({"Client_Type": "Unpaid carer known by association"}, "carer"),
        ({"Client_Type": "Unpaid carer", "Service_Component": "Carer Respite"}, "carer"),
        ({"Service_Type": "Unpaid carer support: Support involving the person cared-for"}, "cared-for"),
        ({"Service_Component": "Unpaid carer respite"}, "cared-for"),
        ({"Client_Type": "", "Service_Component": "Other Carer Support"}, "carer"),
        ({"Client_Type": "", "Primary_Support_Reason": "Social Support: Support to carer"}, "carer"),
    ],
)
def test_a_carers_respite_is_not_the_persons_own_care(mapped, given, code):
    concept = extension(one(mapped(service(**given)), "EpisodeOfCare"), "received-as")
    assert (concept["coding"][0]["code"] if concept else None) == code


def test_a_known_value_beats_an_unknown_one_and_words_no_list_has(mapped):
    made = mapped(service(Ethnicity="White", Dementia="Unknown"), assessment(Ethnicity="White: Irish", Dementia="Yes"))
    assert one(made, "Patient")["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "B"
    assert one(made, "Observation")["valueCodeableConcept"]["text"] == "Yes"


def test_a_request_becomes_a_service_request(mapped):
    made = one(
        mapped(
            line(
                Event_Type="Request", Event_Start_Date="01/02/2025", Event_End_Date="03/02/2025",
                Request_Route_of_Access="Discharge from hospital",
                Event_Outcome="NFA - Moved to another LA", Primary_Support_Reason="Mental health support",
            )
        ),
        "ServiceRequest",
    )  # fmt: skip
    assert (made["status"], made["intent"], made["authoredOn"]) == ("completed", "order", "2025-02-01")
    assert extension(made, "route-of-access")["coding"][0]["code"] == "Discharge from Hospital"
    outcome = extension(made, "outcome")
    assert outcome["coding"][0]["code"] == "NFA: Responsibility moved to another local authority"
    assert outcome["text"] == "NFA - Moved to another LA"
    assert made["reasonCode"][0]["text"] == "Mental health support" and extension(made, "ended") == "2025-02-03"


def test_an_assessment_and_a_review_become_tasks(mapped):
    made = mapped(
        assessment(Client_Type="Carer", Eligible_Needs_Identified="Yes", Total_Hrs_Caring_per_week="20 to 34 hours"),
        line(Event_Type="Review", Event_Start_Date="01/09/2025", Event_End_Date="10/09/2025", Review_Reason="Planned",
             Method_of_Review="Carer only",
             Review_Outcomes_Achieved="Fully Met"),
    )  # fmt: skip
    tasks = {task["code"]["text"]: task for task in of(made, "Task")}
    first, second = tasks["Long Term Assessment"], tasks["Review of care and support"]
    assert [code["code"] for code in first["code"]["coding"]] == ["Assessment", "Long Term Assessment"]
    assert first["executionPeriod"] == {"start": "2025-06-04", "end": "2025-06-20"} and first["status"] == "completed"
    assert extension(first, "client-type")["coding"][0]["code"] == "Unpaid carer"
    assert [each["type"]["text"] for each in first["output"]] == ["Event Outcome", "Eligible Needs Identified"]
    assert second["reasonCode"]["coding"][0]["code"] == "Planned"
    assert [each["valueCodeableConcept"]["text"] for each in (*second["input"], *second["output"])] == [
        "Carer only",
        "Fully Met",
    ]


def test_a_task_without_an_end_is_not_called_completed(mapped):
    assert one(mapped(assessment(Event_End_Date="")), "Task")["status"] == "in-progress"


def test_a_service_names_its_kind_and_its_providers(mapped):
    first = service(
        Provider_CQC_Location_ID="1-1000000001",
        Provider_CQC_Location_Name="Home Help",
        Delivery_Mechanism="Direct payment",
    )
    made = one(
        mapped(first, first | {"Provider CQC Location ID": "1-1000000002", "Provider CQC Location Name": ""}),
        "EpisodeOfCare",
    )
    providers = [made["managingOrganization"], extension(made, "further-provider")]
    assert {each["identifier"]["value"] for each in providers} == {"1-1000000001", "1-1000000002"}
    assert made["type"][0]["coding"] == [
        {"system": SYSTEM + "service-component", "code": "Home support or domiciliary care"}
    ]
    assert extension(made, "service-type")["text"] == "Long term support: Community"
    assert extension(made, "delivery-mechanism")["coding"][0]["code"] == "Direct Payment"


def test_a_council_is_made_once_under_the_name_the_feed_tells(mapped):
    found = one(
        mapped(service(), assessment(), feed=Feed(settings={"councils": {"503": "Lincolnshire"}})), "Organization"
    )
    assert (found["name"], found["identifier"]) == ("Lincolnshire", [{"system": SYSTEM + "la-code", "value": "503"}])


@pytest.mark.parametrize(
    "given, place",
    [
        (service(Event_End_Date="31/02/2025"), "column Event End Date"),
        (service(Event_End_Date="01/02/2025"), "column Event End Date"),
        (service(Date_of_Birth="1940"), "column Date of Birth"),
        (service(Date_of_Death="soon"), "column Date of Death"),
    ],
)
def test_a_date_that_is_none_is_told_by_its_column(tmp_path, given, place):
    assert set(map_all(SOURCE, snapshot(tmp_path, 1, given)).faults.values()) == {place}


def test_a_young_person_is_a_person(mapped):
    assert one(mapped(service(Date_of_Birth="15/01/2012")), "Patient")["birthDate"] == "2012-01-15"


@pytest.mark.hazard("HZ-CLD-01")
def test_support_reasons_and_services_are_not_the_problem_list(mapped):
    made = mapped(
        service(Primary_Support_Reason="Learning disability support"), service(Service_Component="End of life care")
    )
    [condition] = of(made, "Condition")
    assert [code["code"] for code in condition["category"][0]["coding"]] == ["social-care-support-reason"]
    assert "verificationStatus" not in condition
    for each in made:
        assert (
            "problem-list-item" not in json.dumps(each) and "snomed" not in json.dumps(each) and "diagnosis" not in each
        )


def test_an_earlier_support_reason_is_inactive_and_an_unknown_one_is_none(tmp_path):
    snapshot(tmp_path, 1, service(Primary_Support_Reason="Mental health support"))
    snapshot(
        tmp_path,
        2,
        service(Primary_Support_Reason="Learning disability support"),
        assessment(Primary_Support_Reason="Unknown"),
    )
    found = {
        each["code"]["text"]: each["clinicalStatus"]["coding"][0]["code"]
        for each in of(map_path(tmp_path), "Condition")
    }
    assert found == {"Mental health support": "inactive", "Learning disability support": "active"}


@pytest.mark.hazard("HZ-CLD-02")
@pytest.mark.parametrize("column", ["Dementia", "Autism Spectrum Disorder (ASD)"])
def test_a_flag_of_dementia_or_autism_is_not_a_diagnosis(mapped, column):
    made = mapped(service() | {column: "Yes"})
    found = one(made, "Observation")
    assert not of(made, "Condition")
    assert [coding["system"] for coding in found["code"]["coding"]] == [SYSTEM + "column"]
    assert "not a diagnosis" in found["code"]["text"] and found["category"][0]["coding"][0]["code"] == "social-history"


def test_circumstances_hold_for_the_reporting_period(mapped):
    made = of(mapped(service() | dict.fromkeys(CIRCUMSTANCES, "Unknown")), "Observation")
    assert len(made) == len(CIRCUMSTANCES)
    for each in made:
        assert each["effectivePeriod"] == {"start": "2025-01-01", "end": "2025-12-31"}
        assert each["dataAbsentReason"]["coding"][0]["code"] == "unknown" and "valueCodeableConcept" not in each


@pytest.mark.hazard("HZ-CLD-06")
def test_nobody_carries_the_id_of_somebody_else(mapped):
    links = {f"Adult_{number}_Linked_Person_ID": f"LINKED{number}" for number in (1, 2, 3)}
    made = mapped(
        assessment(Client_Type="Unpaid carer", **links), service(LA_Person_Unique_Identifier="LINKED1", NHS_Number="")
    )
    patients = {each["identifier"][-1]["value"]: each for each in of(made, "Patient")}
    assert set(patients) == {"P1", "LINKED1"}
    for each in made:
        assert each is patients["LINKED1"] or "LINKED" not in json.dumps(each)


@pytest.mark.hazard("HZ-CLD-07")
def test_the_place_of_someone_in_a_refuge_is_not_given_away(mapped):
    made = mapped(service(Accommodation_Status="refuge", GP_Practice_Code="A99999"), assessment())
    patient, observation = one(made, "Patient"), one(made, "Observation")
    assert not {"address", "generalPractitioner"} & set(patient)
    assert observation["meta"]["security"] == ["R"]


def test_neither_money_nor_free_text_becomes_fhir(mapped):
    told = {
        "Event_Description": "WORDS",
        "Unit_Cost": "41.99",
        "Cost_Frequency_Unit_Type": "Weekly",
        "Planned_units_per_week": "17",
    }
    text = json.dumps(mapped(service(Client_Funding_Status="Fully client funded", **told)))
    assert not [value for value in (*told.values(), "Fully client funded") if value in text.replace("ZZ99", "")]
