"""Keys at an address: asked for again when one is unknown, never often, and never within our own network."""

import socket

import httpx
import pytest

from gateway import egress
from gateway.errors import Refused, Unavailable
from gateway.signin.remote_keys import FRESH, GAP, LONGEST, RemoteKeys

PUBLIC = "93.184.216.34"


class Source:
    """A set of keys that a test can change or take away, and how often it was asked for."""

    def __init__(self):
        self.kids, self.asked, self.now = ["a"], 0, 1000.0
        self.keys = RemoteKeys(self.ask, lambda: self.now)

    def ask(self):
        self.asked += 1
        if not self.kids:
            raise Unavailable("away")
        return {"keys": [{"kty": "RSA", "kid": kid} for kid in self.kids]}

    def after(self, seconds: float, kid: str) -> list[str]:
        self.now += seconds
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


def test_a_key_that_was_taken_out_ends_and_an_outage_stops_nobody_for_a_day():
    source = Source()
    source.after(0, "a")
    source.kids = ["b"]
    assert source.after(FRESH, "a") == ["b"]
    source.kids = []
    assert source.after(FRESH, "b") == ["b"]
    assert source.after(LONGEST, "b") == []


@pytest.mark.parametrize("member", ["d", "k", "p"])
def test_a_set_with_a_private_key_is_not_taken(member):
    keys = RemoteKeys(lambda: {"keys": [{"kty": "RSA", "kid": "a", member: "x"}]})
    keys.refresh("a")
    assert keys.jwks == {"keys": []}


RESOLVED = {
    "private": ["10.0.0.1"], "loopback": ["127.0.0.1"], "link-local": ["169.254.169.254"], "shared": ["100.64.0.1"],
    "one of two": [PUBLIC, "192.168.0.1"], "IPv6 loopback": ["::1"], "IPv6 local": ["fd00::1"],
    "mapped": ["::ffff:10.0.0.1"], "6to4": ["2002:0a00:0001::1"], "multicast": ["224.0.0.1"], "none": [],
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
    assert egress.document(url, transport=httpx.MockTransport(answer)) == {"keys": []}
    assert seen == [(PUBLIC, "keys.example", "keys.example")]


def sent(status: int, content: bytes, **headers: str) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(content), headers=headers)


ANSWERS = {
    "a redirect": sent(302, b"", location="https://10.0.0.1/"), "an error": sent(500, b'{"keys": []}'),
    "no JSON": sent(200, b"keys"), "a list": sent(200, b"[1]"), "too long": sent(200, b" " * 70_000 + b'{"keys": []}'),
}  # fmt: skip


@pytest.mark.parametrize("response", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_document_is_not_read(monkeypatch, response):
    resolve(monkeypatch, [PUBLIC])
    with pytest.raises(Unavailable):
        egress.document("https://keys.example/x", transport=httpx.MockTransport(lambda request: response))


WRONG = ["http://keys.example/x", "https://10.0.0.1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://u@keys.example/x", "ftp://x/y",
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
