"""Deliveries and quarantine: what was taken in, how it went, and what could not be mapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.store import columns
from gateway.store.database import Session, hash64
from gateway.store.kept import TOUCHED, retouch, touch_new, touch_source
from gateway.store.resources import Mapped

_QUARANTINE = columns.QUARANTINE.only("grp source patient delivery place reason")
_BEGIN = (
    f"INSERT INTO delivery ({columns.DELIVERY.only('key source name mapping plan first started state report')}) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, 'keeping', '')"
)
_STANDING = (
    f"SELECT {columns.DELIVERY.only('source mapping plan')} FROM delivery d WHERE key >= COALESCE("
    "(SELECT max(e.key) FROM delivery e WHERE e.source = d.source AND e.state = 'done'), 0)"
)
"""The deliveries that what is shown of a source may come from: the last that was done, and those cut off since."""
_MIXED = ""
"""The plan of a delivery after which some of the source is indexed by one plan and some by another."""


def begin(session: Session, source: str, name: str, version: str, sets: str, plan: str, indexes_all: bool) -> int:
    """Open a delivery. If the mapping's version or the fingerprint of the labels' code sets and rules changed since the
    last one, all groups of the source are marked to be mapped again. The name is stored as a hash.

    ``plan`` is the fingerprint of the index plan. It is stored only where all resources of the source are indexed by it
    when the delivery is done: because they were before, or because this delivery ``indexes_all``.
    """
    mapping = f"{version} {sets}"
    if not indexes_all and source in indexed_otherwise(session, plan):
        plan = _MIXED
    key = session.next_key("delivery")
    last = session.value("SELECT mapping FROM delivery WHERE source = ? ORDER BY key DESC LIMIT 1", source)
    session.run(
        _BEGIN, key, source, f"{hash64(name) & (2**64 - 1):016x}", mapping, plan, session.next_key("kept"), session.now,
    )  # fmt: skip
    if last is not None and last != mapping:
        touch_source(session, key, source)
    return key


def labelled_otherwise(session: Session, fingerprint: str) -> list[str]:
    """Return the sources whose labels may come from other code sets or rules than those of ``fingerprint``: their last
    complete delivery, or one interrupted since, used others."""
    rows = session.rows(_STANDING)
    return sorted({source for source, mapping, _ in rows if mapping.rpartition(" ")[2] != fingerprint})


def indexed_otherwise(session: Session, plan: str) -> list[str]:
    """Return the sources whose resources may be indexed by another plan: their last complete delivery, or one
    interrupted since, used another."""
    return sorted({source for source, _, indexed_by in session.rows(_STANDING) if indexed_by != plan})


def first_row(session: Session, delivery: int) -> int:
    """The key of the first row this delivery could have added."""
    first: int = session.value("SELECT first FROM delivery WHERE key = ?", delivery)
    return first


def is_mapping(session: Session, delivery: int) -> None:
    """Record that all rows are kept and mapping begins."""
    session.run("UPDATE delivery SET state = 'mapping' WHERE key = ?", delivery)


def reopen(session: Session, delivery: int) -> bool:
    """Have a delivery keep more rows, all of whose rows are mapped; return whether it is open still: another delivery
    of the source ends it. Only rows that come from now on are new."""
    sql = "UPDATE delivery SET state = 'keeping', first = ? WHERE key = ? AND state = 'mapping'"
    return session.run(sql, session.next_key("kept"), delivery) > 0


def end(session: Session, delivery: int, report: dict[str, Any]) -> None:
    """Mark a delivery as done and store its report."""
    session.run(
        "UPDATE delivery SET state = 'done', report = ? WHERE key = ?", msgspec.json.encode(report).decode(), delivery
    )


def take_over(session: Session, source: str, delivery: int) -> None:
    """Move the unmapped groups of interrupted deliveries of the source to this delivery, and mark those deliveries as
    done."""
    for key, state in session.rows(
        "SELECT key, state FROM delivery WHERE source = ? AND state <> 'done' AND key <> ? ORDER BY key",
        source,
        delivery,
    ):
        if state == "keeping":
            touch_new(session, key, first_row(session, key))
        retouch(session, key, delivery)
        session.run("UPDATE delivery SET state = 'done' WHERE key = ?", key)


def quarantine(session: Session, source: str, delivery: int, mapped: Sequence[Mapped]) -> None:
    """Put groups with a fault into quarantine with its place, and take mapped groups out of it."""
    session.run(
        f"DELETE FROM quarantine WHERE {session.within('grp')}", session.listed([group.grp for group in mapped])
    )
    session.insert(
        "quarantine", _QUARANTINE,
        [(group.grp, source, group.patient, delivery, group.place, group.reason) for group in mapped if group.puts is None],
    )  # fmt: skip


def in_quarantine(session: Session, source: str | None = None) -> list[tuple[str, int, str, str]]:
    """(source, delivery, place, reason) of what waits in quarantine."""
    rows = session.rows("SELECT source, delivery, place, reason FROM quarantine ORDER BY source, delivery, place")
    return [row for row in rows if source in (None, row[0])]


def touch_quarantined(session: Session, delivery: int, source: str) -> None:
    """Mark all quarantined groups of a source to be mapped again."""
    session.run(
        f"INSERT INTO touched ({TOUCHED}) SELECT ?, patient, grp FROM quarantine WHERE source = ? "
        "ON CONFLICT DO NOTHING",
        delivery,
        source,
    )
