"""``gateway serve``: the FHIR API."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from gateway import config
from gateway.commands._failures import OK
from gateway.commands._start import opened, serving

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
    no_work: Annotated[
        bool,
        typer.Option("--no-work", help="Start no worker for exports beside it: `gateway work` runs elsewhere."),
    ] = False,
) -> int:
    """Serve the FHIR API until SIGINT or SIGTERM, with a worker for exports beside it."""
    with opened() as gateway:
        from gateway import feeds, log, memory
        from gateway.api import server
        from gateway.api.app import create_app
        from gateway.composition import open_service

        feeds.check(gateway.settings)
        with open_service(gateway) as service:
            listeners = server.listen(host, port)
            bound = listeners[0].getsockname()[1]
            app = create_app(service, config.address(host, bound))
            memory.collect_seldom()
            with service.door.audit.sealing(), serving(gateway, "serve"), nullcontext() if no_work else _worker():
                log.event("serving", port=bound, mode=gateway.store.mode)
                server.serve(app, listeners)
    return OK


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
