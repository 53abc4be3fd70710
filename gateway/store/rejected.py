"""What could not be read is kept as it was sent, with the name of its file, until it is replayed or dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from gateway.errors import NotFound
from gateway.store import columns
from gateway.store.database import Session, hash64

MOST, MOST_BYTES = 100_000, 1 << 30
"""Rejects kept at most, and the bytes of them. Older ones are never pushed out: what finds no room is told in the
report of its load, and whoever sent it still has the file."""
DAY = 86_400_000_000
_NEW = columns.REJECTED.only("key hash source feed delivery at name place reason size payload")
_SHOWN = columns.REJECTED.only("key source feed delivery at name place reason size")


class Rejected(msgspec.Struct, array_like=True, frozen=True):
    """A reject on its way in. One without a ``payload`` cannot be read by itself, and is not kept."""

    place: str
    reason: str
    name: str = ""
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept reject: ``at`` is when it came first (µs UTC), ``size`` its bytes. ``name`` and ``payload`` may tell who
    somebody is; ``place`` and ``reason`` do not."""

    key: int
    source: str
    feed: str
    delivery: int
    at: int
    name: str
    place: str
    reason: str
    size: int
    payload: bytes = b""


def keep(session: Session, source: str, feed: str, delivery: int, rejects: Sequence[Rejected]) -> Counter[str]:
    """Keep what can be replayed; return how many are ``kept``, ``not kept`` for want of room, and ``without bytes``,
    which nothing here can read again. The same thing sent again by the same feed is kept once, with its latest place
    and reason."""
    by_hash = {_hash(source, feed, reject.payload): reject for reject in rejects if reject.payload}
    without = sum(not reject.payload for reject in rejects)
    counts = Counter({"without bytes": without} if without else {})
    if not by_hash:
        return counts
    sql = f"SELECT hash, key FROM rejected WHERE {session.within('hash')}"
    held = dict(session.rows(sql, session.listed(list(by_hash))))
    session.many(
        "UPDATE rejected SET delivery = ?, name = ?, place = ?, reason = ? WHERE key = ?",
        [
            (delivery, by_hash[hash_].name, by_hash[hash_].place, by_hash[hash_].reason, key)
            for hash_, key in held.items()
        ],
    )
    new = [(hash_, reject) for hash_, reject in by_hash.items() if hash_ not in held]
    room = _fitting(session, [len(reject.payload) for _, reject in new])
    first = session.next_key("rejected") if room else 0
    session.insert(
        "rejected", _NEW,
        [(key, hash_, source, feed, delivery, session.now, r.name, r.place, r.reason, len(r.payload), r.payload)
         for key, (hash_, r) in enumerate(new[:room], first)],
    )  # fmt: skip
    counts.update({"kept": len(held) + room, "not kept": len(new) - room})
    return counts


def _fitting(session: Session, sizes: Sequence[int]) -> int:
    """How many of these find room, in their order."""
    count, total = session.row("SELECT count(*), COALESCE(sum(size), 0) FROM rejected") or (0, 0)
    for fitting, size in enumerate(sizes):
        count, total = count + 1, total + size
        if count > MOST or total > MOST_BYTES:
            return fitting
    return len(sizes)


def _hash(source: str, feed: str, payload: bytes) -> int:
    return hash64("rejected", source, feed, sha256(payload).hexdigest())


def waiting(session: Session, source: str | None = None, feed: str | None = None) -> list[Kept]:
    """Return the kept rejects (of a source, of a feed) without their payload, the oldest first."""
    rows = session.rows(f"SELECT {_SHOWN} FROM rejected ORDER BY key")
    return [
        kept for kept in (Kept(*row) for row in rows) if source in (None, kept.source) and feed in (None, kept.feed)
    ]


def one(session: Session, key: int) -> Kept:
    """Return one with its payload. Raises ``NotFound``."""
    row = session.row(f"SELECT {_SHOWN}, payload FROM rejected WHERE key = ?", key)
    if row is None:
        raise NotFound("reject")
    return replace(Kept(*row[:-1]), payload=bytes(row[-1]))


def drop(session: Session, keys: Sequence[int]) -> int:
    """Remove rejects; return how many there were."""
    return session.run(f"DELETE FROM rejected WHERE {session.within('key')}", session.listed(list(keys)))


def drop_accepted(session: Session, keys: Sequence[int], delivery: int) -> int:
    """Remove those of ``keys`` that a replay took: the delivery has not rejected them again."""
    sql = f"DELETE FROM rejected WHERE delivery <> ? AND {session.within('key')}"
    return session.run(sql, delivery, session.listed(list(keys)))


def purge(session: Session, days: int) -> int:
    """Remove what came first more than so many days ago; return how many."""
    return session.run("DELETE FROM rejected WHERE at < ?", session.now - days * DAY)
