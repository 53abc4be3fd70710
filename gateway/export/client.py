"""The exports of an API client: start, status, download and cancel. Each asks the policy again, and is bound to the
client's project, issuer and organisation.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from gateway.errors import Conflict, Forbidden, NotFound, Refused, Unavailable, Unsupported
from gateway.export import approval, asking, folder, handing, manifest, standing
from gateway.export.chosen import NOTHING, Choice, Wish
from gateway.nhs import recipients
from gateway.nhs.decision import Act
from gateway.nhs.project import Project
from gateway.nhs.refusals import NO_SCOPE
from gateway.nhs.roles import Caller
from gateway.records import Door, who
from gateway.records.door import refuse_early
from gateway.store import jobs
from gateway.store.changes import record_write
from gateway.store.session import Session

FILE_NAME = re.compile(r"[A-Z][A-Za-z]{2,40}\.[0-9]{5}\.ndjson\Z")


@dataclass(frozen=True)
class Status:
    """How a job stands: its manifest once released, else words on its progress that hold no count of people."""

    manifest: dict[str, Any] | None
    progress: str
    expires: str


def refuse(door: Door, caller: Caller, request: str) -> None:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request

    Raises ``Forbidden`` for a caller who may export nothing, before the body of the request is read.
    """
    refuse_early(door, caller, Act(recipients.EXPORT), request)


def start(
    door: Door,
    days: int,
    caller: Caller,
    types: tuple[str, ...],
    request: str,
    url: str = "",
    wish: Wish = NOTHING,
) -> str:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request

    Write the job and return its id: a worker gathers its members and runs it. Types that the project may not have,
    or that the client's scopes do not cover, are left out rather than refused (down-scoping).

    Raises ``Forbidden`` without a project in force that approves the client; the audit records that too.
    """
    refuse(door, caller, request)
    for name in types:
        if not name.isalpha():
            raise Unsupported("_type")
    Choice(wish.filters, wish.elements, door.store.clock())  # what cannot be chosen is refused now
    try:
        about = {**who(caller), "outcome": "ok", "request": request}
        return asking.ask(
            door.store, caller.project, caller.user,
            optout_days=days, types=types, url=url, client=caller, about=about, wish=wish,
        )  # fmt: skip
    except (Refused, Forbidden) as refusal:
        _audit(door, caller, "export.start", "refused", request, why=str(refusal))
        raise _forbidden(refusal) from None


def status(door: Door, caller: Caller, id_: str, request: str) -> Status:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request

    Return the state of the caller's own job. Raises ``NotFound`` for another client's, and for one whose time is
    over; ``Forbidden`` when the project no longer approves the client, or its scopes no longer cover the job's
    types.
    """
    refuse_early(door, caller, Act(recipients.EXPORT), request)
    try:
        with _told_not_found(door, caller, "export.status", request), door.store.read() as session:
            job = _own(session, caller, id_, now := door.store.clock())
            _require_approved(approval.in_force(session, job.pins["project"], now)[0], caller, job.pins["types"])
            done, total = jobs.progress(session, id_)
    except (Refused, Forbidden) as refusal:
        _audit(door, caller, "export.status", "refused", request, job=id_, why=str(refusal))
        raise _forbidden(refusal) from None
    _audit(door, caller, "export.status", "ok", request, job=id_, state=job.state)
    if job.state == "failed":
        raise Conflict("the export failed; start it again")
    percent = 100 * done // total if total else 0
    expires = formatdate(standing.ends(job) / 1_000_000, usegmt=True)
    return Status(job.outcome.get("manifest") if job.is_released else None, f"{job.state}: {percent} %", expires)


@dataclass(frozen=True)
class File:
    """One file of a release: where it lies, its SHA-256 (hexadecimal), and when the release was made (µs UTC)."""

    path: Path
    sha256: str
    released: int


def file(door: Door, days: int, caller: Caller, id_: str, name: str, request: str) -> File:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request

    One released file. Refused when what the release was made with no longer stands, when the people of its part have
    changed since a file of it was first given, or when the client's scopes do not cover its type. Raises
    ``Unavailable`` while the part is cut again, because somebody in it has changed since it was cut.
    """
    if not FILE_NAME.match(name):
        raise NotFound("file")
    refuse_early(door, caller, Act(recipients.EXPORT), request)
    try:
        with _told_not_found(door, caller, "export.download", request), door.store.read() as session:
            now = door.store.clock()
            job = _own(session, caller, id_, now)
            if not job.is_released:
                raise NotFound("file")
            approved, _ = standing.require_in_force(session, job, now, days)
            _require_approved(approved, caller, {name.partition(".")[0]} - {manifest.OUTCOME})
        digest = handing.hand_out(door.store, job, name)
    except Unavailable as busy:
        if busy.code == handing.CODE:
            _audit(door, caller, "export.download", "refused", request, job=id_, file=name, why=str(busy))
        raise
    except (Refused, Conflict, Forbidden) as refusal:
        _audit(door, caller, "export.download", "refused", request, job=id_, file=name, why=str(refusal))
        raise refusal if isinstance(refusal, Conflict) else _forbidden(refusal) from None
    path = Path(job.outcome["out"]) / name
    if not path.is_file():
        raise NotFound("file")
    _audit(door, caller, "export.download", "ok", request, job=id_, file=name)
    return File(path, digest, job.pins["started"])


def cancel(door: Door, caller: Caller, id_: str, request: str) -> None:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request

    Stop a job; a released one loses its files. A client whose scopes cover the job's types may do so, also when its
    project is no longer in force.
    """
    refuse_early(door, caller, Act(recipients.EXPORT), request)
    try:
        with _told_not_found(door, caller, "export.cancel", request), door.store.write() as session:
            job = _own(session, caller, id_, session.now)
            if not recipients.within_scopes(caller, job.pins["types"]).issuperset(job.pins["types"]):
                raise Forbidden(NO_SCOPE.text, NO_SCOPE.code)
            jobs.finish(session, id_, "cancelled", {})
            record_write(session, _event(caller, "export.cancel", "ok", request, job=id_, state=job.state))
    except Forbidden as refusal:
        _audit(door, caller, "export.cancel", "refused", request, job=id_, why=str(refusal))
        raise
    if job.outcome.get("out"):
        folder.discard(door.store, id_, Path(job.outcome["out"]))


def _audit(door: Door, caller: Caller, act: str, outcome: str, request: str, **about: str) -> None:
    door.audit.record(_event(caller, act, outcome, request, **about))


def _event(caller: Caller, act: str, outcome: str, request: str, **about: str) -> dict[str, str]:
    return {"act": act, **who(caller), "project": caller.project, **about, "outcome": outcome, "request": request}


def _require_approved(project: Project, caller: Caller, types: Iterable[str]) -> None:
    """Raise ``Forbidden`` unless the project approves the client and its scopes cover these types."""
    if refusal := recipients.refusal(caller, project, types):
        raise Forbidden(refusal.text, refusal.code)


def _forbidden(refusal: Refused | Forbidden) -> Forbidden:
    return refusal if isinstance(refusal, Forbidden) else Forbidden(str(refusal), "export-refused")


@contextmanager
def _told_not_found(door: Door, caller: Caller, act: str, request: str) -> Iterator[None]:
    """Write to the audit that a job of somebody else, or none, was asked for: somebody may be guessing. The session of
    the block has ended by then, so that a request never needs two connections."""
    try:
        yield
    except NotFound:
        _audit(door, caller, act, "not-found", request)
        raise


def _own(session: Session, caller: Caller, id_: str, now: int) -> jobs.Job:
    """Return the job for an act of the client that requested it. Raises ``NotFound`` for any other."""
    job = jobs.get(session, id_)
    if job is None or not _is_own(job, caller, now):
        raise NotFound("job")
    return job


def _is_own(job: jobs.Job, caller: Caller, now: int) -> bool:
    """Whether this client requested the job for this project, by a token of the same issuer and for the same
    organisation, and it has not expired. A client id is an issuer's own: another's of the same name is a stranger."""
    if job.kind != standing.KIND or job.state == "cancelled" or now >= standing.ends(job):
        return False
    client = {"issuer": caller.issuer, "organisation": caller.organisation}
    is_clients = (caller.kind, caller.user, caller.project) == ("system", job.owner, job.pins["project"])
    return is_clients and job.pins.get("client") == client
