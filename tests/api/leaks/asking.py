"""Asks an application as a caller does, in this process and without a socket, and keeps all of the answer."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

HOST = "127.0.0.1:8000"
_CURSOR = re.compile(rb"_cursor=([A-Za-z0-9_\-=%]+)")


@dataclass(frozen=True)
class Probe:
    """One request, but for who asks."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    follows: bool = False
    """Whether the pages after the first are asked for too."""


@dataclass(frozen=True)
class Answer:
    """All that a caller learns of one request but the time that it took. A page's handle is encrypted anew each time;
    its length is kept."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    links: tuple[str, ...] = field(default=(), compare=False)


class Asker:
    """Whoever asks an application. Each request has the same id, which is an answer's only mark of its own."""

    def __init__(self, app: FastAPI):
        self._app, self._loop = app, asyncio.new_event_loop()

    def ask(self, probe: Probe, token: str = "") -> list[Answer]:
        """The answer to a probe, or its pages."""
        answers = [self._loop.run_until_complete(self._answer(probe, token))]
        while probe.follows and answers[-1].links and len(answers) < 4:
            answers.append(self._loop.run_until_complete(self._answer(Probe(answers[-1].links[0]), token)))
        return answers

    async def _answer(self, probe: Probe, token: str) -> Answer:
        path, _, query = probe.path.partition("?")
        sent = [("host", HOST), ("x-request-id", "probe"), *probe.headers]
        sent += [("authorization", f"Bearer {token}")] if token else []
        sent += [("content-length", str(len(probe.body)))] if probe.body else []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": probe.method, "scheme": "http", "path": path, "root_path": "",
            "raw_path": path.encode(), "query_string": query.encode(), "headers": [(name.encode(), value.encode()) for name, value in sent],
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000), "state": {},
        }  # fmt: skip
        received = [{"type": "http.request", "body": probe.body, "more_body": False}]
        messages: list[Any] = []

        async def receive() -> Any:
            return received.pop() if received else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        headers = sorted((name.decode(), value.decode()) for name, value in messages[0]["headers"])
        nexts = re.findall(rb'"relation":"next","url":"[^"]*?:8000([^"]+)"', body)
        plain = _CURSOR.sub(lambda match: b"_cursor=%d" % len(match[1]), body)
        return Answer(messages[0]["status"], tuple(headers), plain, tuple(link.decode() for link in nexts))

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
