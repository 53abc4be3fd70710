"""The hash chain of the audit: seals over rows in their order, and the proof that no sealed row was changed.

A seal is an HMAC (https://www.rfc-editor.org/rfc/rfc2104) under a key that does not lie in the store, so whoever can
change the store cannot compute the chain again. Seals of version 0.1 have no key: they hold at the beginning of a chain
only. Everything walks the rows once and holds at most one at a time, so its memory does not grow with the audit.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

SEAL_ROWS = 1000
KEYED = "hmac-sha256:"
"""What the hash of a seal under a key begins with. The others are of version 0.1."""
Row = tuple[int, int, str]
"""(seq, at, event)"""
Seal = tuple[int, int, str]
"""(seq of the last row it covers, how many rows it covers, hash over them and the seal before)"""


@dataclass(frozen=True)
class Verdict:
    """The result of ``verify``: rows read, rows under a seal, the places where the chain is broken, and how many of the
    sealed rows are under a key."""

    rows: int
    sealed: int
    broken: list[str]
    keyed: int = 0

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.rows + other.rows,
            self.sealed + other.sealed,
            self.broken + other.broken,
            self.keyed + other.keyed,
        )


def seals(before: str, rows: Iterable[Row], *, key: bytes = b"", stream: str = "", size: int = 0) -> Iterator[Seal]:
    """The seals over ``rows`` of a stream that follow a seal with the hash ``before``, ``size`` rows each."""
    waiting = iter(rows)
    while True:
        last, count, digest = link(before, islice(waiting, size or SEAL_ROWS), key=key, stream=stream)
        if not count:
            return
        yield last, count, digest
        before = digest


def link(before: str, rows: Iterable[Row], *, key: bytes = b"", stream: str = "") -> Seal:
    """One link of the chain of a stream: a seal over ``rows``, with seq 0 where there are none. Without a key it is one
    of version 0.1."""
    digest = hmac.new(key, f"{stream}\n{before}".encode(), "sha256") if key else hashlib.sha256(before.encode())
    last, count = 0, 0
    for seq, at, event in rows:
        digest.update(f"\n{seq} {at} {event}".encode())
        last, count = seq, count + 1
    return last, count, f"{KEYED if key else ''}{digest.hexdigest()}"


def is_keyed(seal: Seal) -> bool:
    """Whether a seal says that it was made under a key."""
    return seal[2].startswith(KEYED)


def verify(stream: str, rows: Iterable[Row], sealed: Iterable[Seal], key: bytes = b"") -> Verdict:
    """Recompute the chain of one stream and name the first seal that does not match its rows, or has lost its key."""
    waiting, before, under_seal, under_key, broken = iter(rows), "", 0, 0, list[str]()
    unsealed = 0
    for seal in sealed:
        using = key if is_keyed(seal) else b""
        computed = link(before, islice(waiting, max(seal[1], 0)), key=using, stream=stream)
        if computed != tuple(seal) or not computed[1] or (under_key and not using):
            broken.append(f"{stream} up to {seal[0]}")
            unsealed += computed[1]
            break
        under_seal, before = under_seal + computed[1], computed[2]
        under_key += computed[1] if using else 0
    unsealed += sum(1 for _ in waiting)
    return Verdict(under_seal + unsealed, under_seal, broken, under_key)
