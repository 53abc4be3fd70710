"""Keys at an address: asked for again when one is unknown, never often, and never within our own network."""

import socket
import threading
import time
from contextlib import suppress

import httpx
import pytest

from gateway import egress
from gateway.egress import Document
from gateway.errors import Refused, Unavailable
from gateway.signin.remote_keys import EMPTY_GAP, FRESH, GAP, LONGEST, MOST_WAITING, KeysUnavailable, RemoteKeys

PUBLIC = "93.184.216.34"


class Source:
    """A set of keys that a test can change or take away, and how often it was asked for."""

    def __init__(self, *, is_strict: bool = False):
        self.kids, self.asked, self.now, self.is_away, self.seconds = ["a"], 0, 1000.0, False, None
        self.keys = RemoteKeys(self.ask, lambda: self.now, is_strict=is_strict)

    def ask(self):
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        return Document({"keys": [{"kty": "RSA", "kid": kid} for kid in self.kids]}, self.seconds)

    def after(self, seconds: float, kid: str) -> list[str]:
        self.now += seconds
        with suppress(KeysUnavailable):
            self.keys.refresh(kid)
        return [key["kid"] for key in self.keys.jwks["keys"]]


def test_a_new_key_is_fetched_at_once_and_an_invented_one_once_a_while():
    source = Source()
    assert source.after(0, "a") == ["a"] and source.asked == 1
    source.kids = ["a", "b"]
    assert source.after(GAP, "b") == ["a", "b"]
    for number in range(20):
        source.after(1, f"invented-{number}")
    assert source.asked == 2
    source.after(GAP, "invented")
    assert source.asked == 3


def test_a_key_that_was_taken_out_ends_and_an_outage_stops_nobody_for_an_hour():
    source = Source()
    source.after(0, "a")
    source.kids = ["b"]
    assert source.after(FRESH, "a") == ["b"]
    source.is_away = True
    assert source.after(FRESH, "b") == ["b"]
    assert source.after(LONGEST, "b") == [] and not source.keys.is_held


def test_a_set_that_was_emptied_on_purpose_replaces_the_one_before():
    source = Source()
    source.after(0, "a")
    source.kids = []
    assert source.after(FRESH, "a") == [] and source.keys.is_held


@pytest.mark.parametrize(
    "is_strict, said, after, kids",
    [
        (True, 60.0, 59, ["a"]), (True, 60.0, 60, []), (True, 0.0, GAP - 1, ["a"]), (True, 0.0, GAP, []),
        (True, None, LONGEST - 1, ["a"]), (True, 1e6, LONGEST - 1, ["a"]), (True, 1e6, LONGEST, []),
        (False, 60.0, LONGEST - 1, ["a"]), (False, 60.0, LONGEST, []),
    ],
)  # fmt: skip
def test_at_an_outage_the_keys_of_a_client_hold_no_longer_than_its_address_said(is_strict, said, after, kids):
    source = Source(is_strict=is_strict)
    source.seconds = said
    source.after(0, "a")
    source.is_away = True
    assert source.after(after, "a") == kids


def test_a_set_is_asked_for_again_when_its_address_says_so():
    source = Source()
    source.seconds = 60.0
    source.after(0, "a")
    source.kids = ["b"]
    assert source.after(59, "a") == ["a"] and source.after(1, "a") == ["b"]


def test_without_keys_the_first_callers_wait_for_them_and_few_do():
    """At a start many ask at once: none is told that their token does not hold."""
    source, is_asked, may_answer, results = Source(), threading.Event(), threading.Event(), []
    answer = source.ask

    def slow():
        is_asked.set()
        may_answer.wait(10)
        return answer()

    source.keys = RemoteKeys(slow, lambda: source.now)

    def call():
        try:
            source.keys.refresh("a")
            results.append(len(source.keys.jwks["keys"]))
        except KeysUnavailable:
            results.append(0)

    threads = [threading.Thread(target=call) for _ in range(MOST_WAITING)]
    for thread in threads:
        thread.start()
    is_asked.wait(10)
    while source.keys._waiting._value:  # until all of them wait
        time.sleep(0.01)
    call()
    assert results == [0], "one more than may wait is told so at once"
    may_answer.set()
    for thread in threads:
        thread.join()
    assert results == [0, *[1] * MOST_WAITING] and source.asked == 1


def test_keys_that_could_not_be_had_are_said_to_be_away_and_asked_for_soon():
    source = Source()
    source.is_away = True
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            source.keys.refresh("a")
    assert source.asked == 1 and source.keys.is_wanted("a")
    source.is_away = False
    assert source.after(EMPTY_GAP, "a") == ["a"]


@pytest.mark.parametrize("member", ["d", "k", "p"])
def test_a_set_with_a_private_key_is_not_taken(member):
    keys = RemoteKeys(lambda: Document({"keys": [{"kty": "RSA", "kid": "a", member: "x"}]}))
    with pytest.raises(KeysUnavailable):
        keys.refresh("a")
    assert keys.jwks == {"keys": []}


RESOLVED = {
    "private": ["10.0.0.1"], "loopback": ["127.0.0.1"], "link-local": ["169.254.169.254"], "shared": ["100.64.0.1"],
    "one of two": [PUBLIC, "192.168.0.1"], "IPv6 loopback": ["::1"], "IPv6 local": ["fd00::1"],
    "mapped": ["::ffff:10.0.0.1"], "6to4": ["2002:0a00:0001::1"], "multicast": ["224.0.0.1"], "none": [],
    "NAT64": ["64:ff9b::a00:1"], "local NAT64": ["64:ff9b:1::a00:1"], "compatible": ["::10.0.0.1"], "site-local": ["fec0::1"],
    "translated": ["::ffff:0:10.0.0.1"], "a platform": ["168.63.129.16"],
}  # fmt: skip


def resolve(monkeypatch, addresses):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: answers)


@pytest.mark.parametrize("addresses", RESOLVED.values(), ids=RESOLVED)
def test_a_name_that_leads_into_our_network_is_not_called(monkeypatch, addresses):
    resolve(monkeypatch, addresses)
    transport = httpx.MockTransport(lambda request: pytest.fail("it was called"))
    with pytest.raises(Refused):
        egress.document("https://keys.example/jwks.json", transport=transport)


def test_the_address_that_was_looked_at_is_the_one_that_is_called(monkeypatch):
    resolve(monkeypatch, [PUBLIC])
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return sent(200, b'{"keys": []}')

    url = "https://keys.example/jwks.json"
    assert egress.document(url, transport=httpx.MockTransport(answer)) == Document({"keys": []})
    assert seen == [(PUBLIC, "keys.example", "keys.example")]


def sent(status: int, content: bytes, **headers: str) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(content), headers=headers)


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({}, None), ({"cache-control": "public"}, None), ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "public, Max-Age = 60", "age": "20"}, 40), ({"cache-control": "max-age=5", "age": "20"}, 0),
        ({"cache-control": "no-store"}, 0), ({"cache-control": "No-Cache, max-age=60"}, 0),
        ({"cache-control": "max-age=soon"}, None),
    ],
)  # fmt: skip
def test_a_document_says_how_long_it_may_be_kept(monkeypatch, headers, seconds):
    resolve(monkeypatch, [PUBLIC])
    transport = httpx.MockTransport(lambda request: sent(200, b'{"keys": []}', **headers))
    assert egress.document("https://keys.example/x", transport=transport).seconds == seconds


def test_a_server_that_drips_is_given_up_after_one_deadline(monkeypatch):
    """Each byte comes in time, and the whole would take for ever."""
    monkeypatch.setattr(egress, "DOCUMENT_TIMEOUT", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.1):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            egress.document(f"http://127.0.0.1:{server.getsockname()[1]}/x", is_near=True)
        seconds = time.monotonic() - began
        over.set()
        thread.join()
    assert seconds < 5


ANSWERS = {
    "a redirect": sent(302, b"", location="https://10.0.0.1/"), "an error": sent(500, b'{"keys": []}'),
    "no JSON": sent(200, b"keys"), "a list": sent(200, b"[1]"), "too long": sent(200, b" " * 70_000 + b'{"keys": []}'),
}  # fmt: skip


@pytest.mark.parametrize("response", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_document_is_not_read(monkeypatch, response):
    resolve(monkeypatch, [PUBLIC])
    with pytest.raises(Unavailable):
        egress.document("https://keys.example/x", transport=httpx.MockTransport(lambda request: response))


WRONG = ["http://keys.example/x", "https://10.0.0.1/x", "https://168.63.129.16/x", "https://[64:ff9b::a00:1]/x", "https://127.0.0.1/x", "https://[::1]/x", "https://u@keys.example/x", "ftp://x/y",
         "https://keys.example/x?a=b", "https://keys.example:99999/x", "https:///x", "file:///etc/passwd", "https://kéys.example/x"]  # fmt: skip


@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_is_never_called_is_refused_when_it_is_registered(url):
    with pytest.raises(Refused):
        egress.require_document_address(url)
    with pytest.raises(Refused):
        egress.document(url, transport=httpx.MockTransport(lambda request: pytest.fail("it was called")))


def test_this_machine_is_called_only_where_the_caller_says_so():
    egress.require_document_address("http://127.0.0.1:9/x", is_near=True)
    with pytest.raises(Refused):
        egress.require_document_address("http://10.0.0.1/x", is_near=True)
