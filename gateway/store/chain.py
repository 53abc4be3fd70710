"""The hash chain of the audit: seals over rows in their order, and the proof that no sealed row was changed.

Both walk the rows once and hold at most one at a time, so their memory does not grow with the audit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

SEAL_ROWS = 1000
Row = tuple[int, int, str]
"""(seq, at, event)"""
Seal = tuple[int, int, str]
"""(seq of the last row it covers, how many rows it covers, hash over them and the seal before)"""


@dataclass(frozen=True)
class Verdict:
    """The result of ``verify``: rows read, rows under a seal, and the places where the chain is broken."""

    rows: int
    sealed: int
    broken: list[str]

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(self.rows + other.rows, self.sealed + other.sealed, self.broken + other.broken)


def seals(before: str, rows: Iterable[Row], size: int = SEAL_ROWS) -> Iterator[Seal]:
    """The seals over ``rows`` that follow a seal with the hash ``before``."""
    waiting = iter(rows)
    while True:
        last, count, digest = link(before, islice(waiting, size))
        if not count:
            return
        yield last, count, digest
        before = digest


def link(before: str, rows: Iterable[Row]) -> Seal:
    """One link of the chain: a seal over ``rows``, with seq 0 where there are none."""
    digest, last, count = hashlib.sha256(before.encode()), 0, 0
    for seq, at, event in rows:
        digest.update(f"\n{seq} {at} {event}".encode())
        last, count = seq, count + 1
    return last, count, digest.hexdigest()


def verify(stream: str, rows: Iterable[Row], sealed: Iterable[Seal]) -> Verdict:
    """Recompute the chain of one stream and name the first seal that does not match its rows."""
    waiting, before, under_seal, broken = iter(rows), "", 0, list[str]()
    unsealed = 0
    for seal in sealed:
        computed = link(before, islice(waiting, max(seal[1], 0)))
        if computed != tuple(seal) or not computed[1]:
            broken.append(f"{stream} up to {seal[0]}")
            unsealed += computed[1]
            break
        under_seal, before = under_seal + computed[1], computed[2]
    unsealed += sum(1 for _ in waiting)
    return Verdict(under_seal + unsealed, under_seal, broken)
