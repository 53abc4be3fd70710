"""The chain is sealed and verified in memory that does not grow with the audit."""

import tracemalloc
from collections.abc import Iterator

import pytest

from gateway.store import chain
from gateway.store.chain import Row, Seal

ROWS = 100_000
BOUND = 2_000_000
"""Bytes. The rows below are about twenty times as many."""


class Rows:
    """So many rows, made one at a time. ``read`` is how many of them were made."""

    def __init__(self, count: int):
        self.count, self.read = count, 0

    def __iter__(self) -> Iterator[Row]:
        for seq in range(1, self.count + 1):
            self.read = seq
            yield seq, 1_700_000_000_000_000 + seq, f'{{"act":"read","n":{seq},"text":"{"x" * 300}"}}'


def peak(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_sealing_and_verifying_hold_no_more_than_a_few_rows():
    seals: list[Seal] = []
    assert peak(lambda: seals.extend(chain.seals("", Rows(ROWS)))) < BOUND
    assert len(seals) == ROWS // chain.SEAL_ROWS
    verdicts = []
    assert peak(lambda: verdicts.append(chain.verify("read", Rows(ROWS), iter(seals)))) < BOUND
    assert verdicts == [chain.Verdict(ROWS, ROWS, [])]


def test_a_seal_that_tells_of_more_rows_than_there_are_is_found_in_the_same_memory():
    rows = Rows(ROWS)
    verdicts = []
    assert peak(lambda: verdicts.append(chain.verify("read", rows, [(ROWS, 10**12, "x")]))) < BOUND
    assert verdicts == [chain.Verdict(ROWS, 0, [f"read up to {ROWS}"])] and rows.read == ROWS


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_rows_after_the_last_seal_are_read_and_not_sealed(count):
    rows = list(Rows(count))
    seals = list(chain.seals("", rows[: count // 2]))
    assert chain.verify("read", rows, seals) == chain.Verdict(count, count // 2, [])


def test_seals_made_at_two_times_are_the_links_of_one_chain():
    rows = list(Rows(1500))
    first = list(chain.seals("", rows[:700]))
    second = list(chain.seals(first[-1][2], rows[700:]))
    assert chain.verify("read", rows, [*first, *second]) == chain.Verdict(1500, 1500, [])
    assert chain.verify("read", rows, second).broken


def test_a_seal_over_nothing_does_not_hold():
    assert chain.verify("read", [], [(0, 0, chain.link("", [])[2])]).broken
