"""Asks for an export: checks the project and the opt-out list, and writes the job that a worker will gather and run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict

from gateway import log
from gateway.errors import Forbidden, Invalid, Throttled
from gateway.export import approval, gather, national_list, standing
from gateway.export.chosen import NOTHING, Wish
from gateway.export.standing import KIND
from gateway.nhs import recipients
from gateway.nhs.project import Project
from gateway.nhs.refusals import NO_SCOPE
from gateway.nhs.roles import Caller
from gateway.store import jobs
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session

MOST_UNFINISHED = 10
"""Jobs of one client that wait or run at once: each is a release of everybody."""
RETRY_SECONDS = 60


def ask(
    store: Store,
    project: str,
    owner: str,
    *,
    optout_days: int,
    types: tuple[str, ...] = (),
    kind: str = KIND,
    url: str = "",
    client: Caller | None = None,
    about: Mapping[str, str] | None = None,
    wish: Wish = NOTHING,
) -> str:
    """Write a job for a project and return its id. Its members, opt-out list and moment are pinned when it is
    gathered. ``url`` is the request, which the manifest repeats. A ``client`` gets no types but those that its scopes
    cover; its issuer and organisation are pinned. ``about`` is what else the audit holds of who asks, ``wish`` what the
    client chooses of what leaves.

    Raises ``Refused`` without an approved project in date and a fresh opt-out list: no project, no key; no list,
    nobody. Raises ``Invalid`` for types of which the project has none, ``Throttled`` while an owner has many jobs, and
    ``Forbidden`` for a client that the project does not approve, or whose scopes cover nothing of it.
    """
    with store.write() as session:
        approved, version = approval.in_force(session, project, session.now)
        in_force = national_list.require_fresh(session, session.now, optout_days)
        narrowed = _types(approved, types, client)
        _require_something(approved, types)
        _require_turn(session, kind, owner, client)
        pins = {
            "project": project, "version": version, "approved": standing.plain(approved), "profile": approved.profile,
            "setting": approved.setting, "key_version": approved.key_version, "optout_days": optout_days,
            "exclude_sensitive": approved.exclude_sensitive,
            "types": narrowed, "request": url, **asdict(wish),
            "client": {"issuer": client.issuer, "organisation": client.organisation} if client else {},
        }  # fmt: skip
        id_ = hashlib.sha256(f"{store.id} {session.commit_seq} {project}".encode()).hexdigest()[:32]
        jobs.create(session, id_, kind, owner, pins)
        event = {"act": "export.start", "by": owner, "project": project, "job": id_, "optouts": in_force.hash}
        record_write(session, {**event, "types": pins["types"], **(about or {})})
    log.event("export.started", job=id_, project=approved.name)
    return id_


def _require_something(approved: Project, types: tuple[str, ...]) -> None:
    """Types that a project may not have are left out, but an export of none would be an empty release."""
    if types and not set(types) & set(approved.types):
        raise Invalid("_type: the project has none of these")


def _require_turn(session: Session, kind: str, owner: str, client: Caller | None) -> None:
    """A client's id is its issuer's own: the jobs of another's client of the same name are not counted."""
    if kind != KIND:
        return
    issuer = client.issuer if client else ""
    unfinished = [job for job in jobs.unfinished(session, kind, owner) if _issuer(job) == issuer]
    if len(unfinished) >= MOST_UNFINISHED:
        raise Throttled("too many exports are waiting: wait for one of them, or cancel it", RETRY_SECONDS)


def _issuer(job: jobs.Job) -> str:
    client: dict[str, str] = job.pins.get("client") or {}
    return client.get("issuer", "")


def _types(approved: Project, asked: tuple[str, ...], client: Caller | None) -> list[str]:
    """The types that are asked for, of those the project has and a client's scopes cover. What is left out is not
    refused (down-scoping), but a client who may have nothing of what it asks for is."""
    types = set(asked or approved.types) & set(approved.types)
    if client is None:
        return sorted(types)
    narrowed = recipients.within_scopes(client, types)
    refusal = recipients.refusal(client, approved) or (NO_SCOPE if types and not narrowed else None)
    if refusal:
        raise Forbidden(refusal.text, refusal.code)
    return sorted(narrowed)


def start(
    store: Store,
    project: str,
    owner: str,
    *,
    optout_days: int,
    root: bytes | None = None,
    types: tuple[str, ...] = (),
    kind: str = KIND,
) -> str:
    """Ask for an export and gather its members now, as an operator's run does. Without the ``root`` key, by which
    people are put into their order, they are gathered when the job is run. Raises as ``ask`` and ``gather`` do."""
    job = ask(store, project, owner, optout_days=optout_days, types=types, kind=kind)
    if root is not None:
        gather.gather(store, job, root)
    return job
