"""Checks that an export is still allowed: before it runs, before its release and at every download."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from gateway import records
from gateway.errors import Conflict, Refused
from gateway.export import approval, national_list
from gateway.fhir.dates import DAY, moment
from gateway.nhs import pseudonym
from gateway.nhs.project import Project
from gateway.store import jobs, ledger
from gateway.store.jobs import Job
from gateway.store.session import Session

KIND, BY_HAND = "export", "export by hand"
"""Asked for over HTTP, for a worker to claim and for the client to fetch; or run by the operator into a folder of
their choice."""
KEPT_FOR = 7 * DAY
"""µs after the request for which a release is served and its files are kept."""
OTHER_ROOT = "the root key is not the one that exports of this store are made with: restore it from a backup"
MEMBERS_CHANGED = "who may be in it has changed since: start the export again"


def ends(job: Job) -> int:
    """When a job and its files are no longer answered (µs UTC)."""
    return job.created + KEPT_FOR


def plain(project: Project) -> dict[str, Any]:
    """A project as JSON, to be pinned and compared."""
    document: dict[str, Any] = json.loads(json.dumps(asdict(project), default=str))
    return document


def key_of(pins: Mapping[str, Any], root: bytes) -> bytes:
    """The key of the project that a job, or a release, was made for, at the version that was approved."""
    approved = pins["approved"]
    return pseudonym.project_key(root, approved["controller"], approved["name"], pins["key_version"])


def require_root(session: Session, root: bytes, pinned: str = "") -> None:
    """Raises ``Refused`` when a root key is not the one ``pinned``, or not the one of earlier exports of this store:
    another key gives everybody another pseudonym under the same key version, also within one release."""
    own = pseudonym.fingerprint(root)
    if pinned not in ("", own) or ledger.root_fingerprint(session) not in ("", own):
        raise Refused(OTHER_ROOT)


def require_unchanged(session: Session, job: Job, now: int) -> Project:
    """The project a job was asked for. Raises ``Refused`` when it is not in force, or was changed since."""
    project, _ = approval.in_force(session, job.pins["project"], now)
    if plain(project) != job.pins["approved"]:
        raise Refused("the project has changed since the request: start the export again")
    return project


def require_standing(
    session: Session,
    job: Job,
    now: int,
    optout_days: int,
    cleared: int = 0,
    hold: Callable[[], None] = lambda: None,
) -> Project:
    """The project a job was made for, if what the job was made with still stands.

    Raises ``Refused`` when the project is not in force or was changed, or no list of opt-outs is fresh. Raises
    ``Conflict``, always in the same words, when a contributor's agreement has ended or somebody in the job has opted
    out since: a recipient is not told which. Nobody is looked for on the list ``cleared``; see ``clear``. ``hold`` is
    called before each slice of the list is looked for.
    """
    project, list_ = _in_force(session, job, now, optout_days)
    if list_ != cleared and records.opted_out_since(session, job.id, list_, hold):
        raise Conflict(MEMBERS_CHANGED)
    return project


def require_file(session: Session, job: Job, now: int, optout_days: int, file: str) -> tuple[Project, int]:
    """The project of a release and the key of the opt-out list in force, if one ``file`` of it may still be given.
    Raises as ``require_standing`` does.

    The people in the file are asked about as they are now, which takes the same time in a job of any size. Whether
    somebody in the rest of the job is on a newer list is asked by ``judgement``.
    """
    project, list_ = _in_force(session, job, now, optout_days)
    if not _is_as_released(session, job, file):
        raise Conflict(MEMBERS_CHANGED)
    return project, list_


def _in_force(session: Session, job: Job, now: int, optout_days: int) -> tuple[Project, int]:
    """The project of a job and the key of the opt-out list, if both are in force and every agreement is."""
    project = require_unchanged(session, job, now)
    if not project.live(moment(now).date()).issuperset(job.pins["contributors"]):
        raise Conflict(MEMBERS_CHANGED)
    return project, national_list.require_fresh(session, now, optout_days).key


def _is_as_released(session: Session, job: Job, file: str) -> bool:
    """Whether the same of the same people would leave in this file as when it was cut."""
    number = int(file.split(".")[1])
    outcome = jobs.part_outcome(session, job.id, number)
    return outcome is None or outcome.get("state") == records.today(session, job.id, number, job.pins).state


def clear(session: Session, job: Job, now: int, hold: Callable[[], None]) -> int:
    """Require that a job stands; return the key of the opt-out list that nobody in it is on.

    The members of a large job are looked up in a reading transaction this way. The writing transaction that follows
    looks them up again only if another list was loaded in between. The search may outlast a lease, so ``hold`` renews
    it before each slice.
    """
    days = job.pins["optout_days"]
    require_standing(session, job, now, days, hold=hold)
    return national_list.require_fresh(session, now, days).key
