"""``gateway serve``: the FHIR API."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway import config
from gateway.commands._failures import OK
from gateway.commands._start import opened, serving
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.composition import Gateway, Service

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
MOST_PROCESSES = 64
LEAST_WAIT, MOST_WAIT = 1.0, 60.0
"""Seconds before a worker that ended is started again: doubled each time, until one has lived as long as the most."""
POLL_SECONDS = 0.5
STOP_SECONDS = 3.0
"""Seconds that a worker has to end when the server does."""
WORKER = (sys.executable, "-m", "gateway", "work", "--with-parent")


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = config.HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")
    ] = config.PORT,
    workers: Annotated[
        int, typer.Option(min=1, max=MOST_PROCESSES, help="Processes that answer, on PostgreSQL: one for each core.")
    ] = 1,
    no_work: Annotated[
        bool,
        typer.Option("--no-work", help="Start no worker for exports beside it: `gateway work` runs elsewhere."),
    ] = False,
) -> int:
    """Serve the FHIR API until SIGINT or SIGTERM, with a worker for exports beside it."""
    os.environ.pop(COUNTS, None)  # somebody's own: the counts of one process are no files
    with opened() as gateway:
        _require_processes(gateway, workers)
        with _counts(workers) as counts:
            _serve(gateway, host, port, nullcontext() if no_work else _worker(), workers, counts)
    return OK


def _require_processes(gateway: Gateway, count: int) -> None:
    """Raise ``Refused`` for several processes on SQLite. It has one writer at a time, and reads are audited in a file
    that one process writes for all who wait: several would wait for each other at every answer."""
    if count > 1 and not gateway.store.postgres:
        raise Refused("--workers needs PostgreSQL: on SQLite one process writes the audit that each answer waits for")


@contextmanager
def _counts(count: int) -> Iterator[Path | None]:
    """A private folder for what several processes count together, also for the library of the metrics, which looks for
    its name when it is imported; None for one process."""
    if count == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gateway-serve-", ignore_cleanup_errors=True) as folder:
        os.environ[COUNTS] = folder
        yield Path(folder)


def _serve(
    gateway: Gateway, host: str, port: int, worker: AbstractContextManager[None], count: int, counts: Path | None
) -> None:
    from gateway import feeds, log, memory, metrics
    from gateway.api import server, supervising
    from gateway.api.app import create_app
    from gateway.composition import open_service

    feeds.check(gateway.settings)
    with open_service(gateway) as service:
        listeners = server.listen(host, port)
        bound = listeners[0].getsockname()[1]
        address, audit = config.address(host, bound), service.door.audit
        if counts:
            metrics.tell_of(audit)  # this process seals, and the others tell of it
            answer = partial(supervising.supervise, supervising.Worker(_service, address, counts), count, counts)
        else:
            answer = partial(server.serve, create_app(service, address))
            memory.collect_seldom()
        with audit.sealing(), serving(gateway, "serve"), worker:
            log.event("serving", port=bound, mode=gateway.store.mode)
            answer(listeners)


def _service() -> Service:
    """What one of several processes answers with: a store of its own, which ends with it."""
    from gateway.composition import open_service

    return open_service(opened())


def _worker() -> AbstractContextManager[None]:
    """A worker beside the server while a block runs. One that ends is logged and started again."""
    from gateway import processes

    return processes.thread("worker", _keep_working)


def _keep_working(stop: threading.Event) -> None:
    wait = LEAST_WAIT
    while not stop.is_set():
        started = time.monotonic()
        status = _run_worker(stop)
        if stop.is_set():
            return
        if time.monotonic() - started >= MOST_WAIT:
            wait = LEAST_WAIT
        _log_ended(status, wait)
        stop.wait(wait)
        wait = min(2 * wait, MOST_WAIT)


def _run_worker(stop: threading.Event) -> int:
    """Run one worker until it ends or is to stop; return its exit code. It ends when this process does, however that
    happens: its standard input closes. One that is in the middle of an export is killed: whoever works next takes the
    job up again, and the audit of the server has its end."""
    with subprocess.Popen(WORKER, stdin=subprocess.PIPE) as process:
        while process.poll() is None and not stop.wait(POLL_SECONDS):
            pass
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode


def _log_ended(status: int, wait: float) -> None:
    from gateway import log

    log.event("worker.ended", status=status, seconds=wait)


VERB = serve
