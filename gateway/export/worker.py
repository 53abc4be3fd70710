"""The worker: exports asked for over HTTP are claimed one after the other, gathered, and run to their release."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from gateway import log, processes
from gateway.errors import GatewayError
from gateway.export import folder, gather, running, standing
from gateway.store import jobs, members
from gateway.store.database import Store

POLL_SECONDS, SWEEP_SECONDS = 1.0, 3600.0


def work(store: Store, exports: Path, root: bytes, stop: threading.Event, *, workers: int | None = None) -> None:
    """Run waiting exports until stopped, and remove expired ones. A job whose worker was killed is taken up again after
    its lease."""
    swept = -SWEEP_SECONDS
    while not stop.is_set():
        if time.monotonic() - swept >= SWEEP_SECONDS:
            sweep(store, exports)
            swept = time.monotonic()
        if not work_once(store, exports, root, workers=workers):
            stop.wait(POLL_SECONDS)


def beside(store: Store, exports: Path, root: bytes, *, workers: int | None = None) -> AbstractContextManager[None]:
    """Run ``work`` in a thread of this process while the block runs."""
    return processes.thread("exports", lambda stop: work(store, exports, root, stop, workers=workers))


def work_once(store: Store, exports: Path, root: bytes, *, workers: int | None = None) -> bool:
    """Claim the oldest waiting export and run it into ``exports``/<job>; False when nothing waits.

    A failure is the job's, not the worker's: the job is marked ``failed``, and the next one is taken.
    """
    with store.read() as session:
        if not jobs.is_waiting(session, standing.KIND, store.clock()):
            return False
    with store.write() as session:
        job = jobs.claim(session, standing.KIND)
    if job is None:
        return False
    try:
        running.run(store, job.id, exports / job.id, root, workers=workers)
    except Exception as error:  # a failed job must not end the worker; the log names the failure without values
        _fail(store, job.id, exports / job.id, error)
    return True


def _fail(store: Store, id_: str, out: Path, error: Exception) -> None:
    reason = str(error) if isinstance(error, GatewayError) else "bug"
    log.event("export.failed", job=id_, error=type(error).__name__, reason=reason)
    if not isinstance(error, gather.Stopped):  # a job that another process has taken up has not failed
        with store.write() as session:
            jobs.fail(session, id_)
    _discard_staged(store)
    folder.discard(store, id_, out)


def sweep(store: Store, exports: Path) -> None:
    """Remove the files of releases whose time is over, and members staged for a job that is not gathered any more."""
    for path in sorted(exports.glob("*")):
        if folder.discard(store, path.name, path):
            log.event("export.expired", job=path.name)
    _discard_staged(store)


def _discard_staged(store: Store) -> None:
    with store.read() as session:
        left = members.left_staged(session)
    for id_ in left:
        gather.discard(store, id_)
