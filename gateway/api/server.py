"""How the application is served: by uvicorn, which logs nothing. Its lines would hold addresses, which may name a
patient."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from gateway import processes
from gateway.api import connection
from gateway.errors import Refused

GRACE = 10
"""Seconds that requests have to end when the server is stopped."""
BACKLOG = 2048
"""Connections that wait to be accepted, at most."""
RECEIVED = 128 * 1024
"""Bytes that the system holds of one connection before they are read."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on a port (0: a free one) of each address of ``host``. Raises ``Refused`` when that cannot be done."""
    with ExitStack() as opened:
        try:
            listeners = _listeners(host, port, opened)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Refused(f"port {port} is in use") from None
            raise Refused("cannot listen on this host and port") from None
        opened.pop_all()
    return listeners


def _listeners(host: str, port: int, opened: ExitStack) -> list[socket.socket]:
    """A listener for each address of ``host``. All of them are closed with ``opened``."""
    addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    for family, address in dict.fromkeys((entry[0], entry[4]) for entry in addresses):
        number = listeners[0].getsockname()[1] if listeners else port
        listeners.append(_listener(family, (address[0], number), opened))
    return listeners


def _listener(family: int, address: tuple[object, int], opened: ExitStack) -> socket.socket:
    listener = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener


def serve(
    app: FastAPI,
    listeners: Sequence[socket.socket],
    stop: threading.Event | None = None,
    bounds: connection.Bounds = connection.USUAL,
) -> None:
    """Serve until SIGINT or SIGTERM, and return: what the caller does at its end is then done after either. In a
    thread, which hears no signal, ``stop`` ends it. ``bounds`` are those of each connection."""
    server = uvicorn.Server(configured(app, protocol_of(app, bounds)))
    app.state.issuers.ask_for_keys()
    with _stopping(server), _stopped_by(stop, server):
        server.run(sockets=list(listeners))


def protocol_of(app: FastAPI, bounds: connection.Bounds = connection.USUAL) -> Callable[..., asyncio.Protocol]:
    """What makes the connections of an application."""
    return connection.protocol(bounds, refused=app.state.metrics.connection_refused)


def configured(app: Any, http: Callable[..., asyncio.Protocol], **more: Any) -> uvicorn.Config:
    """How uvicorn serves an application, or what makes one."""
    return uvicorn.Config(
        app,
        http=cast(type[asyncio.Protocol], http),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        **more,
    )


@contextmanager
def _stopped_by(stop: threading.Event | None, server: uvicorn.Server) -> Iterator[None]:
    """Have an event stop the server."""
    if stop is None:
        yield
        return

    def wait(ended: threading.Event) -> None:
        while not ended.is_set() and not stop.wait(0.1):
            pass
        server.should_exit = True

    with processes.thread("stop", wait):
        yield


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Have both signals stop the server. uvicorn handles them while it serves, then raises the signal again for the
    handler that was there before: with Python's own, the process would end before its caller has finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
