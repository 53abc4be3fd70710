"""Checks that an export is still allowed: before it runs, before its release and at every download."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gateway.errors import Conflict, Refused
from gateway.export import approval, national_list
from gateway.fhir.dates import DAY, moment
from gateway.nhs import pseudonym
from gateway.nhs.project import Project
from gateway.store import ledger
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


def require_in_force(session: Session, job: Job, now: int, optout_days: int) -> tuple[Project, int]:
    """The project a job was made for and the key of the opt-out list, if both are in force. Who is in the job is asked
    part by part: see ``records.today``.

    Raises ``Refused`` when the project is not in force or was changed, or no list of opt-outs is fresh; ``Conflict``
    when a contributor's agreement has ended since.
    """
    project = require_unchanged(session, job, now)
    if not project.live(moment(now).date()).issuperset(job.pins["contributors"]):
        raise Conflict(MEMBERS_CHANGED)
    return project, national_list.require_fresh(session, now, optout_days).key
