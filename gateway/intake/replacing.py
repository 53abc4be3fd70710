"""What a whole delivery no longer has: counted, and deleted where the operator asks for it.

Rows are deleted as of the delivery, with their last values, so a later row brings them back. Nothing is deleted that
may be missing by mistake: where a row of the delivery could not be read. Where more is missing than a practice loses,
most of a table or everything of a patient, the operator has to confirm the number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.intake.report import Report
from gateway.store import lacking
from gateway.store.batches import batches
from gateway.store.database import Store
from gateway.store.session import Session
from mappings import Feed, Source

SMALL = 100
"""So many rows may go without a confirmation, whatever their share."""
SHARE = 0.01
"""Share of the rows held that may go without a confirmation."""
OF_A_TABLE = 0.5
"""Share of a publisher's rows in a table that may go without a confirmation: a file may be cut short, or empty."""
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
    absent = _compare(store, source, begun, wish is not None)
    gone = [row for lacked in absent.values() for row in lacked.rows]
    report.absent.update(row.table for row in gone)
    if wish is None:
        return
    for lacked in absent.values():
        report.emptied.update(lacked.emptied())
    held = sum(lacked.held.rows for lacked in absent.values())
    report.replaced = not report.rejects and is_agreed(len(gone), held, report.emptied, wish)
    if not report.replaced:
        return
    for key, lacked in absent.items():
        for few in batches(lacked.rows, AT_ONCE):
            with store.write() as session:
                _remove(session, report, few, begun[key])


@dataclass(frozen=True)
class Lacked:
    """What is held of a publisher, and the rows of it that the delivery lacks."""

    held: lacking.Holding
    rows: Sequence[lacking.Absent]

    def emptied(self) -> Counter[str]:
        """How many rows would go of each table that would lose most of them, and how many patients would lose
        everything."""
        tables = Counter(row.table for row in self.rows)
        patients = Counter(row.patient for row in self.rows if row.patient)
        emptied = Counter({name: gone for name, gone in tables.items() if gone > OF_A_TABLE * self.held.tables[name]})
        emptied["patients"] = sum(gone == self.held.patients[patient] for patient, gone in patients.items())
        return +emptied


def _compare(store: Store, source: Source, begun: Mapping[int, int], of_all: bool) -> dict[int, Lacked]:
    """Return what the delivery lacks, by publisher."""
    lacked = {}
    with store.read() as session:
        for key, order in begun.items():
            held = lacking.holding(session, key, order, source.replaces)
            if of_all or 2 * held.renewed >= len(held.patients):
                lacked[key] = Lacked(held, lacking.absent(session, key, order, source.replaces))
    return lacked


def is_agreed(gone: int, held: int, emptied: Mapping[str, int], wish: Replace) -> bool:
    """Whether so many rows of those held may go: few of them and nothing of which they are most or all, or the number
    that was confirmed."""
    is_little = gone <= max(SMALL, int(SHARE * held)) and not emptied
    return is_little or gone == wish.confirmed


def _remove(session: Session, report: Report, rows: Sequence[lacking.Absent], order: int) -> None:
    lacking.remove(session, report.delivery, rows, order)
    report.rows["gone"] += len(rows)
