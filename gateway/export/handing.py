"""Decides whether a file of a release may be given, by the people in its part as they are now.

A part of which no file was given yet is cut again when something of somebody in it may leave no more; see ``recut``.
One of which a file was given stays as it is and is closed: whoever holds its first form and got the second would read
from the two who has left. The question is asked of one part, so it takes the same time in a release of any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import records
from gateway.errors import Conflict, NotFound, Unavailable
from gateway.export.standing import MEMBERS_CHANGED
from gateway.store import jobs
from gateway.store.database import Store
from gateway.store.jobs import Job
from gateway.store.session import Session

CODE = "export-recut"
RECUT = "the file is being cut again: ask again"


def hand_out(store: Store, job: Job, file: str) -> str:
    """Note that a file of a release is given, and return its SHA-256 in hexadecimal.

    Raises ``NotFound`` for a file that the release has not, ``Conflict`` when the people of its part have changed since
    a file of it was first given, ``Unavailable`` while the part is to be cut again.
    """
    number = int(file.split(".")[1])
    with store.read() as session:
        part = jobs.part(session, job.id, number)
        if part is None:
            return _digest(job.outcome["manifest"]["error"], file)
        digest = _digest(part[1].get("files", ()), file)
        is_as_cut = _is_as_cut(session, job, number, part)
    if not is_as_cut and _is_given(part[1]):
        raise Conflict(MEMBERS_CHANGED)
    if not is_as_cut or not _is_given(part[1]):
        with store.write() as session:
            is_noted = _note(session, job, number, part, is_as_cut=is_as_cut)
        if not (is_as_cut and is_noted):
            raise Unavailable(RECUT, CODE)
    return digest


def _digest(files: Sequence[Mapping[str, Any]], name: str) -> str:
    digest = next((str(file["sha256"]) for file in files if file["url"] == name), None)
    if digest is None:
        raise NotFound("file")
    return digest


def _is_as_cut(session: Session, job: Job, number: int, part: tuple[str, dict[str, Any]]) -> bool:
    """Whether the same of the same people would leave in this part as when it was cut."""
    state, outcome = part
    return state == "done" and outcome.get("state") == records.today(session, job.id, number, job.pins).state


def _is_given(outcome: dict[str, Any]) -> bool:
    """Whether a file of a part was given to the recipient; before this was noted, it may have been."""
    return bool(outcome.get("given", "revision" not in outcome))


def _note(session: Session, job: Job, number: int, seen: tuple[str, dict[str, Any]], *, is_as_cut: bool) -> bool:
    """Note that a part is given, or that it is to be cut again. False where it no longer is as it was ``seen``, or the
    release is no more."""
    stored, part = jobs.get(session, job.id), jobs.part(session, job.id, number)
    if stored is None or not stored.is_released or part is None:
        return False
    if (part[0], part[1].get("state")) != (seen[0], seen[1].get("state")):
        return False
    if is_as_cut:
        jobs.finish_part(session, job.id, number, {**part[1], "given": True})
    elif not _is_given(part[1]):
        jobs.note_changed(session, job.id, number)
    return True
