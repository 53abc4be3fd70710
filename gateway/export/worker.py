"""The worker: exports asked for over HTTP are claimed one after the other, gathered, and run to their release."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from gateway import log, processes
from gateway.errors import Conflict, GatewayError, Refused, Unavailable
from gateway.export import folder, gather, recut, running, standing
from gateway.store import faults, jobs, members
from gateway.store.database import Store
from gateway.store.session import Session

POLL_SECONDS, SWEEP_SECONDS = 1.0, 3600.0
MOST_WAIT = 60.0
"""Seconds between two attempts in an outage, at most: each waits twice as long as the one before."""


def work(store: Store, exports: Path, root: bytes, stop: threading.Event, *, workers: int | None = None) -> None:
    """Run waiting exports until stopped, and remove expired ones. A job whose worker was killed is taken up again after
    its lease. In an outage the worker waits and tries again; when it is stopped it gives back its job between parts."""
    with processes.thread("recuts", lambda ended: _recut(store, root, stop, ended)):
        _run(store, exports, root, stop, workers)


def _recut(store: Store, root: bytes, stop: threading.Event, ended: threading.Event) -> None:
    """Cut changed parts of releases again, beside the export that runs: a client waits for them."""
    while not (stop.is_set() or ended.is_set()):
        try:
            if not recut_once(store, root, workers=1, stop=stop):
                stop.wait(POLL_SECONDS)
        except Unavailable as outage:
            log.event("export.outage", reason=outage.code, seconds=POLL_SECONDS)
            stop.wait(POLL_SECONDS)
        except Exception as error:  # a thread that ends would leave clients waiting until the next start
            log.bug(error)
            stop.wait(POLL_SECONDS)


def _run(store: Store, exports: Path, root: bytes, stop: threading.Event, workers: int | None) -> None:
    swept, wait = -SWEEP_SECONDS, POLL_SECONDS
    while not stop.is_set():
        try:
            if time.monotonic() - swept >= SWEEP_SECONDS:
                sweep(store, exports)
                swept = time.monotonic()
            if not work_once(store, exports, root, workers=workers, stop=stop):
                stop.wait(POLL_SECONDS)
            wait = POLL_SECONDS
        except Unavailable as outage:
            log.event("export.outage", reason=outage.code, seconds=wait)
            stop.wait(wait)
            wait = min(2 * wait, MOST_WAIT)


def beside(store: Store, exports: Path, root: bytes, *, workers: int | None = None) -> AbstractContextManager[None]:
    """Run ``work`` in a thread of this process while the block runs."""
    return processes.thread("exports", lambda stop: work(store, exports, root, stop, workers=workers))


def work_once(
    store: Store,
    exports: Path,
    root: bytes,
    *,
    workers: int | None = None,
    stop: threading.Event | None = None,
) -> bool:
    """Claim the oldest waiting export and run it into ``exports``/<job>; False when nothing waits.

    A failure is the job's, not the worker's: the job is marked ``failed``, and the next one is taken. An outage is
    neither's: it raises ``Unavailable``, and the job is taken up again after its lease.
    """
    with faults.named():
        job = _claimed(store, jobs.is_waiting, jobs.claim)
        if job is None:
            return False
        try:
            running.run(store, job.id, exports / job.id, root, claimed=job, workers=workers, stop=stop)
        except gather.Stopped:
            log.event("export.stopped", job=job.id)
            _clean(store, job.id, exports / job.id)
        except Exception as error:  # the worker outlives any job; the log names what failed and holds no values
            if _is_outage(error):
                raise
            _fail(store, job, exports / job.id, error)
    return True


def recut_once(store: Store, root: bytes, *, workers: int | None = None, stop: threading.Event | None = None) -> bool:
    """Claim the oldest release with parts to be cut again, and cut them; False when there is none.

    What cannot be done stays to be done: after its lease the release is taken up again. An outage raises
    ``Unavailable``.
    """
    with faults.named():
        job = _claimed(store, jobs.is_changed, jobs.claim_changed)
        if job is None:
            return False
        try:
            recut.again(store, job, root, workers=workers, stop=stop)
        except gather.Stopped:
            log.event("export.stopped", job=job.id)
            folder.discard(store, job.id, Path(job.outcome["out"]))
        except (Refused, Conflict) as refusal:
            recut.give_up(store, job, refusal)
        except Exception as error:  # the worker outlives any job
            if _is_outage(error):
                raise
            log.bug(error)
    return True


def _claimed(
    store: Store, is_there: Callable[[Session, str, int], bool], claim: Callable[[Session, str], jobs.Job | None]
) -> jobs.Job | None:
    """A job under a new claim, None where there is none: the writer's turn is taken only where one is seen."""
    with store.read() as session:
        if not is_there(session, standing.KIND, store.clock()):
            return None
    with store.write() as session:
        return claim(session, standing.KIND)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, Unavailable) or bool(faults.meaning(error))


def _fail(store: Store, job: jobs.Job, out: Path, error: Exception) -> None:
    """Mark the job failed and remove what was written for it. A job that another process has taken has not failed."""
    reason = str(error) if isinstance(error, GatewayError) else "bug"
    log.event("export.failed", job=job.id, error=type(error).__name__, reason=reason)
    with store.write() as session:
        jobs.fail(session, job)
    _clean(store, job.id, out)


def _clean(store: Store, id_: str, out: Path) -> None:
    """Remove what was written for a job that has ended without a release. Another job is left as it is."""
    _discard_members(store, id_)
    folder.discard(store, id_, out)


def sweep(store: Store, exports: Path) -> None:
    """Remove what nobody may have any more: the files of releases whose time is over, and members, which hold NHS
    numbers, of jobs that need none. A job that is not released by the end of its time has failed."""
    for path in sorted(exports.glob("*")):
        if folder.discard(store, path.name, path):
            log.event("export.expired", job=path.name)
    now = store.clock()
    with store.read() as session:
        left = members.left(session, standing.KIND, now - standing.KEPT_FOR, now)
    for id_ in left:
        _discard_members(store, id_)


def _discard_members(store: Store, id_: str) -> None:
    """Remove the members of a job while nobody needs them."""

    def require_left(session: Session) -> None:
        job = jobs.get(session, id_)
        is_left = members.is_left(session, id_, standing.KIND, session.now - standing.KEPT_FOR, session.now)
        if job is None or not is_left:
            raise gather.Stopped(gather.STOPPED)
        jobs.fail(session, job)

    with suppress(gather.Stopped):
        gather.discard(store, id_, require_left)
