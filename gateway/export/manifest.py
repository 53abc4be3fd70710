"""The release of an export: its manifest, written last, and its row in the ledger; and what parts that were cut again
change of both.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import durable, records
from gateway.export import cut, part_files, standing
from gateway.nhs import disclosure
from gateway.nhs.project import Project
from gateway.store import jobs, ledger
from gateway.store.changes import record_write
from gateway.store.session import Session

OUTCOME, NO_PART = "OperationOutcome", "99999"
"""The type of a file about the request, which holds nobody's data and so belongs to no part."""


@dataclass(frozen=True)
class Revision:
    """How often a release was changed, and the names of all files that are not as they were first released."""

    number: int
    files: Sequence[str]


def release(
    session: Session, job: jobs.Job, project: Project, out: Path, crowds: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write the manifest and the ledger row; return the manifest. Counts the recipient sees pass the project's
    disclosure rules, as those of the report on few people (``crowds``) did."""
    notes = _notes(job.pins.get("ignored", ()), out)
    report = crowds or {"k": 1}
    manifest, count = _write(session, job, project, out, notes, Revision(0, ()), report)
    jobs.finish(session, job.id, "done", {"out": str(out), "manifest": manifest, "notes": notes})
    record_write(
        session, {"act": "export.release", "by": job.owner, "project": project.name, "job": job.id, "files": count}
    )
    return manifest


def revise(session: Session, job: jobs.Job, project: Project, revision: Revision) -> dict[str, Any]:
    """Write the manifest and a further ledger row of a release of which parts were cut again; return what comes of the
    job. Why they were is in neither, and the report on few people is that of the release."""
    out, notes = Path(job.outcome["out"]), job.outcome.get("notes", [])
    report = job.outcome["manifest"]["extension"]["kAnonymity"]
    manifest, _ = _write(session, job, project, out, notes, revision, report)
    record_write(
        session,
        {
            "act": "export.revise", "by": job.owner, "project": project.name, "job": job.id,
            "revision": revision.number, "files": len(revision.files),
        },
    )  # fmt: skip
    return {**job.outcome, "manifest": manifest}


def _write(
    session: Session,
    job: jobs.Job,
    project: Project,
    out: Path,
    notes: list[dict[str, Any]],
    revision: Revision,
    crowds: dict[str, Any],
) -> tuple[dict[str, Any], int]:
    """(the manifest, how many files it has)"""
    outcomes = [outcome for _, _, outcome in jobs.parts(session, job.id)]
    files = [file for outcome in outcomes for file in outcome["files"]]
    dropped: Counter[str] = Counter()
    for outcome in outcomes:
        dropped.update(outcome["dropped"])
    persons = sum(outcome["persons"] for outcome in outcomes)
    manifest = _manifest(job, project, files, persons, _of_people(outcomes), notes)
    manifest["extension"] |= {"kAnonymity": crowds, "revision": revision.number, "recut": list(revision.files)}
    part_files.clear(out)
    data = json.dumps(manifest, indent=1, sort_keys=True).encode()
    durable.write_whole(out / "manifest.json", data)
    ledger.append(
        session,
        {
            "release": job.id, "revision": revision.number, "project": standing.plain(project), "persons": persons,
            "pins": {**job.pins, "release": cut.revised(job.pins["release"], revision.number)},
            "files": [*files, *notes], "dropped": dict(sorted(dropped.items())), "manifest": hashlib.sha256(data).hexdigest(),
            "k_anonymity": manifest["extension"]["kAnonymity"],
        },
    )  # fmt: skip
    return manifest, len(files)


def _of_people(outcomes: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Of how many people each thing was left out. A person is in one part."""
    people: Counter[str] = Counter()
    for outcome in outcomes:
        people.update(outcome["dropped_people"])
    return dict(sorted(people.items()))


def _counts(files: Sequence[dict[str, Any]], rules: str) -> dict[str, int | str]:
    """How many people each file is about. Those of one type add up to a total: they are one table."""
    counts: dict[str, int | str] = {}
    for name in sorted({file["type"] for file in files}):
        counts |= disclosure.table({file["url"]: file["people"] for file in files if file["type"] == name}, rules)
    return counts


def _notes(ignored: Sequence[str], out: Path) -> list[dict[str, Any]]:
    """A file of OperationOutcomes, one for each parameter that was ignored because the client prefers that."""
    if not ignored:
        return []
    outcomes = [
        {"resourceType": OUTCOME, "issue": [{"severity": "warning", "code": "not-supported", "diagnostics": f"ignored: {name}"}]}
        for name in ignored
    ]  # fmt: skip
    data = b"".join(json.dumps(outcome).encode() + b"\n" for outcome in outcomes)
    url = f"{OUTCOME}.{NO_PART}.ndjson"
    durable.write_whole(out / url, data)
    return [
        {"type": OUTCOME, "url": url, "count": len(outcomes), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    ]  # fmt: skip


def _manifest(
    job: jobs.Job,
    project: Project,
    files: list[dict[str, Any]],
    persons: int,
    dropped: dict[str, int],
    notes: list[dict[str, Any]],
) -> dict[str, Any]:
    rules, pins = project.disclosure, job.pins
    return {
        "transactionTime": records.instant(pins["started"]),
        "request": pins.get("request") or f"urn:nhs-record-gateway:project:{project.name}",
        "requiresAccessToken": True,
        "output": [{"type": file["type"], "url": file["url"], "sha256": file["sha256"]} for file in files],
        "deleted": [],
        "error": [{"type": note["type"], "url": note["url"], "sha256": note["sha256"]} for note in notes],
        "extension": {
            "notice": "pseudonymised personal data, not anonymous",
            "project": project.name, "projectVersion": pins["version"], "profile": pins["profile"],
            "setting": pins["setting"], "policy": pins["policy"], "keyVersion": pins["key_version"],
            "disclosure": rules,
            "persons": disclosure.shown(persons, rules),
            "counts": _counts(files, rules),
            "dropped": disclosure.table(dropped, rules),
        },
    }  # fmt: skip
