"""``gateway audit``: show, seal and verify the audit."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import JsonAlways
from gateway.commands._start import opened

if TYPE_CHECKING:
    from gateway.composition import Gateway
    from gateway.store.audit import Audit

VERB = typer.Typer(help="The audit, and the hash chains that cover it and the ledger of releases.")


@VERB.command()
def show(
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the newest so many events.", show_default=False)
    ] = None,
    as_json: JsonAlways = False,
) -> int:
    """Print the events in the order written, one JSON line each."""
    with opened() as gateway, closing(gateway.audit()) as audit:
        for event in audit.events(limit=limit):
            print(json.dumps(event))
    return OK


@VERB.command()
def seal(as_json: JsonAlways = False) -> int:
    """Extend the hash chains over what was written since the last seal, then verify them."""
    with opened() as gateway, closing(gateway.audit()) as audit:
        audit.seal()
        return _verify(gateway, audit)


@VERB.command()
def verify(as_json: JsonAlways = False) -> int:
    """Recompute the hash chains. Exit 1 where one does not hold."""
    with opened() as gateway, closing(gateway.audit()) as audit:
        return _verify(gateway, audit)


def _verify(gateway: Gateway, audit: Audit) -> int:
    from gateway.store import ledger

    verdict = audit.verify()
    with gateway.store.read() as session:
        broken = [*verdict.broken, *([] if ledger.is_whole(session) else ["ledger of releases"])]
    print(json.dumps({"rows": verdict.rows, "sealed": verdict.sealed, "broken": broken}))
    return WITH_REJECTS if broken else OK
