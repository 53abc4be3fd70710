"""Every row of the table of invariants is broken once, by a resource that is otherwise sound."""

import pytest

from gateway.fhir import model
from gateway.fhir.invariants import INVARIANTS
from tests.fhir.resources import ALLERGY, CODE, MINIMAL, PATIENT, VERIFIED, body, made

UCUM = "http://unitsofmeasure.org"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
WHEN = {"question": "b", "operator": "exists", "answerBoolean": True}
CODED = {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}


def bundle(kind: str, *entries: dict, **more: object) -> dict:
    return made("Bundle", type=kind, entry=list(entries), **more)


def value(kind: str, given: dict) -> dict:
    return made("Basic", extension=[{"url": "http://example.org/e", f"value{kind}": given}])


def repeat(**given: object) -> dict:
    return value("Timing", {"repeat": given})


def error_in(system: str) -> dict:
    return {"coding": [{"system": system, "code": "entered-in-error"}]}


def item(kind: str, **more: object) -> dict:
    return made("Questionnaire", item=[{"linkId": "a", "type": kind, **more}])


def include(**given: object) -> dict:
    return made("ValueSet", compose={"include": [given]})


def contains(**given: object) -> dict:
    return made("ValueSet", expansion={"timestamp": "2024", "contains": [given]})


PUT = {"method": "PUT", "url": "Patient/a"}
RESOURCE = {"resource": made("Patient", id="a")}
DOCUMENT = {"identifier": {"system": "http://example.org/i", "value": "a"}, "timestamp": "2024-01-01T00:00:00Z"}
COMPOSED = {"resource": made("Composition")}
BROKEN = (
    ("AllergyIntolerance", "ait-1", {"resourceType": "AllergyIntolerance", "patient": PATIENT}),
    ("AllergyIntolerance", "ait-2", made("AllergyIntolerance", verificationStatus=error_in(ALLERGY))),
    ("Bundle", "bdl-1", made("Bundle", total=1)),
    ("Bundle", "bdl-2", bundle("collection", RESOURCE | {"search": {"mode": "match"}})),
    ("Bundle", "bdl-3", bundle("transaction", RESOURCE)),
    ("Bundle", "bdl-3", bundle("collection", RESOURCE | {"request": PUT})),
    ("Bundle", "bdl-4", bundle("transaction-response", RESOURCE)),
    ("Bundle", "bdl-4", bundle("collection", RESOURCE | {"response": {"status": "200"}})),
    ("Bundle", "bdl-7", bundle("collection", RESOURCE | {"fullUrl": "urn:a"}, RESOURCE | {"fullUrl": "urn:a"})),
    ("Bundle", "bdl-9", bundle("document", COMPOSED, timestamp=DOCUMENT["timestamp"])),
    ("Bundle", "bdl-10", bundle("document", COMPOSED, identifier=DOCUMENT["identifier"])),
    ("Bundle", "bdl-11", bundle("document", RESOURCE, **DOCUMENT)),
    ("Bundle", "bdl-12", bundle("message", RESOURCE)),
    ("BundleEntry", "bdl-5", bundle("collection", {"fullUrl": "urn:a"})),
    ("BundleEntry", "bdl-8", bundle("collection", RESOURCE | {"fullUrl": "http://example.org/Patient/a/_history/1"})),
    ("CarePlanActivity", "cpl-3", made("CarePlan", activity=[{"detail": {"status": "scheduled"}, "reference": {"reference": "Task/a"}}])),
    ("CompositionSection", "cmp-1", made("Composition", section=[{"title": "a"}])),
    ("CompositionSection", "cmp-2", made("Composition", section=[{"emptyReason": CODE, "entry": [PATIENT]}])),
    ("Condition", "con-4", made("Condition", abatementDateTime="2024")),
    ("Condition", "con-5", made("Condition", clinicalStatus=CODE, verificationStatus=error_in(VERIFIED))),
    ("ConditionStage", "con-1", made("Condition", stage=[{"type": CODE}])),
    ("ConditionEvidence", "con-2", made("Condition", evidence=[{"extension": [{"url": "http://example.org/e", "valueString": "a"}]}])),
    ("Consent", "ppc-1", {name: each for name, each in made("Consent").items() if name != "policyRule"}),
    ("FamilyMemberHistory", "fhs-1", made("FamilyMemberHistory", ageString="a", bornString="a")),
    ("FamilyMemberHistory", "fhs-2", made("FamilyMemberHistory", estimatedAge=True)),
    ("GoalTarget", "gol-1", made("Goal", target=[{"detailString": "a"}])),
    ("ImmunizationEducation", "imm-1", made("Immunization", education=[{"publicationDate": "2024"}])),
    ("List", "lst-1", made("List", emptyReason=CODE, entry=[{"item": PATIENT}])),
    ("List", "lst-2", made("List", entry=[{"item": PATIENT, "deleted": True}])),
    ("List", "lst-3", made("List", entry=[{"item": PATIENT, "date": "2024"}])),
    ("Observation", "obs-6", made("Observation", valueString="a", dataAbsentReason=CODE)),
    ("Observation", "obs-7", made("Observation", code=CODED, valueString="a", component=[{"code": CODED, "valueString": "a"}])),
    ("ObservationReferenceRange", "obs-3", made("Observation", referenceRange=[{"type": CODE}])),
    ("Organization", "org-1", {"resourceType": "Organization", "active": True}),
    ("Organization", "org-2", made("Organization", address=[{"use": "home", "text": "a"}])),
    ("Organization", "org-3", made("Organization", telecom=[{"use": "home", "system": "phone", "value": "a"}])),
    ("ParametersParameter", "inv-1", made("Parameters", parameter=[{"name": "a"}])),
    ("ParametersParameter", "inv-1", made("Parameters", parameter=[{"name": "a", "valueString": "a", "part": [{"name": "b", "valueString": "b"}]}])),
    ("PatientContact", "pat-1", made("Patient", contact=[{"gender": "male"}])),
    ("QuestionnaireItem", "que-1", item("group")),
    ("QuestionnaireItem", "que-3", item("display", code=[{"code": "a"}])),
    ("QuestionnaireItem", "que-4", item("choice", answerOption=[{"valueString": "a"}], answerValueSet="urn:a")),
    ("QuestionnaireItem", "que-6", item("display", required=True)),
    ("QuestionnaireItem", "que-9", item("display", readOnly=True)),
    ("QuestionnaireItem", "que-11", item("choice", answerOption=[{"valueString": "a"}], initial=[{"valueString": "a"}])),
    ("QuestionnaireItem", "que-12", item("string", enableWhen=[WHEN] * 2)),
    ("ServiceRequest", "prr-1", made("ServiceRequest", orderDetail=[CODE])),
    ("Task", "inv-1", made("Task", authoredOn="2024-02-02", lastModified="2024-02-01")),
    ("ValueSetComposeInclude", "vsd-1", include(version="1")),
    ("ValueSetComposeInclude", "vsd-2", include(valueSet=["urn:a"], concept=[{"code": "a"}])),
    ("ValueSetComposeInclude", "vsd-3", include(system="urn:a", concept=[{"code": "a"}], filter=[{"property": "a", "op": "=", "value": "a"}])),
    ("ValueSetExpansionContains", "vsd-6", contains(abstract=True)),
    ("ValueSetExpansionContains", "vsd-9", contains(display="a")),
    ("ValueSetExpansionContains", "vsd-10", contains(code="a")),
    ("StructureDefinition", "sdf-6", {name: each for name, each in made("StructureDefinition").items() if name != "differential"}),
    ("StructureDefinitionMapping", "sdf-2", made("StructureDefinition", mapping=[{"identity": "a"}])),
    ("Attachment", "att-1", value("Attachment", {"data": "AAAA"})),
    ("ContactPoint", "cpt-2", value("ContactPoint", {"value": "a"})),
    ("Quantity", "qty-3", value("Quantity", {"value": 1, "code": "g"})),
    ("Age", "age-1", value("Age", {"value": -1, "code": "a", "system": UCUM})),
    ("Age", "age-1", value("Age", {"value": 1})),
    ("Age", "qty-3", value("Age", {"value": 1, "code": "a"})),
    ("Duration", "drt-1", value("Duration", {"value": 1, "code": "h", "system": "urn:a"})),
    ("Duration", "drt-1", value("Duration", {"value": 1, "code": "h"})),
    ("Count", "cnt-3", value("Count", {"value": 1, "code": "kg", "system": UCUM})),
    ("Count", "cnt-3", value("Count", {"value": 1.5, "code": "1", "system": UCUM})),
    ("Distance", "dis-1", value("Distance", {"value": 1, "unit": "m"})),
    ("Count", "qty-3", value("Count", {"value": 1, "code": "1"})),
    ("Distance", "qty-3", value("Distance", {"value": 1, "code": "m"})),
    ("Expression", "exp-1", value("Expression", {"language": "text/cql"})),
    ("Period", "per-1", made("Encounter", period={"start": "2024-02-02", "end": "2024-02-01"})),
    ("Period", "per-1", made("Encounter", period={"start": "2024-02-02T10:00:00Z", "end": "2024-02-02T09:59:59Z"})),
    ("Range", "rng-2", value("Range", {"low": {"value": 2}, "high": {"value": 1}})),
    ("Ratio", "rat-1", value("Ratio", {"numerator": {"value": 1}})),
    ("TimingRepeat", "tim-1", repeat(duration=1)),
    ("TimingRepeat", "tim-2", repeat(period=1)),
    ("TimingRepeat", "tim-4", repeat(duration=-1, durationUnit="h")),
    ("TimingRepeat", "tim-5", repeat(period=-1, periodUnit="h")),
    ("TimingRepeat", "tim-6", repeat(periodMax=2)),
    ("TimingRepeat", "tim-7", repeat(durationMax=2)),
    ("TimingRepeat", "tim-8", repeat(countMax=2)),
    ("TimingRepeat", "tim-9", repeat(offset=2)),
    ("TimingRepeat", "tim-10", repeat(timeOfDay=["10:00:00"], when=["MORN"])),
    ("DataRequirementCodeFilter", "drq-1", value("DataRequirement", {"type": "Patient", "codeFilter": [{"path": "a", "searchParam": "b"}]})),
    ("DataRequirementDateFilter", "drq-2", value("DataRequirement", {"type": "Patient", "dateFilter": [{"valueDateTime": "2024"}]})),
)  # fmt: skip
KEPT = (
    made("Encounter", period={"start": "2024-02-02", "end": "2024-02-02T09:00:00Z"}),
    made("Encounter", period={"start": "2024-02-02T10:00:00+01:00", "end": "2024-02-02T09:30:00Z"}),
    made("Condition", abatementDateTime="2024", clinicalStatus={"coding": [{"system": CLINICAL, "code": "resolved"}]}),
    made("Observation", code=CODED, component=[{"code": CODED, "valueString": "a"}]),
    bundle("transaction", RESOURCE | {"request": PUT}),
    bundle("history", RESOURCE | {"request": PUT, "response": {"status": "200"}, "fullUrl": "urn:a"}),
    bundle("document", COMPOSED, **DOCUMENT),
    value("Ratio", {"numerator": {"value": 1}, "denominator": {"value": 2}}),
)  # fmt: skip


@pytest.mark.parametrize("resource_type", MINIMAL)
def test_a_minimal_resource_is_sound(resource_type):
    assert model.check(body(made(resource_type))) == []


@pytest.mark.parametrize("resource", KEPT, ids=lambda each: each["resourceType"])
def test_what_keeps_an_invariant_is_sound(resource):
    assert model.check(body(resource)) == []


@pytest.mark.parametrize(
    ("key", "resource"), [each[1:] for each in BROKEN], ids=[f"{each[0]} {each[1]}" for each in BROKEN]
)
def test_a_broken_invariant_is_told_by_its_key_and_nothing_else_is(key, resource):
    issues = model.check(body(resource))
    assert {issue.message.partition(":")[0] for issue in issues} == {key} and {issue.code for issue in issues} == {
        "invariant"
    }


def test_every_invariant_is_broken_once():
    assert {(name, row.key) for name, rows in INVARIANTS.items() for row in rows} == {
        (name, key) for name, key, _ in BROKEN
    }
