"""Subscriptions over HTTP: what a client may ask for, that it sees only its own, and that no secret comes back."""

import json
import socket
import time
from urllib.parse import urlencode

import pytest
from standardwebhooks import Webhook

from gateway import egress, keys
from gateway.commands import main
from gateway.errors import Refused, Unavailable
from gateway.fhir import model
from gateway.notify import wish
from gateway.notify.hooks import Hooks
from gateway.notify.keeping import MOST
from tests.api.people import ANN, observation, uid
from tests.toy import row as sends

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
SECRET_HEADER = "Authorization: Bearer zebedee-42"


def content(value: str) -> dict:
    return {"payload": "application/fhir+json", "_payload": {"extension": [{"url": f"{BACKPORT}payload-content", "valueCode": value}]}}  # fmt: skip


REFUSED = {
    "an address that is not listed": ({"channel": {"endpoint": "https://else.example/a"}}, "channel.endpoint"),
    "another port of a listed host": ({"channel": {"endpoint": "https://hooks.example:444/a"}}, "channel.endpoint"),
    "a listed host as the user": ({"channel": {"endpoint": "https://hooks.example@else.example/a"}}, "channel.endpoint"),
    "a user": ({"channel": {"endpoint": "https://me:secret@hooks.example/a"}}, "channel.endpoint"),
    "a query": ({"channel": {"endpoint": "https://hooks.example/a?token=1"}}, "channel.endpoint"),
    "no TLS": ({"channel": {"endpoint": "http://hooks.example/a"}}, "channel.endpoint"),
    "no address": ({"channel": {"endpoint": "mailto:a@hooks.example"}}, "channel.endpoint"),
    "another channel": ({"channel": {"type": "email"}}, "channel.type"),
    "a resource as payload": ({"channel": {"payload": "application/fhir+json"}}, "channel.payload"),
    "a whole resource": ({"channel": content("full-resource")}, "channel.payload"),
    "XML": ({"channel": {**content("id-only"), "payload": "application/fhir+xml"}}, "channel.payload"),
    "a header of ours": ({"channel": {"header": ["webhook-id: 1"]}}, "channel.header"),
    "a header of the connection": ({"channel": {"header": ["Host: else.example"]}}, "channel.header"),
    "a header in a header": ({"channel": {"header": ["A: b\r\nHost: c"]}}, "channel.header"),
    "a header twice": ({"channel": {"header": ["A: b", "a: c"]}}, "channel.header"),
    "many headers": ({"channel": {"header": [f"A{n}: b" for n in range(6)]}}, "channel.header"),
    "a heartbeat": ({"channel": {"extension": [{"url": f"{BACKPORT}heartbeat-period", "valueUnsignedInt": 60}]}}, "channel.extension"),
    "a directory": ({"criteria": "Organization?name=a"}, "criteria"),
    "an unknown type": ({"criteria": "Zebedee?a=b"}, "criteria"),
    "several types": ({"criteria": "?_type=Encounter,Observation"}, "criteria"),
    "an unknown parameter": ({"criteria": "Observation?zebedee=1"}, "criteria"),
    "a value that cannot be read": ({"criteria": "Observation?date=zebedee"}, "criteria"),
    "a chain": ({"criteria": "Observation?subject:Patient.gender=female"}, "criteria"),
    "what refers to it": ({"criteria": "Encounter?_has:Observation:encounter:code=x"}, "criteria"),
    "a list": ({"criteria": "Observation?_list=zebedee"}, "criteria"),
    "whoever is on a list": ({"criteria": "Observation?patient._in=zebedee"}, "criteria"),
    "members of a Group": ({"criteria": "Observation?patient._has:Group:member:_id=zebedee"}, "criteria"),
    "an include": ({"criteria": "Observation?_include=Observation:subject"}, "criteria"),
    "an order": ({"criteria": "Observation?_sort=date"}, "criteria"),
    "no pair": ({"criteria": "Observation?zebedee"}, "criteria"),
    "too long": ({"criteria": "Observation?code=" + "x," * 500 + "x"}, "criteria"),
    "too many": ({"criteria": "Observation?" + "&".join(["code=x"] * 11)}, "criteria"),
    "no such topic": ({"criteria": "http://127.0.0.1:8000/fhir/SubscriptionTopic/zebedee"}, "criteria"),
    "a filter of no topic": ({"_criteria": {"extension": [{"url": f"{BACKPORT}filter-criteria", "valueString": "code=x"}]}}, "criteria"),
    "a past end": ({"end": "2020-01-01T00:00:00Z"}, "end"),
    "a state of ours": ({"status": "error"}, "status"),
    "off from the beginning": ({"status": "off"}, "status"),
    "a modifier": ({"modifierExtension": [{"url": "urn:a", "valueBoolean": True}]}, "modifierExtension"),
    "an extension": ({"extension": [{"url": "urn:a", "valueBoolean": True}]}, "extension"),
}  # fmt: skip


@pytest.mark.parametrize("changed, place", REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_or_not_allowed_is_refused_by_its_element(site, changed, place):
    body = site.wish(content="", **json.loads(json.dumps(changed)))
    answer = site.ask("POST", "Subscription", body=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["issue"][0]["expression"][0] == f"Subscription.{place}"
    assert "zebedee" not in answer.text.lower() or "Zebedee" not in json.dumps(changed)
    assert site.ask("GET", "Subscription").json()["total"] == 0


def test_another_clients_is_as_one_that_is_not_there(site):
    id_, _ = site.subscribe()
    body = {**site.row(id_), "status": "off"}
    for client in ("gp2", "ward"):
        for method, suffix in (("GET", ""), ("GET", "/$status"), ("DELETE", ""), ("PUT", "")):
            answers = [
                site.ask(
                    method, f"Subscription/{name}{suffix}", client, {**body, "id": name} if method == "PUT" else None
                )
                for name in (id_, "00000000-0000-0000-0000-000000000000")
            ]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].content == answers[1].content
        for query in ("", f"?_id={id_}", "?status=active"):
            assert site.ask("GET", f"Subscription{query}", client).json()["total"] == 0
    assert site.row(id_)["status"] == "active"


def test_its_client_finds_reads_and_removes_it(site):
    id_, _ = site.subscribe(content="")
    answer = site.ask("GET", f"Subscription/{id_}")
    assert answer.headers["etag"] == 'W/"1"' and answer.headers["cache-control"] == "no-store"
    endpoint = f"{site.receiver.origin}/hook"
    for query, total in ((f"_id={id_}", 1), ("status=active", 1), ("status=off", 0), (f"url={endpoint}", 1), ("url=x", 0),
                         ("criteria=Observation%3Fstatus%3Dfinal&status=active", 1)):  # fmt: skip
        assert site.ask("GET", f"Subscription?{query}").json()["total"] == total, query
    assert site.ask("GET", "Subscription?payload=x").status_code == 400
    xml = site.ask("GET", f"Subscription/{id_}", accept="application/fhir+xml")
    assert b'<criteria value="Observation?status=final"/>' in xml.content
    names = {row["name"]: row for row in site.ask("GET", f"Subscription/{id_}/$status").json()["parameter"]}
    assert names["status"]["valueCode"] == "active" and names["type"]["valueCode"] == "query-status"
    assert site.ask("DELETE", f"Subscription/{id_}").status_code == 204
    assert site.ask("DELETE", f"Subscription/{id_}").status_code == 404


def test_a_change_is_of_the_version_that_was_read_and_of_no_other_element(site):
    id_, _ = site.subscribe(content="")
    row = site.row(id_)
    assert site.ask("PUT", f"Subscription/{id_}", body=row, **{"if-match": 'W/"7"'}).status_code == 412
    assert site.ask("PUT", f"Subscription/{id_}", body={**row, "id": "a"}).status_code == 400
    for changed in ({"criteria": "Encounter"}, {"channel": {**row["channel"], "endpoint": "https://hooks.example/b"}}):
        assert site.ask("PUT", f"Subscription/{id_}", body={**row, **changed}).status_code == 422
    answer = site.ask("PUT", f"Subscription/{id_}", body={**row, "reason": "b"}, **{"if-match": 'W/"1"'})
    assert answer.status_code == 200 and answer.headers["etag"] == 'W/"2"' and answer.json()["reason"] == "b"


@pytest.mark.hazard("HZ-ACCESS-37")
def test_headers_are_sent_and_never_come_back_nor_lie_open(site):
    id_, secret = site.subscribe(content="", channel={"header": [SECRET_HEADER]})
    row = site.row(id_)
    answers = [
        site.ask("GET", path).text for path in (f"Subscription/{id_}", "Subscription", f"Subscription/{id_}/$status")
    ]
    answers.append(site.ask("PUT", f"Subscription/{id_}", body={**row, "reason": "b"}).text)
    with site.store.read() as session:
        answers += [str(session.rows("SELECT * FROM subscription")), str(session.rows("SELECT event FROM audit"))]
    answers.append(str(site.api.audit()))
    for text in answers:
        assert "zebedee" not in text and secret not in text and secret.removeprefix("whsec_") not in text
    site.deliver(sends("k1", observation(950, 1)))
    site.work(2)
    (came,) = site.receiver.taken()
    assert came.headers["authorization"] == "Bearer zebedee-42", "what a change without headers leaves"


def test_only_a_registered_contributor_keeps_subscriptions_of_what_its_scopes_cover(site):
    body = site.wish(content="")
    assert site.ask("POST", "Subscription", body=body, scope="system/*.rs").status_code == 403
    assert (
        site.ask("POST", "Subscription", body=body, scope="system/Subscription.cruds system/Encounter.rs").status_code
        == 403
    )
    assert (
        site.ask("POST", "Subscription", body=body, scope="system/Subscription.cruds system/Observation.rs").status_code
        == 201
    )
    for user in ("dr-green", "admin", "researcher"):
        for method in ("GET", "POST"):
            assert site.api.ask(method, "/fhir/Subscription", user, json=body).status_code in (401, 403), user
    assert site.api.ask("GET", "/fhir/Subscription", "").status_code == 401


def test_a_client_keeps_so_many_and_no_more(site):
    for number in range(MOST + 1):
        answer = site.ask("POST", "Subscription", body=site.wish(content="", reason=str(number)))
        assert answer.status_code == (201 if number < MOST else 422)
    big = site.wish(content="", reason="x" * 20_000)
    assert site.ask("POST", "Subscription", body=big).status_code == 413


def test_criteria_that_name_a_person_are_answered_alike_whoever_it_is(site):
    for number in (ANN, "9990000042"):
        criteria = f"Encounter?patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{number}"
        answer = site.ask("POST", "Subscription", body=site.wish(criteria, ""))
        assert answer.status_code == 201
        assert number not in str(site.api.audit())
        link = site.ask("GET", f"Subscription?status=active&{urlencode({'criteria': criteria})}").json()["link"][0]
        assert link["url"].endswith("/Subscription?status=active"), "no address names a person"
        site.ask("DELETE", f"Subscription/{answer.json()['id']}")


LISTED = Hooks(b"k" * 32, ("https://hooks.example", "https://inner.example+private"))
RESOLVED = {
    ("https://hooks.example/a", "10.1.2.3"): Refused,
    ("https://hooks.example/a", "127.0.0.1"): Refused,
    ("https://hooks.example/a", "169.254.169.254"): Refused,
    ("https://hooks.example/a", "93.184.215.14"): Unavailable,
    ("https://inner.example/a", "10.1.2.3"): Unavailable,
    ("https://inner.example/a", "169.254.169.254"): Refused,
    **{
        ("https://hooks.example/a", address): Refused
        for address in (
            "::ffff:168.63.129.16",
            "2002:a83f:8110::1",
            "2001:0:5db8:d70e::1",
            "192.0.0.192",
            "::1",
        )
    },
    **{
        ("https://inner.example/a", address): Refused
        for address in (
            "::ffff:168.63.129.16",
            "2002:a83f:8110::1",
            "2001:0:5db8:d70e::1",
            "192.0.0.192",
            "198.18.0.1",
            "fd20:ce::254",
            "fd00:ec2::254",
            "::2",
            "::ffff:169.254.169.254",
        )
    },
    **{
        ("https://inner.example/a", address): Unavailable
        for address in ("::1", "127.0.0.1", "fd12:3456::1", "172.16.0.1")
    },
    ("https://else.example/a", "93.184.215.14"): Refused,
    ("http://inner.example/a", "10.1.2.3"): Refused,
}
"""(endpoint, where its name leads when it is called) → what comes of it: where it may be called, nobody is there."""


@pytest.mark.parametrize("asked, kind", RESOLVED.items(), ids=map(" ".join, RESOLVED))
def test_a_name_that_leads_into_our_network_is_not_called(monkeypatch, asked, kind):
    endpoint, address = asked
    called = []

    def away(method, url, pinned, *_):
        called.append(pinned)
        raise Unavailable("away")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 443))])
    monkeypatch.setattr(egress, "_called", away)
    with pytest.raises(kind):
        LISTED.send(endpoint, b"", {})
    assert called == ([address] if kind is Unavailable else [])


def test_a_name_that_is_not_resolved_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    monkeypatch.setattr(egress, "NOTIFICATION_TIMEOUT", 0.1)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        LISTED.send("https://hooks.example/a", b"", {})
    assert time.monotonic() - began < 2


@pytest.mark.corpora
def test_the_official_examples_are_refused_for_what_they_ask_and_taken_without_it(site, shared):
    for name, refused in (
        ("Subscription-example", "channel.endpoint"),
        ("Subscription-example-error", "channel.endpoint"),
    ):
        example = json.loads((shared / f"data/fhir-r4-examples/{name}.json").read_text())
        answer = site.ask("POST", "Subscription", body=example)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, [f"Subscription.{refused}"])
        example["channel"]["endpoint"] = "https://hooks.example/customers/mount-auburn-miu/on-result"
        example["end"] = "2999-01-01T00:00:00Z"
        assert "channel.payload" in site.ask("POST", "Subscription", body=example).text, "it asks for the resource"
        del example["channel"]["payload"]
        answer = site.ask("POST", "Subscription", body=example)
        assert answer.status_code == (201 if name == "Subscription-example" else 422), "one begins in error"


def test_the_capability_statement_tells_of_subscriptions_and_their_topics(site):
    answer = site.api.client.get("/fhir/metadata")
    assert model.check(answer.content) == []
    (told,) = [row for row in answer.json()["rest"][0]["resource"] if row["type"] == "Subscription"]
    topics = [row["valueCanonical"].rpartition("/")[2] for row in told["extension"]]
    assert topics == list(wish.TOPICS) and [row["name"] for row in told["operation"]] == ["status"]
    assert {row["code"] for row in told["interaction"]} == {"create", "read", "update", "delete", "search-type"}
    for topic in told["extension"]:
        body = site.wish(topic["valueCanonical"], "empty")
        assert site.ask("POST", "Subscription", body=body).status_code == 201


def test_what_waits_is_sent_by_gateway_work_and_not_without_its_key(site, monkeypatch):
    _, secret = site.subscribe()
    site.deliver(sends("k2", observation(951, 1)))
    settings = site.api.settings
    for name, value in (("DATA_DIR", str(settings.data_dir)), ("SANDBOX", "1"), ("HOOKS", ",".join(settings.hooks))):
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    assert main(["work", "--once"]) == 0
    (came,) = site.receiver.taken()
    Webhook(secret).verify(came.body, came.headers)
    assert came.focus == [f"Observation/{uid(951)}"]
    key = settings.keys / keys.HOOKS.name
    key.rename(key.with_suffix(".away"))
    try:
        assert main(["work", "--once"]) == 2 and not key.exists(), "another key would sign what no receiver takes"
    finally:
        key.with_suffix(".away").rename(key)


def test_the_tester_of_a_sandbox_keeps_subscriptions_too(site):
    body = site.wish(f"Observation?patient={uid(1)}", "")
    assert site.api.ask("POST", "/fhir/Subscription", "tester", json=body).status_code == 201
