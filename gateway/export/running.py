"""Runs an export until its release: gathers members if needed, cuts the missing parts, releases once.

A part holds whole persons. The same pins give the same bytes, because names and order are fixed. An interrupted run
continues with the first missing part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gateway import records
from gateway.errors import Conflict, Refused, Unavailable
from gateway.export import counting, crowding, cut, engines, folder, gather, lease, manifest, part_files, standing
from gateway.store import faults, jobs
from gateway.store.database import Store
from gateway.store.session import Session

DISK_FULL = "the disk that holds the folder of the export is full: free some space, and resume"
PARTS_A_HOLD = 100
"""Parts whose people are asked about between two renewals of the lease."""
Progress = Callable[[str, int, int], None]


def run(
    store: Store,
    id_: str,
    out: Path,
    root: bytes,
    *,
    claimed: jobs.Job | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Cut every part that is not cut yet, then release: manifest last, ledger with it. Returns the manifest.

    A job that was ``claimed`` is run under that claim. Any other is taken, whoever works on it: they stop. A part is
    cut again if its files are not there, or if somebody in it has opted out, or something else of theirs is hidden or
    gathered otherwise, since it was cut: what is hidden today does not leave today, and the others leave. When ``stop``
    is set the job is given back, and ``gather.Stopped`` is raised after the parts under way.

    Raises ``Refused`` for a folder that holds anything else, ``Unavailable`` for an outage, after which the job can be
    run again, and as ``gather`` and ``standing.require_in_force`` do.
    """
    job = _taken(store, id_, out, claimed)
    with _outages_named(), lease.kept(store, job, stop):
        try:
            job = _gathered(store, job, root)
            _begin(store, job, out, root)
            return _cut_and_release(store, job, out, root, workers, progress)
        finally:
            part_files.clear(out, job.claim)


def _cut_and_release(
    store: Store, job: jobs.Job, out: Path, root: bytes, workers: int | None, progress: Progress | None
) -> dict[str, Any]:
    key = standing.key_of(job.pins, root)
    counted = counting.Counting(cut.Part(store.url, job.id, job.pins, 0, str(out), job.claim, key), workers)
    while True:
        with store.read() as session:
            looked_at = _moment(session, job, store.clock())
            todo, total = _to_cut(session, store, job, out)
        decision, todo = counted.decide(store, job, todo)
        if not todo and (released := _release(store, job, out, looked_at, decision.report)):
            return released
        parts = [
            cut.Part(store.url, job.id, job.pins, number, str(out), job.claim, key, decision=decision.hash)
            for number in todo
        ]
        # Closed, so that no process of a pool writes on when this run ends early.
        with closing(engines.map_parts(cut.cut, parts, workers=workers)) as results:
            for done, (number, outcome) in enumerate(results, total - len(todo) + 1):
                _finish_part(store, job, out, number, outcome)
                if progress:
                    progress("parts", done, total)


@contextmanager
def _outages_named() -> Iterator[None]:
    """Raise ``Unavailable`` for an outage of the database or of the disk that holds the folder."""
    try:
        with faults.named():
            yield
    except Unavailable as outage:
        if outage.code == faults.FULL:
            raise Unavailable(DISK_FULL, faults.FULL) from None
        raise


def _taken(store: Store, id_: str, out: Path, claimed: jobs.Job | None) -> jobs.Job:
    """The job under this run's claim."""
    with store.write() as session:
        _require_unreleased(session, id_)
        folder.require_free(out, id_)
        job = claimed or jobs.take(session, id_)
        if job is None:
            raise gather.Stopped(gather.STOPPED)
        gather.hold(session, job)
    return job


def _gathered(store: Store, job: jobs.Job, root: bytes) -> jobs.Job:
    """The job with its members. One that was only asked for, or whose gathering was killed, is gathered now."""
    if job.state != "gathering":
        return job
    gather.gather(store, job.id, root, job)
    with store.read() as session:
        gathered = jobs.get(session, job.id)
    if gathered is None or gathered.claim != job.claim:
        raise gather.Stopped(gather.STOPPED)
    return gathered


def _require_unreleased(session: Session, id_: str) -> None:
    job = jobs.get(session, id_)
    if job is None or job.kind not in (standing.KIND, standing.BY_HAND):
        raise Refused("no such job")
    if job.state == "done":
        raise Conflict("the job is already released")


def _begin(store: Store, job: jobs.Job, out: Path, root: bytes) -> None:
    """Take the folder if what the job was made with still stands, and its root key is the one given."""
    if "root" not in job.pins:
        raise Conflict("the job was gathered by an earlier version: start the export again")
    with store.write() as session:
        standing.require_root(session, root, job.pins["root"])
        standing.require_in_force(session, job, session.now, job.pins["optout_days"])
        gather.hold(session, job)
        folder.take(out, job.id)


def _finish_part(store: Store, job: jobs.Job, out: Path, number: int, outcome: dict[str, Any]) -> None:
    """Give the files of a part their names while the job is held: who has lost it touches no file that has one."""
    with store.write() as session:
        gather.hold(session, job)
        part_files.place(out, number, job.claim, outcome["files"])
        jobs.finish_part(session, job.id, number, outcome)


def _moment(session: Session, job: jobs.Job, now: int) -> tuple[int, int]:
    """What tells whether who may leave can have changed: the commit of the newest label, and the opt-out list."""
    _, list_ = standing.require_in_force(session, job, now, job.pins["optout_days"])
    return records.label_seq(session), list_


def _release(
    store: Store, job: jobs.Job, out: Path, looked_at: tuple[int, int], crowds: dict[str, Any]
) -> dict[str, Any] | None:
    """Release the job and return its manifest; None when a label was set, or another opt-out list loaded, since the
    parts were looked at."""
    with store.write() as session:
        if _moment(session, job, session.now) != looked_at:
            return None
        project, _ = standing.require_in_force(session, job, session.now, job.pins["optout_days"])
        gather.hold(session, job)
        released = manifest.release(session, job, project, out, crowds)
    if job.kind == standing.BY_HAND:  # its parts are never cut again, and its folder is handed over
        crowding.forget(out)
    folder.release(out)
    return released


def _to_cut(session: Session, store: Store, job: jobs.Job, out: Path) -> tuple[list[int], int]:
    """The parts that are not cut, or of people of whom something else may leave today, or elsewhere; and how many there
    are. The lease is kept while people are asked about."""
    parts = jobs.parts(session, job.id)
    todo = []
    for number, state, outcome in parts:
        if number % PARTS_A_HOLD == PARTS_A_HOLD - 1:
            with store.write() as writing:
                gather.hold(writing, job)
        if (
            state != "done"
            or not all(_is_there(out, file) for file in outcome["files"])
            or outcome.get("state") != records.today(session, job.id, number, job.pins).state
        ):
            todo.append(number)
    return todo, len(parts)


def _is_there(out: Path, file: dict[str, Any]) -> bool:
    path: Path = out / file["url"]
    is_whole: bool = path.is_file() and path.stat().st_size == file["bytes"]
    return is_whole
