"""Decides whether an event that is missing from a later snapshot counts as withdrawn.

Nothing is ever deleted in Client Level Data: the next snapshot simply does not have the event. A snapshot's silence
counts only if it is the latest submission of its period, was read whole, speaks of events of that type at all, and its
period would hold the event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mappings import Look, Row
from mappings.cld.times import iso

SNAPSHOT = "Snapshot"
START, END, SUBMISSION = "Reporting Period Start Date", "Reporting Period End Date", "Submission"
TYPES, STATE, FULL, PARTIAL = "Event Types", "State", "full", "partial"


@dataclass(frozen=True, order=True)
class Snapshot:
    """One submission for one reporting period. The order is DHSC's: the later period, then the later submission."""

    end: str
    start: str
    submission: int
    types: frozenset[str] = field(default=frozenset(), compare=False)
    full: bool = field(default=False, compare=False)

    @property
    def id(self) -> str:
        return f"{self.start}/{self.end}/{self.submission}"

    def holds(self, kind: str, start: str, end: str) -> bool:
        """Whether this snapshot would have stated an event of these dates: a service that ran in its period, else one
        within it."""
        if not self.full or kind not in self.types:
            return False
        if kind == "Service":
            return start <= self.end and (not end or end >= self.start)
        return self.start <= start and start <= (end or start) <= self.end


def of(row: Row) -> Snapshot:
    """Return the snapshot a kept row belongs to."""
    values = row.values
    types, state = frozenset(values[TYPES].split()), values[STATE]
    return Snapshot(iso(values[END], END), iso(values[START], START), int(values[SUBMISSION]), types, state == FULL)


def known(look: Look) -> list[Snapshot]:
    """Return the council's snapshots that count: the latest submission of each period, oldest first.

    The files of one submission are one snapshot, which is whole only if every file was read whole.
    """
    latest: dict[tuple[str, str], Snapshot] = {}
    for found in map(of, look.all(SNAPSHOT)):
        period = (found.start, found.end)
        before = latest.get(period)
        if before is None or found.submission > before.submission:
            latest[period] = found
        elif found.submission == before.submission:
            latest[period] = Snapshot(
                found.end, found.start, found.submission, before.types | found.types, before.full and found.full
            )
    return sorted(latest.values())


def last(rows: Iterable[Row]) -> tuple[Snapshot, list[Row]]:
    """Return the last snapshot that has such rows, and its rows."""
    grouped: dict[Snapshot, list[Row]] = {}
    for row in rows:
        grouped.setdefault(of(row), []).append(row)
    latest = max(grouped)
    return latest, sorted(grouped[latest], key=lambda row: row.key)


def silent(stated: Snapshot, kind: str, start: str, end: str, look: Look) -> list[Snapshot]:
    """Return the snapshots after ``stated`` that should have stated the event and do not, oldest first."""
    return [snapshot for snapshot in known(look) if snapshot > stated and snapshot.holds(kind, start, end)]
