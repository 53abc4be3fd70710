"""``gateway quarantine``: what could not be mapped."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway.commands import _deliveries
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson, FeedName, SourceName
from gateway.commands._start import opened

VERB = typer.Typer(help="Groups that could not be mapped: list them, or map them again after a fix.")


@VERB.command("list")
def list_(
    source: Annotated[str | None, typer.Argument(help="Only what this source sent.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the groups in quarantine with the place of each fault. Exit 1 if there are any."""
    with opened() as gateway:
        from gateway.store import quarantine

        with gateway.store.read() as session:
            waiting = quarantine.waiting(session, source)
    for name, delivery, place, reason in waiting:
        line = json.dumps({"source": name, "delivery": delivery, "place": place, "reason": reason})
        print(line if as_json else f"{name}: {place}")
    return WITH_REJECTS if waiting else OK


@VERB.command()
def replay(source: SourceName, feed: FeedName = "default", as_json: AsJson = False) -> int:
    """Map the quarantined groups of a source again. Exit 1 if some remain in quarantine."""
    return _deliveries.replay(source, feed, as_json, rejects=False)
