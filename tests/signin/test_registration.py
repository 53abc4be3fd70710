"""The registry of clients takes nothing that could not be held to."""

import json
from dataclasses import replace

import pytest

from gateway.errors import Refused
from gateway.signin import registration
from gateway.signin.issue import new_key, public_jwks
from gateway.signin.registration import Client
from gateway.signin.statement import new_signing_key
from gateway.store import clients

JWKS = public_jwks(new_key(), "RS384")
WARD = Client("ward", "", "RZZ", (), ("study",), frozenset({"system/*.rs"}), JWKS, "", True)
WRONG = {
    "id": {"id": "a b"}, "organisation": {"organisation": "rzz"}, "project": {"projects": ("a b",)}, "publisher": {"publishers": ("emis",)},
    "for nothing": {"projects": ()}, "for care and secondary use": {"publishers": ("fhir:A99001",)}, "no scope": {"scopes": frozenset()}, "a scope of users": {"scopes": frozenset({"user/*.rs"})},
    "a scope with a query": {"scopes": frozenset({"system/Observation.rs?category=laboratory"})}, "a type that is none": {"scopes": frozenset({"system/Nothing.rs"})},
    "no keys": {"keys": None}, "keys twice": {"keys_at": "https://keys.example/x"}, "an address of ours": {"keys": None, "keys_at": "https://10.0.0.1/x"},
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_client_that_is_not_right_is_refused_whole(store, wrong):
    with pytest.raises(Refused):
        registration.add(store, replace(WARD, **wrong), "me")
    assert registration.every(store) == []


def test_a_client_is_kept_as_it_was_registered(store):
    registration.add(store, WARD, "me")
    gp = replace(
        WARD,
        id="gp",
        projects=(),
        publishers=("fhir:A99001", "fhir:A99002"),
        keys=None,
        keys_at="https://keys.example/x",
    )
    registration.add(store, gp, "me")
    registration.set_active(store, "ward", False, "me")
    assert registration.every(store) == [gp, replace(WARD, is_active=False)]
    registration.set_keys(store, "gp", JWKS, "", "me")
    registration.set_active(store, "ward", True, "me")
    assert registration.every(store) == [replace(gp, keys=JWKS, keys_at=""), WARD]
    with pytest.raises(Refused, match="there is a client"):
        registration.add(store, WARD, "me")


(RSA,) = JWKS["keys"]
FILES = {
    "no JSON": "{", "a list": "[]", "no keys": {"keys": []}, "private": {"keys": [{**RSA, "d": "AQAB"}]}, "secret": {"keys": [{"kty": "oct", "kid": "a", "k": "x"}]},
    "no kid": {"keys": [{name: value for name, value in RSA.items() if name != "kid"}]}, "of one kid": {"keys": [RSA, RSA]},
    "another algorithm": public_jwks(new_key(), "RS256"), "another curve": public_jwks(new_signing_key(), "ES256"), "weak": {"keys": [{**RSA, "n": "AQAB"}]},
    "a name twice": '{"keys": [], "keys": []}', "deep": "[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_file_without_a_key_that_can_be_trusted_is_refused(tmp_path, content):
    path = tmp_path / "jwks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(Refused, match="--jwks"):
        registration.keys_file(path)


def test_a_file_of_public_keys_is_read(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(JWKS))
    assert registration.keys_file(path) == JWKS


def test_a_client_is_changed_whole_and_what_is_not_named_stays(store):
    registration.add(store, WARD, "me")
    registration.change(store, "ward", "me", scopes=frozenset({"system/Patient.rs"}), organisation="RYY")
    (ward,) = registration.every(store)
    assert ward == replace(WARD, scopes=frozenset({"system/Patient.rs"}), organisation="RYY")
    registration.set_active(store, "ward", False, "me")
    registration.change(store, "ward", "me", projects=("other",))
    assert registration.every(store) == [replace(ward, projects=("other",), is_active=False)], "it stays kept out"
    for wrong in ({"organisation": "rzz"}, {"publishers": ("fhir:A99001",)}, {"scopes": frozenset({"user/*.rs"})}):
        with pytest.raises(Refused):
            registration.change(store, "ward", "me", **wrong)
    with pytest.raises(Refused, match="no client"):
        registration.change(store, "nobody", "me", name="x")


def test_a_use_moves_no_stamp_and_a_change_of_a_client_does(store):
    """What is cached by the stamp stays while systems ask for tokens."""
    with store.read() as session:
        before = session.stamp()
    with store.write(is_aside=True) as session:
        clients.spend(session, clients.ASSERTION, "a", session.now)
    with store.read() as session:
        assert session.stamp() == before
    registration.add(store, WARD, "me")
    with store.read() as session:
        assert session.stamp() == before + 1


def test_what_holds_once_is_used_once_and_forgotten_ten_minutes_after_it_would_have_ended(store):
    with store.write() as session:
        ends = session.now + 1_000_000
        uses = [clients.spend(session, kind, "a", ends) for kind in (clients.CODE, clients.CODE, clients.TOKEN)]
        assert uses == [True, False, True]
    with store.write() as session:
        assert not clients.spend(session, clients.CODE, "a", ends)
        assert clients.is_spent(session, clients.TOKEN, "a") and not clients.is_spent(session, clients.TOKEN, "b")
        session.now = ends
        assert not clients.spend(session, clients.CODE, "a", ends), "another server's clock may be behind"
        session.now = ends + clients.KEPT_BEYOND
        assert clients.spend(session, clients.CODE, "b", ends + 1)
        assert not clients.is_spent(session, clients.TOKEN, "a")
