"""A load cut off before or after any of its transactions, and run again, ends in the store of one that was not."""

import contextlib
import itertools

import pytest

from gateway.intake import load
from gateway.intake import take as taking
from gateway.store.database import Store
from mappings import Feed, sources
from tests.intake.conftest import next_version, state, take


class CutOff(BaseException):
    """Stands for kill -9: nothing catches it, and what was not committed is gone."""


@contextlib.contextmanager
def cut_off_at(monkeypatch, number: int, after: bool):
    """Have the ``number``-th write transaction from here cut off, before it begins or right after it is committed."""
    counter, original = itertools.count(1), Store.write

    @contextlib.contextmanager
    def write(self):
        is_it = next(counter) == number
        if is_it and not after:
            raise CutOff
        with original(self) as session:
            yield session
        if is_it:
            raise CutOff

    with monkeypatch.context() as patch, contextlib.suppress(CutOff):
        patch.setattr(Store, "write", write)
        yield


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(taking, "ROWS_AT_ONCE", 60)
    monkeypatch.setattr(taking, "GROUPS_AT_ONCE", 25)


def settled(store: Store) -> dict:
    with store.read() as session:
        assert not session.rows("SELECT 1 FROM delivery WHERE state <> 'done'") and not session.rows(
            "SELECT 1 FROM touched"
        )
    return state(store)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_load_cut_off_at_any_transaction(small, new_store, deliveries, code_sets, monkeypatch, after):
    whole = new_store("whole")
    take(whole, deliveries, "cld", code_sets)
    with whole.read() as session:
        commits = session.stamp()
    assert commits > 8
    for number in range(1, commits):
        store = new_store(f"cut{number}")
        with cut_off_at(monkeypatch, number, after):
            take(store, deliveries, "cld", code_sets)
        take(store, deliveries, "cld", code_sets)
        assert settled(store) == state(whole), number
        with store.read() as session:
            assert session.value("SELECT max(number) FROM head") == 1, "nothing is done twice"


def test_a_new_mapping_version_cut_off_at_any_transaction(small, new_store, deliveries, code_sets, monkeypatch):
    newer = next_version(sources()["cld"])

    def remap(store):
        load.load(store, newer, deliveries.path("cld"), Feed(), code_sets, workers=0)

    whole = new_store("whole")
    take(whole, deliveries, "cld", code_sets)
    with whole.read() as session:
        before = session.stamp()
    remap(whole)
    with whole.read() as session:
        commits = session.stamp() - before
    for number in range(1, commits + 1):
        store = new_store(f"cut{number}")
        take(store, deliveries, "cld", code_sets)
        with cut_off_at(monkeypatch, number, after=True):
            remap(store)
        remap(store)
        assert settled(store) == state(whole), number
