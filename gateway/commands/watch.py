"""``gateway watch``: deliveries that arrive in folders and on SFTP servers."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson, Mappers
from gateway.commands._start import opened, serving, start
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway import config
    from gateway.intake.report import Report
    from gateway.intake.watch.watches import Watch
    from gateway.intake.watch.watching import Watcher


def watch(
    feed: Annotated[
        list[str] | None,
        typer.Option(help="A feed to watch for; may be repeated. By default each that has a `watch` table."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Load what is there and end: 1 if something was not loaded, or is missing.")
    ] = False,
    workers: Mappers = None,
    as_json: AsJson = False,
) -> int:
    """Load deliveries as they arrive in folders or on SFTP servers, until SIGINT or SIGTERM.

    Each is loaded once, when it is whole, in the order of the extracts. It can be killed at any point.
    """
    settings = start()
    watches = _watches(settings, feed or [])
    with opened(settings) as gateway, closing(gateway.writing_audit()) as audit:
        from gateway import memory
        from gateway.intake.watch.watching import Watcher
        from gateway.store import watched

        gateway.mark_audit()
        memory.collect_seldom()
        settings.spool.mkdir(mode=0o700, exist_ok=True)
        with watched.alone(settings.watch_file):
            watched.forget_others(settings.watch_file, _names(settings))
            watcher = Watcher(
                gateway.store, gateway.code_sets(), watches, settings.spool, settings.watch_file,
                lambda *became: _print(as_json, *became), workers,
            )  # fmt: skip
            feeds = sorted(folder_watch.feed.name for folder_watch in watches)
            with audit.sealing(), serving(gateway, "watch.serve", feeds=feeds):
                return _run(watcher, once, as_json, watches)


def _run(watcher: Watcher, once: bool, as_json: bool, watches: list[Watch]) -> int:
    with _stopping(watcher):
        if once:
            return OK if watcher.once() else WITH_REJECTS
        for folder_watch in watches:
            print(
                json.dumps({"feed": folder_watch.feed.name, "state": "watching"}) if as_json else _begun(folder_watch),
                flush=True,
            )
        watcher.run()
    return OK


def _begun(watch: Watch) -> str:
    return f"{watch.feed.name}: watching"


@contextmanager
def _stopping(watcher: Watcher) -> Iterator[None]:
    """Have both signals stop the watcher between two transactions."""
    before = {
        number: signal.signal(number, lambda *_: watcher.stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watches(settings: config.Settings, names: list[str]) -> list[Watch]:
    """The watches of the feeds that are named, or of each that has one."""
    from gateway import feeds
    from gateway.intake.watch import watches
    from mappings import sources

    chosen = [feeds.read(settings, name) for name in dict.fromkeys(names)] or feeds.watched(settings)
    if not chosen:
        raise Refused("no feed has a watch table: GATEWAY_FEEDS says what is watched")
    by_name = sources()
    opened_watches = [watches.opened(feed, by_name, settings.spool) for feed in chosen]
    folders = [folder_watch.folder.resolve() for folder_watch in opened_watches]
    if len(set(folders)) < len(folders):
        raise Refused("two feeds watch one folder")
    return opened_watches


def _names(settings: config.Settings) -> frozenset[str]:
    """The feeds that say that they are watched, whether this command watches them or not."""
    from gateway import feeds

    return frozenset(feed.name for feed in feeds.watched(settings))


def _print(as_json: bool, watch: Watch, title: str, report: Report | None, why: str) -> None:
    """Say what became of a delivery."""
    from gateway import steering

    name = watch.feed.name
    state = "refused" if why else "loaded" if report else "loaded before"
    if as_json:
        facts = {"feed": name, "delivery": title, "state": state, "reason": why}
        print(json.dumps({**facts, "report": report.as_dict() if report else None}), flush=True)
        return
    words = f"{name}: {title or 'a delivery'} {state}"
    if report:
        words += f", {report.rows['read']:,} rows, {sum(report.rejects.values()):,} rejects, {report.seconds:.1f} s"
    print(steering.line(f"{words}: {why}" if why else words), flush=True)


VERB = watch
