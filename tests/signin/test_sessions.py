"""A session beside writers at work, and how long it lasts when somebody uses it, on each database."""

import time

import pytest

from gateway.fhir.dates import microseconds_now
from gateway.nhs import sandbox
from gateway.signin.sandbox import ISSUER
from gateway.signin.sandbox import issuer as sandbox_issuer
from gateway.signin.sessions import MINUTE, Sessions
from tests.api.conftest import Clock
from tests.signin.systems import SHARED_KEY


@pytest.fixture
def sessions(store) -> Sessions:
    store.clock, store.patience = Clock(), 5.0
    store.clock.now = microseconds_now()  # the store was made just now
    return Sessions(store, [sandbox_issuer(SHARED_KEY)], 15, 600)


def begun(sessions: Sessions) -> str:
    return sessions.begin(ISSUER, sandbox.claims("dr-green"), {})


def test_a_page_does_not_wait_for_a_writer_and_its_use_is_noted_when_there_is_none(store, sessions):
    secret = begun(sessions)
    store.clock.now += 2 * MINUTE
    with store.write():
        begin = time.monotonic()
        before = sessions.of(secret).handle.used
        assert time.monotonic() - begin < 2
    sessions.of(secret)
    assert sessions.of(secret).handle.used >= before + 2 * MINUTE


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_whoever_is_at_work_stays_signed_in_also_where_idle_is_a_minute(store, sessions):
    sessions._idle = MINUTE
    secret = begun(sessions)
    for _ in range(5):
        store.clock.now += MINUTE // 2
        sessions.of(secret)
