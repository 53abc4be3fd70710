"""The OpenAPI document: each route and nothing else, valid, and true enough to be called by a fuzzer."""

import re

import pytest
from starlette.routing import Mount

from gateway.api import auth, openapi
from gateway.fhir import capability, params
from gateway.nhs import roles
from tests.api.people import uid


@pytest.fixture(scope="module")
def described(everything):
    answer = everything.get("/openapi.json", "")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    return answer.json()


def told(described) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}


def served(path: str) -> tuple[str, ...]:
    if "/{inner}" in path:
        return ("Patient",)
    return tuple(params.SEARCHABLE) if "{resource_type}" in path else ("",)


def test_it_tells_of_each_route_for_each_type_and_of_nothing_else(everything, described):
    routes = [route for route in everything.app.routes if not isinstance(route, Mount)]
    expected = {
        (method, re.sub(r"_\}", "}", route.path.replace("{resource_type}", type_)))
        for route in routes
        for method in route.methods - {"HEAD"}
        for type_ in served(route.path)
    }
    assert told(described) == expected and len(expected) > 150
    assert {(method, route.path) for route in routes for method in route.methods - {"HEAD"}} == openapi.ROWS.keys()
    ids = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_each_operation_has_its_parameters_once_and_an_answer(described):
    assert described["openapi"] == "3.1.0"
    for path, methods in described["paths"].items():
        in_path = set(re.findall(r"\{(\w+)\}", path))
        for operation in methods.values():
            names = [(parameter["in"], parameter["name"]) for parameter in operation["parameters"]]
            assert len(names) == len(set(names)) and {name for place, name in names if place == "path"} == in_path
            assert "200" in operation["responses"] or operation["responses"].keys() & {"201", "202", "204"}


def test_it_says_who_may_and_what_a_search_takes(described):
    search = described["paths"]["/fhir/Observation"]["get"]
    assert {"code", "patient", "date", "_summary", "_elements"} <= {param["name"] for param in search["parameters"]}
    assert "Clinical Practitioner (B0360)" in search["description"] and "Receptionist" not in search["description"]
    assert "Receptionist (B0820)" in described["paths"]["/fhir/Patient/{id}/$everything"]["get"]["description"]
    public = {
        path
        for path, methods in described["paths"].items()
        for operation in methods.values()
        if operation.get("security") == []
    }
    assert public == auth.PUBLIC and roles.VERSION


def test_a_document_for_anybody_is_made_once_and_not_sent_again(everything, monkeypatch):
    for path in ("/openapi.json", "/fhir/metadata", "/fhir/metadata?_format=xml"):
        first = everything.get(path, "")
        monkeypatch.setattr(openapi, "document", None)
        monkeypatch.setattr(capability, "statement", None)
        again = everything.get(path, "")
        assert again.content == first.content and again.headers["etag"] == first.headers["etag"], path
        assert again.headers["content-type"] == first.headers["content-type"]
        held = everything.get(path, "", {"If-None-Match": first.headers["etag"]})
        assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", first.headers["etag"])
        assert everything.get(path, "", {"If-None-Match": '"other"'}).status_code == 200
        monkeypatch.undo()
    tags = {everything.get(f"/fhir/metadata?_format={form}", "").headers["etag"] for form in ("json", "xml")}
    assert len(tags) == 2


IPS = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"
VALUES = {"_summary": "true", "profile": IPS, "_sort": "_lastUpdated", "_total": "none"}


def is_tried(path: str) -> bool:
    """One type of each shape."""
    return path.startswith(
        ("/fhir/Observation", "/fhir/Patient", "/fhir/DocumentReference", "/fhir/Binary", "/fhir/metadata")
    )


def test_a_parameter_that_it_names_is_one_that_is_taken(everything, described):
    """No route refuses, as unknown, the name of a parameter that the document gives it."""
    tried = [
        (re.sub(r"\{\w+\}", uid(1), path), parameter["name"])
        for path, methods in described["paths"].items()
        if is_tried(path) and "get" in methods and "$export" not in path
        for parameter in methods["get"]["parameters"]
        if parameter["in"] == "query"
    ]
    for path, name in tried:
        answer = everything.get(path, **{name: VALUES.get(name, "x")})
        assert answer.status_code != 400 or answer.json()["issue"][0]["diagnostics"] != f"parameter {name}" or (
            answer.json()["issue"][0]["code"] != "not-supported"
        ), (path, name)  # fmt: skip
    assert len(tried) > 100


@pytest.mark.slow
def test_a_fuzzer_that_reads_it_finds_no_failure_of_the_server(everything, described):
    """schemathesis calls each operation with what the document allows, and with what it does not."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    schema = schemathesis.openapi.from_dict(described)
    token = {"Authorization": f"Bearer {everything.token('dr-green')}"}
    tried, statuses = 0, set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if not is_tried(operation.path):
            continue

        @settings(
            max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(case=operation.as_strategy())
        def call(case):
            arguments = case.as_transport_kwargs(base_url="http://localhost:8000")
            arguments.pop("cookies", None)
            if isinstance(arguments.get("data"), (bytes, str)):
                arguments["content"] = arguments.pop("data")
            headers = {
                **{name: str(value) for name, value in arguments.pop("headers", {}).items() if str(value).isascii()},
                **token,
            }
            answer = everything.client.request(headers=headers, **arguments)
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (case.method, case.path)

        call()
        tried += 1
    assert tried > 20 and {200, 400, 404} <= statuses, "it reaches beyond what is refused first"
