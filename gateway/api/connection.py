"""One HTTP connection: what a stranger may send, and for how long, before anybody knows who calls.

uvicorn's parser bounds neither the size of a request's head nor the time it takes, and counts no connections. The
limits here hold before the application is asked. Source of the class: OWASP ASVS 5.0 4.2.5 and 15.1.3; Slowloris.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.api import errors


@dataclass(frozen=True)
class Bounds:
    """The limits of one connection, in bytes, numbers and seconds."""

    url: int = 8 * 1024
    head: int = 32 * 1024
    """Bytes of request line and headers together. A token takes 8 KiB at most."""
    headers: int = 100
    pipelined: int = 8
    """Requests that wait on one connection behind the one that is answered."""
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    send_seconds: float = 30.0
    """Time that a client has to take more of an answer when its buffer is full."""
    linger_seconds: float = 1.0
    linger: int = 64 * 1024
    """Bytes that are read and dropped after a refusal, so that the client can read it before the connection ends."""


USUAL = Bounds()
MOST_CONNECTIONS = 1000
REFUSALS = {
    408: ("timeout", "the request took too long"),
    414: ("too-long", "the URL is too long"),
    429: ("throttled", "too many requests wait on one connection"),
    431: ("too-long", "the headers are too large"),
    503: ("throttled", "too many connections"),
}


def most_connections() -> int:
    """How many connections are served at once: half of the file descriptors of the process, so that the database, the
    audit and files always find one."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if descriptors < 0 else max(8, min(MOST_CONNECTIONS, descriptors // 2))


def _uncounted(status: int) -> None:
    """Nobody counts refusals."""


class Connections:
    """The open connections of one server. When there are too many, the one that has waited longest without a whole
    request is closed: half-open connections never keep a caller out."""

    def __init__(self, most: int, refused: Callable[[int], None] = _uncounted) -> None:
        self.most, self.refused = most, refused
        self.waiting: OrderedDict[Connection, None] = OrderedDict()

    def make_room(self, count: int) -> bool:
        """Close the oldest waiting connection if ``count`` is more than the most. Return False where none waits: all of
        them are being answered."""
        if count <= self.most:
            return True
        if not self.waiting:
            return False
        oldest, _ = self.waiting.popitem(last=False)
        oldest.drop()
        return True


def protocol(
    bounds: Bounds = USUAL, most: int | None = None, refused: Callable[[int], None] = _uncounted
) -> Callable[..., asyncio.Protocol]:
    """What makes the connections of one server, for uvicorn's ``http``. ``refused`` is told the status of each
    refusal."""
    connections = Connections(most_connections() if most is None else most, refused)

    def make(
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        return Connection(config, server_state, app_state, _loop, bounds, connections)

    return make


class _TooMuch(Exception):
    """Ends the parsing of a request that is refused."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, bounded. ``_refused`` holds the status of a refusal once there is one."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
        bounds: Bounds,
        open_ones: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.bounds, self.open_ones = bounds, open_ones
        self.url = b""
        self._is_in_head, self._is_in_body, self._head = True, False, 0
        self._refused: int | None = None
        self._dropped = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None

    # What the transport says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self.open_ones.make_room(len(self.connections)):
            self._refuse(503)
            return
        self.open_ones.waiting[self] = None
        self._expect(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_ones.waiting.pop(self, None)
        self._expect(None)
        self._stop_sending_clock()
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            self._dropped += len(data)
            if self._dropped > self.bounds.linger:
                self.transport.abort()
            return
        if self._is_in_head:
            self._head += len(data)
            if self._deadline is None:
                self._expect(self.bounds.head_seconds)
        super().data_received(data)
        if self._is_in_head and self._head > self.bounds.head and self._refused is None:
            self._refuse(414 if len(self.url) > self.bounds.url else 431)
            if self._head > self.bounds.head + self.bounds.linger:  # far too much: no waiting for the rest
                self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._sending is None:
            self._sending = self.loop.call_later(self.bounds.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_sending_clock()

    # What the parser says

    def on_message_begin(self) -> None:
        if self._refused is not None:
            raise _TooMuch
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) > self.bounds.url:
            self._stop(414)
        if size > self.bounds.head or len(self.headers) > self.bounds.headers:
            self._stop(431)
        if len(self.pipeline) >= self.bounds.pipelined:
            self._stop(429)
        self._is_in_head, self._is_in_body, self._head = False, True, 0
        self.open_ones.waiting.pop(self, None)
        self._expect(self.bounds.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head, self._is_in_body, self._head, self.url = True, False, 0, b""
        self._expect(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_soon(self.bounds.send_seconds)
        elif not self.pipeline and self._is_in_head:
            self.open_ones.waiting[self] = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_soon(self.bounds.send_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refuses: with our own status where we stopped the parser."""
        if self._refused is None:
            self._answer(400, errors.outcome("invalid", "the request is not HTTP"))

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a stranger could fill the log."""

    # Deadlines and refusals

    def drop(self) -> None:
        """End a connection that has waited the longest, to make room: at once, because it holds a descriptor."""
        self._refused = 408
        self.open_ones.refused(408)
        self.transport.abort()

    def _expect(self, seconds: float | None) -> None:
        """Start the clock of what must come next, or stop it."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._is_late)

    def _is_late(self) -> None:
        self._deadline = None
        self._refuse(408)

    def _stop(self, status: int) -> None:
        """Refuse from within the parser, which then reads no further."""
        self._refuse(status)
        raise _TooMuch

    def _refuse(self, status: int) -> None:
        if self._refused is not None or self.transport.is_closing():
            return
        is_idle = self._is_in_head and not self._head
        if status == 408 and is_idle:  # nothing was asked, so nothing is answered
            self._refused = status
            self.transport.close()
            return
        self._answer(status, errors.outcome(*REFUSALS[status]))

    def _answer(self, status: int, body: bytes) -> None:
        """Write a refusal, read a little more so that the client can take it, and close."""
        self._refused = status
        self.open_ones.refused(status)
        self.open_ones.waiting.pop(self, None)
        self._expect(None)
        if self.cycle is not None and not self.cycle.response_complete:
            has_begun = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if has_begun or self.pipeline or self._is_in_head:  # an answer to an earlier request is under way
                self.transport.abort()
                return
        again = b"retry-after: 5\r\n" if status in (429, 503) else b""
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: " + errors.FHIR_JSON.encode() + b"\r\n"
            + b"content-length: %d\r\n" % len(body)
            + b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n" + again
            + b"connection: close\r\n\r\n" + body
        )  # fmt: skip
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._end_soon(self.bounds.linger_seconds)

    def _end_soon(self, seconds: float) -> None:
        """End the connection after so many seconds, whether the client took everything or not."""
        if self._ending is None:
            self._ending = self.loop.call_later(seconds, self.transport.abort)

    def _stop_sending_clock(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
