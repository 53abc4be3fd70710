"""The folder of an export: marked as one job's until the release, emptied when the job ends without one."""

from __future__ import annotations

from pathlib import Path

from gateway import durable
from gateway.errors import Refused
from gateway.export import part_files
from gateway.export.standing import ends
from gateway.store import jobs
from gateway.store.database import Store

MARK = ".job"
"""The file that names the job of an unreleased folder."""


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


def take(out: Path, job: str) -> None:
    """Make the folder, for its owner only, and mark it as this job's."""
    require_free(out, job)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (out / MARK).is_file():
        durable.write_whole(out / MARK, job.encode())
        durable.sync(out.parent)


def release(out: Path) -> None:
    """Remove the mark: the folder now holds a release."""
    (out / MARK).unlink()


def discard(store: Store, job: str, out: Path) -> bool:
    """Remove what was cut of a job that ended without a release, or whose time is over: nobody may have it. Say
    whether there was anything."""
    with store.read() as session:
        ended = jobs.get(session, job)
    if ended is None or not (ended.state in ("failed", "cancelled") or store.clock() >= ends(ended)):
        return False
    paths = [
        *out.glob("*.ndjson"),
        *out.glob(".*.part"),
        *out.glob(part_files.DECISIONS),
        *out.glob("manifest.json"),
        *out.glob(MARK),
    ]
    for path in paths:
        path.unlink(missing_ok=True)
    return bool(paths)
