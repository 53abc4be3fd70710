"""Exports asked for over HTTP: bound to the caller's project, re-checked whenever a file is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from gateway.errors import Conflict, Forbidden, NotFound, Refused, Unsupported
from gateway.export import jobs as exports
from gateway.export import optouts, projects
from gateway.nhs.roles import Caller
from gateway.records import Door
from gateway.store import jobs

FILE_NAME = re.compile(r"[A-Z][A-Za-z]{2,40}\.[0-9]{5}\.ndjson\Z")
DAYS_KEPT = 7


@dataclass(frozen=True)
class Status:
    """How a job stands: its manifest once released, else words on its progress that tell nobody's number."""

    manifest: dict | None
    progress: str
    expires: str


def start(door: Door, days: int, caller: Caller, types: tuple[str, ...]) -> str:
    """Make the job. Types the project may not have are left out rather than refused (down-scoping).

    Raises ``Forbidden`` without a project in force.
    """
    if caller.kind != "system" or not caller.project:
        raise Forbidden("an export needs a system client bound to a project")
    for name in types:
        if not name.isalpha():
            raise Unsupported("_type")
    try:
        return exports.start(door.store, caller.project, caller.user, optout_days=days, types=types)
    except Refused as refusal:
        raise Forbidden(str(refusal), "export-refused") from None


def status(door: Door, caller: Caller, id_: str) -> Status:
    """How the caller's own job stands. Another's looks like none."""
    with door.store.read() as session:
        job = _own(session, caller, id_)
        parts = jobs.parts(session, id_)
    if job.state == "failed":
        raise Conflict("the export failed; start it again")
    done = sum(state == "done" for _, state, _ in parts)
    percent = 100 * done // len(parts) if parts else 0
    expires = formatdate(job.pins["started"] / 1_000_000 + DAYS_KEPT * 86_400, usegmt=True)
    return Status(job.outcome.get("manifest") if job.state == "done" else None, f"{job.state}: {percent} %", expires)


def file(door: Door, days: int, caller: Caller, id_: str, name: str, request: str) -> Path:
    """The path of one released file. Refused when the project is no longer in force, or when somebody in the release has opted out since."""
    if not FILE_NAME.match(name):
        raise NotFound("file")
    with door.store.read() as session:
        job = _own(session, caller, id_)
        if job.state != "done":
            raise NotFound("file")
        now = door.store.clock()
        try:
            projects.in_force(session, job.pins["project"], now)
            listed = optouts.require_fresh(session, now, days)
        except Refused as refusal:
            raise Forbidden(str(refusal), "export-refused") from None
        if listed.key != job.pins["optout"] and optouts.anyone_since(session, id_, listed.key):
            raise Conflict("the opt-outs have changed since this release: start the export again")
    path = Path(job.outcome["out"]) / name
    if not path.is_file():
        raise NotFound("file")
    door.audit.record({"act": "export.download", "user": caller.user, "role": caller.role, "organisation": caller.organisation,
                       "project": caller.project, "job": id_, "file": name, "outcome": "ok", "request": request})  # fmt: skip
    return path


def cancel(door: Door, caller: Caller, id_: str) -> None:
    """Stop a job; a released one loses its files."""
    with door.store.write() as session:
        job = _own(session, caller, id_)
        jobs.finish(session, id_, "cancelled", {})
    folder = Path(job.outcome["out"]) if job.outcome.get("out") else None
    if folder and folder.is_dir():
        for found in folder.glob("*.ndjson"):
            found.unlink()
        (folder / "manifest.json").unlink(missing_ok=True)


def _own(session, caller: Caller, id_: str) -> jobs.Job:
    job = jobs.get(session, id_)
    if job is None or job.kind != exports.KIND or caller.kind != "system" or job.pins["project"] != caller.project or job.state == "cancelled":
        raise NotFound("job")
    return job
