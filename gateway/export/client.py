"""The exports of an API client: start, status, download and cancel. Each is bound to the client's project.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from gateway.errors import Conflict, Forbidden, NotFound, Refused, Unsupported
from gateway.export import asking, folder, standing
from gateway.nhs.roles import Caller
from gateway.records import Door, who
from gateway.store import jobs
from gateway.store.changes import record_write
from gateway.store.database import Session

FILE_NAME = re.compile(r"[A-Z][A-Za-z]{2,40}\.[0-9]{5}\.ndjson\Z")


@dataclass(frozen=True)
class Status:
    """How a job stands: its manifest once released, else words on its progress that hold no count of people."""

    manifest: dict[str, Any] | None
    progress: str
    expires: str


def start(door: Door, days: int, caller: Caller, types: tuple[str, ...], request: str) -> str:
    """Write the job and return its id: a worker gathers its members and runs it. Types that the project may not have
    are left out rather than refused (down-scoping).

    https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request

    Raises ``Forbidden`` without a project in force; the audit records that too.
    """
    if caller.kind != "system" or not caller.project:
        raise Forbidden("an export needs a system client bound to a project")
    for name in types:
        if not name.isalpha():
            raise Unsupported("_type")
    try:
        about = {**who(caller), "outcome": "ok", "request": request}
        return asking.ask(door.store, caller.project, caller.user, optout_days=days, types=types, about=about)
    except Refused as refusal:
        _audit(door, caller, "export.start", "refused", request, why=str(refusal))
        raise Forbidden(str(refusal), "export-refused") from None


def status(door: Door, caller: Caller, id_: str, request: str) -> Status:
    """Return the state of the caller's own job. Raises ``NotFound`` for another client's, and for one whose time is
    over.

    https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request
    """
    with door.store.read() as session:
        job = _own(session, caller, id_, door.store.clock())
        done, total = jobs.progress(session, id_)
    _audit(door, caller, "export.status", "ok", request, job=id_, state=job.state)
    if job.state == "failed":
        raise Conflict("the export failed; start it again")
    percent = 100 * done // total if total else 0
    expires = formatdate(standing.ends(job) / 1_000_000, usegmt=True)
    return Status(job.outcome.get("manifest") if job.state == "done" else None, f"{job.state}: {percent} %", expires)


def file(door: Door, days: int, caller: Caller, id_: str, name: str, request: str) -> Path:
    """The path of one released file. Refused when what the release was made with no longer stands, or somebody in it
    has opted out since.

    https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request
    """
    if not FILE_NAME.match(name):
        raise NotFound("file")
    with door.store.read() as session:
        now = door.store.clock()
        job = _own(session, caller, id_, now)
        if job.state != "done":
            raise NotFound("file")
        try:
            standing.require_standing(session, job, now, days)
        except (Refused, Conflict) as refusal:
            _audit(door, caller, "export.download", "refused", request, job=id_, file=name, why=str(refusal))
            raise refusal if isinstance(refusal, Conflict) else Forbidden(str(refusal), "export-refused") from None
    path = Path(job.outcome["out"]) / name
    if not path.is_file():
        raise NotFound("file")
    _audit(door, caller, "export.download", "ok", request, job=id_, file=name)
    return path


def cancel(door: Door, caller: Caller, id_: str, request: str) -> None:
    """Stop a job; a released one loses its files.

    https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request
    """
    with door.store.write() as session:
        job = _own(session, caller, id_, session.now)
        jobs.finish(session, id_, "cancelled", {})
        record_write(session, _event(caller, "export.cancel", "ok", request, job=id_, state=job.state))
    if job.outcome.get("out"):
        folder.discard(door.store, id_, Path(job.outcome["out"]))


def _audit(door: Door, caller: Caller, act: str, outcome: str, request: str, **about: str) -> None:
    door.audit.record(_event(caller, act, outcome, request, **about))


def _event(caller: Caller, act: str, outcome: str, request: str, **about: str) -> dict[str, str]:
    return {"act": act, **who(caller), "project": caller.project, **about, "outcome": outcome, "request": request}


def _own(session: Session, caller: Caller, id_: str, now: int) -> jobs.Job:
    """Return the job if this client requested it for this project and it has not expired."""
    job = jobs.get(session, id_)
    if job is None or job.kind != standing.KIND or job.state == "cancelled" or now >= standing.ends(job):
        raise NotFound("job")
    if (caller.kind, caller.user, caller.project) != ("system", job.owner, job.pins["project"]):
        raise NotFound("job")
    return job
