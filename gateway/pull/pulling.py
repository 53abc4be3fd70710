"""One pull, from the question to the research store: it goes on where an earlier one was cut off, and applies a release
whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway import durable
from gateway.errors import Refused, Unavailable
from gateway.pull import verified
from gateway.pull.conversation import Conversation, Lost
from gateway.pull.region import Region
from gateway.pull.research import Job, Release, ResearchStore
from gateway.pull.verified import Announced, File

AT_ONCE = 4
"""Files that are fetched at once."""
PATIENCE = 48 * 3600
"""Seconds that an export may take."""
INCOMING = "incoming"
FAULTS = frozenset({"fatal", "error"})
"""Severities that say that something of the export is not in its files."""
Step = Callable[[str, int, int], None]


def pull(
    region: Region, into: Path, store: ResearchStore, conversation: Conversation, *,
    is_full: bool, now: int, pause: Callable[[float], None] = time.sleep, step: Step = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Pull what changed since the last release of a region, or all of it, and return the report of it.

    Raises ``Refused`` or ``Unavailable`` where the region does not give it whole: then nothing is applied, and files
    that are whole wait for the next pull.
    """
    newest = store.newest(region.name)
    scope = _scope(region)
    is_next = newest is not None and newest.scope == scope and not is_full
    since = newest.until if newest is not None and is_next else ""
    job = None if is_full else store.job(region.name)
    if job is None or (job.since, job.scope) != (since, scope):
        job = Job(region=region.name, place=conversation.kick_off(since), since=since, scope=scope)
        store.keep(job)
    ours = into / INCOMING / region.name
    folder = ours / hashlib.sha256(job.place.encode()).hexdigest()[:32]
    try:
        announced = _awaited(conversation, job.place, pause, step)
        _fetch(conversation, announced, folder, step)
    except Lost:
        store.drop(region.name)
        raise
    release = Release(
        region=region.name, number=(newest.number if newest is not None else 0) + 1, until=announced.until, since=since,
        scope=scope, applied=now, facts=json.dumps(announced.facts, sort_keys=True),
    )  # fmt: skip
    report = _apply(store, release, announced, folder)
    shutil.rmtree(ours)
    try:
        conversation.forget(job.place)
    except (Refused, Unavailable):  # it expires by itself
        report["jobKept"] = True
    return report


def _scope(region: Region) -> str:
    """What is asked for: another one has to come whole first."""
    return json.dumps([region.base, region.group, sorted(region.types)])


def _awaited(conversation: Conversation, place: str, pause: Callable[[float], None], step: Step) -> Announced:
    """The manifest of an export, once it is complete."""
    waited = 0
    while (progress := conversation.status(place)).manifest is None:
        if waited > PATIENCE:
            raise Unavailable("the region's export does not end", "no-answer")
        step("waiting", 0, 1)
        pause(progress.seconds)
        waited += progress.seconds
    step("waiting", 1, 1)
    return verified.announced(progress.manifest)


def _fetch(conversation: Conversation, announced: Announced, folder: Path, step: Step) -> None:
    """Bring every file that is not here yet. A file has its name once it is whole and verified."""
    os.makedirs(folder, mode=0o700, exist_ok=True)

    def fetch(file: File) -> None:
        path = folder / file.stored
        if path.exists() and _is_whole(file, path):
            return
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        target = durable.new(part)
        with target:
            conversation.file(file.url, target, needs_token=announced.needs_token)
            durable.close(target)
        try:
            verified.require_digest(file, part)
        except Refused:
            part.unlink()
            raise
        durable.rename({part: path})

    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            for done, _ in enumerate(threads.map(fetch, announced.files), 1):
                step("files", done, len(announced.files))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _is_whole(file: File, path: Path) -> bool:
    """Whether a file that waits is the one that the manifest names now; one without a digest is fetched again."""
    try:
        verified.require_digest(file, path)
    except Refused:
        return False
    return bool(file.sha256)


def _apply(store: ResearchStore, release: Release, announced: Announced, folder: Path) -> dict[str, Any]:
    """Apply what lies in the folder; a file whose lines are wrong goes, so that the next pull fetches it anew. What the
    region itself says is not all of it takes nothing away, and the next pull asks since the same instant again."""
    by_use: dict[str, list[File]] = {"output": [], "deleted": [], "error": []}
    for file in announced.files:
        by_use[file.use].append(file)

    def read_all(use: str, read: Callable[[File, Path], Any]) -> Any:
        for file in by_use[use]:
            try:
                yield from read(file, folder / file.stored)
            except Refused:
                (folder / file.stored).unlink()
                raise

    errors = Counter(read_all("error", verified.severities))
    if errors.keys() & FAULTS:
        release = release.model_copy(update={"until": release.since, "is_part": True})
    brought, gone = store.apply(
        release, read_all("deleted", verified.deletions), read_all("output", verified.resources)
    )
    return {
        "region": release.region, "release": release.number, "since": release.since, "until": release.until,
        "files": len(announced.files), "resources": dict(sorted(brought.items())), "gone": gone,
        "issues": dict(sorted(errors.items())), "held": store.counts(release.region), "jobKept": False,
    }  # fmt: skip
