"""Attacks by the front door that no other test makes; ``tests/attacks.csv`` names every attack and its tests."""

import gzip
import json
import logging
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from gateway.fhir import model, params
from tests.api.conftest import Api
from tests.api.people import ABE, AMY, ANN, SETS, encounter, observation, on_the_ward, patient, to, uid
from tests.toy import deliver, row

JSON = {"Content-Type": "application/fhir+json"}
XML = {"Content-Type": "application/fhir+xml"}
NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
UNKNOWN = uid(9)


# A2, A27: what is hidden, or ends, between two pages


def next_of(answer) -> str:
    """The path of the next page, "" after the last."""
    links = {link["relation"]: link["url"] for link in answer.json().get("link", ())}
    return links.get("next", "").removeprefix("http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def pages(ward) -> Api:
    """Of Ann and of Amy are three observations each at their practices, which point at a visit. The ward has
    permission for both."""
    for place, person, publisher in ((500, 1, "P1"), (600, 21, "P2")):
        visit = to("Encounter", place)
        seen = [
            observation(place + n, person, "k", encounter=visit, effectiveDateTime=f"2024-01-0{n}") for n in (1, 2, 3)
        ]
        deliver(ward.store, [row(f"visit {place}", encounter(place, person), publisher=publisher),
                             *(row(f"seen {held['id']}", held, publisher=publisher) for held in seen)], SETS)  # fmt: skip
    for number in (ANN, AMY):
        assert ward.permit(number, "dr-ward").status_code == 201
    return ward


def test_what_is_hidden_between_two_pages_is_on_neither_and_not_included(pages):
    asked = f"/fhir/Observation?patient={uid(1)}&code=k&_count=1&_include=Observation:encounter"
    first = pages.get(asked, "dr-ward")
    assert f"Encounter/{uid(500)}" in first.text and next_of(first)
    hidden = [encounter(500, 1, security=["R"])]
    deliver(pages.store, [row("visit 500", *hidden, order=2)], SETS)
    seen, path = "", next_of(first)
    while path:
        answer = pages.get(path, "dr-ward")
        assert answer.status_code == 200
        seen, path = seen + answer.text, next_of(answer)
    assert uid(500) not in seen, "the visit, and the references that lead to it"


def test_a_page_after_the_end_of_care_is_refused_as_the_first_would_be(pages):
    first = pages.get(f"/fhir/Observation?patient={uid(21)}&code=k&_count=1", "dr-ward")
    path = next_of(first)
    assert path and pages.get(path, "dr-ward").status_code == 200
    discharged = {**on_the_ward(36, 35), "status": "finished", "period": {"start": "2026-01-01", "end": "2026-01-09"}}
    deliver(pages.store, [row("amy", patient(35, AMY, "Ames", "Amy"), discharged, publisher="T", order=2)], SETS, name="trust", kind="hospital")  # fmt: skip
    for later in (pages.get(path, "dr-ward"), pages.get(f"/fhir/Observation?patient={uid(21)}&code=k", "dr-ward")):
        assert later.status_code in (200, 403, 404) and "entry" not in later.json(), "nothing more of her is shown"


# A5: operations and forms that others were broken by are not offered, alike for whoever is there and for nobody

NOT_OFFERED = [
    ("GET", "/fhir/$graphql?query={{Patient(id:%22{}%22){{id}}}}"), ("POST", "/fhir/$graphql"), ("GET", "/fhir/Patient/{}/$graphql?query={{id}}"),
    ("GET", "/fhir/Patient/{}/$graph?graph=x"), ("POST", "/fhir/Patient/$member-match"), ("GET", "/fhir/Composition/{}/$document"),
    ("POST", "/fhir/Patient/$match"), ("GET", "/fhir/Encounter/{}/$everything"), ("POST", "/fhir/$process-message"), ("POST", "/fhir/$import"),
    ("POST", "/fhir/$import-pnp"), ("GET", "/fhir/$includes?id={}"), ("GET", "/fhir/Patient/{}/$diff"), ("POST", "/fhir/Patient/$merge"),
    ("GET", "/fhir/Patient/{}/$purge"), ("POST", "/fhir/Patient/{}/$apply"), ("GET", "/fhir/_history?_since=2020"), ("GET", "/fhir/Patient/_history"),
    ("GET", "/fhir?_type=Patient,Observation"), ("GET", "/fhir/AuditEvent?entity={}"), ("GET", "/fhir/Observation/$stats?subject={}"),
    ("POST", "/loadIG"), ("GET", "/fhir/Patient/{}/*"), ("GET", "/fhir/ValueSet/$expand?url=http://127.0.0.1/"),
]  # fmt: skip


@pytest.mark.parametrize("method, path", NOT_OFFERED)
def test_an_operation_that_is_not_offered_tells_nothing(ward, method, path):
    for user in ("dr-green", "dr-other", "tester"):
        there, absent = (ward.ask(method, path.format(id_), user, JSON, content=b"{}" if method == "POST" else None)
                         for id_ in (uid(1), UNKNOWN))  # fmt: skip
        assert there.status_code in (400, 403, 404, 405), there.text
        assert (there.status_code, there.content) == (absent.status_code, absent.content)


# A8, A9: every type of R4, of which most have no rule


def test_a_type_without_a_rule_is_neither_read_nor_searched_nor_written(ward):
    """Also what others share with everybody: Device, Medication, List, Media, Bundle, CareTeam."""
    ruled = {*params.SEARCHABLE, "Binary", "Group", "Subscription"}
    others = sorted(model.RESOURCE_TYPES - ruled)
    assert len(others) > 100 and {
        "Device",
        "Medication",
        "List",
        "CareTeam",
        "Media",
        "Communication",
        "AuditEvent",
    } <= {*others}
    for type_ in others:
        for path in (f"/fhir/{type_}/{uid(1)}", f"/fhir/{type_}?patient={uid(1)}"):
            answer = ward.get(path)
            assert answer.status_code in (400, 403, 404) and "entry" not in answer.json(), path
        sent = json.dumps({"resourceType": type_}).encode()
        assert ward.ask("POST", f"/fhir/{type_}", "tester", JSON, content=sent).status_code in (403, 404, 405), type_


# A11: no address in data or in a request is called


@contextmanager
def listener():
    """A server of this machine, and the connections that came to it."""
    came, server = [], socket.create_server(("127.0.0.1", 0))

    def listen():
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                came.append(1)
                connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", came
    server.close()


def server_of(base: str) -> tuple[str, int]:
    host, _, port = base.removeprefix("http://").partition(":")
    return host, int(port)


def came_within(came: list[int], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not came and time.monotonic() < ends:
        time.sleep(0.01)
    return bool(came)


def test_no_address_in_data_or_in_a_request_is_called(ward):
    with listener() as (base, came):
        person = ward.ask("POST", "/fhir/Patient", "tester", JSON, content=b'{"resourceType":"Patient"}').json()["id"]
        subject = {"reference": f"Patient/{person}"}
        code = {"coding": [{"system": base, "code": "x"}], "text": "x"}
        held = [
            {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": f"{base}/Patient/1"}},
            {"resourceType": "Observation", "status": "final", "code": code, "subject": subject, "performer": [{"reference": f"{base}/Practitioner/1"}]},
            {"resourceType": "Observation", "status": "final", "code": code, "subject": subject, "meta": {"profile": [f"{base}/StructureDefinition/x"]},
             "implicitRules": f"{base}/rules"},
            {"resourceType": "Observation", "status": "final", "code": code, "subject": subject, "extension": [{"url": f"{base}/e", "valueUri": base}]},
            {"resourceType": "DocumentReference", "status": "current", "subject": subject,
             "content": [{"attachment": {"contentType": "text/plain", "url": f"{base}/letter"}}]},
            {"resourceType": "Patient", "photo": [{"url": f"{base}/photo"}], "link": [{"other": {"reference": f"{base}/Patient/2"}, "type": "refer"}]},
        ]  # fmt: skip
        for body in held:
            type_ = body["resourceType"]
            content = json.dumps(body).encode()
            ward.ask("POST", f"/fhir/{type_}", "tester", JSON, content=content)
            ward.ask(
                "POST", f"/fhir/{type_}/$validate?profile={base}/StructureDefinition/x", "tester", JSON, content=content
            )
            entry = {
                "fullUrl": f"{base}/{type_}/1",
                "resource": body,
                "request": {"method": "POST", "url": f"{base}/{type_}"},
            }
            for kind in ("batch", "transaction"):
                bundle = {
                    "resourceType": "Bundle",
                    "type": kind,
                    "link": [{"relation": "next", "url": base}],
                    "entry": [entry],
                }
                ward.ask("POST", "/fhir", "tester", JSON, content=json.dumps(bundle).encode())
        for path in (
            f"/fhir/Patient/{uid(1)}/$summary?profile={base}/x", f"/fhir/Observation?patient={base}/Patient/1", f"/fhir/Observation?patient={uid(1)}&code:in={base}/vs",
            f"/fhir/Observation?patient={uid(1)}&_profile={base}/x", f"/fhir/Observation?_cursor={base}", f"/auth/authorize?redirect_uri={base}&aud={base}&client_id={base}",
            f"/signin?to={base}", f"/fhir/Patient?_query={base}",
        ):  # fmt: skip
            ward.get(path)
        for headers in (
            {"Host": base.removeprefix("http://")},
            {"X-Forwarded-Host": base},
            {"Origin": base},
            {"Referer": base},
        ):
            ward.get(f"/fhir/Patient/{uid(1)}", headers=headers)
        hook = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Observation?code=x",
                "channel": {"type": "rest-hook", "endpoint": f"{base}/hook", "payload": "application/fhir+json"}}  # fmt: skip
        assert (
            ward.ask("POST", "/fhir/Subscription", "tester", JSON, content=json.dumps(hook).encode()).status_code >= 400
        )
        assert came == []
        socket.create_connection(server_of(base)).close()
        assert came_within(came, 5), "the listener does hear"


# A13: entities of a document


OUTSIDE = b'<!DOCTYPE Patient [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
LAUGHS = b'<!DOCTYPE Patient [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
REMOTE = b'<!DOCTYPE Patient SYSTEM "http://127.0.0.1:1/evil.dtd">'


@pytest.mark.parametrize("before", [OUTSIDE, LAUGHS, REMOTE], ids=["file", "laughs", "remote"])
def test_a_document_with_entities_of_its_own_is_not_read(ward, before):
    named = b"&e;" if before is OUTSIDE else b"&b;" if before is LAUGHS else b""
    body = before + b'<Patient xmlns="http://hl7.org/fhir"><language value="' + named + b'"/></Patient>'
    for path in ("/fhir/Patient", "/fhir/Patient/$validate"):
        answer = ward.ask("POST", path, "tester", XML, content=body)
        assert answer.status_code == (200 if "$validate" in path else 400)
        assert "with a DTD or an entity of its own" in answer.text and "haha" not in answer.text


# A17: a narrative that acts


ACTIVE = [
    "<script>alert(1)</script>", '<img src="x" onerror="alert(1)"/>', '<a href=" \u0001javascript:alert(1)">x</a>', '<a href="java&#9;script:alert(1)">x</a>',
    '<svg><script>1</script></svg>', '<iframe src="https://evil.example"/>', '<p style="background:url(javascript:1)">x</p>', '<form action="https://evil.example"/>',
    '<a href="data:text/html,x">x</a>', '<object data="x"/>', '<math><mtext>x</mtext></math>', '<base href="https://evil.example/"/>',
]  # fmt: skip


@pytest.mark.parametrize("markup", ACTIVE)
def test_no_active_narrative_is_passed_on(ward, markup):
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{markup}</div>'}
    sent = json.dumps({"resourceType": "Patient", "text": text}).encode()
    answer = ward.ask("POST", "/fhir/Patient", "tester", JSON, content=sent)
    if answer.status_code == 201:
        read = ward.get(f"/fhir/Patient/{answer.json()['id']}", "tester")
        assert "text" not in answer.json() and "alert" not in read.text and "evil" not in read.text
    else:
        assert answer.status_code in (400, 422) and "alert" not in answer.text


# A22: nothing of a request or of a person is in a log


def test_no_number_name_id_or_token_of_a_request_is_logged(ward, caplog):
    caplog.set_level(logging.DEBUG)
    for user in ("dr-green", "dr-ward", "dr-other", "receptionist", ""):
        for path in (
            f"/fhir/Patient?identifier={NUMBER}|{ANN}", "/fhir/Patient?family=Ames&given=Ann&birthdate=1980-02-29", f"/fhir/Patient/{uid(1)}",
            f"/fhir/Observation?patient.identifier={NUMBER}|{ABE}", f"/fhir/Patient/$summary?identifier={ANN}", f"/fhir/Patient/{uid(1)}/$everything",
            f"/fhir/Nothing/{ANN}", f"/fhir/Observation?patient={uid(1)}&zebra={ANN}", f"/record/{uid(1)}", f"/{ANN}",
        ):  # fmt: skip
            ward.get(path, user)
        for path, kind, body in (
            ("/fhir/Patient/_search", "application/x-www-form-urlencoded", f"identifier={ANN}"), ("/fhir/Patient", "application/fhir+json", f'{{"a":"{ANN}"'),
            ("/fhir/Patient", "application/fhir+json", f'{{"resourceType":"Patient","id":"{ANN}","name":[{{"family":"Ames"}}]}}'),
            ("/sandbox/permission", "application/json", f'{{"number":"{ANN}","basis":"permission","reason":"Ames"}}'), ("/record", "application/x-www-form-urlencoded", f"number={ANN}"),
        ):  # fmt: skip
            ward.ask("POST", path, user, {"Content-Type": kind}, content=body.encode())
    secrets = {ANN, ABE, "Ames", uid(1), "1980-02-29", *(ward.token(user)[-40:] for user in ("dr-green", "dr-ward"))}
    assert [word for word in secrets if word in caplog.text] == []


# A25: a compressed body is not blown up


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_compressed_body_is_not_unpacked(ward, encoding):
    body = gzip.compress(b'{"resourceType":"Patient","language":"' + b"a" * 50_000_000 + b'"}')
    answer = ward.ask("POST", "/fhir/Patient", "tester", {**JSON, "Content-Encoding": encoding}, content=body)
    assert answer.status_code in (400, 413, 415)
