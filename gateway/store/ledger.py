"""The ledger of releases: append-only and hash-chained, so that a release cannot be unsaid."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.store.database import Session

_encode = msgspec.json.Encoder(order="sorted").encode


def append(session: Session, entry: dict[str, Any]) -> str:
    """Write an entry and return its hash, which covers all before it."""
    before = session.value("SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1") or ""
    text = _encode(entry).decode()
    digest = hashlib.sha256(f"{before}\n{session.now} {text}".encode()).hexdigest()
    session.run("INSERT INTO ledger (at, entry, hash) VALUES (?, ?, ?)", session.now, text, digest)
    return digest


def entries(session: Session) -> Iterator[tuple[int, dict[str, Any], str]]:
    """(at, entry, hash) in the order written."""
    for at, entry, hash_ in session.rows("SELECT at, entry, hash FROM ledger ORDER BY seq"):
        yield at, msgspec.json.decode(entry), hash_


def is_whole(session: Session) -> bool:
    """Whether the chain holds from the first entry to the last."""
    before = ""
    for at, entry, hash_ in session.rows("SELECT at, entry, hash FROM ledger ORDER BY seq"):
        before = hashlib.sha256(f"{before}\n{at} {entry}".encode()).hexdigest()
        if before != hash_:
            return False
    return True


def is_begun(session: Session) -> bool:
    """Whether anything was pseudonymised in this store: a release is in the ledger, or a part of a job was cut."""
    return (
        session.value("SELECT 1 FROM ledger LIMIT 1") is not None
        or session.value("SELECT 1 FROM part WHERE state = 'done' LIMIT 1") is not None
    )
