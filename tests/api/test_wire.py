"""What is around an answer: compression, and which pages of other origins a browser lets read it."""

import base64
import json
import random

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from gateway import config
from gateway.api.compression import Compression
from gateway.errors import Refused
from tests.api.conftest import Api
from tests.api.people import uid

PAGE = f"/fhir/Observation?patient={uid(1)}"
GZIP, PLAIN = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}


def test_a_large_answer_is_compressed_for_who_accepts_it_and_a_small_one_never(everything):
    large, plain = everything.get(PAGE, headers=GZIP), everything.get(PAGE, headers=PLAIN)
    assert large.headers["content-encoding"] == "gzip" and large.content == plain.content
    assert int(large.headers["content-length"]) < len(plain.content) / 3
    assert "content-encoding" not in plain.headers and plain.headers["vary"] == "Accept-Encoding"
    for path in (f"/fhir/Patient/{uid(1)}", "/fhir/Patient/unknown"):
        assert "content-encoding" not in everything.get(path, headers=GZIP).headers
    assert "content-encoding" not in everything.get("/metrics", "admin", GZIP).headers, "outside of the FHIR API"


def test_what_gets_no_smaller_is_sent_as_it_is():
    """A large answer of letters in base64 costs a second of time for a quarter of its size."""
    entry = json.dumps({"resourceType": "Observation", "code": {"coding": [{"system": "http://snomed.info/sct"}]}})
    lines = ",".join(f"{entry}{number}" for number in range(9000)).encode()
    letters = base64.b64encode(random.Random(1).randbytes(600_000))
    for body, is_compressed in (
        (lines, True), (letters, False), (lines[:9000] + letters, False), (lines + letters[:90_000], True), (letters[:9000], True),
    ):  # fmt: skip
        app = Starlette(routes=[Route("/fhir/x", lambda _, body=body: Response(body))])
        answer = TestClient(Compression(app)).get("/fhir/x", headers=GZIP)
        assert answer.content == body and ("content-encoding" in answer.headers) == is_compressed, len(body)


def test_head_has_the_headers_of_get(everything):
    for path in (PAGE, f"/fhir/Patient/{uid(1)}", f"/fhir/Patient/{uid(1)}/$everything", "/fhir/metadata", "/livez"):
        for encoding in (GZIP, PLAIN):
            head, get = (everything.ask(method, path, headers=encoding) for method in ("HEAD", "GET"))
            same = ("content-length", "content-type", "content-encoding", "etag", "last-modified", "cache-control")
            assert head.content == b"" and head.status_code == get.status_code == 200
            assert [head.headers.get(name) for name in same] == [get.headers.get(name) for name in same], path


ORIGIN = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization, if-none-match"}


def test_only_pages_of_named_origins_may_read_an_answer(everything, tmp_path):
    named = Api(everything.store, everything.settings.data_dir, cors_origins=(ORIGIN,))
    path = f"/fhir/Patient/{uid(1)}"
    try:
        for api, origin, is_let in (
            (named, ORIGIN, True), (named, f"{ORIGIN}.evil.example", False), (named, "http://app.example", False), (named, "null", False),
            (everything, ORIGIN, False),
        ):  # fmt: skip
            answer = api.get(path, headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == (ORIGIN if is_let else None)
            assert "access-control-allow-credentials" not in answer.headers
            assert ("ETag" in answer.headers.get("access-control-expose-headers", "")) == (api is named)
            asked = api.ask("OPTIONS", path, "", {"Origin": origin, **PREFLIGHT})
            assert (asked.status_code == 200) == is_let, (origin, asked.status_code)
        refused = named.get(path, "", {"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
    finally:
        named.service.close()


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.example",
        "http://app.example",
        "https://app.example/",
        "app.example",
        "null",
        "https://App.example",
    ],
)
def test_an_origin_is_one_and_exact(text):
    with pytest.raises(Refused, match="GATEWAY_CORS_ORIGINS"):
        config.read({"GATEWAY_CORS_ORIGINS": text})
    assert (
        config.read({"GATEWAY_CORS_ORIGINS": f"{ORIGIN}, http://localhost:3000"}).cors_origins[1]
        == "http://localhost:3000"
    )
