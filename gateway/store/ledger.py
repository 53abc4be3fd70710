"""The ledger of releases: append-only and hash-chained, so that nobody can deny a release or change it unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlmodel import col, select

from gateway.store import columns
from gateway.store.database import Session
from gateway.store.heads import Head
from gateway.store.models import models
from gateway.store.tables import Ledger

_encode = msgspec.json.Encoder(order="sorted").encode
_CHAINED = columns.LEDGER.only("at entry hash")


def append(session: Session, entry: dict[str, Any]) -> str:
    """Write an entry and return its hash, which also covers all earlier entries."""
    text = _encode(entry).decode()
    with models(session) as rows:
        before = rows.exec(select(Ledger.hash).order_by(col(Ledger.seq).desc()).limit(1)).first() or ""
        digest = _link(before, session.now, text)
        rows.add(Ledger(at=session.now, entry=text, hash=digest))
    return digest


def entries(session: Session) -> Iterator[tuple[int, dict[str, Any], str]]:
    """(at, entry, hash) in the order written, a few at a time."""
    for at, text, digest in _chained(session):
        yield at, msgspec.json.decode(text), digest


def is_whole(session: Session) -> bool:
    """Whether the chain holds from the first entry to the last."""
    before = ""
    for at, text, digest in _chained(session):
        before = _link(before, at, text)
        if before != digest:
            return False
    return True


def head(session: Session) -> Head:
    """How many entries there are, and the hash of the last."""
    count: int = session.value("SELECT count(*) FROM ledger")
    return count, hash_at(session, count)


def hash_at(session: Session, count: int) -> str:
    """The hash of the entry that is the ``count``-th; "" where there is none."""
    if not count:
        return ""
    return session.value("SELECT hash FROM ledger ORDER BY seq LIMIT 1 OFFSET ?", count - 1) or ""


def unlisted(session: Session, released: set[str]) -> int:
    """How many of these released jobs have no entry."""
    return len(released - {entry.get("release") for _, entry, _ in entries(session)})


def is_begun(session: Session) -> bool:
    """Whether anything was pseudonymised in this store: a release is in the ledger, or a part of a job was cut."""
    return (
        session.value("SELECT 1 FROM ledger LIMIT 1") is not None
        or session.value("SELECT 1 FROM part WHERE state = 'done' LIMIT 1") is not None
    )


def root_fingerprint(session: Session) -> str:
    """The fingerprint of the root key that this store's exports are made with: of the newest release, or of the newest
    job that has a part. Empty where none was pinned."""
    pinned = session.value('SELECT entry FROM ledger WHERE entry LIKE \'%"root":"%\' ORDER BY seq DESC LIMIT 1')
    if pinned is not None:
        return str(msgspec.json.decode(pinned)["pins"].get("root", ""))
    pins = session.value(
        'SELECT j.pins FROM job j WHERE j.pins LIKE \'%"root":"%\' '
        "AND EXISTS (SELECT 1 FROM part p WHERE p.job = j.id AND p.state = 'done') ORDER BY j.created DESC LIMIT 1"
    )
    return str(msgspec.json.decode(pins)["root"]) if pins is not None else ""


def _chained(session: Session) -> Iterator[tuple[int, str, str]]:
    yield from session.stream(f"SELECT {_CHAINED} FROM ledger ORDER BY seq", size=20)


def _link(before: str, at: int, text: str) -> str:
    return hashlib.sha256(f"{before}\n{at} {text}".encode()).hexdigest()
