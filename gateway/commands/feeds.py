"""``gateway feeds``: how each feed stands, one line each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import steering
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson
from gateway.commands._start import opened

if TYPE_CHECKING:
    from gateway.store.inbox import Standing as Listened
    from gateway.store.watched import Standing as Watched

OUTCOMES = ("AA", "AE", "AR", "CA", "CE", "CR")


def feeds(
    late: Annotated[
        int, typer.Option(min=1, help="Exit 1 where a message waits for longer than this many seconds.")
    ] = 300,
    as_json: AsJson = False,
) -> int:
    """Show how each feed stands that listens or is watched: what came, what waits. Exit 1 if one is behind."""
    with opened() as gateway:
        from gateway import feeds as tables
        from gateway.store import inbox, watched

        now, settings = gateway.store.clock(), gateway.settings
        listened = [_listened(*pair, now, late) for pair in inbox.standings(settings.inbox_file).items()]
        known = watched.standings(settings.watch_file)
        names = sorted(feed.name for feed in tables.watched(settings))
        standings = {name: known.get(name, watched.Standing()) for name in names}
        shown = [*listened, *(_watched(*pair, now) for pair in standings.items())]
    if not shown and not as_json:
        print("no feed has listened or was watched here yet: gateway listen, gateway watch")
    for facts in shown:
        print(json.dumps(facts) if as_json else steering.line(_line(facts)))
    return WITH_REJECTS if any(facts["isBehind"] for facts in shown) else OK


def _seconds(since: int, now: int) -> int | None:
    return max(now - since, 0) // 1_000_000 if since else None


def _listened(name: str, standing: Listened, now: int, late: int) -> dict[str, Any]:
    oldest = (_seconds(standing.oldest, now) if standing.waiting else 0) or 0
    return {
        "feed": name,
        "way": "listen",
        "waiting": standing.waiting,
        "oldestSeconds": oldest,
        "lastSeconds": _seconds(standing.last, now),
        "counts": dict(sorted(standing.counts.items())),
        "isBehind": oldest > late,
    }


def _watched(name: str, standing: Watched, now: int) -> dict[str, Any]:
    faults = standing.faults(now)
    return {
        "feed": name,
        "way": "watch",
        "source": standing.source,
        "waiting": standing.waiting,
        "incomplete": standing.incomplete,
        "refused": standing.refused,
        "reason": standing.reason,
        "gaps": [{"after": gap.low, "before": gap.high, "seconds": _seconds(gap.at, now)} for gap in standing.gaps],
        "lastSeconds": _seconds(standing.loaded, now),
        "lookedSeconds": _seconds(standing.looked, now),
        "extracted": max(standing.extracted.values(), default=""),
        "counts": dict(sorted(standing.counts.items())),
        "faults": faults,
        "isBehind": bool(faults),
    }


def _line(facts: dict[str, Any]) -> str:
    return _line_of_watch(facts) if facts["way"] == "watch" else _line_of_listen(facts)


def _line_of_listen(facts: dict[str, Any]) -> str:
    counts = facts["counts"]
    answered = ", ".join(f"{code} {counts[code]:,}" for code in OUTCOMES if counts.get(code))
    waiting = f"{facts['waiting']:,} waiting"
    waiting += f", the oldest for {facts['oldestSeconds']:,} s" if facts["waiting"] else ""
    return (
        f"{facts['feed']}: {counts.get('received', 0):,} received ({answered or 'none acknowledged'}), "
        f"{counts.get('mapped', 0):,} mapped, {counts.get('duplicates', 0):,} sent again; {waiting}"
    )


def _line_of_watch(facts: dict[str, Any]) -> str:
    counts = facts["counts"]
    came = f"{counts.get('loaded', 0):,} loaded, {facts['waiting']:,} waiting, {facts['incomplete']:,} incomplete"
    last = "never" if facts["lastSeconds"] is None else f"{facts['lastSeconds']:,} s ago"
    newest = f", newest extract {facts['extracted']}" if facts["extracted"] else ""
    faults = "; ".join([*facts["faults"], *([facts["reason"]] if facts["reason"] else [])])
    return f"{facts['feed']}: {came}; last {last}{newest}{f': {faults}' if faults else ''}"


VERB = feeds
