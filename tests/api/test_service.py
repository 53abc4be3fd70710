"""What the service says of itself: its CapabilityStatement, and whether it is alive and ready."""

import json
import sqlite3

import pytest
from opentelemetry import trace

from gateway.fhir import model, params
from gateway.intake.write import ACCEPTED

TYPES = [
    "Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Encounter",
    "Procedure", "Immunization", "EpisodeOfCare", "ServiceRequest", "Task", "Organization", "Practitioner", "PractitionerRole", "Location", "Flag",
    "Consent", "FamilyMemberHistory", "Specimen", "RelatedPerson", "CarePlan", "DocumentReference", "Appointment", "Provenance", "Schedule",
    "Slot",
]  # fmt: skip
READ = {"read", "vread", "history-instance", "search-type"}


@pytest.fixture
def capability(everything) -> dict:
    return everything.get("/fhir/metadata", "").json()


def test_the_capability_statement_is_valid_and_public(everything):
    answer = everything.get("/fhir/metadata", "")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json; charset=utf-8")
    assert model.check(answer.content) == []


def test_it_tells_of_exactly_the_types_that_are_served(capability):
    assert sorted(each["type"] for each in capability["rest"][0]["resource"]) == sorted([*TYPES, "Group", "Binary"])


MADE = ("Group", "Binary")
"""Types that are made for an answer, and not stored."""


def test_it_tells_of_the_parameters_and_includes_that_are_taken(everything, capability):
    for each in (each for each in capability["rest"][0]["resource"] if each["type"] not in MADE):
        told = {param["name"] for param in each.get("searchParam", ())}
        chained = {"patient.identifier"} if params.about(each["type"]) else set()
        chained |= set(params.listing(each["type"])[:1])
        assert told == {"_id", "_lastUpdated", *params.searchable(each["type"]), *params.about(each["type"]), *chained}
        assert set(each.get("searchInclude", ())) == {
            f"{each['type']}:{name}" for name in params.includes(each["type"])
        }
        referring = {f"{source}:{name}" for source, name in params.referring(each["type"])}
        assert set(each.get("searchRevInclude", ())) == referring
        written = {"create", "update", "patch", "delete"} if each["type"] in ACCEPTED else set()
        assert {code["code"] for code in each["interaction"]} == {*READ, *written}
        assert each["updateCreate"] is bool(written)


def test_it_tells_of_each_operation_that_has_a_route(everything, capability):
    """But for ``$reset``, which no definition describes: a sandbox's own. This server sends no notifications; one that
    does tells of ``Subscription`` (tests/notify/test_keeping.py)."""
    (rest,) = capability["rest"]
    named = {("", each["name"]) for each in rest["operation"]}
    named |= {(of["type"], each["name"]) for of in rest["resource"] for each in of.get("operation", ())}
    routed = set()
    for path in {route.path for route in everything.app.routes if "/$" in getattr(route, "path", "")}:
        before, _, name = path.removeprefix("/fhir/").rpartition("$")
        type_ = before.partition("/")[0]
        routed |= {(each, name) for each in (params.SEARCHABLE if type_ == "{resource_type}" else [type_])}
    assert named == routed - {("", "reset"), ("Subscription", "status")}


def test_it_tells_of_the_operations(capability):
    operations = {
        each["type"]: [operation["name"] for operation in each["operation"]]
        for each in capability["rest"][0]["resource"]
        if "operation" in each
    }
    assert operations == {
        **{name: ["validate"] for name in params.SEARCHABLE},
        "Patient": ["validate", "summary", "everything", "export"],
        "DocumentReference": ["validate", "docref"],
        "Observation": ["validate", "lastn"],
        "Group": ["changes"],
    }
    assert [each["name"] for each in capability["rest"][0]["operation"]] == ["export"]
    assert [each["code"] for each in capability["rest"][0]["interaction"]] == ["transaction", "batch"]


ASKED_FOR = {
    "identifier": set(TYPES) - {"Provenance"},
    "patient": {*params.PATIENT_TYPES},
    "code": {"AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Procedure",
             "ServiceRequest", "Task"},
    "category": {"AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Procedure",
                 "ServiceRequest", "Consent", "DocumentReference"},
    "status": {"MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Encounter", "Procedure", "Immunization",
               "EpisodeOfCare", "ServiceRequest", "Task", "Consent", "Location", "DocumentReference"},
    "subject": {*params.PATIENT_TYPES} - {"AllergyIntolerance", "Immunization", "EpisodeOfCare", "Consent", "FamilyMemberHistory", "RelatedPerson",
                                         "Appointment", "Provenance"},
    "encounter": {"Condition", "MedicationRequest", "Observation", "DiagnosticReport", "Procedure", "ServiceRequest", "Task", "Flag",
                  "DocumentReference"},
    "date": {"AllergyIntolerance", "Observation", "DiagnosticReport", "Encounter", "Procedure", "Immunization", "EpisodeOfCare", "Flag", "Consent",
             "DocumentReference"},
    "onset-date": {"Condition"}, "authoredon": {"MedicationRequest"}, "effective": {"MedicationStatement"}, "authored": {"ServiceRequest"},
    "authored-on": {"Task"}, "family": {"Patient"}, "given": {"Patient"}, "birthdate": {"Patient"},
}  # fmt: skip
WHERE_DEFINED = ("identifier", "patient", "subject", "code", "category", "status", "encounter")


@pytest.mark.parametrize("name, types", ASKED_FOR.items())
def test_the_parameters_every_client_needs_are_there(capability, name, types):
    told = {
        each["type"]
        for each in capability["rest"][0]["resource"]
        if any(param["name"] == name for param in each.get("searchParam", ()))
    }
    assert types <= told


@pytest.mark.corpora
def test_parameters_are_those_of_the_standard(shared, capability):
    """Of the type and the definition that R4 gives them, and none that R4 defines of the common ones is left out."""
    bundle = json.loads((shared / "data/fhir-r4/search-parameters.json").read_text(encoding="utf-8"))
    defined = {
        (base, each["resource"]["code"]): each["resource"]
        for each in bundle["entry"]
        for base in each["resource"]["base"]
    }
    for each in capability["rest"][0]["resource"]:
        type_, told = each["type"], {param["name"]: param for param in each.get("searchParam", ())}
        for name, param in told.items():
            if name in ("patient.identifier", "_list"):  # a chain; R4 defines the other in words alone
                continue
            found = defined.get((type_, name)) or defined["Resource", name]
            assert (param["type"], param["definition"]) == (found["type"], found["url"]), f"{type_} {name}"
        if type_ == "Group":  # the one there is for a caller is found by few
            continue
        assert [name for name in WHERE_DEFINED if (type_, name) in defined and name not in told] == [], type_
        for name in (include.partition(":")[2] for include in each.get("searchInclude", ())):
            assert defined[type_, name]["type"] == "reference", f"{type_} {name}"


def test_it_is_alive_and_ready(everything):
    for path in ("/livez", "/readyz"):
        assert (everything.get(path, "").status_code, everything.get(path, "").text) == (200, "ok")


def test_it_is_not_ready_when_its_audit_cannot_be_written(clinic):
    break_audit(clinic)
    answer = clinic.get("/readyz", "")
    assert (answer.status_code, answer.text) == (503, "audit")
    assert clinic.get("/livez", "").status_code == 200


def break_audit(api) -> None:
    """Take the table away from under the audit."""
    if api.store.postgres:
        with api.store.write() as session:
            session.run("DROP TABLE audit CASCADE")
    else:
        with sqlite3.connect(api.settings.data_dir / "audit.db") as connection:
            connection.execute("DROP TABLE audit")


def test_no_span_is_made_whatever_the_process_is_set_up_for(clinic, monkeypatch):
    """A span holds the address and the query of a request: a number that a client put there would leave with it."""
    asked = []

    class Provider(trace.TracerProvider):
        def get_tracer(self, *name, **more):
            asked.append(name)
            return trace.NoOpTracer()

    monkeypatch.setattr(trace, "get_tracer_provider", Provider)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    assert clinic.get("/fhir/Patient", identifier="9990009990").status_code in (200, 403)
    assert asked == []
