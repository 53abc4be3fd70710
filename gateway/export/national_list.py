"""The national data opt-out list, taken from a file. A missing, faulty or stale list means that nobody is released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.fhir.dates import DAY, moment
from gateway.nhs import identifiers
from gateway.store import optouts
from gateway.store.changes import record_write
from gateway.store.database import Session, Store


def load(store: Store, path: Path) -> dict[str, Any]:
    """Put a list in force: one NHS number a line, a comma behind it allowed. Raises ``Invalid("line 7")``, or
    ``Refused`` for a list of nobody; then the old list stays."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise Refused("the opt-out list cannot be read") from None
    numbers = [_number(line, place) for place, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not numbers:
        raise Refused("the opt-out list is empty: that cannot be told from silence")
    with store.write() as session:
        loaded = optouts.replace(session, numbers, session.now)
        record_write(session, {"act": "optout.load", "count": loaded.count, "hash": loaded.hash})
    return _status(loaded)


def _number(line: str, place: int) -> str:
    number = identifiers.normalise(line.strip().removesuffix(","))
    if not identifiers.is_valid(number):
        raise Invalid(f"line {place}")
    return number


def status(store: Store) -> dict[str, Any]:
    """The list in force: when, how many, its hash; never its members."""
    with store.read() as session:
        in_force = optouts.in_force(session)
    return _status(in_force) if in_force else {"state": "absent"}


def _status(in_force: optouts.ListInForce) -> dict[str, Any]:
    loaded = moment(in_force.loaded).isoformat(timespec="seconds")
    return {"state": "loaded", "loaded": loaded, "count": in_force.count, "hash": in_force.hash}


def require_fresh(session: Session, now: int, days: int) -> optouts.ListInForce:
    """The list in force. Raises ``Refused`` when there is none or it is older than ``days``: nobody is released."""
    in_force = optouts.in_force(session)
    if in_force is None:
        raise Refused("no opt-out list is loaded: nobody is released")
    if now - in_force.loaded > days * DAY:
        raise Refused("the opt-out list is stale: nobody is released")
    return in_force
