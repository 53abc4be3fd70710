"""Bad requests: a clear OperationOutcome that names the place and never a value; an answer can always be found again
by its request id."""

import json
import re

import anyio
import pytest

from tests.api.people import ANN, uid

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "Zebrafish"
OBSERVATIONS = f"/fhir/Observation?patient={uid(1)}"

# Request ids


@pytest.mark.parametrize("given", ["a", "7d9a6b2e-0000-4000-8000-000000000001", "A" * 64])
def test_a_request_id_is_mirrored(everything, given):
    for path, user in (
        ("/livez", ""),
        ("/fhir/Patient/1", ""),
        (f"/fhir/Patient/{uid(1)}", "dr-green"),
        ("/nowhere", ""),
    ):
        answer = everything.get(path, user, {"X-Request-ID": given})
        assert answer.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "A" * 65, "a b", "a\tb", f"<{SECRET}>", "é", "a_b", "a/b"])
def test_a_request_id_that_is_long_or_odd_is_replaced(everything, given):
    answer = everything.ask("GET", "/livez", "", {"X-Request-ID": given.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-request-id"])


def test_without_a_request_id_each_answer_has_its_own(everything):
    assert everything.get("/livez", "").headers["x-request-id"] != everything.get("/livez", "").headers["x-request-id"]


def test_the_request_id_is_in_the_audit(everything):
    everything.get(f"/fhir/Patient/{uid(1)}", headers={"X-Request-ID": "to-be-found"})
    assert [event["type"] for event in everything.audit() if event.get("request") == "to-be-found"] == ["Patient"]


# Bodies


def chunks(size: int):
    for _ in range(size // 100):
        yield b"a" * 100


@pytest.mark.parametrize("path", ["/fhir/Observation/_search", "/fhir/Patient/$summary", "/sandbox/permission"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit_is_refused(everything, path, is_chunked):
    answer = everything.ask("POST", path, headers=FORM, content=chunks(3000) if is_chunked else b"a" * 3000)
    assert (answer.status_code, text(answer)) == (413, "the body is too large")
    assert answer.headers["x-request-id"]


def test_a_body_within_the_limit_is_read_though_it_comes_in_chunks(everything):
    def body():
        yield b"patient="
        yield uid(1).encode()

    answer = everything.ask("POST", "/fhir/Observation/_search", headers=FORM, content=body())
    assert answer.status_code == 200 and answer.json()["entry"]


def test_a_body_longer_than_it_said_is_refused(everything):
    answer = everything.ask(
        "POST", "/fhir/Observation/_search", headers={**FORM, "Content-Length": "10"}, content=chunks(3000)
    )
    assert answer.status_code == 413


DEEP = "[" * 900 + "]" * 900
BODIES = [
    ("/fhir/Observation/_search", "application/json", b"{}", 415, "content-type: application/x-www-form-urlencoded"),
    ("/fhir/Observation/_search", "", f"patient={SECRET}".encode(), 415, "content-type: application/x-www-form-urlencoded"),
    ("/fhir/Observation/_search", "multipart/form-data; boundary=x", b"--x--", 415, "content-type: application/x-www-form-urlencoded"),
    ("/fhir/Observation/_search", FORM["Content-Type"], f"patient={SECRET}\xff".encode("latin-1"), 400, "encoding of the parameters"),
    ("/fhir/Observation/_search", FORM["Content-Type"], f"patient={SECRET}%ff".encode(), 400, "encoding of the parameters"),
    ("/fhir/Observation/_search", FORM["Content-Type"], f"patient={SECRET}%zz".encode(), 400, "encoding of the parameters"),
    ("/fhir/Observation/_search", FORM["Content-Type"], f"patient={SECRET}%00".encode(), 400, "encoding of the parameters"),
    ("/fhir/Observation/_search", FORM["Content-Type"], SECRET.encode(), 400, "parameters: name=value"),
    ("/fhir/Observation/_search", FORM["Content-Type"], b"a=" + b"b" * 100_000, 413, "the body is too large"),
    ("/fhir/Observation/_search", FORM["Content-Type"], b"&".join([b"a=1"] * 51), 413, "too many parameters"),
    ("/fhir/Observation/_search", FORM["Content-Type"], b"&".join([b"code=1"] * 31), 413, "too many parameters"),
    ("/fhir/Patient/$summary", "application/fhir+json", b"", 400, "body: JSON, each name once"),
    ("/fhir/Patient/$summary", "application/fhir+json", f'{{"{SECRET}'.encode(), 400, "body: JSON, each name once"),
    ("/fhir/Patient/$summary", "application/fhir+json", b"\xff\xfe", 400, "body: JSON, each name once"),
    ("/fhir/Patient/$summary", "application/fhir+json", DEEP.encode(), 413, "the resource is nested too deep"),
    ("/fhir/Patient/$summary", "application/fhir+json", f'{{"a":1,"a":"{SECRET}"}}'.encode(), 400, "body: JSON, each name once"),
    ("/fhir/Patient/$summary", "application/fhir+json", b"[]", 400, "Parameters: each parameter once, with a value of its type"),
    ("/fhir/Patient/$summary", "application/fhir+json", b'{"resourceType":"Patient"}', 400, "Parameters"),
    ("/fhir/Patient/$summary", FORM["Content-Type"], f"identifier={ANN}&profile=urn:{SECRET}".encode(), 400, "parameter profile"),
    ("/fhir/Patient/$summary", "application/fhir+json", b'{"parameter":{"name":1}}', 400, "Parameters: each parameter once, with a value of its type"),
    ("/fhir/Patient/$summary", "application/fhir+json", b'{"parameter":[{"name":"identifier","valueIdentifier":1}]}', 400, "identifier"),
    ("/fhir/Patient/$summary", "application/fhir+json",
     f'{{"parameter":[{{"name":"identifier","valueIdentifier":{{"value":"{ANN}"}}}},{{"name":"onset","valueString":"{SECRET}"}}]}}'.encode(), 400,
     "Parameters: only identifier, profile and view are known"),
    ("/fhir/Patient/$summary", FORM["Content-Type"], f"identifier={SECRET}&identifier={ANN}".encode(), 400, "identifier"),
    ("/fhir/Patient/$summary", FORM["Content-Type"], f"{SECRET}={ANN}".encode(), 400, f"parameter {SECRET}"),
    ("/sandbox/permission", "application/json", b"", 400, "body: JSON, each name once"),
    ("/sandbox/permission", "application/json", DEEP.encode(), 413, "the resource is nested too deep"),
    ("/sandbox/permission", "application/json", f'{{"number":"{ANN}"}}'.encode(), 400, "body: number, basis and reason are needed, as strings"),
    ("/sandbox/permission", "application/json", b'{"number":1,"basis":"permission"}', 400, "body: number, basis and reason are needed, as strings"),
    ("/sandbox/permission", "application/json", f'{{"number":"{ANN}","number":"{ANN}","basis":"permission"}}'.encode(), 400,
     "body: JSON, each name once"),
    ("/sandbox/permission", "application/json", f'{{"number":"{SECRET}","basis":"permission"}}'.encode(), 400,
     "number: 10 digits of which the last one checks the others"),
    ("/sandbox/permission", "application/json", f'{{"number":"{ANN}","basis":"{SECRET}"}}'.encode(), 400,
     "basis: permission or permission-extended or self-claimed-lr or emergency or court-order or statute or public-interest or denied"),
    ("/sandbox/permission", "application/json", f'{{"number":"{ANN}","basis":"permission-extended"}}'.encode(), 400, "reason: 10 to 500 characters"),
]  # fmt: skip


@pytest.mark.parametrize("path, kind, body, status, expected", BODIES)
def test_a_body_that_cannot_be_read_is_refused_by_its_place(everything, path, kind, body, status, expected):
    answer = everything.ask("POST", path, headers={"Content-Type": kind}, content=body)
    assert (answer.status_code, text(answer)) == (status, expected)
    assert ANN not in answer.text and (SECRET not in answer.text or SECRET in expected)


# URLs

URLS = [
    (OBSERVATIONS + "&code=%zz", 400, "encoding of the parameters"),
    (OBSERVATIONS + "&code=%", 400, "encoding of the parameters"),
    (OBSERVATIONS + "&code=%ff", 400, "encoding of the parameters"),
    (OBSERVATIONS + "&code=a%00b", 400, "encoding of the parameters"),
    (OBSERVATIONS + "&code", 400, "parameters: name=value"),
    (OBSERVATIONS + "&x=1" * 50, 413, "too many parameters"),
    ("/fhir/Patient/$summary?identifier=%ff", 400, "encoding of the parameters"),
    ("/fhir/Patient/$summary", 400, "identifier"),
    (f"/fhir/Patient/$summary?identifier={SECRET}", 400, "identifier"),
    (f"/fhir/Patient/$summary?identifier=urn:{SECRET}|{ANN}", 400, "identifier"),
    (f"/fhir/Patient/{SECRET}", 404, "Patient"),
    (f"/fhir/Patient/{'a' * 5000}", 404, "Patient"),
    ("/fhir/Patient/%00", 404, "Patient"),
    ("/fhir/Patient/%ff%fe", 404, "Patient"),
    (f"/fhir/Patient/{uid(1)}/_history/{SECRET}", 404, "Patient"),
    (f"/fhir/Patient/{uid(1)}/_history/²", 404, "Patient"),
    (f"/fhir/Patient/{uid(1)}/_history/99999999999999999999", 404, "Patient"),
    (f"/fhir/Patient/{uid(1)}/_history/2", 404, "Patient"),
    (f"/fhir/Patient/{uid(1)}/${SECRET}", 404, "no such interaction"),
    (f"/fhir/{SECRET}/{uid(1)}", 404, "resource type"),
    ("/fhir", 405, "no such interaction"),
    (f"/{SECRET}", 404, "no such interaction"),
    ("/fhir/Patient/", 404, "no such interaction"),
    ("/docs", 404, "no such interaction"),
]  # fmt: skip


@pytest.mark.parametrize("path, status, expected", URLS)
def test_a_url_that_leads_nowhere_is_answered_by_an_outcome(everything, path, status, expected):
    answer = everything.get(path)
    assert (answer.status_code, text(answer)) == (status, expected)
    assert SECRET not in answer.text and ANN not in answer.text


def test_a_query_of_raw_bytes_is_refused(everything):
    """As a server hands it on; the client of these tests would encode it."""
    sent = ask_raw(everything, "/fhir/Observation", b"code=\xff\xfe")
    assert (
        sent["status"] == 400
        and json.loads(sent["body"])["issue"][0]["details"]["text"] == "encoding of the parameters"
    )


def ask_raw(api, path: str, query: bytes) -> dict:
    found = {"body": b""}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        found["status"] = message.get("status", found.get("status"))
        found["body"] += message.get("body", b"")

    headers = [(b"authorization", f"Bearer {api.token('dr-green')}".encode())]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query, "headers": headers, "scheme": "http",
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    anyio.run(api.app, scope, receive, send)
    return found


METHODS = [
    ("PUT", f"/fhir/Patient/{uid(1)}/_history", "GET"), ("DELETE", f"/fhir/Patient/{uid(1)}/_history/1", "GET"),
    ("DELETE", "/livez", "GET"), ("POST", "/metrics", "GET"), ("GET", "/sandbox/permission", "POST"),
    ("POST", f"/fhir/Patient/{uid(1)}/_history", "GET"),
]  # fmt: skip


@pytest.mark.parametrize("method, path, allowed", METHODS)
def test_a_method_that_is_not_allowed_is_told_which_is(everything, method, path, allowed):
    answer = everything.ask(method, path, json={"resourceType": SECRET})
    assert (answer.status_code, text(answer)) == (405, "no such interaction")
    assert allowed in answer.headers["allow"]
    assert SECRET not in answer.text


def test_every_answer_forbids_caching_sniffing_and_referring(everything):
    for path, user in (
        (f"/fhir/Patient/{uid(1)}", "dr-green"),
        ("/fhir/Patient/1", ""),
        ("/nowhere", ""),
        ("/fhir/metadata", ""),
    ):
        headers = everything.get(path, user).headers
        kept = "no-cache" if path == "/fhir/metadata" else "no-store"  # it is of nobody, and has an ETag
        assert (headers["cache-control"], headers["x-content-type-options"], headers["referrer-policy"]) == (
            kept,
            "nosniff",
            "no-referrer",
        )


def text(answer) -> str:
    """The words of an answer that must be an OperationOutcome of one issue."""
    outcome = answer.json()
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert outcome["resourceType"] == "OperationOutcome" and outcome["issue"][0]["severity"] == "error"
    (issue,) = outcome["issue"]
    return issue["details"]["text"]
