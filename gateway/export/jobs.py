"""An export from start to release: pinned, cut into parts, resumed by part, written once, in the ledger.

A part is a range of persons, whole. Same pins, same bytes: names and order are fixed, and a run that was killed goes
on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway import log, records
from gateway.errors import Conflict, Refused
from gateway.export import engines, files, optouts, projects
from gateway.fhir.dates import DAY, moment
from gateway.nhs import disclosure, policy, pseudonym
from gateway.nhs import project as rules
from gateway.store import jobs, ledger
from gateway.store.audit import record_write
from gateway.store.database import Session, Store, open_store

KIND, BY_HAND = "export", "export by hand"
"""Asked for over HTTP, for a worker to claim and for the client to fetch; or run by the operator into a folder of
their choice."""
KEPT_FOR = 7 * DAY
"""µs after its start for which a release is answered and its files are kept."""
PERSONS_A_PART = 500
MARK = ".job"
"""Says in an unreleased folder whose it is."""
MEMBERS_CHANGED = "who may be in it has changed since: start the export again"
Progress = Callable[[str, int, int], None]


def start(
    store: Store, project: str, owner: str, *, optout_days: int, types: tuple[str, ...] = (), kind: str = KIND
) -> str:
    """Make a job for a project: its members, opt-out list, policy and moment are pinned now. Returns the job's id.

    Raises ``Refused`` without an approved project in date and a fresh opt-out list: no project, no key; no list,
    nobody.
    """
    with store.write() as session:
        found, version = projects.in_force(session, project, session.now)
        listed = optouts.require_fresh(session, session.now, optout_days)
        members = records.members(session, found, listed.key)
        pins = {
            "project": project, "version": version, "as_of": session.commit_seq - 1, "optout": listed.key, "optout_hash": listed.hash,
            "policy": policy.policy_hash(found.profile), "types": sorted(set(types or found.types) & set(found.types)),
            "profile": found.profile, "setting": found.setting, "key_version": found.key_version, "started": session.now,
            "contributors": sorted(found.live(moment(session.now).date())),
            "exclude_sensitive": found.exclude_sensitive, "left_out": members.left_out, "label_seq": records.label_seq(session),
            "optout_days": optout_days, "approved": _plain(found),
        }  # fmt: skip
        id_ = hashlib.sha256(f"{store.id} {session.commit_seq} {project}".encode()).hexdigest()[:32]
        jobs.create(session, id_, kind, owner, pins, members.parts(PERSONS_A_PART, store.namespace.bytes))
        record_write(
            session, {"act": "export.start", "by": owner, "project": project, "job": id_, "optouts": listed.hash}
        )
    log.event("export.started", job=id_, project=found.name, count=len(members.rows))
    return id_


def require_standing(session: Session, job: jobs.Job, now: int, optout_days: int) -> rules.Project:
    """The project a job was made for, if what the job was made with still stands: asked before it runs, before it is
    released, and whenever a file is fetched. Raises ``Refused`` when the project is not in force or was changed, or no
    list of opt-outs is fresh; ``Conflict``, in the same words, when a contributor's agreement has ended or somebody in
    the job has opted out since: a recipient is not told which."""
    project, _ = projects.in_force(session, job.pins["project"], now)
    if _plain(project) != job.pins["approved"]:
        raise Refused("the project was changed since: start the export again")
    if not project.live(moment(now).date()).issuperset(job.pins["contributors"]):
        raise Conflict(MEMBERS_CHANGED)
    listed = optouts.require_fresh(session, now, optout_days)
    if listed.key != job.pins["optout"] and records.opted_out_since(session, job.id, listed.key):
        raise Conflict(MEMBERS_CHANGED)
    return project


def _plain(project: rules.Project) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(project), default=str))


@dataclass(frozen=True)
class _Part:
    """What a worker needs to cut one part; it opens the rest itself."""

    url: str
    job: str
    number: int
    out: str
    key: bytes = field(repr=False)


def run(
    store: Store, job: str, out: Path, root: bytes, *, workers: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Cut every part that is not cut yet, then release: manifest last, ledger with it. Returns the manifest.

    If a label changed since a part was cut, or its files are not there, it is cut again: what is hidden today does not
    leave today. Raises ``Refused`` for a folder that holds anything else, and as ``require_standing`` does.
    """
    with store.write() as session:
        found = jobs.get(session, job)
        if found is None or found.kind not in (KIND, BY_HAND):
            raise Refused("no such job")
        if found.state == "done":
            raise Conflict("the job is already released")
        project = require_standing(session, found, session.now, found.pins["optout_days"])
        _hold(session, job)
    key = pseudonym.project_key(root, project.controller, project.name, found.pins["key_version"])
    _take_folder(out, job)
    while True:
        with store.write() as session:
            todo, total = _to_cut(session, job, out), len(jobs.parts(session, job))
            if not todo:
                require_standing(session, found, session.now, found.pins["optout_days"])
                _hold(session, job)
                manifest = _release(session, found, project, out)
        if not todo:
            (out / MARK).unlink()
            return manifest
        parts = [_Part(store.url, job, number, str(out), key) for number in todo]
        for done, (number, outcome) in enumerate(engines.map_parts(cut, parts, workers=workers), total - len(todo) + 1):
            with store.write() as session:
                _hold(session, job)
                jobs.finish_part(session, job, number, outcome)
            if progress:
                progress("parts", done, total)


def ends(job: jobs.Job) -> int:
    """When a job and its files are no longer answered (µs UTC)."""
    return job.pins["started"] + KEPT_FOR


def discard(store: Store, job: str, folder: Path) -> bool:
    """Remove what was cut of a job that ended without a release, or whose time is over: nobody may have it. Say
    whether there was anything."""
    with store.read() as session:
        found = jobs.get(session, job)
    is_over = found is not None and (found.state in ("failed", "cancelled") or store.clock() >= ends(found))
    if not is_over:
        return False
    left = [*folder.glob("*.ndjson"), *folder.glob(".*.part"), *folder.glob("manifest.json"), *folder.glob(MARK)]
    for each in left:
        each.unlink(missing_ok=True)
    return bool(left)


def require_free(out: Path, job: str = "") -> None:
    """Raises ``Refused`` for a folder that an export, or this job, may not be written into: a file, another job's, or
    one with anything in it."""
    mark = out / MARK
    if out.exists() and not out.is_dir():
        raise Refused("the folder is a file")
    if mark.is_file():
        if mark.read_text() != job:
            raise Refused("the folder holds another export that is not released")
    elif out.is_dir() and any(out.iterdir()):
        raise Refused("the folder is not empty")


def _take_folder(out: Path, job: str) -> None:
    """Make the folder, for its owner only, and mark it as this job's."""
    require_free(out, job)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (out / MARK).is_file():
        files.write_whole(out, MARK, job.encode())


def _to_cut(session: Session, job: str, out: Path) -> list[int]:
    """The parts that are not cut, or were cut under other labels than today's, or elsewhere: in this run or in one
    that was killed."""
    now = records.label_seq(session)
    return [
        number
        for number, state, outcome in jobs.parts(session, job)
        if state != "done" or outcome["label_seq"] != now or not all(_is_there(out, file) for file in outcome["files"])
    ]


def _is_there(out: Path, file: dict[str, Any]) -> bool:
    path = out / file["url"]
    return path.is_file() and path.stat().st_size == file["bytes"]


def _hold(session: Session, job: str) -> None:
    if not jobs.hold(session, job):
        raise Conflict("the job was cancelled, or ended elsewhere")


def cut(part: _Part) -> tuple[int, dict[str, Any]]:
    """Cut one part: each person's resources as they were, pseudonymised, one file a type, written whole or not at
    all."""
    files.clear(Path(part.out), part.number)
    store = open_store(part.url)
    try:
        with store.read() as session:
            job = jobs.get(session, part.job)
            seq = records.label_seq(session)
            year = moment(job.pins["started"]).year
            worker = pseudonym.Pseudonymiser(job.pins["profile"], job.pins["setting"], part.key, year)
            written: dict[str, files.PartFile] = {}
            persons = 0
            for held in records.stream(
                session, job, part.number, frozenset(job.pins["contributors"]), job.pins["exclude_sensitive"]
            ):
                persons += 1
                for resource_type, line in worker.person(held.person, held.resources):
                    if resource_type not in written:
                        written[resource_type] = files.PartFile(Path(part.out), resource_type, part.number)
                    written[resource_type].write(line)
            closed = [written[name].close() for name in sorted(written)]
    finally:
        store.close()
    log.event("export.part", part=part.number, resources=sum(file["count"] for file in closed))
    return part.number, {
        "label_seq": seq,
        "files": closed,
        "persons": persons,
        "dropped": dict(sorted(worker.dropped.items())),
        "kept": dict(sorted(worker.kept.items())),
    }


def _release(session: Session, job: jobs.Job, project: rules.Project, out: Path) -> dict[str, Any]:
    """Write the manifest and the ledger row. Counts the recipient sees pass the project's disclosure rules."""
    outcomes = [outcome for _, _, outcome in jobs.parts(session, job.id)]
    left = [file for outcome in outcomes for file in outcome["files"]]
    dropped: Counter[str] = Counter()
    for outcome in outcomes:
        dropped.update(outcome["dropped"])
    persons = sum(outcome["persons"] for outcome in outcomes)
    manifest = {
        "transactionTime": records.instant(job.pins["started"]),
        "request": f"urn:nhs-record-gateway:project:{project.name}",
        "requiresAccessToken": True,
        "output": [{"type": f["type"], "url": f["url"], "sha256": f["sha256"]} for f in left],
        "deleted": [],
        "error": [],
        "extension": {
            "notice": "pseudonymised personal data, not anonymous",
            "project": project.name, "projectVersion": job.pins["version"], "profile": job.pins["profile"], "setting": job.pins["setting"],
            "policy": job.pins["policy"], "keyVersion": job.pins["key_version"], "disclosure": project.disclosure,
            "persons": disclosure.shown(persons, project.disclosure),
            "counts": {f["url"]: disclosure.shown(f["count"], project.disclosure) for f in left},
            "dropped": disclosure.table(dict(sorted(dropped.items())), project.disclosure),
        },
    }  # fmt: skip
    data = json.dumps(manifest, indent=1, sort_keys=True).encode()
    files.write_whole(out, "manifest.json", data)
    entry = {
        "release": job.id, "pins": job.pins, "project": _plain(project), "persons": persons, "files": left, "dropped": dict(sorted(dropped.items())),
        "manifest": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    ledger.append(session, entry)
    jobs.finish(session, job.id, "done", {"out": str(out), "manifest": manifest})
    record_write(
        session, {"act": "export.release", "by": job.owner, "project": project.name, "job": job.id, "files": len(left)}
    )
    return manifest
