"""Several processes behind one listening socket: uvicorn's supervisor starts them, and starts again one that ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gateway import log, memory, processes, shared_counts
from gateway.api import server
from gateway.api.app import create_app
from gateway.composition import Service
from gateway.errors import GatewayError, Refused

HUNG_SECONDS = 30
"""A process that has not answered its parent for so long is killed and started again. A start takes a few. A thread of
its own answers: a process that is stopped is noticed, one whose requests wait for something is not."""
STOP_SECONDS = server.GRACE + 5
"""Seconds that a process has to end, once it is told to."""
AGAIN_SECONDS = 5
"""Seconds before a process ends that could not start: it is started again at once."""


class Worker:
    """One of the processes. It is made in the parent, and makes its application where it runs. ``open_`` must be a
    function that is found by its name; ``address`` and ``counts`` are ``create_app``'s."""

    def __init__(self, open_: Callable[[], Service], address: str, counts: Path):
        self._open, self._address, self._counts = open_, address, counts
        self._protocol: Callable[..., asyncio.Protocol] | None = None

    def app(self) -> FastAPI:
        """The application. Where it cannot be made now, as while the database is away, the process ends after a
        while."""
        processes.end_with_parent(_end)
        try:
            app = create_app(self._open(), self._address, self._counts)
        except Exception as error:
            if isinstance(error, GatewayError):
                log.event("process.failed", reason=str(error))
            else:
                log.bug(error)
            time.sleep(AGAIN_SECONDS)
            sys.exit(1)
        memory.collect_seldom()
        app.state.issuers.ask_for_keys()
        self._protocol = server.protocol_of(app)
        return app

    def connection(self, *arguments: Any, **more: Any) -> asyncio.Protocol:
        """One connection of the application, for uvicorn's ``http``."""
        if self._protocol is None:
            raise RuntimeError("there is no application yet")
        return self._protocol(*arguments, **more)


def _end() -> None:
    """The parent was killed: answer what is being answered, and end."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)


def supervise(worker: Worker, count: int, counts: Path, listeners: Sequence[socket.socket]) -> None:
    """Serve with ``count`` processes until SIGINT or SIGTERM, and return when they have answered what they were asked.
    ``counts`` is the folder of their metrics. Raises ``Refused`` where they cannot start."""
    config = server.configured(
        worker.app, worker.connection, factory=True, workers=count, timeout_worker_healthcheck=HUNG_SECONDS
    )
    _Supervisor(config, list(listeners), counts).run()


class _Supervisor(Multiprocess):
    """uvicorn's supervisor, with an end in time and with a look at each process that ended."""

    def __init__(self, config: uvicorn.Config, listeners: list[socket.socket], counts: Path):
        before = {number: signal.getsignal(number) for number in signal.valid_signals()}
        super().__init__(config, listeners)
        self._before = {number: handler for number, handler in before.items() if signal.getsignal(number) != handler}
        self._counts = counts
        self._known: set[int] = set()

    def run(self) -> None:
        """Serve until told to stop. Raises ``Refused`` where a process says that it will never start. Whatever ends it,
        the processes end with it: nobody would supervise them."""
        try:
            super().run()
        except BaseException:
            self._stop()
            raise
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            raise Refused("the processes of the server cannot start")

    def _stop(self) -> None:
        try:
            self.terminate_all()
        finally:
            self.join_all()

    def keep_subprocess_alive(self) -> None:
        """Start again what has ended, and forget what it alone counted."""
        super().keep_subprocess_alive()
        running = {process.pid for process in self.processes if process.pid}
        for number in self._known - running:
            self._forget(number)
            log.event("process.ended")
        self._known = running

    def _forget(self, number: int) -> None:
        """What a process counted is not worth the others: a file may be cut short, or the folder be gone."""
        try:
            shared_counts.forget(self._counts, number)
        except Exception as error:
            log.bug(error)

    def join_all(self) -> None:
        """Wait for the processes to end. One that does not end in time is killed."""
        until = time.monotonic() + STOP_SECONDS
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()
                process.process.join()

    def handle_ttin(self) -> None:
        """Their number is the operator's word at the start: the database has room for so many."""

    def handle_ttou(self) -> None:
        """As ``handle_ttin``."""
