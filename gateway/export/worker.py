"""The worker: exports asked for over HTTP are claimed, one after the other, and run to their release or their
failure."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from gateway import log, processes
from gateway.errors import GatewayError
from gateway.export import jobs as exports
from gateway.store import jobs
from gateway.store.database import Store

POLL_SECONDS, SWEEP_SECONDS = 1.0, 3600.0


def work(store: Store, folder: Path, root: bytes, stop: threading.Event, *, workers: int | None = None) -> None:
    """Run what waits, until told to stop, and clear away what has expired. A job whose worker was killed is taken up
    again after its lease."""
    swept = -SWEEP_SECONDS
    while not stop.is_set():
        if time.monotonic() - swept >= SWEEP_SECONDS:
            sweep(store, folder)
            swept = time.monotonic()
        if not work_once(store, folder, root, workers=workers):
            stop.wait(POLL_SECONDS)


def beside(store: Store, folder: Path, root: bytes, *, workers: int | None = None) -> AbstractContextManager[None]:
    """``work`` in a thread of this process while a block runs."""
    return processes.thread("exports", lambda stop: work(store, folder, root, stop, workers=workers))


def work_once(store: Store, folder: Path, root: bytes, *, workers: int | None = None) -> bool:
    """Claim the oldest waiting export and run it into ``folder``/<job>; False when nothing waits.

    A failure is the job's, not the worker's: the job is marked ``failed``, and the next one is taken.
    """
    with store.read() as session:
        if not jobs.is_waiting(session, exports.KIND, store.clock()):
            return False
    with store.write() as session:
        job = jobs.claim(session, exports.KIND)
    if job is None:
        return False
    try:
        exports.run(store, job.id, folder / job.id, root, workers=workers)
    except Exception as error:  # the worker outlives any job; what failed is named, never told
        log.event(
            "export.failed",
            job=job.id,
            error=type(error).__name__,
            reason=str(error) if isinstance(error, GatewayError) else "bug",
        )
        with store.write() as session:
            jobs.fail(session, job.id)
        exports.discard(store, job.id, folder / job.id)
    return True


def sweep(store: Store, folder: Path) -> None:
    """Remove the files of releases whose time is over: what is no longer answered is no longer kept."""
    for path in sorted(folder.glob("*")):
        if exports.discard(store, path.name, path):
            log.event("export.expired", job=path.name)
