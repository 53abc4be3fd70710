"""Every route asks the policy: where the policy refuses everybody, no route answers anybody."""

import json

import pytest
from starlette.routing import Mount

from gateway.api import auth, openapi
from gateway.nhs import access
from gateway.nhs.access import NO_ROLE
from tests import acts
from tests.api.people import ANN, uid

JSON = {"content-type": "application/json"}
PATCH = {"content-type": "application/json-patch+json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
NUMBER = "identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C" + ANN
TRANSACTION = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}],
}
JOB, FILE = "0" * 32, "Patient.00000.ndjson"
SUBSCRIPTION = json.dumps(
    {
        "resourceType": "Subscription",
        "id": "a",
        "status": "requested",
        "reason": "new visits",
        "criteria": "Encounter?status=finished",
        "channel": {"type": "rest-hook", "endpoint": "https://hooks.example/a"},
    }
)
PERMISSION = json.dumps({"number": ANN, "basis": "permission", "reason": "asked"})

REQUESTS: dict[tuple[str, str], tuple[str, str, dict[str, str], str, str]] = {
    ("GET", "/metrics"): ("/metrics", "admin", {}, "", "jobs"),
    ("GET", "/quality"): ("/quality", "admin", {}, "", "jobs"),
    ("GET", "/alerts"): ("/alerts", "privacy-officer", {}, "", "audit"),
    ("GET", "/alerts/{id_}"): ("/alerts/1", "privacy-officer", {}, "", "audit"),
    ("POST", "/alerts/{id_}"): ("/alerts/1", "privacy-officer", FORM, "state=closed&note=looked%20into%20it", "audit"),
    ("GET", "/record/{id_}"): (f"/record/{uid(1)}", "dr-green", {}, "", "shared"),
    ("GET", "/my/looked"): ("/my/looked", "patient", {}, "", "looked"),
    ("GET", "/my/choices"): ("/my/choices", "patient", {}, "", "choices"),
    ("POST", "/record"): ("/record", "dr-green", FORM, f"number={ANN}", "shared"),
    ("POST", "/find"): ("/find", "dr-green", FORM, "family=Ames&given=Ann&born=1980-02-29&sex=female", "search"),
    ("GET", "/permission"): ("/permission", "dr-green", {}, "", "permit"),
    ("POST", "/permission"): ("/permission", "dr-green", FORM, f"number={ANN}&basis=permission", "permit"),
    ("POST", "/launch"): ("/launch", "dr-green", FORM, f"app=https%3A%2F%2Fapp.example%2Flaunch&number={ANN}", "search"),
    ("GET", "/fhir/Practitioner/sandbox-{user}"): ("/fhir/Practitioner/sandbox-dr-ward", "dr-green", {}, "", "read"),
    ("GET", "/fhir/Patient/{id_}/$summary"): (f"/fhir/Patient/{uid(1)}/$summary", "dr-green", {}, "", "shared"),
    ("GET", "/fhir/Patient/$summary"): (f"/fhir/Patient/$summary?{NUMBER}", "dr-green", {}, "", "shared"),
    ("POST", "/fhir/Patient/{id_}/$summary"): (f"/fhir/Patient/{uid(1)}/$summary", "dr-green", FORM, "", "shared"),
    ("POST", "/fhir/Patient/$summary"): ("/fhir/Patient/$summary", "dr-green", FORM, NUMBER, "shared"),
    ("GET", "/fhir/Patient/{id_}/$everything"): (f"/fhir/Patient/{uid(1)}/$everything", "dr-green", {}, "", "everything"),
    ("POST", "/fhir/Patient/{id_}/$everything"): (f"/fhir/Patient/{uid(1)}/$everything", "dr-green", FORM, "", "everything"),
    ("GET", "/fhir/Group"): ("/fhir/Group", "dr-green", {}, "", "caseload"),
    ("POST", "/fhir/Group/_search"): ("/fhir/Group/_search", "dr-green", FORM, "actual=true", "caseload"),
    ("GET", "/fhir/Group/{id_}"): (f"/fhir/Group/{uid(1)}", "dr-green", {}, "", "caseload"),
    ("GET", "/fhir/Group/{id_}/$changes"): (f"/fhir/Group/{uid(1)}/$changes", "dr-green", {}, "", "caseload"),
    ("GET", "/fhir/DocumentReference/$docref"): (f"/fhir/DocumentReference/$docref?patient={uid(1)}", "dr-green", {}, "", "search"),
    ("POST", "/fhir/DocumentReference/$docref"): ("/fhir/DocumentReference/$docref", "dr-green", FORM, f"patient={uid(1)}", "search"),
    ("GET", "/fhir/Observation/$lastn"): (f"/fhir/Observation/$lastn?patient={uid(1)}", "dr-green", {}, "", "search"),
    ("POST", "/fhir/Observation/$lastn"): ("/fhir/Observation/$lastn", "dr-green", FORM, f"patient={uid(1)}", "search"),
    ("GET", "/fhir/Binary/{id_}"): (f"/fhir/Binary/{uid(1)}.0", "dr-green", {}, "", "read"),
    ("POST", "/fhir/Subscription"): ("/fhir/Subscription", "tester", JSON, SUBSCRIPTION, "subscribe"),
    ("GET", "/fhir/Subscription"): ("/fhir/Subscription", "tester", {}, "", "subscribe"),
    ("GET", "/fhir/Subscription/{id_}"): ("/fhir/Subscription/a", "tester", {}, "", "subscribe"),
    ("GET", "/fhir/Subscription/{id_}/$status"): ("/fhir/Subscription/a/$status", "tester", {}, "", "subscribe"),
    ("PUT", "/fhir/Subscription/{id_}"): ("/fhir/Subscription/a", "tester", JSON, SUBSCRIPTION, "subscribe"),
    ("DELETE", "/fhir/Subscription/{id_}"): ("/fhir/Subscription/a", "tester", {}, "", "subscribe"),
    ("GET", "/fhir/$export"): ("/fhir/$export", "researcher", {"prefer": "respond-async"}, "", "export"),
    ("GET", "/fhir/Patient/$export"): ("/fhir/Patient/$export", "researcher", {"prefer": "respond-async"}, "", "export"),
    ("POST", "/fhir/$export"): ("/fhir/$export", "researcher", {"prefer": "respond-async"}, "", "export"),
    ("POST", "/fhir/Patient/$export"): ("/fhir/Patient/$export", "researcher", {"prefer": "respond-async"}, "", "export"),
    ("GET", "/fhir/bulk/{job}"): (f"/fhir/bulk/{JOB}", "researcher", {}, "", "export"),
    ("GET", "/fhir/bulk/{job}/{name}"): (f"/fhir/bulk/{JOB}/{FILE}", "researcher", {}, "", "export"),
    ("DELETE", "/fhir/bulk/{job}"): (f"/fhir/bulk/{JOB}", "researcher", {}, "", "export"),
    ("GET", "/fhir/{resource_type}/{id_}"): (f"/fhir/Patient/{uid(1)}", "dr-green", {}, "", "read"),
    ("GET", "/fhir/{resource_type}/{id_}/_history/{version}"): (f"/fhir/Patient/{uid(1)}/_history/1", "dr-green", {}, "", "vread"),
    ("GET", "/fhir/{resource_type}/{id_}/_history"): (f"/fhir/Patient/{uid(1)}/_history", "dr-green", {}, "", "history"),
    ("GET", "/fhir/{resource_type}"): (f"/fhir/Observation?patient={uid(1)}", "dr-green", {}, "", "search"),
    ("GET", "/fhir/{resource_type}/{id_}/{inner}"): (f"/fhir/Patient/{uid(1)}/Observation", "dr-green", {}, "", "search"),
    ("POST", "/fhir/{resource_type}/{id_}/{inner}/_search"): (f"/fhir/Patient/{uid(1)}/Observation/_search", "dr-green", FORM, "code=x", "search"),
    ("POST", "/fhir/{resource_type}/_search"): ("/fhir/Observation/_search", "dr-green", FORM, f"patient={uid(1)}", "search"),
    ("POST", "/fhir/{resource_type}/$validate"): ("/fhir/Patient/$validate", "admin", JSON, "{}", "validate"),
    ("POST", "/fhir/{resource_type}/{id_}/$validate"): ("/fhir/Patient/a/$validate", "admin", JSON, "{}", "validate"),
    ("POST", "/fhir"): ("/fhir", "tester", JSON, json.dumps(TRANSACTION), "create"),
    ("POST", "/fhir/"): ("/fhir/", "tester", JSON, json.dumps(TRANSACTION), "create"),
    ("POST", "/fhir/{resource_type}"): ("/fhir/Patient", "tester", JSON, '{"resourceType":"Patient"}', "create"),
    ("PUT", "/fhir/{resource_type}/{id_}"): ("/fhir/Patient/a", "tester", JSON, '{"resourceType":"Patient","id":"a"}', "update"),
    ("PATCH", "/fhir/{resource_type}/{id_}"): ("/fhir/Patient/a", "tester", PATCH, "[]", "update"),
    ("PUT", "/fhir/{resource_type}"): ("/fhir/Patient?identifier=a%7Cb", "tester", JSON, '{"resourceType":"Patient"}', "update"),
    ("PATCH", "/fhir/{resource_type}"): ("/fhir/Patient?identifier=a%7Cb", "tester", PATCH, "[]", "update"),
    ("DELETE", "/fhir/{resource_type}"): ("/fhir/Patient?identifier=a%7Cb", "tester", {}, "", "delete"),
    ("DELETE", "/fhir/{resource_type}/{id_}"): ("/fhir/Patient/a", "tester", {}, "", "delete"),
    ("POST", "/sandbox/pack"): ("/sandbox/pack", "tester", JSON, json.dumps({"pack": "privacy"}), "create"),
    ("POST", "/fhir/$reset"): ("/fhir/$reset", "tester", {}, "", "delete"),
    ("POST", "/sandbox/permission"): ("/sandbox/permission", "dr-ward", JSON, PERMISSION, "permit"),
}  # fmt: skip
"""Each route that asks who is calling → a request of somebody who may, and the act that it is."""


def routes(api) -> set[tuple[str, str]]:
    """The method and path of every route but those for anybody."""
    answering = [route for route in api.app.routes if not isinstance(route, Mount) and route.path not in auth.PUBLIC]
    return {(method, route.path) for route in answering for method in route.methods - {"HEAD"}}


def asked(api, method: str, request: tuple[str, str, dict[str, str], str, str]):
    path, user, headers, body, _ = request
    return api.ask(method, path, user, headers, **({"content": body} if body else {}))


def test_every_route_has_its_request(clinic):
    assert routes(clinic) == REQUESTS.keys()


@pytest.mark.parametrize("method, path", REQUESTS, ids=" ".join)
def test_a_route_asks_the_policy_for_its_act_and_answers_nobody_whom_it_refuses(clinic, monkeypatch, method, path):
    request = REQUESTS[method, path]
    before = asked(clinic, method, request)
    assert before.status_code not in (400, 401, 405, 415, 422), "the request is one that may be answered"
    named: list[str] = []

    def refuse(_caller, act, _facts, _trace):
        named.append(act.name)
        return NO_ROLE

    monkeypatch.setattr(access, "_caller_alone", refuse)
    answer = asked(clinic, method, request)
    assert request[-1] in named, "the policy was not asked, or for another act"
    assert answer.status_code == 403 and answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("method, path", REQUESTS, ids=" ".join)
def test_an_answer_of_a_route_is_an_act_in_the_audit(clinic, method, path):
    before = len(clinic.audit())
    asked(clinic, method, REQUESTS[method, path])
    rows = acts.ROUTES[method, path]
    assert {event["act"] for event in clinic.audit()[before:]} == (set() if isinstance(rows, str) else set(rows))


AUDITED_AS = {"quality": "jobs", "reset": "delete", "pack": "create", "load": "create"}
"""Acts of the audit that have another name than the one that policy is asked for."""


def test_openapi_tells_the_act_that_is_asked_for_and_audited():
    """Beside the tests above, which show of each request that policy is asked for its act, and what is audited."""
    assert {route: openapi.ROWS[route].act for route in REQUESTS} == {route: row[-1] for route, row in REQUESTS.items()}
    for route, names in acts.ROUTES.items():
        audited = () if isinstance(names, str) else names
        assert {AUDITED_AS.get(name, name.partition(".")[0]) for name in audited} <= {openapi.ROWS[route].act}, route


def test_every_route_has_its_row_of_acts(clinic):
    assert routes(clinic) == acts.ROUTES.keys()


@pytest.mark.parametrize("path", sorted(auth.PUBLIC))
def test_a_public_route_tells_nothing_of_anybody(clinic, path):
    text = clinic.get(path, "").text
    assert ANN not in text and uid(1) not in text
