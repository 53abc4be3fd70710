"""Reads what is kept again with today's settings of its feed: the keys of people and orders are made of them.

A row that cannot be read any more stays as it is, and is told. What came by another feed is left alone. A row that does
not say by which it came (version 0.1 did not keep it) is of the only feed of its publisher, else of the only feed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gateway.errors import Invalid
from gateway.intake.mapping import row_of
from gateway.intake.producers import sent
from gateway.intake.report import Report
from gateway.store import kept as keeping
from gateway.store import registry
from gateway.store.database import Store
from mappings import Feed, Row, Source

AT_ONCE = 500
FEED = "feed"
"""The column in which a source whose rows are read again keeps the name of the feed."""
Name = tuple[str, str, str]
"""Publisher, table and key of a row."""


def reread(store: Store, source: Source, feed: Feed, report: Report, claims: bool) -> None:
    """Read the kept rows of a source again and keep what reads otherwise now; its groups, and those that it was in, are
    marked to be mapped. ``claims`` says that rows which name no feed, of publishers that name none, came by this one;
    where it does not, they stay as they are and are told."""
    if source.reread is None:
        return
    gone: dict[Name, Row] = {}
    beside: set[Name] = set()
    names: dict[str, set[str]] = {}
    for rows in _batches(store, source):
        for row in rows:
            names.setdefault(row.publisher, set()).add(row.values[FEED])
    for rows in _batches(store, source):
        theirs = [row for row in rows if is_of(row, feed, names[row.publisher], claims or not source.is_keyed_by_feed)]
        unclaimed = sum(not row.values[FEED] and names[row.publisher] == {""} for row in rows) if not claims else 0
        if unclaimed and source.is_keyed_by_feed:
            report.warnings["feed: not known of what an earlier version kept, load once by it"] += unclaimed
        again = _again(source, theirs, feed, report)
        gone |= {_name(row): row for row in again if row.deleted}
        present = [row for row in again if not row.deleted]
        beside.update(_name(row) for row in present if row.aside)
        _keep(store, source, present, report)
    _keep(store, source, [row for name, row in gone.items() if name not in beside], report)


def is_of(row: Row, feed: Feed, names: Collection[str], claims: bool) -> bool:
    """Whether a row came by a feed, as far as it says so; ``names`` are the feeds by which its publisher sends.

    One that names none is of the only feed of its publisher, and, where the feed ``claims``, also of one that names
    none.
    """
    if row.values[FEED]:
        return bool(row.values[FEED] == feed.name)
    return not set(names) - {"", feed.name} if claims else set(names) == {"", feed.name}


def _batches(store: Store, source: Source) -> Iterator[list[Row]]:
    """Yield the kept rows of a source, some at a time, so that memory does not grow with the store."""
    after = 0
    while True:
        with store.read() as session:
            codes = {key: publisher.code for key, publisher in registry.publishers(session).items()}
            held = keeping.rows_after(session, source.name, after, AT_ONCE)
        if not held:
            return
        after = held[-1][0]
        yield [row_of(kept, codes[kept.publisher]) for _, kept in held]


def _again(source: Source, rows: Sequence[Row], feed: Feed, report: Report) -> list[Row]:
    again: list[Row] = []
    for row in rows:
        try:
            again += source.reread(row, feed) if source.reread else []
        except Invalid as fault:
            report.reject(f"{source.name} {row.table} kept before, line {row.line}", str(fault))
    return again


def _keep(store: Store, source: Source, rows: Sequence[Row], report: Report) -> None:
    """Keep rows under the publishers that they are held under."""
    if not rows:
        return
    packed = [sent(store.namespace.bytes, source, row, rereads=True) for row in rows]
    with store.write() as session:
        held = registry.publishers(session).values()
        keys = {publisher.code: publisher.key for publisher in held if publisher.source == source.name}
        counts = keeping.keep(session, report.delivery, packed, keys)
        if counts["changed"]:
            report.rows["read again otherwise"] += counts["changed"]


def _name(row: Row) -> Name:
    return row.publisher, row.table, row.key
