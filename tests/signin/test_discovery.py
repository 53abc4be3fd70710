"""The discovery document of an issuer that hangs, fails or comes back: who waits for it, and who does not."""

import threading

import pytest

from gateway.errors import Unavailable
from gateway.signin.openid import FRESH, GAP, LONGEST, Discovery

ISS = "https://issuer.example"
NAME = "token_endpoint"


class Source(Discovery):
    """One whose document a test gives, or holds back."""

    def __init__(self):
        self.now, self.times, self.is_up = 0.0, 0, True
        self.go_on, self.is_asked = threading.Event(), threading.Event()
        self.go_on.set()
        super().__init__(f"{ISS}/.well-known/openid-configuration", ISS, lambda: self.now)

    def document(self):
        self.times += 1
        self.is_asked.set()
        assert self.go_on.wait(10)
        if not self.is_up:
            raise Unavailable("it does not answer")
        return {"issuer": ISS, NAME: f"{ISS}/token/{self.times}"}

    def hanging(self) -> threading.Thread:
        """A thread that waits for the issuer."""
        self.go_on.clear()
        self.is_asked.clear()
        thread = threading.Thread(target=self.address, args=(NAME,))
        thread.start()
        assert self.is_asked.wait(10)
        return thread


def test_while_an_issuer_hangs_one_waits_and_the_others_take_the_document_from_before():
    source = Source()
    assert source.address(NAME).endswith("/1")
    source.now = FRESH
    thread = source.hanging()
    assert [source.address(NAME)[-2:] for _ in range(10)] == ["/1"] * 10
    source.go_on.set()
    thread.join()
    assert source.address(NAME).endswith("/2") and source.times == 2


def test_while_an_issuer_hangs_from_the_start_the_others_are_told_so_at_once():
    source = Source()
    thread = source.hanging()
    for _ in range(10):
        with pytest.raises(Unavailable):
            source.address(NAME)
    source.go_on.set()
    thread.join()
    assert source.address(NAME).endswith("/1")


def test_a_failure_is_remembered_for_some_seconds_and_the_document_from_before_holds_an_hour():
    source = Source()
    source.is_up = False
    for _ in range(10):
        with pytest.raises(Unavailable):
            source.address(NAME)
    assert source.times == 1
    source.now, source.is_up = GAP, True
    assert source.address(NAME).endswith("/2")
    source.is_up = False
    source.now = GAP + LONGEST - 1
    assert source.address(NAME).endswith("/2") and source.times == 3
    source.now = GAP + LONGEST
    with pytest.raises(Unavailable):
        source.address(NAME)
