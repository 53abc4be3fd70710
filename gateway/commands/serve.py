"""``gateway serve``: the FHIR API."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated

import typer

from gateway import config
from gateway.commands._failures import OK
from gateway.commands._start import opened


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
        from gateway import log, memory
        from gateway.api import server
        from gateway.api.app import create_app
        from gateway.composition import open_service

        with open_service(gateway) as service:
            listeners = server.listen(host, port)
            bound = listeners[0].getsockname()[1]
            app = create_app(service, config.address(host, bound))
            memory.collect_seldom()
            with service.door.audit.sealing(), nullcontext() if no_work else _worker():
                log.event("serving", port=bound, mode=gateway.store.mode)
                server.serve(app, listeners)
    return OK


@contextmanager
def _worker() -> Iterator[None]:
    """Start a worker process beside the server. It ends with this process in any case, because its standard input
    closes."""
    command = [sys.executable, "-m", "gateway", "work", "--with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE):
        yield


VERB = serve
