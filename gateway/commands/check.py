"""``gateway check``: look for damage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson
from gateway.commands._start import opened
from gateway.errors import AUDIT_DAMAGED, GatewayError, Unavailable

if TYPE_CHECKING:
    from gateway.composition import Gateway
    from gateway.store.checking import Progress

Fault = tuple[str, int]
"""What is damaged, and in how many rows (0: not known)."""
PAGES = "pages of the database"


def check(as_json: AsJson = False) -> int:
    """Look for damage in the database, the index and the audit.

    Exit 0 where all is whole, 1 where something is damaged, 2 where it could not be looked at, as in a data folder that
    does not exist.
    """
    from gateway import console

    with console.progress("check", "rows") as progress:
        faults = _of_all(progress)
    if as_json:
        print(json.dumps({"damage": [{"what": what, "count": count} for what, count in faults]}))
    else:
        print("\n".join(f"{what}: {count}" if count else what for what, count in faults) or "whole")
    return WITH_REJECTS if faults else OK


def _of_all(progress: Progress) -> list[Fault]:
    faults: list[Fault] = []
    with _damage_told(faults, PAGES), opened() as gateway:
        gateway.require_data_folder()
        with _damage_told(faults, PAGES):
            _of_store(gateway, progress, faults)
        with _damage_told(faults, "audit: its rows in the database"):
            faults += _of_audit(gateway)
    return faults


def _of_store(gateway: Gateway, progress: Progress, faults: list[Fault]) -> None:
    from gateway.store import checking

    with gateway.store.read() as session:
        for fault in checking.damage(session, progress):
            faults.append((fault.what, fault.count))


def _of_audit(gateway: Gateway) -> list[Fault]:
    try:
        with closing(gateway.audit()) as audit:
            return [(f"audit: {place}", 0) for place in audit.verify().broken]
    except Unavailable as fault:
        if fault.code != AUDIT_DAMAGED:
            raise
        return [(f"audit: {fault}", 0)]
    except GatewayError as fault:
        return [(f"audit: {fault}", 0)]


@contextmanager
def _damage_told(faults: list[Fault], what: str) -> Iterator[None]:
    """Add damage that ends the block to what was found. An outage passes: then it could not be looked at."""
    from gateway.store import checking
    from gateway.store import faults as outages

    try:
        yield
    except checking.DAMAGED:
        faults.append((what, 0))
    except Unavailable as error:
        if error.code != outages.DAMAGED:
            raise
        faults.append((what, 0))


VERB = check
