"""The opt-out list: apart from records, replaced whole, remembered as date, count and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store.database import Session


@dataclass(frozen=True, slots=True)
class ListInForce:
    """The newest opt-out list: when it was loaded and as at when (µs UTC), how many, its hash."""

    key: int
    loaded: int
    as_at: int
    count: int
    hash: str


def replace(session: Session, numbers: Sequence[str], as_at: int) -> ListInForce:
    """Put a list in force. The one before keeps its members, all older ones lose theirs: a job remembers whom it left
    out, not the list."""
    members = sorted(set(numbers))
    key = session.next_key("optout_list")
    digest = hashlib.sha256("\n".join(members).encode()).hexdigest()
    session.run(
        "INSERT INTO optout_list (key, loaded, as_at, count, hash) VALUES (?, ?, ?, ?, ?)",
        key,
        session.now,
        as_at,
        len(members),
        digest,
    )
    session.insert("optout", "list, number", [(key, number) for number in members])
    session.run("DELETE FROM optout WHERE list < ?", key - 1)
    return ListInForce(key, session.now, as_at, len(members), digest)


def in_force(session: Session) -> ListInForce | None:
    """The newest list, or None."""
    found = session.row("SELECT key, loaded, as_at, count, hash FROM optout_list ORDER BY key DESC LIMIT 1")
    return ListInForce(*found) if found else None


def opted_out(session: Session, list_: int) -> set[int]:
    """The patients that claim a number on the list, gathered or not: refused wide."""
    return {
        row[0]
        for row in session.rows(
            "SELECT DISTINCT c.patient FROM optout o JOIN claim c ON c.number = o.number WHERE o.list = ?", list_
        )
    }
