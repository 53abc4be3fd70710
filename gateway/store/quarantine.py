"""Quarantine: the groups that could not be mapped, each with the place and the reason of its fault, never the value."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import columns
from gateway.store.mapped import Mapped
from gateway.store.session import Session
from gateway.store.touched import TOUCHED

_QUARANTINE = columns.QUARANTINE.only("grp source patient delivery place reason")


def settle(session: Session, source: str, delivery: int, mapped: Sequence[Mapped]) -> None:
    """Put groups with a fault into quarantine with its place, and take mapped groups out of it."""
    session.run(
        f"DELETE FROM quarantine WHERE {session.within('grp')}", session.listed([group.grp for group in mapped])
    )
    session.insert(
        "quarantine", _QUARANTINE,
        [(group.grp, source, group.patient, delivery, group.place, group.reason) for group in mapped if group.puts is None],
    )  # fmt: skip


def waiting(session: Session, source: str | None = None) -> list[tuple[str, int, str, str]]:
    """(source, delivery, place, reason) of what waits in quarantine."""
    rows = session.rows("SELECT source, delivery, place, reason FROM quarantine ORDER BY source, delivery, place")
    return [row for row in rows if source in (None, row[0])]


def touch(session: Session, delivery: int, source: str) -> None:
    """Mark all quarantined groups of a source to be mapped again."""
    session.run(
        f"INSERT INTO touched ({TOUCHED}) SELECT ?, patient, grp FROM quarantine WHERE source = ? "
        "ON CONFLICT DO NOTHING",
        delivery,
        source,
    )
