"""Loads a delivery of files, maps a source again, and replays rejects and the quarantine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import Refused
from gateway.intake import arriving, replacing
from gateway.intake.engine import Worker, engine
from gateway.intake.producers import Files, Replayed
from gateway.intake.replacing import Replace
from gateway.intake.report import Report
from gateway.intake.rereading import reread
from gateway.intake.take import Progress, alone, begin, end, map_touched, quiet, remap_name, require_read, take
from gateway.nhs.codesets import CodeSets
from gateway.store import kept, quarantine, rejected, touched
from gateway.store.database import Store
from mappings import Feed, Source
from mappings.readers.files import File


def load(
    store: Store,
    source: Source,
    path: Path,
    feed: Feed,
    sets: CodeSets,
    *,
    workers: int | None = None,
    progress: Progress = quiet,
    replace: Replace | None = None,
    name: str = "",
    patience: float | None = None,
) -> Report:
    """Load one delivery: a file, a folder or a zip. Raises ``Refused``, before anything is kept, if it is not a
    delivery of this source. ``replace`` deletes what a whole delivery lacks. ``name`` is what the delivery is called,
    where the name of its file is not. It waits while another delivery of the source is loaded, or for ``patience``
    seconds and then raises ``Unavailable``."""
    feed = feed.within(store.namespace.bytes)
    if replace:
        replacing.check(source, feed)
    files = source.check(path, feed)
    rows = Files(tuple(files), feed)
    return take(
        store,
        source,
        rows,
        feed,
        sets,
        name=name or path.name,
        files=len(files),
        workers=workers,
        progress=progress,
        with_census=True,
        replace=replace,
        unread=Counter(name for file in files for name in source.unread(file)),
        extracted=_extracted(files, source, feed),
        patience=patience,
    )


def _extracted(files: Sequence[File], source: Source, feed: Feed) -> int:
    """When a delivery was extracted (µs UTC), as the names of its files tell it. Not knowing it hinders no load."""
    by_name = {f"{(file.member or str(file.path)).rpartition('/')[0]}/{file.name}": file for file in files}

    def read(name: str) -> bytes:
        with by_name[name].open() as stream:
            return stream.read(arriving.LARGEST_MANIFEST)

    try:
        return arriving.extracted(source.arrivals(by_name, read, feed), feed)
    except (Refused, OSError, EOFError):
        return 0


def remap(
    store: Store,
    source: Source,
    feed: Feed,
    sets: CodeSets,
    *,
    claims: bool = True,
    workers: int | None = None,
    progress: Progress = quiet,
) -> Report:
    """Read with today's settings and map again everything a source ever sent, and write its index again: after a fix,
    with another version of the mapping, other settings of the feed, or other search parameters. ``claims`` says that
    there is no other feed, by which rows that name none may have come."""
    started, report = time.monotonic(), Report(source.name, "remap")
    feed = feed.within(store.namespace.bytes)
    with alone(store, source):
        begin(store, source, sets, report, remap_name(source, feed), touched.touch_source, indexes_all=True)
        reread(store, source, feed, report, claims)
        with store.read() as session:
            size = kept.size(session)
        with engine(store, source, feed, sets, size, workers) as run:
            map_touched(store, source, sets, report, run, progress, indexes_all=True)
        return end(store, report, started)


def replay(store: Store, source: Source, feed: Feed, sets: CodeSets, *, progress: Progress = quiet) -> Report:
    """Map the quarantined groups again, after a fix."""
    started, report = time.monotonic(), Report(source.name, "replay")
    feed = feed.within(store.namespace.bytes)
    with alone(store, source):
        require_read(store, source, feed)
        begin(store, source, sets, report, "replay", quarantine.touch)
        map_touched(store, source, sets, report, Worker(store, source, feed, sets), progress)
        return end(store, report, started)


def replay_rejects(store: Store, source: Source, feed: Feed, sets: CodeSets, *, progress: Progress = quiet) -> Report:
    """Read again what this feed sent and could not be read, as a delivery of its own. A reject that is taken now is
    removed.

    What a crash leaves is replayed again, which changes nothing: its rows are kept already.
    """
    feed = feed.within(store.namespace.bytes)
    with store.read() as session:
        keys = [reject.key for reject in rejected.waiting(session, source.name, feed.name)]
    rows = Replayed(store, keys, feed)
    report = take(store, source, rows, feed, sets, name="rejects", workers=0, progress=progress)
    with store.write() as session:
        rejected.drop_accepted(session, keys, report.delivery)
    return report
