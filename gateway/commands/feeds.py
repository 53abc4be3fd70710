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
    from gateway.store.inbox import Standing

OUTCOMES = ("AA", "AE", "AR", "CA", "CE", "CR")


def feeds(
    late: Annotated[
        int, typer.Option(min=1, help="Exit 1 where a message waits for longer than this many seconds.")
    ] = 300,
    as_json: AsJson = False,
) -> int:
    """Show how each feed stands that listens: received, acknowledged, waiting. Exit 1 if one is behind."""
    with opened() as gateway:
        from gateway.store import inbox

        now = gateway.store.clock()
        shown = [_shown(name, standing, now) for name, standing in inbox.standings(gateway.settings.inbox_file).items()]
    if not shown and not as_json:
        print("no feed has listened here yet: gateway listen")
    for facts in shown:
        print(json.dumps(facts) if as_json else steering.line(_line(facts)))
    return WITH_REJECTS if any(facts["oldestSeconds"] > late for facts in shown) else OK


def _shown(name: str, standing: Standing, now: int) -> dict[str, Any]:
    return {
        "feed": name,
        "waiting": standing.waiting,
        "oldestSeconds": max(now - standing.oldest, 0) // 1_000_000 if standing.waiting else 0,
        "lastSeconds": max(now - standing.last, 0) // 1_000_000 if standing.last else None,
        "counts": dict(sorted(standing.counts.items())),
    }


def _line(facts: dict[str, Any]) -> str:
    counts = facts["counts"]
    answered = ", ".join(f"{code} {counts[code]:,}" for code in OUTCOMES if counts.get(code))
    waiting = f"{facts['waiting']:,} waiting"
    waiting += f", the oldest for {facts['oldestSeconds']:,} s" if facts["waiting"] else ""
    return (
        f"{facts['feed']}: {counts.get('received', 0):,} received ({answered or 'none acknowledged'}), "
        f"{counts.get('mapped', 0):,} mapped, {counts.get('duplicates', 0):,} sent again; {waiting}"
    )


VERB = feeds
