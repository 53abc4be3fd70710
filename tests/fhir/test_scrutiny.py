"""What the closer look of ``$validate`` finds, each by its place; and that a load refuses none of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies

from gateway.fhir import model, scrutiny
from gateway.fhir.stricter import STRICTER
from tests.fhir import resources
from tests.fhir.resources import CODE, MINIMAL, PATIENT, body, samples

HL7 = "http://hl7.org/fhir/StructureDefinition/"
UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
MORE = {
    "AuditEvent": {"type": {"code": "a"}, "recorded": "2024-01-01T00:00:00Z", "agent": [{"requestor": True}], "source": {"observer": PATIENT}},
    "CodeSystem": {"status": "active", "content": "complete"},
    "ConceptMap": {"status": "active"},
    "Group": {"type": "person", "actual": True},
    "ImmunizationRecommendation": {"patient": PATIENT, "date": "2024", "recommendation": [{"vaccineCode": [CODE], "forecastStatus": CODE}]},
    "MeasureReport": {"status": "complete", "type": "individual", "measure": "urn:a", "period": {"start": "2024"}},
    "MedicationAdministration": {"status": "completed", "medicationCodeableConcept": CODE, "subject": PATIENT, "effectiveDateTime": "2024"},
    "MedicationDispense": {"status": "completed", "medicationCodeableConcept": CODE},
    "OperationDefinition": {"name": "A", "status": "active", "kind": "operation", "code": "a", "system": True, "type": False, "instance": False},
    "OperationOutcome": {"issue": [{"severity": "information", "code": "informational"}]},
    "RequestGroup": {"status": "active", "intent": "plan"},
    "RiskAssessment": {"status": "final", "subject": PATIENT},
    "SearchParameter": {"url": "urn:a", "name": "A", "status": "active", "description": "a", "code": "a", "base": ["Patient"], "type": "token"},
}  # fmt: skip
"""What these types must have, beside those that ``resources`` knows."""


def made(resource_type: str, **elements: object) -> dict:
    if resource_type in MINIMAL:
        return resources.made(resource_type, **elements)
    return {"resourceType": resource_type, **MORE.get(resource_type, {}), **elements}


OUTCOME = made("OperationOutcome")
ANN = made("Patient", id="a")
SYSTEM = {"system": "http://example.org/i", "value": "1"}


def bundle(kind: str, *entries: dict, links: dict | None = None, **more: object) -> dict:
    joined = [{"relation": name, "url": url} for name, urls in (links or {}).items() for url in urls]
    return made("Bundle", type=kind, **({"link": joined} if joined else {}), **({"entry": list(entries)} if entries else {}), **more)  # fmt: skip


def found(resource: dict, url: str = "https://example.org/Patient/a", mode: str = "match", **links: list[str]) -> dict:
    return bundle("searchset", {"fullUrl": url, "resource": resource, "search": {"mode": mode}}, links=links)


def document(reference: str, url: str = "https://example.org/Composition/c", twice: bool = False) -> dict:
    composition = made("Composition", id="c", author=[{"reference": reference}])
    patient = {"fullUrl": "https://example.org/Patient/a", "resource": {**ANN, "meta": {"versionId": "1"}}}
    older = {**patient, "resource": {**ANN, "meta": {"versionId": "2"}}}
    entries = [{"fullUrl": url, "resource": composition}, patient, *([older] if twice else [])]
    return bundle("document", *entries, identifier=SYSTEM, timestamp="2024-01-01T00:00:00Z")


def pulse(without: str = "", quantity: dict | None = None, **more: object) -> dict:
    measured = {"value": 70, "unit": "/min", "system": UCUM, "code": "/min"} if quantity is None else quantity
    category = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    ]
    resource = made("Observation", code={"coding": [{"system": LOINC, "code": "8867-4"}]}, category=category, subject=PATIENT,
                    effectiveDateTime="2024-01-01", valueQuantity=measured, **more)  # fmt: skip
    return {name: value for name, value in resource.items() if name != without}


def pressure(*parts: tuple[str, dict]) -> dict:
    components = [{"code": {"coding": [{"system": LOINC, "code": code}]}, **value} for code, value in parts]
    resource = pulse("valueQuantity", component=components)
    return {**resource, "code": {"coding": [{"system": LOINC, "code": "85354-9"}]}}


MMHG = {"valueQuantity": {"value": 120, "system": UCUM, "code": "mm[Hg]"}}
FAMILY = {"url": HL7 + "humanname-mothers-family", "valueString": "a"}


def extended(extension: dict, **more: object) -> dict:
    return made("Patient", extension=[extension], **more)


CASES = {
    "a relative fullUrl": (bundle("collection", {"fullUrl": "Patient/a", "resource": ANN}), "Bundle.entry[0].fullUrl"),
    "a fullUrl of another id": (found(ANN, "https://example.org/Patient/b"), "Bundle.entry[0].fullUrl"),
    "a fullUrl of another type": (found(ANN, "https://example.org/Group/a"), "Bundle.entry[0].fullUrl"),
    "no fullUrl": (bundle("collection", {"resource": ANN}), "Bundle.entry[0].fullUrl"),
    "a link twice": (found(ANN, self=["https://example.org/Patient?a=b"] * 2), "Bundle.link"),
    "a page of a document": (document("Patient/a") | {"link": [{"relation": "next", "url": "urn:a"}]}, "Bundle.link"),
    "a result without id": (found(made("Patient"), "urn:uuid:6a4b5ddc-33c2-4e9b-9f44-4c8d34d9f0d4"), "Bundle.entry[0].resource.id"),
    "a result of another type": (found(ANN, self=["https://example.org/Group?a=b"]), "Bundle.entry[0].resource"),
    "a result of none of the types": (found(ANN, self=["https://example.org?_type=Group,List"]), "Bundle.entry[0].resource"),
    "an outcome that is none": (found(ANN, mode="outcome"), "Bundle.entry[0].resource"),
    "a document without what it names": (document("Patient/b"), "Bundle.entry[0].resource.author"),
    "a document from another server": (document("https://example.com/Patient/a"), "Bundle.entry[0].resource.author"),
    "a relative reference of a UUID": (document("Patient/a", "urn:uuid:6a4b5ddc-33c2-4e9b-9f44-4c8d34d9f0d4"), "Bundle.entry[0].resource.author"),
    "a document with two versions": (document("Patient/a", twice=True), "Bundle.entry[0].resource.author"),
    "another version": (document("Patient/a/_history/3", twice=True), "Bundle.entry[0].resource.author"),
    "HTML in a string": (made("Patient", name=[{"family": "a<script src='b'>"}]), "Patient.name[0].family"),
    "an end of HTML in a string": (made("Patient", name=[{"family": "</p>"}]), "Patient.name[0].family"),
    "HTML of one's own in a string": (made("Patient", name=[{"family": "<x-a>"}]), "Patient.name[0].family"),
    "a name with an attribute": (made("Patient", name=[{"family": "<none onclick='a'>"}]), "Patient.name[0].family"),
    "a comment of HTML": (made("Patient", name=[{"family": "<!-- a"}]), "Patient.name[0].family"),
    "laboratory text and HTML": (made("Observation", valueString="<LLOQ> <IMG src=a>"), "Observation.valueString"),
    "a UUID that is none": (made("Patient", identifier=[{"system": "urn:uuid:1", "value": "a"}]), "Patient.identifier[0].system"),
    "an OID that is none": (made("Patient", identifier=[{"system": "urn:oid:1.02", "value": "a"}]), "Patient.identifier[0].system"),
    "a relative system": (made("Observation", code={"coding": [{"system": "loinc", "code": "a"}]}), "Observation.code.coding[0].system"),
    "a value set as system": (made("Observation", code={"coding": [{"system": "http://hl7.org/fhir/ValueSet/a", "code": "a"}]}), "Observation.code.coding[0].system"),
    "data of another size": (made("Patient", photo=[{"contentType": "image/png", "data": "AAAA", "size": 4}]), "Patient.photo[0].size"),
    "data with a stop too many": (made("Patient", photo=[{"contentType": "image/png", "data": "A==="}]), "Patient.photo[0].data"),
    "two elements of one id": (made("Patient", name=[{"id": "a", "text": "a"}, {"id": "a", "text": "b"}]), "Patient.name[1].id"),
    "an extension HL7 has not": (extended({"url": HL7 + "nothing", "valueString": "a"}), "Patient.extension[0]"),
    "an extension in the wrong place": (made("Patient", name=[{"text": "a", "extension": [FAMILY]}]), "Patient.name[0].extension[0]"),
    "an extension with another value": (extended({"url": HL7 + "patient-birthPlace", "valueString": "a"}), "Patient.extension[0]"),
    "a pulse without category": (pulse("category"), "Observation.category"),
    "a pulse of nobody": (pulse("subject"), "Observation.subject"),
    "a pulse of no time": (pulse("effectiveDateTime"), "Observation.effective[x]"),
    "a pulse of a year": (pulse() | {"effectiveDateTime": "2024"}, "Observation"),
    "a pulse without value": (pulse("valueQuantity"), "Observation"),
    "a pulse in words": (pulse("valueQuantity", valueString="fast"), "Observation"),
    "a pulse without unit": (pulse(quantity={"value": 70, "system": UCUM, "code": "/min"}), "Observation.valueQuantity.unit"),
    "a pulse in seconds": (pulse(quantity={"value": 70, "unit": "s", "system": UCUM, "code": "s"}), "Observation.valueQuantity"),
    "a pulse in units of somebody's": (pulse(quantity={"value": 70, "unit": "/min", "system": "urn:a", "code": "/min"}), "Observation.valueQuantity"),
    "a pulse by name alone": (pulse() | {"code": CODE, "meta": {"profile": [HL7 + "heartrate"]}}, "Observation.code"),
    "half a blood pressure": (pressure(("8480-6", MMHG)), "Observation.component"),
    "a pressure without value": (pressure(("8480-6", MMHG), ("8462-4", {})), "Observation.component[1]"),
    "a pressure in feet": (pressure(("8480-6", MMHG), ("8462-4", {"valueQuantity": {"value": 1, "system": UCUM, "code": "[ft_i]"}})), "Observation.component[1].valueQuantity"),
    "an empty panel": (pulse("valueQuantity", component=[{"code": CODE, "valueString": "a"}]) | {"code": {"coding": [{"system": LOINC, "code": "85353-1"}]}}, "Observation.hasMember"),
    "half a composite": (made("SearchParameter", type="composite"), "SearchParameter.component"),
    "a search of another kind": (made("SearchParameter", type="date", base=["Patient"], derivedFrom="http://hl7.org/fhir/SearchParameter/individual-gender"), "SearchParameter.type"),
    "a search of another type": (made("SearchParameter", type="token", base=["Group"], derivedFrom="http://hl7.org/fhir/SearchParameter/individual-gender"), "SearchParameter.base"),
}  # fmt: skip
SOUND = {
    "a batch": bundle("batch", {"request": {"method": "GET", "url": "Patient/a"}}, {"resource": ANN, "request": {"method": "POST", "url": "Patient"}}),
    "a page of a search": found(ANN, self=["https://example.org/Patient?a=b"], next=["https://example.org/Patient?a=c"]),
    "an outcome of a search": found(OUTCOME, "urn:uuid:6a4b5ddc-33c2-4e9b-9f44-4c8d34d9f0d4", "outcome"),
    "a link that cannot be read": found(ANN, self=["http://[a"]),
    "a document": document("Patient/a"),
    "a document by its address": document("https://example.org/Patient/a"),
    "a document by a version": document("Patient/a/_history/2", twice=True),
    "less than": made("Patient", name=[{"family": "a < b, c<5 and d> e"}]),
    "below the limit": made("Observation", valueString="<LLOQ> not detected, <IFCC>, </None>"),
    "an extension for any element on a resource": extended({"url": HL7 + "data-absent-reason", "valueCode": "unknown"}),
    "HTML in Markdown": made("Observation", note=[{"text": "a <b>word</b>"}]),
    "a UUID in capitals": made("Patient", identifier=[{"system": "urn:uuid:6A4B5DDC-33C2-4E9B-9F44-4C8D34D9F0D4", "value": "a"}]),
    "an extension of somebody's": extended({"url": "https://example.org/e", "valueString": "a"}),
    "an extension of HL7's": made("Patient", name=[{"family": "a", "_family": {"extension": [FAMILY]}}]),
    "an extension of a guide": extended({"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"}),
    "an extension that came after R4": extended({"url": HL7 + "individual-genderIdentity", "extension": [{"url": "value", "valueCodeableConcept": CODE}]}),
    "a pulse": pulse(),
    "a pulse in SNOMED CT alone": pulse("category") | {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "364075005"}]}},
    "a pulse that was not taken": pulse("valueQuantity", dataAbsentReason=CODE),
    "a blood pressure": pressure(("8480-6", MMHG), ("8462-4", MMHG)),
    "half a blood pressure, and why": pressure(("8480-6", MMHG), ("8462-4", {"dataAbsentReason": CODE})),
}  # fmt: skip


def errors(resource: dict) -> set[str]:
    return {issue.location for issue in scrutiny.scrutinise(resource) if issue.severity == "error"}


@pytest.mark.parametrize(("resource", "place"), CASES.values(), ids=CASES)
def test_a_closer_look_finds_it_and_a_load_takes_it(resource, place):
    assert model.check(body(resource)) == []
    assert errors(resource) == {place}


@pytest.mark.parametrize("resource", SOUND.values(), ids=SOUND)
def test_what_is_sound_stays_so(resource):
    assert model.check(body(resource)) == []
    assert errors(resource) == set()


def test_html_in_markdown_is_a_warning():
    (issue,) = scrutiny.scrutinise(SOUND["HTML in Markdown"])
    assert (issue.severity, issue.location) == ("warning", "Observation.note[0].text")


@pytest.mark.parametrize("resource_type", MINIMAL)
def test_a_minimal_resource_is_sound(resource_type):
    broken = {issue.message.partition(":")[0] for issue in scrutiny.scrutinise(made(resource_type))}
    assert broken <= {"app-3", "cpb-1", "cpb-2", "lnk-1", "sdf-4"}, "the minimum of R4's structure"


def appointment(**elements: object) -> dict:
    return made("Appointment", status="booked", start="2024-01-01T10:00:00Z", end="2024-01-01T10:10:00Z", participant=[{"actor": PATIENT, "status": "accepted"}]) | elements  # fmt: skip


def question(kind: str, **more: object) -> dict:
    return made("Questionnaire", item=[{"linkId": "a", "type": kind, **more}])


def target(**more: object) -> dict:
    return made("ConceptMap", group=[{"element": [{"code": "a", "target": [{"code": "b", **more}]}]}])


def unmapped(**more: object) -> dict:
    return made("ConceptMap", group=[{"element": [{"code": "a"}], "unmapped": more}])


def capability(**more: object) -> dict:
    rest = [{"mode": "server"}]
    return {"resourceType": "CapabilityStatement", "status": "active", "date": "2024", "kind": "instance", "fhirVersion": "4.0.1",
            "format": ["json"], "rest": rest, "implementation": {"description": "a"}} | more  # fmt: skip


def offers(*names: str) -> dict:
    searches = [{"name": name, "type": "token"} for name in names]
    return capability(rest=[{"mode": "server", "resource": [{"type": "Patient", "searchParam": searches}]}])


def parameter(**more: object) -> dict:
    return made("OperationDefinition", parameter=[{"name": "a", "use": "in", "min": 0, "max": "1", **more}])


def trigger(**more: object) -> dict:
    return made("Basic", extension=[{"url": "urn:a", "valueTriggerDefinition": {"type": "named-event", "name": "a", **more}}])  # fmt: skip


STAGED = {"type": "Patient"}
INVARIANTS = [
    ("app-1", appointment(participant=[{"status": "accepted"}])),
    ("app-2", appointment(status="proposed") | {"end": None}),
    ("app-3", appointment() | {"start": None, "end": None}),
    ("app-4", appointment(cancelationReason=CODE)),
    ("apr-1", {"resourceType": "AppointmentResponse", "appointment": {"display": "a"}, "participantStatus": "accepted"}),
    ("sev-1", made("AuditEvent", entity=[{"name": "a", "query": "AAAA"}])),
    ("cpb-1", capability() | {"rest": None}),
    ("cpb-2", capability(kind="requirements") | {"implementation": None}),
    ("cpb-14", capability(description="a") | {"implementation": None}),
    ("cpb-15", capability(kind="capability")),
    ("cpb-16", capability(kind="requirements")),
    ("cpb-9", capability(rest=[{"mode": "server", "resource": [{"type": "Patient"}] * 2}])),
    ("cpb-12", offers("a", "a")),
    ("csd-1", made("CodeSystem", concept=[{"code": "a", "concept": [{"code": "a"}]}])),
    ("cmd-1", target(equivalence="narrower")),
    ("cmd-2", unmapped(mode="fixed")),
    ("cmd-3", unmapped(mode="other-map")),
    ("grp-1", made("Group", actual=False, member=[{"entity": PATIENT}])),
    ("imr-1", made("ImmunizationRecommendation", recommendation=[{"forecastStatus": CODE}])),
    ("lnk-1", made("Linkage", item=[{"type": "source", "resource": PATIENT}])),
    ("mrp-1", made("MeasureReport", type="data-collection", group=[{"code": CODE}])),
    ("mad-1", made("MedicationAdministration", dosage={"text": "a"})),
    ("mdd-1", made("MedicationDispense", whenPrepared="2024-02-02", whenHandedOver="2024-02-01")),
    ("opd-1", parameter()),
    ("opd-2", parameter(type="code", searchType="token")),
    ("opd-3", parameter(type="code", targetProfile=["urn:a"])),
    ("que-2", made("Questionnaire", item=[{"linkId": "a", "type": "string"}] * 2)),
    ("que-5", question("boolean", answerOption=[{"valueString": "a"}])),
    ("que-7", question("string", enableWhen=[{"question": "b", "operator": "exists", "answerString": "a"}])),
    ("que-8", question("display", initial=[{"valueString": "a"}])),
    ("que-10", question("date", maxLength=1)),
    ("que-13", question("string", initial=[{"valueString": "a"}] * 2)),
    ("qrs-1", made("QuestionnaireResponse", status="completed", item=[{"linkId": "a", "answer": [{"valueString": "a"}], "item": [{"linkId": "b"}]}])),
    ("rqg-1", made("RequestGroup", action=[{"title": "a"}])),
    ("ras-2", made("RiskAssessment", prediction=[{"probabilityDecimal": 101}])),
    ("spd-1", made("SearchParameter", xpath="a")),
    ("spd-2", made("SearchParameter", type="token", chain=["a"])),
    ("sdf-4", made("StructureDefinition")),
    ("sdf-5", made("StructureDefinition", type="Extension", baseDefinition="urn:a", derivation="constraint")),
    ("sdf-18", made("StructureDefinition", baseDefinition="urn:a", contextInvariant=["a"])),
    ("sdf-20", made("StructureDefinition", baseDefinition="urn:a", differential={"element": [{"path": "a", "slicing": {"rules": "open", "description": "a"}}]})),
    ("trd-1", trigger(data=[STAGED], timingDate="2024")),
    ("trd-2", trigger(condition={"language": "text/cql", "expression": "a"})),
]  # fmt: skip


@pytest.mark.parametrize(("key", "resource"), INVARIANTS, ids=[key for key, _ in INVARIANTS])
def test_an_invariant_is_said_by_its_key_and_a_load_takes_what_breaks_it(key, resource):
    whole = {name: value for name, value in resource.items() if value is not None}
    assert model.check(body(whole)) == []
    assert {issue.message.partition(":")[0] for issue in scrutiny.scrutinise(whole)} == {key}


def test_every_invariant_of_the_table_is_broken_once():
    assert {row.key for rows in STRICTER.values() for row in rows} == {key for key, _ in INVARIANTS}


@settings(max_examples=60)
@given(strategies.data())
def test_whatever_is_sound_can_be_looked_at(data):
    """Odd strings in any place: a closer look answers, and tells no value."""
    whole = [*map(first, CASES.values()), *SOUND.values(), *(resource for _, resource in samples()[::20])]
    resource = json.loads(json.dumps(data.draw(strategies.sampled_from(whole))))
    node, name = data.draw(strategies.sampled_from(list(strings(resource))))
    node[name] = odd = data.draw(
        strategies.sampled_from(("urn:uuid:Zq", "http://[Zq", "<Zq7>", "//Zq7?_type=%", "Zq7"))
    )
    if not model.check(body(resource)):
        assert odd not in str(scrutiny.scrutinise(resource))


def first(case: tuple[dict, str]) -> dict:
    return case[0]


def strings(value: object):
    """(object, name) of each text in a resource."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and name != "resourceType":
                yield value, name
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
