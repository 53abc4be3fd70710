"""``gateway audit``: show, seal and verify the audit."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson, JsonAlways
from gateway.commands._start import opened
from gateway.errors import GatewayError, Invalid, Unavailable

if TYPE_CHECKING:
    from gateway.composition import Gateway
    from gateway.store.audit import Audit
    from gateway.store.chain import Verdict

PATIENCE = 2.0
"""Seconds that `show` waits for a load's turn, to seal."""
VERB = typer.Typer(help="The audit, and the hash chains that cover it and the ledger of releases.")


@VERB.command()
def show(
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the newest so many events.", show_default=False)
    ] = None,
    as_json: JsonAlways = False,
) -> int:
    """Print the events in the order written, one JSON line each.

    The audit records that it was looked at. Where it cannot be written, as on a full disk, the events are printed all
    the same, standard error says so, and the exit code is 1.
    """
    with opened() as gateway, closing(gateway.audit()) as audit:
        gateway.store.patience = PATIENCE
        events = audit.events(limit=limit)
        first = next(events, None)  # begins the snapshot, so that what is shown ends before this act
        is_recorded = _is_recorded(audit, limit)
        for event in chain([] if first is None else [first], events):
            print(json.dumps(event))
        if is_recorded:
            _seal_soon(gateway)
    return OK if is_recorded else WITH_REJECTS


def _is_recorded(audit: Audit, limit: int | None) -> bool:
    """Record the act among the reads, which wait for no load; say whether that could be done. Who may run this may read
    the files too, and an audit that nobody can read is of no use in an outage."""
    from gateway.store.changes import attributed

    try:
        audit.record(attributed({"act": "audit.show", "limit": limit or 0}))
    except Unavailable:
        print("gateway audit show: the audit cannot be written: this look at it is not recorded", file=sys.stderr)
        return False
    return True


def _seal_soon(gateway: Gateway) -> None:
    """Seal what was recorded, if nothing is in the way: else the next sealer does. Looking at the audit needs no
    key."""
    from gateway.store import faults

    with suppress(GatewayError, OSError), faults.named():
        gateway.seal()


@VERB.command()
def seal(as_json: JsonAlways = False) -> int:
    """Extend the hash chains over what was written since the last seal, then verify them."""
    with opened() as gateway, closing(gateway.writing_audit()) as audit:
        audit.seal()
        return _verify(gateway, audit)


@VERB.command()
def verify(
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A file of checkpoints that was kept elsewhere, one a line; may be repeated."),
    ] = None,
    as_json: JsonAlways = False,
) -> int:
    """Recompute the hash chains, and compare them with checkpoints.

    Exit 1 where anything does not hold, 2 where there is nothing to look at, as in a data folder that does not exist.
    """
    with opened() as gateway:
        gateway.require_data_folder()
        if fault := gateway.lost_audit():
            return _print([fault])
        with closing(gateway.audit()) as audit:
            return _verify(gateway, audit, against or ())


@VERB.command()
def checkpoint(as_json: AsJson = False) -> int:
    """Seal the audit, then print a signed checkpoint: where its chains stand, as one line of text.

    Keep it where nobody who works here can write: `audit verify --against` proves with it that nothing before it was
    removed or changed. Exit 1 and no checkpoint where the chains do not hold.
    """
    with opened() as gateway, closing(gateway.writing_audit()) as audit:
        audit.seal()
        if broken := audit.verify().broken:
            return _print(broken)
        own, heads = gateway.audit_keys(), audit.heads()
        facts = {"checkpoint": own.signed(heads), "at": heads.at, **heads.chains(), "key": own.public}
    print(json.dumps(facts) if as_json else facts["checkpoint"])
    return OK


@VERB.command()
def accept(by: Actor, as_json: JsonAlways = False) -> int:
    """Accept that something up to the newest checkpoint is lost: the audit records it, and checkpoints begin anew.

    Checkpoints that are kept elsewhere go on showing the loss, and a chain that was changed stays broken.
    """
    with opened() as gateway, closing(gateway.writing_audit()) as audit:
        from gateway.store.changes import record_write

        broken = audit.verify().broken
        with gateway.store.write() as session:
            record_write(session, {"act": "audit.accept", "by": by, "lost": broken})
        gateway.audit_keys().write(audit.heads())
        audit.seal()
        return _verify(gateway, audit)


def _verify(gateway: Gateway, audit: Audit, against: Sequence[Path] = ()) -> int:
    from gateway.export import standing
    from gateway.store import jobs, ledger

    heads, faults = [], []
    for path in against:
        try:
            heads += gateway.audit_keys().checkpoints(path)
        except Invalid as fault:
            faults.append(str(fault))
    verdict = audit.verify(*heads)
    with gateway.store.read() as session:
        faults += [] if ledger.is_whole(session) else ["ledger of releases"]
        released = jobs.released(session, (standing.KIND, standing.BY_HAND))
        if missing := ledger.unlisted(session, released):
            faults.append(f"ledger of releases: {missing} are missing")
    return _print([*verdict.broken, *faults], verdict)


def _print(broken: list[str], verdict: Verdict | None = None) -> int:
    """Print what is broken, and how much of the audit was looked at, is under a seal, and under one with a key."""
    rows, sealed, keyed = (verdict.rows, verdict.sealed, verdict.keyed) if verdict else (0, 0, 0)
    print(json.dumps({"rows": rows, "sealed": sealed, "keyed": keyed, "unsealed": rows - sealed, "broken": broken}))
    return WITH_REJECTS if broken else OK
