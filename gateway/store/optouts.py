"""The opt-out list: apart from records, replaced whole, remembered as date, count and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store import columns
from gateway.store.session import Session

_IN_FORCE = columns.OPTOUT_LIST.only("key loaded as_at count hash")


@dataclass(frozen=True, slots=True)
class ListInForce:
    """The newest opt-out list: when it was loaded and as at when (µs UTC), how many, its hash."""

    key: int
    loaded: int
    as_at: int
    count: int
    hash: str


def replace(session: Session, numbers: Sequence[str], as_at: int) -> ListInForce:
    """Put a list in force. The list before it keeps its members, all older ones lose theirs: a job keeps its own
    members, not the list."""
    from gateway.store import tables  # the lists are read by every worker of an export, and loaded once a week
    from gateway.store.models import models

    members = sorted(set(numbers))
    in_force = ListInForce(session.next_key("optout_list"), session.now, as_at, len(members), _digest(members))
    with models(session) as rows:
        rows.add(
            tables.OptoutList(
                key=in_force.key, loaded=in_force.loaded, as_at=as_at, count=in_force.count, hash=in_force.hash
            )
        )
    session.insert("optout", columns.OPTOUT.all, [(in_force.key, number) for number in members])
    session.run("DELETE FROM optout WHERE list < ?", in_force.key - 1)
    return in_force


def known_as_at(session: Session, numbers: Sequence[str]) -> int | None:
    """The latest date (µs UTC) that a list of the same numbers had; None for a list that is new."""
    from sqlmodel import col, func, select

    from gateway.store import tables
    from gateway.store.models import models

    latest = select(func.max(col(tables.OptoutList.as_at)))
    with models(session) as rows:
        return rows.exec(latest.where(tables.OptoutList.hash == _digest(sorted(set(numbers))))).one()


def held(session: Session, list_: int) -> tuple[int, int]:
    """How many NHS numbers the Patients of the store claim, and how many of those are on a list."""
    numbers = "SELECT DISTINCT number FROM claim WHERE number NOT LIKE 'patient:%'"
    sql = (
        f"SELECT count(*), count(o.number) FROM ({numbers}) n LEFT JOIN optout o ON o.list = ? AND o.number = n.number"
    )
    row = session.row(sql, list_)
    return (row[0], row[1]) if row else (0, 0)


def lost(session: Session, before: int, after: int) -> int:
    """How many members of one list the other has not."""
    sql = (
        "SELECT count(*) FROM optout b LEFT JOIN optout a ON a.list = ? AND a.number = b.number "
        "WHERE b.list = ? AND a.number IS NULL"
    )
    return session.value(sql, after, before) or 0


def _digest(members: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(members).encode()).hexdigest()


def in_force(session: Session) -> ListInForce | None:
    """The newest list, or None."""
    row = session.row(f"SELECT {_IN_FORCE} FROM optout_list ORDER BY key DESC LIMIT 1")
    return ListInForce(*row) if row else None


def on_list(session: Session, list_: int, numbers: Sequence[str]) -> set[str]:
    """Return which of the numbers are on the list."""
    sql = f"SELECT number FROM optout WHERE list = ? AND {session.within('number')}"
    return {number for (number,) in session.rows(sql, list_, session.listed(numbers))}
