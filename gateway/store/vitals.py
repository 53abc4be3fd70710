"""How a store stands, in a few numbers that cost little to read: what an operator's alarm asks each minute."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.store.audit import Audit
from gateway.store.database import Store
from gateway.store.session import Session

MOST_COUNTED = 100_000
"""Rows of one table that are counted at most."""
MOST_SECONDS = 3
"""Seconds that a query may take on PostgreSQL."""
_WAITING = "state IN ('accepted', 'gathered')"
"""Jobs that nobody works on."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Times are µs UTC. ``received`` says when each source last sent rows. ``waiting`` is when the oldest job was made
    that nobody works on, ``noticed`` how many changes wait to be told, ``released`` when the last release was made;
    both are None where there is none. ``unsealed`` holds, by stream of the audit, how many rows are under no seal
    and when the oldest of them was written."""

    now: int
    received: dict[str, int]
    quarantined: dict[str, int]
    rejected: int
    jobs: dict[str, int]
    subscriptions: dict[str, int]
    noticed: int
    waiting: int | None
    releases: int
    released: int | None
    unsealed: dict[str, tuple[int, int | None]]


def read(store: Store, audit: Audit) -> Vitals:
    """Read the numbers of a store and of its audit. Raises ``Unavailable`` for an outage."""
    unsealed = audit.unsealed(MOST_COUNTED)  # it reads by itself: never two connections for one question
    with store.read() as session:
        if session.postgres:
            session.run(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1000}")
        releases, released = session.row("SELECT count(*), max(at) FROM ledger") or (0, None)
        return Vitals(
            now=store.clock(),
            received=dict(
                session.rows("SELECT source, max(received) FROM publisher WHERE received > 0 GROUP BY source")
            ),
            quarantined=_counted(session, "source", "quarantine"),
            rejected=session.value(f"SELECT count(*) FROM (SELECT hash FROM rejected LIMIT {MOST_COUNTED}) AS counted"),
            jobs=_counted(session, "state", "job"),
            subscriptions=_counted(session, "state", "subscription"),
            noticed=session.value(f"SELECT count(*) FROM (SELECT head FROM notice LIMIT {MOST_COUNTED}) AS counted"),
            waiting=session.value(f"SELECT min(created) FROM job WHERE {_WAITING}"),
            releases=releases,
            released=released,
            unsealed=unsealed,
        )


def _counted(session: Session, column: str, table: str) -> dict[str, int]:
    """How many rows there are of each value of a column."""
    most = f"SELECT {column} FROM {table} LIMIT {MOST_COUNTED}"
    sql = f"SELECT {column}, count(*) FROM ({most}) AS counted GROUP BY {column}"
    return dict(session.rows(sql))
