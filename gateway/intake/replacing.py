"""What a whole delivery no longer has: counted, and deleted where the operator asks for it.

Rows are deleted as of the delivery, with their last values, so a later row brings them back. Nothing is deleted that
may be missing by mistake: where a row of the delivery could not be read, or more is missing than a practice loses, the
operator has to confirm the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.intake.report import Report
from gateway.store import kept as keeping
from gateway.store.database import Session, Store
from gateway.store.resources import batches
from mappings import Feed, Source

SMALL = 100
"""So many rows may go without a confirmation, whatever their share."""
SHARE = 0.01
"""Share of the rows held that may go without a confirmation."""
AT_ONCE = 5000


@dataclass(frozen=True)
class Replace:
    """The operator's wish. ``confirmed`` is the number of rows that they agreed to lose, 0 for none."""

    confirmed: int = 0


def check(source: Source, feed: Feed) -> None:
    """Raise ``Refused`` where absence from a delivery says nothing."""
    if not source.replaces:
        raise Refused(f"--replace: {source.name} has no deliveries that replace what was sent before")
    if feed.settings.get("partial"):
        raise Refused("--replace: the feed takes parts of deliveries (partial), and a part replaces nothing")


def settle(
    store: Store, source: Source, report: Report, begun: Mapping[int, int], may_be_whole: bool, wish: Replace | None
) -> None:
    """Count what is held of the publishers and not in the delivery, and delete it where that was asked for.

    ``begun`` gives each publisher's lowest order in the delivery. Without ``wish`` it is counted only for a delivery
    that has half of a publisher's patients: any other is one of changes.
    """
    if not source.replaces or not (may_be_whole or wish):
        return
    held, absent = _compare(store, source, begun, wish is not None)
    report.absent.update(row.table for rows in absent.values() for row in rows)
    if wish is None:
        return
    report.replaced = not report.rejects and is_agreed(report.absent.total(), held, wish)
    if not report.replaced:
        return
    for key, rows in absent.items():
        for few in batches(rows, AT_ONCE):
            with store.write() as session:
                _remove(session, report, few, begun[key])


def _compare(
    store: Store, source: Source, begun: Mapping[int, int], of_all: bool
) -> tuple[int, dict[int, list[keeping.Absent]]]:
    """Return how many rows are held of the publishers, and those that the delivery lacks by publisher."""
    count, absent = 0, {}
    with store.read() as session:
        for key, order in begun.items():
            held = keeping.holding(session, key, order, source.replaces)
            if of_all or 2 * held.renewed >= held.patients:
                count += held.rows
                absent[key] = keeping.absent(session, key, order, source.replaces)
    return count, absent


def is_agreed(gone: int, held: int, wish: Replace) -> bool:
    """Whether so many rows of those held may go: few of them, or the number that was confirmed."""
    return gone <= max(SMALL, int(SHARE * held)) or gone == wish.confirmed


def _remove(session: Session, report: Report, rows: Sequence[keeping.Absent], order: int) -> None:
    keeping.remove(session, report.delivery, rows, order)
    report.rows["gone"] += len(rows)
