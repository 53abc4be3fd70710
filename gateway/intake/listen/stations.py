"""Runs the feeds that listen: their ports, the mapping behind them, what is counted of them, and their end."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from gateway.errors import Refused
from gateway.intake import take
from gateway.intake.flow import Flow
from gateway.intake.listen.emptying import Emptying
from gateway.intake.listen.listeners import Listener
from gateway.intake.listen.mllp import PIECE, Station
from gateway.nhs.codesets import CodeSets
from gateway.store.database import Store
from gateway.store.inbox import Inbox
from mappings import Source

STOP_SECONDS = 20.0
COUNT_SECONDS = 2.0
KNOWN_SECONDS = 5.0


class Publishers:
    """Which publishers the store takes messages from; looked up again at most so often for one that is not known."""

    def __init__(self, store: Store, source: Source):
        self._store, self._source = store, source
        self._looked = -KNOWN_SECONDS
        self._known: Callable[[str], bool] | None = lambda code: False

    def __call__(self, code: str) -> bool:
        if self._known is None or self._known(code):
            return True
        if time.monotonic() - self._looked >= KNOWN_SECONDS:
            self._known, self._looked = take.known(self._store, self._source), time.monotonic()
        return self._known is None or self._known(code)


async def _serve(stations: Sequence[Station], stop: asyncio.Event, ready: Callable[[Mapping[str, int]], None]) -> None:
    """Listen until ``stop`` is set; then acknowledge what was begun to be kept."""
    servers = [await _listen(station) for station in stations]
    ready({station.name: server.sockets[0].getsockname()[1] for station, server in zip(stations, servers)})
    counting = asyncio.create_task(_count(stations))
    await stop.wait()
    for server in servers:
        server.close()
    for station in stations:
        station.stop()
    until = time.monotonic() + STOP_SECONDS
    while any(station.open for station in stations) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    counting.cancel()


async def _listen(station: Station) -> asyncio.Server:
    settings, tls = station.listener.settings, station.listener.tls
    try:
        return await asyncio.start_server(
            station.connected,
            settings.host,
            settings.port,
            limit=PIECE,
            ssl=tls,
            ssl_handshake_timeout=10 if tls else None,
        )
    except OSError as error:
        words = "is in use" if error.errno == errno.EADDRINUSE else "cannot be listened on"
        raise Refused(f"{station.name}: port {settings.port} {words}") from None


async def _count(stations: Sequence[Station]) -> None:
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        for station in stations:
            await asyncio.to_thread(station.save_counts)


def run(
    store: Store,
    sets: CodeSets,
    inbox: Inbox,
    listeners: Sequence[tuple[Listener, Source]],
    ready: Callable[[Mapping[str, int]], None],
    watch: Callable[[Callable[[], None]], None],
) -> None:
    """Listen, and map behind it, until ``watch``'s argument is called. ``ready`` gets the port of each feed. What is
    kept and not mapped at the end is mapped at the next start."""
    held, waits = [0], inbox.waiting()
    stations = [
        Station(listener, source, store, inbox, Publishers(store, source), held, waits[listener.feed.name])
        for listener, source in listeners
    ]
    asyncio.run(_run(stations, sets, ready, watch))
    for station in stations:
        station.save_counts()


async def _run(
    stations: Sequence[Station],
    sets: CodeSets,
    ready: Callable[[Mapping[str, int]], None],
    watch: Callable[[Callable[[], None]], None],
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    watch(lambda: _told(loop, stop))
    by_name = {station.name: station for station in stations}

    def emptied(feed: str, count: int) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody counts any more
            loop.call_soon_threadsafe(by_name[feed].emptied, count)

    flows = {name: Flow(s.store, s.source, s.listener.feed, sets, "listen") for name, s in by_name.items()}
    days = max(station.listener.settings.remembered_days for station in stations)
    emptying = Emptying(stations[0].inbox, flows, emptied, days)
    ended = threading.Event()
    mapping = asyncio.create_task(asyncio.to_thread(emptying.run, ended))
    try:
        await _serve(stations, stop, ready)
    finally:
        ended.set()
        stations[0].inbox.arrived.set()
        await mapping


def _told(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(stop.set)
