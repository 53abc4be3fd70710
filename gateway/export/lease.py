"""Keeps the lease of a job from a thread while somebody works on it: one part may take longer than a lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from gateway import log, processes
from gateway.errors import Unavailable
from gateway.store import jobs
from gateway.store.database import Store

LOOK_SECONDS = 0.2
"""How often the thread looks whether it is to renew the lease or to stop, at most."""
RENEWALS = 4
"""Renewals in the time of one lease: a few may meet an outage, or wait for a loader's turn, and the lease still
stands."""


@contextmanager
def kept(store: Store, job: jobs.Job, stop: threading.Event | None = None) -> Iterator[None]:
    """Renew the lease of a claimed job until the block ends. When ``stop`` is set the job is given back: whoever comes
    next may take it at once, and the block meets ``gather.Stopped`` in its next transaction."""
    with processes.thread("lease", partial(_keep, store, job, stop or threading.Event())):
        yield


def _keep(store: Store, job: jobs.Job, stop: threading.Event, ended: threading.Event) -> None:
    seconds = jobs.LEASE / RENEWALS / 1_000_000
    renewed, is_ours = time.monotonic(), True
    while is_ours and not ended.wait(min(LOOK_SECONDS, seconds)):
        try:
            if stop.is_set():
                with store.write() as session:
                    jobs.give_back(session, job)
                return
            if time.monotonic() - renewed >= seconds:
                with store.write() as session:
                    is_ours = jobs.hold(session, job)
                renewed = time.monotonic()
        except Unavailable:
            continue  # the next turn tries again
        except Exception as error:  # a thread that ends gives the job to another while this one works on
            log.bug(error)
