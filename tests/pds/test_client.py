"""The client of PDS: how it signs in, what it sends, and what it makes of every answer."""

import gzip
import itertools
import uuid

import httpx
import pytest

from gateway import egress
from gateway.egress import ATTEMPTS, Origin, Reply
from gateway.errors import Refused, Throttled, Unavailable
from gateway.fhir.dates import microseconds_now
from gateway.identity.pds import Access, Pds, Search
from gateway.signin import assertion
from gateway.signin.issue import new_key, public_jwks
from tests.pds.fake import BASE, Fake, Someone, served

A, B, C = "9990000018", "9990000026", "9990000034"
ASKED = str(uuid.UUID(int=7))


@pytest.fixture(scope="module")
def key() -> bytes:
    return new_key()


@pytest.fixture(scope="module")
def server(key):
    with served(Fake(public_key=public_jwks(key, "RS512")["keys"][0])) as fake:
        fake.hold([Someone(A), Someone(B, replaced_by=A), Someone(C, invalidated=True)])
        yield fake


@pytest.fixture
def fake(server):
    server.troubles, server.requests, server.tokens, server.lifetime = [], [], [], 599
    return server


@pytest.fixture
def client(fake, key):
    """Open clients; the pauses that they made are in ``client.pauses``."""
    opened: list[Origin] = []
    pauses: list[float] = []

    def make(**changes) -> Pds:
        facts = {
            "base": fake.url + BASE,
            "token": f"{fake.url}/oauth2/token",
            "client": fake.client,
            "kid": "test-1",
            "key": key,
        }
        access = Access(**{**facts, **changes})
        opened.extend(Origin(base, per_second=1e6, pause=pauses.append) for base in (access.base, f"{fake.url}/oauth2"))
        return Pds(access, opened[-2], opened[-1], microseconds_now)

    make.pauses = pauses
    yield make
    for origin in opened:
        origin.__exit__(None, None, None)


@pytest.mark.parametrize(
    "number, outcome",
    [(A, ""), (B, ""), (C, "invalidated"), ("9990000042", "not-found"), ("9990000043", "not-found")],
)
def test_a_patient_is_retrieved_by_number_or_an_outcome_says_why_not(client, fake, number, outcome):
    answer = client().by_number(number, ASKED)
    assert answer.outcome == outcome
    assert (answer.patient or {}).get("id") == (A if not outcome else None)


def test_a_request_carries_its_id_that_of_its_run_and_a_token(client, fake):
    pds = client(organisation="Y12345")
    pds.by_number(A, ASKED)
    pds.by_number(A, str(uuid.UUID(int=8)))
    first, second = (request["headers"] for request in fake.requests)
    assert first["x-request-id"] == ASKED != second["x-request-id"]
    assert first["x-correlation-id"] == second["x-correlation-id"] == pds.run
    assert first["authorization"] == f"Bearer {fake.tokens[0]}" and first["nhsd-end-user-organisation-ods"] == "Y12345"


def test_one_token_is_used_until_it_is_about_to_end_and_a_refused_one_is_replaced(client, fake):
    pds = client()
    pds.by_number(A, ASKED)
    pds.by_number(A, ASKED)
    assert len(fake.tokens) == 1
    fake.tokens.append("another")  # the one that is held is taken no more
    assert pds.by_number(A, ASKED).patient and len(fake.tokens) == 3


def test_a_token_that_is_about_to_end_is_fetched_anew(client, fake):
    fake.lifetime = 29
    pds = client()
    pds.by_number(A, ASKED)
    pds.by_number(A, ASKED)
    assert len(fake.tokens) == 2


@pytest.mark.parametrize("change", [{"client": "another"}, {"kid": "another"}])
def test_an_assertion_that_is_not_as_registered_is_refused(client, fake, change):
    with pytest.raises(Refused, match="refuses this gateway's assertion"):
        client(**change).by_number(A, ASKED)


def test_an_assertion_of_another_key_is_refused(client, fake):
    with pytest.raises(Refused, match="assertion"):
        client(key=new_key()).by_number(A, ASKED)


def test_a_key_that_is_none_is_refused_without_repeating_it():
    with pytest.raises(Refused) as refusal:
        assertion.signed(b"-----BEGIN SECRET-----", "a", "b", "c", 0)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("trouble", [(429, {"retry-after": "2"}), (429, {}), (503, {}), (408, {})])
def test_a_request_is_sent_again_with_the_same_id_after_a_pause(client, fake, trouble):
    fake.troubles = [trouble] * 2
    assert client().by_number(A, ASKED).patient
    assert [request["headers"]["x-request-id"] for request in fake.requests] == [ASKED] * 3
    assert all(pause > 0.4 for pause in client.pauses[-2:])
    if "retry-after" in trouble[1]:
        assert 2.0 in client.pauses


@pytest.mark.parametrize(
    "troubles, error, sent",
    [
        ([(429, {})] * 9, Throttled, ATTEMPTS),
        ([(429, {"retry-after": "3600"})], Throttled, 1),
        ([(500, {})] * 9, Unavailable, ATTEMPTS),
        ([(403, {})], Refused, 1),
    ],
)
def test_what_does_not_end_is_given_up(client, fake, troubles, error, sent):
    fake.troubles = troubles
    with pytest.raises(error) as refusal:
        client().by_number(A, ASKED)
    assert len(fake.requests) == sent and A not in str(refusal.value)


@pytest.mark.parametrize(
    "status, outcome", [(400, "rejected"), (418, "rejected"), (404, "rejected"), (302, "unreadable")]
)
def test_an_answer_that_is_none_is_an_outcome_of_its_record(client, fake, status, outcome):
    fake.troubles = [(status, {})] * 2
    assert client().by_number(A, ASKED).outcome == outcome
    assert client().by_demographics(SEARCH, ASKED, fuzzy=False).outcome == outcome


@pytest.mark.parametrize(
    "body, outcome",
    [
        ({"resourceType": "Bundle", "entry": [None, {"resource": None}, {"resource": 1}, 5]}, "none"),
        ({"resourceType": "Bundle", "entry": None}, "none"),
        ({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}, "search": None}]}, ""),
        ({"resourceType": "OperationOutcome", "issue": [None, {"details": None}, {"details": {"coding": [None]}}]},
         "unreadable"),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_breaks_nothing(client, fake, monkeypatch, body, outcome):
    pds = client()
    monkeypatch.setattr(pds._origin, "get", lambda *parts: Reply(200, body))
    answer = pds.by_demographics(SEARCH, ASKED, fuzzy=False)
    assert (answer.outcome, answer.score) == (outcome, 1 if outcome else 0)


def test_a_server_that_is_not_there_is_given_up_without_naming_who_was_asked_about(client, fake):
    with Origin("http://127.0.0.1:9/x", pause=lambda seconds: None) as origin, pytest.raises(Unavailable) as refusal:
        Pds(Access("http://127.0.0.1:9/x"), origin, None, microseconds_now).by_number(A, ASKED)
    assert A not in str(refusal.value) and refusal.value.__cause__ is None


@pytest.mark.parametrize(
    "base", ["http://pds.example/", "ftp://pds.example/", "pds.example", "http://127.0.0.1.example/"]
)
def test_nothing_is_sent_in_the_clear_but_on_this_machine(base):
    with pytest.raises(Refused, match="https"):
        Origin(base)


def answered(response) -> Reply:
    """What an origin makes of one response."""
    with Origin("https://pds.example", transport=httpx.MockTransport(lambda request: response)) as origin:
        return origin.get("x")


def test_an_answer_that_is_compressed_is_not_unpacked():
    packed = gzip.compress(b" " * 50_000_000 + b"{}")
    with pytest.raises(Unavailable, match="compressed"):
        answered(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(packed)))


def test_no_compressed_answer_is_asked_for(client, fake):
    client().by_number(A, ASKED)
    assert fake.requests[-1]["headers"]["accept-encoding"] == "identity"


def test_an_answer_that_is_too_long_or_drips_is_given_up(monkeypatch):
    with pytest.raises(Unavailable, match="too long"):
        answered(httpx.Response(200, stream=httpx.ByteStream(b" " * (egress.MOST_BYTES + 1))))
    moments = itertools.count(0, 10)
    monkeypatch.setattr(egress.time, "monotonic", lambda: float(next(moments)))

    class Dripping(httpx.SyncByteStream):
        def __iter__(self):
            return itertools.repeat(b" ", 1000)

    with pytest.raises(Unavailable, match="takes too long"):
        answered(httpx.Response(200, stream=Dripping()))


SEARCH = Search("Fernsby", "Ann", "1980-02-03", "female", "ze1 0aa")


@pytest.mark.parametrize(
    "search, fuzzy, outcome, score",
    [
        (SEARCH, False, "", 1),
        (Search("Fernsbey", "Ann", "1980-02-03"), False, "none", 1),
        (Search("Fernsbey", "Ann", "1980-02-03"), True, "", 0.84),
        (Search("Quillfeather", "Zed", "1980-02-03"), True, "none", 1),
    ],
)
def test_a_search_gives_one_unique_match_with_its_score(client, fake, search, fuzzy, outcome, score):
    answer = client().by_demographics(search, ASKED, fuzzy=fuzzy)
    assert (answer.outcome, round(answer.score, 2)) == (outcome, score)
    query = dict(fake.requests[-1]["query"])
    assert query["birthdate"] == "eq1980-02-03" and query["_max-results"] == "1"
    assert ("_fuzzy-match" in query) == fuzzy and ("_exact-match" in query) != fuzzy


def test_several_matches_are_no_match(client, fake):
    fake.people["9990000042"] = Someone("9990000042")
    answer = client().by_demographics(SEARCH, ASKED, fuzzy=False)
    del fake.people["9990000042"]
    assert (answer.patient, answer.outcome) == (None, "many")


def test_an_answer_of_several_entries_is_no_match(client, fake, monkeypatch):
    pds = client()
    two = {"resource": {"resourceType": "Patient"}, "search": {"score": 1}}
    monkeypatch.setattr(pds, "_get", lambda *parts: Reply(200, {"resourceType": "Bundle", "entry": [two, two]}))
    assert pds.by_demographics(SEARCH, ASKED, fuzzy=False).outcome == "many"
