"""``gateway check``: look for damage."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson
from gateway.commands._start import opened
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.composition import Gateway
    from gateway.store.checking import Progress


def check(as_json: AsJson = False) -> int:
    """Look for damage in the database, the index and the audit.

    Exit 0 where all is whole, 1 where something is damaged, 2 where it could not be looked at.
    """
    from gateway import console

    with opened() as gateway, console.progress("check", "rows") as progress:
        faults = [*_of_store(gateway, progress), *_of_audit(gateway)]
    if as_json:
        print(json.dumps({"damage": [{"what": what, "count": count} for what, count in faults]}))
    else:
        print("\n".join(f"{what}: {count}" if count else what for what, count in faults) or "whole")
    return WITH_REJECTS if faults else OK


def _of_store(gateway: Gateway, progress: Progress) -> list[tuple[str, int]]:
    from gateway.store import checking

    try:
        with gateway.store.read() as session:
            return [(fault.what, fault.count) for fault in checking.damage(session, progress)]
    except checking.DAMAGED:
        return [("pages of the database", 0)]


def _of_audit(gateway: Gateway) -> list[tuple[str, int]]:
    from gateway.store import checking

    try:
        with closing(gateway.audit()) as audit:
            return [(f"audit: {place}", 0) for place in audit.verify().broken]
    except GatewayError as fault:
        return [(f"audit: {fault}", 0)]
    except checking.DAMAGED:
        return [("audit: its file is damaged", 0)]


VERB = check
