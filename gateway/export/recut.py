"""Cuts parts of a release again, of which no file was given and of whose people something else may leave today.

All of them change in one transaction: names, manifest, ledger and job. Who was killed before leaves the parts to be
cut again, and none of them is given meanwhile.
"""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import islice
from pathlib import Path

from gateway import log
from gateway.errors import Conflict, Refused
from gateway.export import crowding, cut, engines, gather, lease, manifest, part_files, standing
from gateway.nhs.project import Project
from gateway.store import jobs
from gateway.store.database import Store
from gateway.store.session import Session

PARTS_AT_ONCE = 100
"""Parts that are cut before their files are named, in one transaction."""


def again(
    store: Store, job: jobs.Job, root: bytes, *, workers: int | None = None, stop: threading.Event | None = None
) -> None:
    """Cut the changed parts of a release that was claimed, and change its manifest and ledger with them.

    Raises ``gather.Stopped`` when it was cancelled or another process has taken it, ``Refused`` and ``Conflict`` when
    nobody may have its files: its project is not in force, or the root key is another.
    """
    out, revision = Path(job.outcome["out"]), 1 + job.outcome["manifest"]["extension"].get("revision", 0)
    with lease.kept(store, job, stop):
        try:
            with store.read() as session:
                standing.require_root(session, root, job.pins["root"])
                standing.require_in_force(session, job, store.clock(), job.pins["optout_days"])
                parts = (part for part in jobs.parts(session, job.id) if part[1] == "changed")
                changed = {number: outcome for number, _, outcome in islice(parts, PARTS_AT_ONCE)}
            lost = {
                number: outcome
                for number, outcome in changed.items()
                if not crowding.is_kept(out, outcome.get("decision", ""))
            }
            key = standing.key_of(job.pins, root)
            todo = [
                cut.Part(
                    store.url, job.id, job.pins, number, str(out), job.claim, key, decision=outcome.get("decision", ""),
                    revision=revision, types=tuple(file["type"] for file in outcome["files"]),
                )
                for number, outcome in changed.items()
                if number not in lost
            ]  # fmt: skip
            with closing(engines.map_parts(cut.cut, todo, workers=workers)) as results:
                outcomes = dict(results)
            with store.write() as session:
                _close(session, job, lost)
                _replace(session, job, out, outcomes, revision)
        finally:
            part_files.clear(out, job.claim)
    log.event("export.recut", job=job.id, count=len(outcomes))


def _close(session: Session, job: jobs.Job, lost: dict[int, cut.Outcome]) -> None:
    """Close parts whose decision about few people is lost: without it they cannot be cut as they were."""
    for number, outcome in lost.items():
        jobs.finish_part(session, job.id, number, {**outcome, "given": True})


def _replace(session: Session, job: jobs.Job, out: Path, outcomes: dict[int, cut.Outcome], revision: int) -> None:
    gather.hold(session, job)
    project, _ = standing.require_in_force(session, job, session.now, job.pins["optout_days"])
    for number, outcome in outcomes.items():
        part_files.place(out, number, job.claim, outcome["files"])
        jobs.finish_part(session, job.id, number, outcome)
    _revise(session, job, project, revision)


def _revise(session: Session, job: jobs.Job, project: Project, revision: int) -> None:
    names = sorted(
        file["url"]
        for _, _, outcome in jobs.parts(session, job.id)
        if outcome.get("revision")
        for file in outcome["files"]
    )
    outcome = manifest.revise(session, job, project, manifest.Revision(revision, names))
    jobs.end_recutting(session, job, outcome, is_changed=jobs.has_changed_part(session, job.id))


def give_up(store: Store, job: jobs.Job, refusal: Refused | Conflict) -> None:
    """Leave a release of which nobody may have a file now: who asks for one after it may be had again has its part
    cut."""
    log.event("export.recut-refused", job=job.id, reason=str(refusal))
    with store.write() as session:
        jobs.end_recutting(session, job, job.outcome, is_changed=False)
