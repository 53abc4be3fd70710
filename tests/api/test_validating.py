"""``$validate``: all faults of a resource with their places, in JSON and XML, and no value of it."""

import json

import pytest

SECRET = "Zebedee9999990007"
PATIENT = {"resourceType": "Patient", "id": "a", "gender": "female"}
BROKEN = {"resourceType": "Patient", "birthDate": SECRET, "gender": SECRET, "name": [{SECRET: 1}]}
FHIR_XML = {"Content-Type": "application/fhir+xml"}


def asked(api, body, path="Patient/$validate", user="admin", headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.ask("POST", f"/fhir/{path}", user, headers or {"Content-Type": "application/fhir+json"}, content=content)


def issues(answer):
    assert answer.status_code == 200 and answer.json()["resourceType"] == "OperationOutcome", answer.text
    return answer.json()["issue"]


def faults(answer):
    return {(issue["code"], *issue.get("expression", ())) for issue in issues(answer) if issue["severity"] == "error"}


def parameters(*items):
    return {"resourceType": "Parameters", "parameter": list(items)}


def test_all_faults_are_told_with_their_places_and_no_value(everything):
    answer = asked(everything, BROKEN)
    assert {place for _, *place in faults(answer) for place in place} == {
        "Patient.birthDate", "Patient.gender", "Patient.name[0]"
    }  # fmt: skip
    assert SECRET not in answer.text
    assert any("fhir.resources" in issue["diagnostics"] for issue in issues(answer)), "the second opinion is labelled"


UK_ALLERGY = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-AllergyIntolerance"
STATUS = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}
ALLERGY = {"resourceType": "AllergyIntolerance", "clinicalStatus": STATUS, "patient": {"reference": "Patient/a"}}
PULSE = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
         "subject": {"reference": "Patient/a"}, "effectiveDateTime": "2024", "dataAbsentReason": {"text": "a"}}  # fmt: skip
CASES = [
    ("a closer look", "Observation/$validate", PULSE, {("required", "Observation.category"), ("invariant", "Observation")}),
    ("fine", "Patient/$validate", PATIENT, set()),
    ("fine with its id", "Patient/a/$validate", PATIENT, set()),
    ("another id", "Patient/b/$validate", PATIENT, {("invalid", "Patient.id")}),
    ("another type", "Observation/$validate", PATIENT, {("invalid", "resourceType")}),
    ("a name twice", "Patient/$validate", b'{"resourceType":"Patient","active":true,"active":false}', {("structure",)}),
    ("not JSON", "Patient/$validate", b"{", {("structure",)}),
    ("NaN", "Patient/$validate", b'{"resourceType":"Patient","multipleBirthInteger":NaN}', {("structure",)}),
    ("half a pair", "Patient/$validate", b'{"resourceType":"Patient","language":"\\ud800"}', {("value", "Patient.language")}),
    ("in Parameters", "Patient/$validate", parameters({"name": "resource", "resource": PATIENT}), set()),
    ("an update without id", "Patient/$validate?mode=update", {"resourceType": "Patient"}, {("required", "Patient.id")}),
    ("a deletion", "Patient/a/$validate", parameters({"name": "mode", "valueCode": "delete"}), set()),
    ("UK Core", "AllergyIntolerance/$validate", ALLERGY, {("required", "AllergyIntolerance.code")}),
    ("UK Core asked for", f"AllergyIntolerance/$validate?profile={UK_ALLERGY}", ALLERGY, {("required", "AllergyIntolerance.code")}),
    ("another profile", "Patient/$validate?profile=https://a.example/p", PATIENT, {("not-found", "meta.profile")}),
]  # fmt: skip


@pytest.mark.parametrize("path, body, expected", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_resource_is_judged(everything, path, body, expected):
    assert faults(asked(everything, body, path)) == expected


REFUSED = [
    ("no resource", "Patient/$validate", parameters(), 400),
    ("two resources", "Patient/$validate", parameters(*[{"name": "resource", "resource": PATIENT}] * 2), 400),
    ("another mode", "Patient/$validate?mode=profile", PATIENT, 400),
    ("two answers to one question", "Patient/$validate?mode=create", parameters({"name": "mode", "valueCode": "update"}), 400),
    ("no type of R4", "Zebra/$validate", PATIENT, 404),
    ("too deep", "Patient/$validate", b"[" * 200 + b"]" * 200, 413),
    ("too large", "Patient/$validate", b" " * 3000, 413),
]  # fmt: skip


@pytest.mark.parametrize("path, body, status", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_question_that_cannot_be_understood_is_refused(everything, path, body, status):
    answer = asked(everything, body, path)
    assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"


def test_xml_is_judged_and_answered_in_xml(everything):
    body = b'<Patient xmlns="http://hl7.org/fhir"><gender value="lady"/></Patient>'
    assert ("code-invalid", "Patient.gender") in faults(asked(everything, body, headers=FHIR_XML))
    answer = asked(everything, body, headers={**FHIR_XML, "Accept": "application/fhir+xml"})
    assert answer.headers["content-type"].startswith("application/fhir+xml") and b"Patient.gender" in answer.content
    assert faults(asked(everything, b"<Patient", headers=FHIR_XML)) == {("structure",)}
    assert asked(everything, b"a,b", headers={"Content-Type": "text/csv"}).status_code == 415


def test_who_has_no_row_is_refused(everything):
    assert [asked(everything, PATIENT, user=user).status_code for user in ("receptionist", "no-role", "")] == [
        403,
        401,
        401,
    ]
