"""Take rows in, wherever they come from: keep them as they come, then map the groups they touch, in patient order.

It can be killed at any point and run again without losing or repeating anything: rows are kept by key, and the list of
unmapped groups is updated in the transaction that writes the mapped ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from gateway import log
from gateway.errors import Refused
from gateway.fhir import index
from gateway.intake import derive, replacing
from gateway.intake.engine import Engine, Part, engine
from gateway.intake.producers import Batch, Rows, unknown_publisher
from gateway.intake.replacing import Replace
from gateway.intake.report import Report
from gateway.memory import seldom_collected
from gateway.nhs import sensitive
from gateway.nhs.codesets import CodeSets
from gateway.nhs.identifiers import name_in_reports
from gateway.store import (
    deliveries,
    identities,
    indexing,
    kept,
    quarantine,
    registry,
    rejected,
    sharing,
    touched,
    writing,
)
from gateway.store.batches import batches
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.mapped import MADE_TWICE, Mapped
from gateway.store.sent import table_hash
from gateway.store.session import Session
from mappings import Feed, Publisher, Source

ROWS_AT_ONCE = 4000
GROUPS_AT_ONCE = 1500
Progress = Callable[[str, int, int], None]
"""Called with (phase, done, of): rows or groups, and how many there are or are likely to be."""


def quiet(phase: str, done: int, of: int) -> None:
    """No progress shown."""


def take(
    store: Store,
    source: Source,
    rows: Rows,
    feed: Feed,
    sets: CodeSets,
    *,
    name: str = "rows",
    files: int = 0,
    workers: int | None = None,
    progress: Progress = quiet,
    with_census: bool = False,
    replace: Replace | None = None,
    unread: Mapping[str, int] | None = None,
    extracted: int = 0,
    patience: float | None = None,
) -> Report:
    """Take rows in as one delivery called ``name``. Raises ``Refused`` before anything is kept where they must not be
    taken at all. ``replace`` has what the delivery lacks deleted; ``unread`` counts the columns that the source does
    not know. ``extracted`` is when the source made it (µs UTC, 0 where nobody says). ``with_census`` adds who is who
    in the whole store to the report, which reads every person of it. ``patience``: see ``alone``."""
    started = time.monotonic()
    rows = rows.checked(source, known(store, source))
    with alone(store, source, patience):
        require_read(store, source, feed)
        report = Report(source.name, files=files, unread=Counter(unread), feed=feed.name, extracted=extracted)
        begin(store, source, sets, report, name)
        with seldom_collected(), engine(store, source, feed, sets, rows.size, workers) as run:
            keep(store, source, rows, feed, report, run, progress, replace)
            map_touched(store, source, sets, report, run, progress)
        return end(store, report, started, with_census)


def known(store: Store, source: Source) -> Callable[[str], bool] | None:
    """Which publishers a live store takes rows from; None for a sandbox, which takes them from any."""
    if store.is_sandbox:
        return None
    with store.read() as session:
        codes = {
            publisher.code for publisher in registry.publishers(session).values() if publisher.source == source.name
        }
    return codes.__contains__


def alone(store: Store, source: Source, patience: float | None = None) -> AbstractContextManager[None]:
    """One delivery of a source at a time: a group is mapped from rows that nobody else is changing, and a delivery that
    is not done was cut off. Others wait, or get ``Unavailable`` after ``patience`` seconds."""
    return store.alone(f"load {source.name}", patience)


def remap_name(source: Source, feed: Feed) -> str:
    """What a remap's delivery is called: by its feed, where the feed's settings make the keys of a source."""
    return f"remap {feed.name}" if source.is_keyed_by_feed else "remap"


def require_read(store: Store, source: Source, feed: Feed) -> None:
    """Refuse to add to what another version of the mapping has read: its keys are other ones, and one person would
    become two. Raises ``Refused`` naming the command that reads it again."""
    if source.reread is None:
        return
    with store.read() as session:
        if deliveries.is_read(session, source.name, source.version, remap_name(source, feed)):
            return
    by_feed = f" --feed {feed.name}" if source.is_keyed_by_feed else ""
    raise Refused(f"what is kept was read by another version of the mapping: gateway remap {source.name}{by_feed}")


def begin(
    store: Store,
    source: Source,
    sets: CodeSets,
    report: Report,
    name: str,
    touch: Callable[[Session, int, str], None] | None = None,
    *,
    indexes_all: bool = False,
) -> None:
    """Open a delivery and mark the groups that ``touch`` names. Groups left unmapped by an interrupted delivery are
    mapped with this one and never alone, because only half of its rows may have arrived. Labels are made while mapping,
    so new code sets map everything again. ``indexes_all`` says that the delivery marks every group, and that
    ``map_touched`` will write the index of all of it again."""
    with store.write() as session:
        report.delivery = deliveries.begin(
            session, source.name, name, source.version, sensitive.labelled_by(sets), index.fingerprint(), indexes_all
        )
        deliveries.take_over(session, source.name, report.delivery)
        record_write(session, _event(report, "begun"))
        if touch:
            touch(session, report.delivery, source.name)


def end(store: Store, report: Report, started: float, with_census: bool = True) -> Report:
    """Close the delivery and keep its report."""
    if with_census:
        with store.read() as session:
            report.people.update(identities.census(session))
    report.state, report.seconds = "done", time.monotonic() - started
    if report.extracted:
        report.lag = max(store.clock() - report.extracted, 0) / 1e6
    with store.write() as session:
        known = registry.publishers(session)
        report.publishers = {key: name_in_reports(known[key].ods, key) for key in report.concepts if key in known}
        deliveries.end(session, report.delivery, report.as_dict())
        written = sum(count for (_, outcome), count in report.resources.items() if outcome != "unchanged")
        counts = {"rows": report.rows["read"], "rejects": sum(report.rejects.values()), "written": written}
        record_write(session, {**_event(report, "done"), **counts})
    log.event("load.finished", source=report.source, rows=report.rows["read"], rejects=sum(report.rejects.values()))
    return report


def _event(report: Report, outcome: str) -> dict[str, object]:
    """The audit event of a delivery. The name of a file is not in it: a sender may have put a patient's there."""
    return {"act": report.act, "source": report.source, "delivery": report.delivery, "outcome": outcome}


def keep(
    store: Store,
    source: Source,
    rows: Rows,
    feed: Feed,
    report: Report,
    run: Engine,
    progress: Progress,
    replace: Replace | None = None,
) -> None:
    """Keep the rows, as the delivery of the report, and mark their groups to be mapped."""
    size, count = rows.size, 0
    progress("rows kept", 0, 1)
    publishers: dict[str, int] = {}
    begun: dict[str, int] = {}
    again: Counter[str] = Counter()
    for batch in run.read(rows, ROWS_AT_ONCE):
        report.warnings.update(batch.warnings)
        for reject in batch.rejects:
            report.reject(reject.place, reject.reason)
        with store.write() as session:
            report.kept.update(rejected.keep(session, source.name, feed.name, report.delivery, batch.rejects))
            _meet(session, store, source, batch, publishers)
            dated = _dated(source, batch)
            report.rows.update(kept.keep(session, report.delivery, batch.sent, publishers, again, dated))
            _describe(session, store, source, batch.publishers, publishers)
        for row in batch.sent:
            if row.patient:
                begun[row.publisher] = min(row.order, begun.get(row.publisher, row.order))
        count += batch.count
        progress("rows kept", count, max(count, round(count * size / batch.done)) if batch.done else count)
    progress("rows kept", count, count)
    report.rows["read"] = sum(report.rows[name] for name in ("new", "changed", "unchanged", "older"))
    replacing.settle(
        store,
        source,
        report,
        {publishers[code]: order for code, order in begun.items()},
        again["unchanged"] > again["changed"],
        replace,
    )
    with store.write() as session:
        registry.received(session, publishers.values())
        touched.touch_new(session, report.delivery, deliveries.first_row(session, report.delivery))
        deliveries.is_mapping(session, report.delivery)


def _dated(source: Source, batch: Batch) -> frozenset[int]:
    """The hashes of the tables of a batch that are mapped with the order of their rows."""
    codes = {row.publisher for row in batch.sent} if source.dated else ()
    return frozenset([table_hash(source.name, code, table) for code in codes for table in source.dated])


def _meet(session: Session, store: Store, source: Source, batch: Batch, keys: dict[str, int]) -> None:
    """Learn the keys of the publishers that a batch comes from."""
    for code in dict.fromkeys(row.publisher for row in batch.sent):
        if _publisher(session, store, source, code, keys) is None:
            raise unknown_publisher(source)


def _publisher(session: Session, store: Store, source: Source, code: str, keys: dict[str, int]) -> int | None:
    """The key of a publisher; None for one that a live store does not know: only the operator makes it known, never a
    delivery."""
    if code not in keys:
        if not store.is_sandbox and not registry.is_known(session, source.name, code):
            return None
        keys[code] = registry.ensure_publisher(session, source.name, code, source.kind_of(code) or source.kind)
    return keys[code]


def _describe(
    session: Session, store: Store, source: Source, statements: Sequence[Publisher], keys: dict[str, int]
) -> None:
    """Store the statements that rows make about publishers."""
    for said in statements:
        key = _publisher(session, store, source, said.code, keys)
        if key is not None:
            sharing.describe(
                session, key, ods=said.ods, name=said.name, state=said.state, order=said.order, agreement=said.agreement
            )


def map_touched(
    store: Store,
    source: Source,
    sets: CodeSets,
    report: Report,
    run: Engine,
    progress: Progress = quiet,
    *,
    indexes_all: bool = False,
) -> None:
    """Map every group that the delivery marked, and write the results. ``indexes_all`` also writes the index of
    unchanged resources again, because another plan may have made it."""
    with store.read() as session:
        count = touched.count(session, report.delivery)
        twice = touched.twice(session, report.delivery, count)
    done = 0
    again: list[tuple[int, int]] = []
    if count:
        progress("groups mapped", 0, count)
    for part, mapped in run.run(_parts(store, report.delivery, twice)):
        with store.write() as session:
            again += _write(session, source, sets, report, part, mapped)
            if indexes_all:
                indexing.rewrite(session, [group.grp for group in mapped])
        done += len(part)
        progress("groups mapped", done, max(count, done))
    if count:
        progress("groups mapped", done, done)
    for part, mapped in run.run(batches(again, GROUPS_AT_ONCE)):
        with store.write() as session:
            _write(session, source, sets, report, part, mapped, is_last=True)
    with store.write() as session:
        touched.untouch_all(session, report.delivery)


def _parts(store: Store, delivery: int, twice: Mapping[int, int]) -> Iterator[Part]:
    """The groups that a delivery marked, in patient order and a part at a time: never all of them in memory. One that
    is marked under several patients comes once, with the first of them."""
    after = touched.BEFORE_ALL
    while True:
        with store.read() as session:
            marked = touched.pairs(session, delivery, after, GROUPS_AT_ONCE)
        if not marked:
            return
        after = marked[-1]
        part = [(patient, grp) for patient, grp in marked if twice.get(grp, patient) == patient]
        if part:
            yield part


def _write(
    session: Session,
    source: Source,
    sets: CodeSets,
    report: Report,
    part: Part,
    mapped: Sequence[Mapped],
    is_last: bool = False,
) -> list[tuple[int, int]]:
    """One transaction: what the groups became, who asked about what, quarantine, people, labels; and that they are
    mapped.

    Returns those to be mapped once more at the end, unless this is it: they make what another group made, which may
    make it no more by then.
    """
    written = writing.put_many(session, report.delivery, source.version, mapped)
    waiting = set() if is_last else {group.grp for group in mapped if group.reason == MADE_TWICE}
    touched.depend(session, [(asked, group.patient, group.grp) for group in mapped for asked in group.asked])
    quarantine.settle(session, source.name, report.delivery, mapped)
    derive.gather(session, mapped)
    labels = derive.label(session, written.patients, sets)
    touched.untouch(session, report.delivery, [(patient, grp) for patient, grp in part if grp not in waiting])
    report.resources.update(written.counts)
    report.labels.update(labels)
    for group in mapped:
        report.concepts[group.publisher] += group.concepts
        report.coded[group.publisher] += group.coded
        if group.puts is None and group.grp not in waiting:
            report.reject(group.place, group.reason)
        report.uk_core.update(group.faults)
        report.unmapped.update(group.unmapped)
        report.unlisted.update(group.unlisted)
        report.warnings.update(group.warnings)
    return [(patient, grp) for patient, grp in part if grp in waiting]
