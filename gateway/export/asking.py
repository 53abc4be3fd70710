"""Asks for an export: checks the project and the opt-out list, and writes the job that a worker will gather and run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gateway import log
from gateway.export import approval, gather, national_list, standing
from gateway.export.standing import KIND
from gateway.store import jobs
from gateway.store.changes import record_write
from gateway.store.database import Store


def ask(
    store: Store,
    project: str,
    owner: str,
    *,
    optout_days: int,
    types: tuple[str, ...] = (),
    kind: str = KIND,
    about: Mapping[str, str] | None = None,
) -> str:
    """Write a job for a project and return its id. Its members, opt-out list and moment are pinned when it is
    gathered. ``about`` is what else the audit holds of who asks.

    Raises ``Refused`` without an approved project in date and a fresh opt-out list: no project, no key; no list,
    nobody.
    """
    with store.write() as session:
        approved, version = approval.in_force(session, project, session.now)
        in_force = national_list.require_fresh(session, session.now, optout_days)
        pins = {
            "project": project, "version": version, "approved": standing.plain(approved), "profile": approved.profile,
            "setting": approved.setting, "key_version": approved.key_version, "optout_days": optout_days,
            "exclude_sensitive": approved.exclude_sensitive,
            "types": sorted(set(types or approved.types) & set(approved.types)),
        }  # fmt: skip
        id_ = hashlib.sha256(f"{store.id} {session.commit_seq} {project}".encode()).hexdigest()[:32]
        jobs.create(session, id_, kind, owner, pins)
        event = {"act": "export.start", "by": owner, "project": project, "job": id_, "optouts": in_force.hash}
        record_write(session, {**event, "types": pins["types"], **(about or {})})
    log.event("export.started", job=id_, project=approved.name)
    return id_


def start(
    store: Store, project: str, owner: str, *, optout_days: int, types: tuple[str, ...] = (), kind: str = KIND
) -> str:
    """Ask for an export and gather its members now, as an operator's run does. Raises as ``ask`` does."""
    job = ask(store, project, owner, optout_days=optout_days, types=types, kind=kind)
    gather.gather(store, job)
    return job
