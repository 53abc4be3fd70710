"""The ledger of releases: append-only and hash-chained, so that nobody can deny a release or change it unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlmodel import col, func, select

from gateway.store.heads import Head
from gateway.store.models import models
from gateway.store.session import Session
from gateway.store.tables import Job, Ledger, Part

_encode = msgspec.json.Encoder(order="sorted").encode
_WITH_ROOT = '%"root":"%'
AT_ONCE = 20
"""Entries that are read at once."""


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
    with models(session) as rows:
        count = rows.exec(select(func.count()).select_from(Ledger)).one()
    return count, hash_at(session, count)


def hash_at(session: Session, count: int) -> str:
    """The hash of the entry that is the ``count``-th; "" where there is none."""
    if not count:
        return ""
    with models(session) as rows:
        return rows.exec(select(Ledger.hash).order_by(col(Ledger.seq)).offset(count - 1).limit(1)).first() or ""


def unlisted(session: Session, released: set[str]) -> int:
    """How many of these released jobs have no entry."""
    return len(released - {entry.get("release") for _, entry, _ in entries(session)})


def is_begun(session: Session) -> bool:
    """Whether anything was pseudonymised in this store: a release is in the ledger, or a part of a job was cut."""
    with models(session) as rows:
        return (
            rows.exec(select(Ledger.seq).limit(1)).first() is not None
            or rows.exec(select(Part.number).where(Part.state == "done").limit(1)).first() is not None
        )


def root_fingerprint(session: Session) -> str:
    """The fingerprint of the root key that this store's exports are made with: of the newest release, or of the newest
    job that has a part. Empty where none was pinned."""
    released = select(Ledger.entry).where(col(Ledger.entry).like(_WITH_ROOT)).order_by(col(Ledger.seq).desc()).limit(1)
    is_cut = select(Part.number).where(Part.job == Job.id, Part.state == "done").exists()
    pins = select(Job.pins).where(col(Job.pins).like(_WITH_ROOT), is_cut).order_by(col(Job.created).desc()).limit(1)
    with models(session) as rows:
        if (entry := rows.exec(released).first()) is not None:
            return str(msgspec.json.decode(entry)["pins"].get("root", ""))
        pinned = rows.exec(pins).first()
    return str(msgspec.json.decode(pinned)["root"]) if pinned is not None else ""


def _chained(session: Session) -> Iterator[tuple[int, str, str]]:
    chained = select(Ledger.at, Ledger.entry, Ledger.hash).order_by(col(Ledger.seq))
    with models(session) as rows:
        yield from rows.exec(chained, execution_options={"yield_per": AT_ONCE})


def _link(before: str, at: int, text: str) -> str:
    return hashlib.sha256(f"{before}\n{at} {text}".encode()).hexdigest()
