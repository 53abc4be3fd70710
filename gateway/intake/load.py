"""Load a delivery: keep its rows as they come, then map the groups they touch, in patient order.

Killed at any point and run again, it loses nothing and does nothing twice: rows are kept by key, and how far the mapping got is written with
what it wrote.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import msgspec

from gateway import log
from gateway.errors import Refused
from gateway.intake import derive
from gateway.intake.mapping import Context, map_groups, resource_id
from gateway.intake.report import Report
from gateway.nhs.codesets import CodeSets
from gateway.store import deliveries, people, resources
from gateway.store import kept as keeping
from gateway.store.database import Session, Store, id_hash, open_store
from gateway.store.kept import Body, Sent
from mappings import Feed, Reject, Row, Source, sources

ROWS_AT_ONCE = 4000
GROUPS_AT_ONCE = 400
POOL_FROM = 4000
"""Groups from which a pool of processes pays for its start."""
Progress = Callable[[str, int, int], None]
"""Called with (phase, done, of)."""


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
    _finish_earlier(store, source, feed, sets, workers, progress)
    report = Report(source.name, files=len(files))
    report.delivery = _begin(store, source, path.name)
    _keep(store, source, files, feed, report, progress)
    _map(store, source, feed, sets, report, workers, progress)
    report.seconds = time.monotonic() - started
    _end(store, report)
    log.event("load.finished", source=source.name, rows=sum(report.rows.values()), rejects=sum(report.rejects.values()))
    return report


def remap(
    store: Store, source: Source, feed: Feed, sets: CodeSets, *, workers: int | None = None, progress: Progress = quiet
) -> Report:
    """Map everything a source ever sent again: after a fix, or with another version of the mapping."""
    started = time.monotonic()
    report = Report(source.name)
    report.delivery = _begin(store, source, "remap")
    with store.write() as session:
        keeping.touch_source(session, report.delivery, source.name)
    _map(store, source, feed, sets, report, workers, progress)
    report.seconds = time.monotonic() - started
    _end(store, report)
    return report


def replay(store: Store, source: Source, feed: Feed, sets: CodeSets, *, progress: Progress = quiet) -> Report:
    """Map again what waits in quarantine, after a fix."""
    report = Report(source.name)
    with store.write() as session:
        report.delivery = deliveries.begin(session, source.name, "replay", source.version)
        deliveries.touch_quarantined(session, report.delivery, source.name)
    _map(store, source, feed, sets, report, 0, progress)
    _end(store, report)
    return report


def _begin(store: Store, source: Source, name: str) -> int:
    with store.write() as session:
        return deliveries.begin(session, source.name, name, source.version)


def _end(store: Store, report: Report) -> None:
    report.state = "done"
    with store.write() as session:
        deliveries.end(session, report.delivery, report.as_dict())


def _finish_earlier(store: Store, source: Source, feed: Feed, sets: CodeSets, workers: int | None, progress: Progress) -> None:
    """Deliveries that were cut off are mapped to their end first."""
    with store.read() as session:
        cut = deliveries.cut_off(session, source.name)
    for key in cut:
        report = Report(source.name, delivery=key)
        with store.write() as session:
            keeping.touch_new(session, key, deliveries.first_row(session, key))
        _map(store, source, feed, sets, report, workers, progress)
        _end(store, report)


def _keep(store: Store, source: Source, files: Sequence[Path], feed: Feed, report: Report, progress: Progress) -> None:
    sizes = [file.stat().st_size for file in files]
    publishers: dict[str, int] = {}
    for read in _batches(_read(source, files, feed), ROWS_AT_ONCE):
        rows = [item for _, item in read if isinstance(item, Row)]
        for number, item in read:
            if isinstance(item, Reject):
                report.reject(f"{source.name} {_shown(files[number], number)} {item.place}", item.reason)
        with store.write() as session:
            sent = [_sent(session, store, source, row, publishers) for row in rows]
            report.rows.update(keeping.keep(session, report.delivery, sent))
            _describe(session, source, rows, publishers)
        progress("rows kept", sum(sizes[: read[-1][0]]), sum(sizes))
    progress("rows kept", sum(sizes), sum(sizes))
    report.rows["read"] = sum(report.rows[name] for name in ("new", "changed", "unchanged", "older"))
    with store.write() as session:
        people.received(session, publishers.values())
        keeping.touch_new(session, report.delivery, deliveries.first_row(session, report.delivery))
        deliveries.is_mapping(session, report.delivery)


def _read(source: Source, files: Sequence[Path], feed: Feed) -> Iterator[tuple[int, Row | Reject]]:
    for number, file in enumerate(files):
        for item in source.read(file, feed):
            yield number, item


def _shown(file: Path, number: int) -> str:
    """A file by its place in the delivery and the letters of its name: a name may hold a number of somebody's."""
    letters = "".join(c for c in file.stem if c.isalpha() or c == "_").strip("_")
    return f"file {number + 1} ({letters or 'no name'})"


def _batches(items: Iterator[tuple[int, Row | Reject]], size: int) -> Iterator[list[tuple[int, Row | Reject]]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _sent(session: Session, store: Store, source: Source, row: Row, keys: dict[str, int]) -> Sent:
    publisher = keys.get(row.publisher)
    if publisher is None:
        if not store.is_sandbox and not people.is_known(session, source.name, row.publisher):
            raise Refused(f"{source.name}: a publisher that this store does not know")
        publisher = keys[row.publisher] = people.ensure_publisher(session, source.name, row.publisher, source.kind)
    never = source.never.get(row.table)
    values = {k: v for k, v in row.values.items() if v != "" and k not in never} if never else row.values
    patient = id_hash(resource_id(store.namespace, source.name, row.publisher, "Patient", row.patient)) if row.patient else 0
    return Sent(
        keeping.row_hash(source.name, row.publisher, row.table, row.key),
        keeping.row_hash(source.name, row.publisher, row.table, "*"),
        publisher, patient, tuple(keeping.group_hash(source.name, row.publisher, group) for group in row.groups),
        row.order, row.deleted, keeping.encode_body(Body(row.table, row.key, row.patient, row.groups, dict(values), row.line)),
        row.deleted and _is_bare(row),
    )  # fmt: skip


def _is_bare(row: Row) -> bool:
    """Whether a deleted row carries little but its keys."""
    return len([value for value in row.values.values() if value]) <= 8


def _describe(session: Session, source: Source, rows: Sequence[Row], keys: dict[str, int]) -> None:
    for row in rows:
        said = source.publisher(row)
        if said is not None:
            if said.code not in keys:
                keys[said.code] = people.ensure_publisher(session, source.name, said.code, source.kind)
            people.describe_publisher(session, keys[said.code], ods=said.ods, name=said.name, state=said.state, order=said.order)


def _map(
    store: Store, source: Source, feed: Feed, sets: CodeSets, report: Report, workers: int | None, progress: Progress
) -> None:
    with store.read() as session:
        todo = keeping.touched(session, report.delivery)
    parts = list(resources.batches(todo, GROUPS_AT_ONCE))
    done = 0
    with _engine(store, source, feed, sets, len(todo), workers) as run:
        for part, mapped in run(parts):
            with store.write() as session:
                _write(session, store, source, sets, report, part, mapped)
            done += len(part)
            progress("groups mapped", done, len(todo))
    with store.write() as session:
        keeping.untouch_all(session, report.delivery)
        report.people.update(people.census(session))


def _write(session: Session, store: Store, source: Source, sets: CodeSets, report: Report, part, mapped) -> None:
    counts, changed = resources.put_many(session, report.delivery, source.version, mapped)
    report.resources.update(counts)
    keeping.depend(session, [(asked, group.patient, group.grp) for group in mapped for asked in group.asked])
    deliveries.quarantine(session, source.name, report.delivery, mapped)
    derive.gather(session, mapped)
    report.labels.update(derive.label(session, changed, sets))
    keeping.untouch(session, report.delivery, part)
    for group in mapped:
        if group.puts is None:
            report.reject(group.place, group.reason)
        report.uk_core.update(group.faults)
        report.unmapped.update(group.unmapped)


@contextmanager
def _engine(store: Store, source: Source, feed: Feed, sets: CodeSets, groups: int, workers: int | None):
    """A function that maps parts, in order: in this process, or in a pool ahead of the writer."""
    count = workers if workers is not None else max(1, (os.cpu_count() or 2) - 1)
    if groups < POOL_FROM or count == 0:
        worker = _Worker(store, source, feed, sets)
        yield lambda parts: ((part, worker.map(part)) for part in parts)
        return
    with ProcessPoolExecutor(count, get_context("spawn"), _start, (store.url, source.name, feed, sets)) as pool:

        def run(parts):
            ahead: list[tuple[Sequence, Future]] = []
            for part in parts:
                ahead.append((part, pool.submit(_map_part, part)))
                if len(ahead) > count + 2:
                    first, future = ahead.pop(0)
                    yield first, _groups(future.result())
            for first, future in ahead:
                yield first, _groups(future.result())

        yield run


class _Worker:
    """Maps parts on its own reading connection."""

    def __init__(self, store: Store, source: Source, feed: Feed, sets: CodeSets):
        self.store, self.source, self.feed, self.sets = store, source, feed, sets
        self.context: Context | None = None

    def map(self, part: Sequence[tuple[int, int]]) -> list[resources.Mapped]:
        with self.store.read() as session:
            if self.context is None:
                publishers = people.publishers(session)
                self.context = Context(self.source, self.feed, self.store.namespace, publishers, self.sets)
            return map_groups(session, self.context, part)


_worker: _Worker | None = None
_groups = msgspec.msgpack.Decoder(list[resources.Mapped]).decode


def _start(url: str, source: str, feed: Feed, sets: CodeSets) -> None:
    global _worker  # one a process, made once: a pool's worker has nowhere else to keep it
    _worker = _Worker(open_store(url), sources()[source], feed, sets)


def _map_part(part: Sequence[tuple[int, int]]) -> bytes:
    return msgspec.msgpack.encode(_worker.map(part))
