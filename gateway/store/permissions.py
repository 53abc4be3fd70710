"""Permissions to view: recorded for a number by an organisation, and in force until they end."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import columns
from gateway.store.session import Session

_IN_FORCE = columns.PERMISSION.only("number basis at until")


def grant(session: Session, number: str, ods: str, user: str, basis: str, reason: str, until: int) -> None:
    """Record permission to view."""
    from gateway.store import tables  # every request reads permissions, few record one
    from gateway.store.models import models

    with models(session) as rows:
        rows.add(
            tables.Permission(
                key=session.next_key("permission"), number=number, ods=ods, user_id=user, basis=basis, reason=reason,
                at=session.now, until=until,
            )
        )  # fmt: skip


def in_force(session: Session, numbers: Sequence[str], ods: str, now: int) -> list[tuple[str, str, int, int]]:
    """(number, basis, from, until) of what this organisation recorded and has not ended, in the order in which it was
    recorded."""
    return session.rows(
        f"SELECT {_IN_FORCE} FROM permission WHERE {session.within('number')} AND ods = ? AND until > ? ORDER BY key",
        session.listed(numbers),
        ods,
        now,
    )
