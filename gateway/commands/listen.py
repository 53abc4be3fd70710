"""``gateway listen``: HL7 v2 messages over MLLP."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import AsJson
from gateway.commands._start import opened, serving, start
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway import config
    from gateway.intake.listen.listeners import Listener

SOURCE = "hl7v2"


def listen(
    feed: Annotated[
        list[str] | None,
        typer.Option(help="A feed to listen for; may be repeated. By default each that has a `listen` table."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on, of one feed; by default its table's.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port, of one feed; 0 takes a free one.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Receive HL7 v2 messages over MLLP until SIGINT or SIGTERM, and map them as they come.

    A message is on disk before it is acknowledged. What is not mapped at the end is mapped at the next start.
    """
    settings = start()
    listeners = _listeners(settings, feed or [], host, port)
    with opened(settings) as gateway, closing(gateway.writing_audit()) as audit:
        from gateway import memory
        from gateway.commands._deliveries import source_named
        from gateway.intake import take
        from gateway.intake.listen import stations
        from gateway.store.inbox import Inbox

        source, sets = source_named(SOURCE), gateway.code_sets()
        for listener in listeners:
            take.require_read(gateway.store, source, listener.feed)
        gateway.mark_audit()
        memory.collect_seldom()
        feeds = sorted(listener.feed.name for listener in listeners)
        with (
            closing(Inbox(settings.inbox_file)) as inbox,
            audit.sealing(),
            serving(gateway, "listen.serve", feeds=feeds),
        ):
            pairs = [(listener, source) for listener in listeners]
            stations.run(gateway.store, sets, inbox, pairs, lambda ports: _print(listeners, ports, as_json), _watch)
    return OK


def _listeners(settings: config.Settings, names: list[str], host: str | None, port: int | None) -> list[Listener]:
    """The listeners of the feeds that are named, or of each that says so itself."""
    from gateway import config, feeds
    from gateway.intake.listen import listeners

    named = [feeds.read(settings, name) for name in dict.fromkeys(names)]
    every = [feeds.read(settings, name) for name in config.tables(settings.feeds, "GATEWAY_FEEDS")]
    chosen = named or [feed for feed in every if listeners.is_one(feed)]
    if not chosen:
        raise Refused("no feed has a listen table: name one with --feed")
    if len(chosen) > 1 and (host is not None or port is not None):
        raise Refused("--host and --port are for one feed")
    return [listeners.opened(feed, host, port) for feed in chosen]


def _print(listeners: list[Listener], ports: Mapping[str, int], as_json: bool) -> None:
    """Say where each feed listens, once it does."""
    from gateway import log

    for listener in listeners:
        name, port = listener.feed.name, ports[listener.feed.name]
        log.event("listening", port=port)
        if as_json:
            facts = {"feed": name, "host": listener.settings.host, "port": port, "tls": listener.tls is not None}
            print(json.dumps(facts), flush=True)
        else:
            tls = ", TLS" if listener.tls else ""
            print(f"{name}: listening on {listener.settings.host}:{port}{tls}", flush=True)


def _watch(stop: Callable[[], None]) -> None:
    """Have both signals stop the listener."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop())


VERB = listen
