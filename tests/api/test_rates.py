"""Rates: who asks too often is told when to ask again, and keeps nobody else out."""

from dataclasses import replace

import pytest

from gateway import config
from gateway.api import rates
from gateway.errors import Refused, Throttled
from gateway.nhs.roles import Caller
from tests.api.conftest import Api
from tests.api.people import uid


@pytest.fixture
def slow(everything):
    """The application with small rates."""
    return Api(
        everything.store,
        everything.settings.data_dir,
        caller_rate="5/day",
        stranger_rate="3/day",
        export_rate="2/day",
    )


def test_a_caller_who_asks_too_often_is_told_when_to_ask_again(slow):
    path = f"/fhir/Patient/{uid(1)}"
    assert [slow.get(path).status_code for _ in range(7)] == [200] * 5 + [429] * 2
    answer = slow.get(path)
    assert 0 < int(answer.headers["retry-after"]) <= 86400
    assert answer.json()["issue"][0]["code"] == "throttled"
    assert slow.get(path, "nurse-ward").status_code != 429


def test_strangers_keep_no_caller_out_and_no_probe(slow):
    path = f"/fhir/Patient/{uid(1)}"
    assert [slow.get(path, "").status_code for _ in range(5)] == [401] * 3 + [429] * 2
    assert slow.get(path).status_code == 200
    assert [slow.get(probe, "").status_code for probe in ("/livez", "/readyz")] == [200, 200]


def test_exports_are_counted_for_each_client(slow):
    headers = {"Prefer": "respond-async"}
    statuses = [slow.get("/fhir/$export", "researcher", headers).status_code for _ in range(4)]
    assert 429 not in statuses[:2] and statuses[2:] == [429, 429]


ALIKE = [
    (Caller("u", "", "o", issuer="https://a"), Caller("u", "", "o", issuer="https://b")),
    (Caller("b/u", "", "o", issuer="https://a"), Caller("u", "", "o", issuer="https://a/b")),
    (Caller("u", "", "o", issuer="https://a"), Caller("u", "", "p", issuer="https://a")),
]


@pytest.mark.parametrize("one, other", ALIKE, ids=["issuer", "where one ends", "organisation"])
def test_who_has_somebody_s_name_elsewhere_does_not_use_up_their_rate(one, other):
    counted = rates.open_rates(config.Settings(caller_rate="1/day", export_rate="1/day"))
    for count in (counted.count_caller, counted.count_export):
        count(one)
        count(other)
        with pytest.raises(Throttled):
            count(replace(one, token="another", address="192.0.2.1"))


@pytest.mark.parametrize("text", ["", "often", "5/century", "-1/minute", "0/minute"])
def test_a_rate_that_cannot_be_read_is_refused_by_its_setting(text):
    with pytest.raises(Refused, match="GATEWAY_CALLER_RATE"):
        rates.open_rates(config.Settings(caller_rate=text))


def test_the_entries_of_a_batch_are_counted_before_any_is_done(slow):
    """Five a day: the request and two more entries, then a read, and a batch of two is one too many."""
    entry = {
        "resource": {"resourceType": "Patient", "gender": "female"},
        "request": {"method": "POST", "url": "Patient"},
    }

    def batch(size: int):
        body = {"resourceType": "Bundle", "type": "batch", "entry": [entry] * size}
        return slow.ask("POST", "/fhir", "tester", {"Content-Type": "application/fhir+json"}, json=body)

    assert batch(6).status_code == 413, "more than may ever come at once; it counts as a request"
    assert batch(3).status_code == 200
    before = len([event for event in slow.audit() if event["act"] == "create"])
    answer = batch(2)
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    assert len([event for event in slow.audit() if event["act"] == "create"]) == before == 3
