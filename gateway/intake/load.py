"""Load a delivery: keep its rows as they come, then map the groups they touch, in patient order.

Killed at any point and run again, it loses nothing and does nothing twice: rows are kept by key, and what is still to
map is written in the transaction that writes what was mapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from gateway import log
from gateway.errors import Refused
from gateway.intake import derive, reading
from gateway.intake.engine import Engine, Part, Worker, engine
from gateway.intake.reach import Reach
from gateway.intake.reading import Batch
from gateway.intake.report import Report
from gateway.memory import seldom_collected
from gateway.nhs.codesets import CodeSets
from gateway.store import deliveries, people, resources
from gateway.store import kept as keeping
from gateway.store.database import Session, Store
from gateway.store.resources import Mapped
from mappings import Feed, Publisher, Source

ROWS_AT_ONCE = 4000
GROUPS_AT_ONCE = 1500
Progress = Callable[[str, int, int], None]
"""Called with (phase, done, of): rows or groups, and how many there are or are likely to be."""


def quiet(phase: str, done: int, of: int) -> None:
    """No progress shown."""


def load(
    store: Store,
    source: Source,
    path: Path,
    feed: Feed,
    sets: CodeSets,
    *,
    workers: int | None = None,
    progress: Progress = quiet,
) -> Report:
    """Take one delivery in. Raises ``Refused`` before anything is kept when it is not a delivery of this source."""
    started = time.monotonic()
    files = source.check(path, feed)
    _refuse_unknown(store, source, files, feed)
    with _alone(store, source):
        report = Report(source.name, files=len(files))
        _begin(store, source, sets, report, path.name)
        with (
            seldom_collected(),
            engine(store, source, feed, sets, sum(file.stat().st_size for file in files), workers) as run,
        ):
            _keep(store, source, files, report, run, progress)
            _map(store, source, sets, report, run, progress)
        return _end(store, report, started)


def remap(
    store: Store, source: Source, feed: Feed, sets: CodeSets, *, workers: int | None = None, progress: Progress = quiet
) -> Report:
    """Map everything a source ever sent again: after a fix, or with another version of the mapping."""
    started, report = time.monotonic(), Report(source.name)
    with _alone(store, source):
        _begin(store, source, sets, report, "remap", keeping.touch_source)
        with store.read() as session:
            size = keeping.size(session)
        with engine(store, source, feed, sets, size, workers) as run:
            _map(store, source, sets, report, run, progress)
        return _end(store, report, started)


def replay(store: Store, source: Source, feed: Feed, sets: CodeSets, *, progress: Progress = quiet) -> Report:
    """Map again what waits in quarantine, after a fix."""
    started, report = time.monotonic(), Report(source.name)
    with _alone(store, source):
        _begin(store, source, sets, report, "replay", deliveries.touch_quarantined)
        _map(store, source, sets, report, Worker(store, source, feed, sets), progress)
        return _end(store, report, started)


def _refuse_unknown(store: Store, source: Source, files: Sequence[Path], feed: Feed) -> None:
    """A live store takes a delivery whole or not at all: one that speaks for anybody it does not know is read once for
    nothing."""
    if store.is_sandbox:
        return
    with store.read() as session:
        known = {each.code for each in people.publishers(session).values() if each.source == source.name}
    if any(code not in known for code in reading.publishers(source, files, feed)):
        raise Refused(f"{source.name}: a publisher that this store does not know")


def _alone(store: Store, source: Source) -> AbstractContextManager[None]:
    """One load of a source at a time: a group is mapped from rows that nobody else is changing, and a delivery that is
    not done was cut off."""
    return store.alone(f"load {source.name}")


def _begin(
    store: Store,
    source: Source,
    sets: CodeSets,
    report: Report,
    name: str,
    touch: Callable[[Session, int, str], None] | None = None,
) -> None:
    """Open a delivery, and touch at once what ``touch`` says. What an earlier one that was cut off left to map is
    mapped with it, never by itself: half of its rows may have come. Labels are made with the mapping, so other code
    sets map everything again too."""
    with store.write() as session:
        report.delivery = deliveries.begin(session, source.name, name, source.version, sets.fingerprint)
        deliveries.take_over(session, source.name, report.delivery)
        if touch:
            touch(session, report.delivery, source.name)


def _end(store: Store, report: Report, started: float) -> Report:
    report.state, report.seconds = "done", time.monotonic() - started
    with store.write() as session:
        deliveries.end(session, report.delivery, report.as_dict())
    log.event("load.finished", source=report.source, rows=report.rows["read"], rejects=sum(report.rejects.values()))
    return report


def _keep(store: Store, source: Source, files: Sequence[Path], report: Report, run: Engine, progress: Progress) -> None:
    reach = Reach(files)
    progress("rows kept", 0, 1)
    publishers: dict[str, int] = {}
    for batch in run.read(files, ROWS_AT_ONCE):
        for place, reason in batch.rejects:
            report.reject(place, reason)
        with store.write() as session:
            _meet(session, store, source, batch, publishers)
            report.rows.update(keeping.keep(session, report.delivery, batch.sent, publishers))
            _describe(session, store, source, batch.told, publishers)
        progress("rows kept", *reach.after(batch.count, batch.file, batch.line))
    progress("rows kept", reach.rows, reach.rows)
    report.rows["read"] = sum(report.rows[name] for name in ("new", "changed", "unchanged", "older"))
    with store.write() as session:
        people.received(session, publishers.values())
        keeping.touch_new(session, report.delivery, deliveries.first_row(session, report.delivery))
        deliveries.is_mapping(session, report.delivery)


def _meet(session: Session, store: Store, source: Source, batch: Batch, keys: dict[str, int]) -> None:
    """Learn the keys of the publishers that a batch speaks for."""
    for code in dict.fromkeys(row.publisher for row in batch.sent):
        if _publisher(session, store, source, code, keys) is None:
            raise Refused(f"{source.name}: a publisher that this store does not know")


def _publisher(session: Session, store: Store, source: Source, code: str, keys: dict[str, int]) -> int | None:
    """The key of a publisher; None for one that a live store does not know: only the operator makes it known, never a
    delivery."""
    if code not in keys:
        if not store.is_sandbox and not people.is_known(session, source.name, code):
            return None
        keys[code] = people.ensure_publisher(session, source.name, code, source.kind)
    return keys[code]


def _describe(session: Session, store: Store, source: Source, told: Sequence[Publisher], keys: dict[str, int]) -> None:
    """Take in what rows say of publishers."""
    for each in told:
        key = _publisher(session, store, source, each.code, keys)
        if key is not None:
            people.describe_publisher(session, key, ods=each.ods, name=each.name, state=each.state, order=each.order)


def _map(store: Store, source: Source, sets: CodeSets, report: Report, run: Engine, progress: Progress) -> None:
    with store.read() as session:
        todo = keeping.touched(session, report.delivery)
    done, again = 0, []
    if todo:
        progress("groups mapped", 0, len(todo))
    for part, mapped in run.run(list(resources.batches(todo, GROUPS_AT_ONCE))):
        with store.write() as session:
            again += _write(session, source, sets, report, part, mapped)
        done += len(part)
        progress("groups mapped", done, len(todo))
    for part, mapped in run.run(list(resources.batches(again, GROUPS_AT_ONCE))):
        with store.write() as session:
            _write(session, source, sets, report, part, mapped, is_last=True)
    with store.write() as session:
        keeping.untouch_all(session, report.delivery)
        report.people.update(people.census(session))


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
    counts, changed = resources.put_many(session, report.delivery, source.version, mapped)
    waiting = set() if is_last else {group.grp for group in mapped if group.reason == resources.MADE_TWICE}
    keeping.depend(session, [(asked, group.patient, group.grp) for group in mapped for asked in group.asked])
    deliveries.quarantine(session, source.name, report.delivery, mapped)
    derive.gather(session, mapped)
    labels = derive.label(session, changed, sets)
    keeping.untouch(session, report.delivery, [(patient, grp) for patient, grp in part if grp not in waiting])
    report.resources.update(counts)
    report.labels.update(labels)
    for group in mapped:
        if group.puts is None and group.grp not in waiting:
            report.reject(group.place, group.reason)
        report.uk_core.update(group.faults)
        report.unmapped.update(group.unmapped)
        report.unlisted.update(group.unlisted)
    return [(patient, grp) for patient, grp in part if grp in waiting]
