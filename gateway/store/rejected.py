"""What could not be read is kept as it was sent, with the name of its file, until it is replayed or dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import sqlmodel
from sqlalchemy.orm import defer
from sqlmodel import col, delete, func, select

from gateway.errors import NotFound
from gateway.fhir.dates import DAY
from gateway.store import sent
from gateway.store.batches import batches
from gateway.store.hashes import hash64
from gateway.store.models import models
from gateway.store.session import Session
from gateway.store.tables import Rejected

MOST, MOST_BYTES = 100_000, 1 << 30
"""Rejects kept at most, and the bytes of them. Older ones are never pushed out: what finds no room is told in the
report of its load, and whoever sent it still has the file."""
AT_ONCE = 10_000
"""Keys in one statement: a database bounds its parameters."""
_PAYLOAD: Any = Rejected.payload
_WITHOUT_PAYLOAD = defer(_PAYLOAD)
"""Not to read what was sent where only its place is asked for: it may be long."""
_SHOWN = ("key", "source", "feed", "delivery", "at", "name", "place", "reason", "size")


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


def keep(session: Session, source: str, feed: str, delivery: int, rejects: Sequence[sent.Rejected]) -> Counter[str]:
    """Keep what can be replayed; return how many are ``kept``, ``not kept`` for want of room, and ``without bytes``,
    which nothing here can read again. The same thing sent again by the same feed is kept once, with its latest place
    and reason."""
    by_hash = {_hash(source, feed, reject.payload): reject for reject in rejects if reject.payload}
    without = sum(not reject.payload for reject in rejects)
    counts = Counter({"without bytes": without} if without else {})
    held: set[int] = set()
    with models(session) as rows:
        for hashes in batches(list(by_hash), AT_ONCE):
            again = select(Rejected).where(col(Rejected.hash).in_(hashes)).options(_WITHOUT_PAYLOAD)
            for row in rows.exec(again):
                reject = by_hash[row.hash]
                row.delivery, row.name, row.place, row.reason = delivery, reject.name, reject.place, reject.reason
                held.add(row.hash)
        new = [(hash_, reject) for hash_, reject in by_hash.items() if hash_ not in held]
        room = _fitting(rows, [len(reject.payload) for _, reject in new])
        first = session.next_key("rejected") if room else 0
        rows.add_all(
            Rejected(
                key=key, hash=hash_, source=source, feed=feed, delivery=delivery, at=session.now, name=reject.name,
                place=reject.place, reason=reject.reason, size=len(reject.payload), payload=reject.payload,
            )
            for key, (hash_, reject) in enumerate(new[:room], first)
        )  # fmt: skip
    if by_hash:
        counts.update({"kept": len(held) + room, "not kept": len(new) - room})
    return counts


def fitting(session: Session, source: str, feed: str, payloads: Sequence[bytes]) -> list[bool]:
    """Whether each of these would be kept, in their order; what is kept already needs no room."""
    hashes = [_hash(source, feed, payload) for payload in payloads]
    held: set[int] = set()
    with models(session) as rows:
        for asked in batches(list(dict.fromkeys(hashes)), AT_ONCE):
            held.update(rows.exec(select(Rejected.hash).where(col(Rejected.hash).in_(asked))))
        sizes = {hash_: len(payload) for hash_, payload in zip(hashes, payloads) if hash_ not in held}
        held.update(list(sizes)[: _fitting(rows, list(sizes.values()))])
    return [hash_ in held for hash_ in hashes]


def _fitting(rows: sqlmodel.Session, sizes: Sequence[int]) -> int:
    """How many of these find room, in their order."""
    held = select(func.count(), func.coalesce(func.sum(col(Rejected.size)), 0)).select_from(Rejected)
    count, total = rows.exec(held).one()
    for fitting, size in enumerate(sizes):
        count, total = count + 1, total + size
        if count > MOST or total > MOST_BYTES:
            return fitting
    return len(sizes)


def _hash(source: str, feed: str, payload: bytes) -> int:
    return hash64("rejected", source, feed, sha256(payload).hexdigest())


def waiting(session: Session, source: str | None = None, feed: str | None = None) -> list[Kept]:
    """Return the kept rejects (of a source, of a feed) without their payload, the oldest first."""
    kept = select(Rejected).options(_WITHOUT_PAYLOAD).order_by(col(Rejected.key))
    if source is not None:
        kept = kept.where(Rejected.source == source)
    if feed is not None:
        kept = kept.where(Rejected.feed == feed)
    with models(session) as rows:
        return [_shown(row) for row in rows.exec(kept)]


def one(session: Session, key: int) -> Kept:
    """Return one with its payload. Raises ``NotFound``."""
    with models(session) as rows:
        row = rows.get(Rejected, key)
        if row is None:
            raise NotFound("reject")
        return replace(_shown(row), payload=row.payload)


def _shown(row: Rejected) -> Kept:
    return Kept(**{name: getattr(row, name) for name in _SHOWN})


def drop(session: Session, keys: Sequence[int]) -> int:
    """Remove rejects; return how many there were."""
    return _remove(session, keys)


def drop_accepted(session: Session, keys: Sequence[int], delivery: int) -> int:
    """Remove those of ``keys`` that a replay took: the delivery has not rejected them again."""
    return _remove(session, keys, Rejected.delivery != delivery)


def purge(session: Session, days: int) -> int:
    """Remove what came first more than so many days ago; return how many."""
    with models(session) as rows:
        return int(rows.exec(delete(Rejected).where(col(Rejected.at) < session.now - days * DAY)).rowcount)


def _remove(session: Session, keys: Sequence[int], *conditions: Any) -> int:
    with models(session) as rows:
        return sum(
            int(rows.exec(delete(Rejected).where(col(Rejected.key).in_(some), *conditions)).rowcount)
            for some in batches(keys, AT_ONCE)
        )
