"""Runs an export until its release: gathers members if needed, cuts the missing parts, releases once.

A part holds whole persons. The same pins give the same bytes, because names and order are fixed. An interrupted run
continues with the first missing part.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import records
from gateway.errors import Conflict, Refused
from gateway.export import cut, engines, folder, gather, manifest, standing
from gateway.nhs import pseudonym
from gateway.nhs.project import Project
from gateway.store import jobs
from gateway.store.database import Session, Store

Progress = Callable[[str, int, int], None]


def run(
    store: Store, id_: str, out: Path, root: bytes, *, workers: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Cut every part that is not cut yet, then release: manifest last, ledger with it. Returns the manifest.

    If a label changed since a part was cut, or its files are not there, it is cut again: what is hidden today does not
    leave today. Raises ``Refused`` for a folder that holds anything else, and as ``gather`` and ``require_standing``
    do.
    """
    job = _ready(store, id_)
    project = _take(store, job)
    key = pseudonym.project_key(root, project.controller, project.name, job.pins["key_version"])
    folder.take(out, id_)
    while True:
        with store.read() as session:
            label_seq = records.label_seq(session)
            todo, total = _to_cut(session, id_, out, label_seq)
        if not todo and (released := _release(store, job, out, label_seq)):
            return released
        parts = [cut.Part(store.url, id_, job.pins, number, str(out), key) for number in todo]
        results = engines.map_parts(cut.cut, parts, workers=workers)
        for done, (number, outcome) in enumerate(results, total - len(todo) + 1):
            with store.write() as session:
                _hold(session, id_)
                jobs.finish_part(session, id_, number, outcome)
            if progress:
                progress("parts", done, total)


def _ready(store: Store, id_: str) -> jobs.Job:
    """The job with its members. A job that was only asked for, or whose gathering was killed, is gathered now."""
    with store.read() as session:
        job = _job(session, id_)
    if job.state in ("accepted", "gathering"):
        gather.gather(store, id_)
        with store.read() as session:
            job = _job(session, id_)
    return job


def _job(session: Session, id_: str) -> jobs.Job:
    job = jobs.get(session, id_)
    if job is None or job.kind not in (standing.KIND, standing.BY_HAND):
        raise Refused("no such job")
    if job.state == "done":
        raise Conflict("the job is already released")
    return job


def _take(store: Store, job: jobs.Job) -> Project:
    """Claim the job if nothing stands against its release."""
    with store.read() as session:
        cleared = standing.clear(session, job, store.clock())
    with store.write() as session:
        project = standing.require_standing(session, job, session.now, job.pins["optout_days"], cleared)
        _hold(session, job.id)
    return project


def _release(store: Store, job: jobs.Job, out: Path, label_seq: int) -> dict[str, Any] | None:
    """Release the job and return its manifest; None when a label has changed since the parts were looked at."""
    with store.read() as session:
        cleared = standing.clear(session, job, store.clock())
    with store.write() as session:
        if records.label_seq(session) != label_seq:
            return None
        project = standing.require_standing(session, job, session.now, job.pins["optout_days"], cleared)
        _hold(session, job.id)
        released = manifest.release(session, job, project, out)
    folder.release(out)
    return released


def _to_cut(session: Session, id_: str, out: Path, label_seq: int) -> tuple[list[int], int]:
    """The parts that are not cut, or were cut under other labels than today's, or elsewhere; and how many there are."""
    parts = jobs.parts(session, id_)
    todo = [
        number
        for number, state, outcome in parts
        if state != "done"
        or outcome["label_seq"] != label_seq
        or not all(_is_there(out, file) for file in outcome["files"])
    ]
    return todo, len(parts)


def _is_there(out: Path, file: dict[str, Any]) -> bool:
    path: Path = out / file["url"]
    is_whole: bool = path.is_file() and path.stat().st_size == file["bytes"]
    return is_whole


def _hold(session: Session, id_: str) -> None:
    if not jobs.hold(session, id_):
        raise gather.Stopped(gather.STOPPED)
