"""What a medicine, an allergy or an immunisation that refers to something hidden tells others: what it is, and never
why."""

import pytest

from gateway.fhir import build, params
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.r4 import table
from gateway.nhs import blanking, links, reasons
from gateway.nhs.codesets import EGTON
from tests.api.conftest import Api
from tests.api.people import ANN, SETS, coded, encounter, to, uid
from tests.toy import deliver, resource, row

SECRET = "secret-zebrafish"
CONCEPT = {**coded(SECRET), "text": SECRET}
NARRATIVE = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{SECRET}</div>'}
CLINIC = {"url": "https://example.org/clinic", "valueReference": {"reference": "#o"}}
WITHIN = [
    {"resourceType": "Condition", "id": "c", "code": CONCEPT, "subject": to("Patient", 1), "extension": [CLINIC]},
    {"resourceType": "Practitioner", "id": "p", "name": [{"family": "Prescriber"}], "text": NARRATIVE},
    {"resourceType": "Organization", "id": "o", "name": SECRET},
]
WHY = {
    "contained": WITHIN,
    "extension": [{"url": "https://example.org/why", "valueCodeableConcept": CONCEPT}],
    "statusReason": CONCEPT,
    "reasonReference": [{"reference": "#c", "display": SECRET}],
    "encounter": to("Encounter", 70),
}
ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}
HELD = {
    "MedicationRequest": resource(
        "MedicationRequest", uid(301), status="active", intent="order", subject=to("Patient", 1), authoredOn="2024-05-01", **WHY,
        medicationCodeableConcept={"coding": [{"system": "http://snomed.info/sct", "code": "1", "extension": [
            {"url": "https://example.org/for", "valueString": SECRET}]}], "text": "doxycycline"},
        requester={"reference": "#p"}, detectedIssue=[{"reference": "#o", "display": SECRET}],
        dosageInstruction=[{"text": "one daily", "asNeededCodeableConcept": CONCEPT}],
        substitution={"allowedBoolean": False, "reason": CONCEPT}, note=[{"text": SECRET}],
    ),
    "Immunization": resource(
        "Immunization", uid(302), status="not-done", vaccineCode={**coded("v"), "text": "doxycycline"}, patient=to("Patient", 1),
        occurrenceDateTime="2024-05-01", **WHY, performer=[{"actor": {"reference": "#p"}}], subpotentReason=[CONCEPT],
        programEligibility=[CONCEPT], protocolApplied=[{"series": SECRET, "targetDisease": [CONCEPT], "doseNumberPositiveInt": 2}],
        education=[{"documentType": SECRET}], reaction=[{"detail": {"display": SECRET}}],
    ),
    "AllergyIntolerance": resource(
        "AllergyIntolerance", uid(303), clinicalStatus=ACTIVE, code={"text": "doxycycline"}, patient=to("Patient", 1),
        recorder={"reference": "#p"}, contained=WITHIN, extension=WHY["extension"], encounter=to("Encounter", 70),
        reaction=[{"manifestation": [{"text": "rash"}], "extension": [{"url": "https://example.org/x", "valueReference": {"reference": "#c"}}]}],
    ),
}  # fmt: skip


@pytest.fixture
def blanked(clinic: Api) -> Api:
    """Each is of an Encounter that its practice keeps confidential."""
    deliver(clinic.store, [row("visit", encounter(70, 1, security=["R"])), row("why", *HELD.values())], SETS)
    assert clinic.permit(ANN, "dr-ward").status_code == 201
    return clinic


@pytest.mark.hazard("HZ-ACCESS-26")
@pytest.mark.parametrize("type_", HELD)
def test_what_is_blanked_tells_nowhere_why_by_read_and_by_search(blanked, type_):
    id_ = HELD[type_]["id"]
    for path, of in (
        (f"/fhir/{type_}/{id_}", {}),
        (f"/fhir/{type_}/{id_}/_history", {}),
        (f"/fhir/{type_}", {"patient": f"Patient/{uid(1)}"}),
    ):
        own, shown = (blanked.get(path, user, **of) for user in ("dr-green", "dr-ward"))
        assert SECRET in own.text and shown.status_code == 200, (path, shown.text)
        assert id_ in shown.text and "doxycycline" in shown.text and "Prescriber" in shown.text, path
        assert SECRET not in shown.text and uid(70) not in shown.text and "example.org" not in shown.text, path


@pytest.mark.hazard("HZ-ACCESS-26")
@pytest.mark.parametrize("accept", ["application/fhir+json", "text/html"])
def test_what_is_blanked_tells_nowhere_why_in_the_document(blanked, accept):
    of = {"identifier": f"{NHS_NUMBER}|{ANN}"}
    shown = blanked.get("/fhir/Patient/$summary", "dr-ward", {"Accept": accept}, **of)
    assert shown.status_code == 200 and "doxycycline" in shown.text, shown.text
    assert SECRET not in shown.text and "example.org" not in shown.text


def test_what_stays_of_a_medicine_is_what_it_is_how_much_and_by_whom():
    left = links.redact(HELD["MedicationRequest"])
    assert left["dosageInstruction"] == [{"text": "one daily", "asNeededBoolean": True}]
    assert left["substitution"] == {"allowedBoolean": False}
    assert left["contained"] == [{"resourceType": "Practitioner", "id": "p", "name": [{"family": "Prescriber"}]}]
    assert links.redact(HELD["Immunization"])["protocolApplied"] == [{"doseNumberPositiveInt": 2}]


def test_the_body_is_as_it_was_for_whoever_recorded_it_and_the_store_splices_at_the_same_place():
    for held in HELD.values():
        left = build.encode(links.redact({**held, "meta": {}}))
        assert left.startswith(build.encode({"resourceType": held["resourceType"], "id": held["id"]})[:-1])


def test_the_table_has_each_type_that_is_blanked_and_elements_of_its_definition():
    assert links.KEPT_TYPES | {"Immunization"} == links.BLANKED_TYPES
    assert links.KEPT_TYPES - {"AllergyIntolerance"} == blanking.MEDICINES
    types = table.types()
    for type_, kept in (blanking.KEPT | blanking.CONTAINED).items():
        names = {name for element in types[type_].elements for name in element.names}
        assert kept - names - {"resourceType", "occurrence", "effective"} == set(), type_


def test_no_element_that_tells_of_a_closed_section_stays():
    for type_, kept in blanking.KEPT.items():
        assert kept.isdisjoint(reasons.ROWS.get(type_, {})), type_


def test_every_index_but_of_encounters_reads_what_stays():
    for type_ in blanking.KEPT:
        asked = {name: row_.paths[type_].split(".")[0] for name, row_ in params.indexed(type_).items()}
        assert {name for name, first in asked.items() if not links.stays(type_, first)} <= {"encounter"}, type_


@pytest.mark.hazard("HZ-ACCESS-26")
@pytest.mark.parametrize("place", ["contained", "statusReason", "extension"])
def test_a_sensitive_code_anywhere_in_a_medicine_blanks_it(clinic, place):
    secret = coded("EMISSENS1", EGTON)
    problem = {"resourceType": "Condition", "id": "c", "code": secret, "subject": to("Patient", 1)}
    why = {
        "contained": {"contained": [problem], "reasonReference": [{"reference": "#c"}]},
        "statusReason": {"statusReason": secret},
        "extension": {"extension": [{"url": "https://example.org/why", "valueCodeableConcept": secret}]},
    }[place]
    medicine = resource(
        "MedicationRequest", uid(304), status="active", intent="order", subject=to("Patient", 1), medicationCodeableConcept={"text": "doxycycline"}, **why,
    )  # fmt: skip
    deliver(clinic.store, [row("medicine", medicine)], SETS)
    assert clinic.permit(ANN, "dr-ward").status_code == 201
    for path, of in ((f"/fhir/MedicationRequest/{uid(304)}", {}), ("/fhir/MedicationRequest", {"patient": uid(1)})):
        own, shown = (clinic.get(path, user, **of) for user in ("dr-green", "dr-ward"))
        assert "EMISSENS1" in own.text, own.text
        assert "doxycycline" in shown.text and "EMISSENS1" not in shown.text, shown.text
