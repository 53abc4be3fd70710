"""The national data opt-out list, taken from a file and judged. A missing, faulty or stale list means that nobody is
released.

The national service answers with the numbers that were sent to it, less those who have opted out. That answer has the
form of the list of those who have, and the opposite meaning. So whoever loads a file says which it is, and it is
compared with the people held and with the list before it. What looks wrong is taken only if two people confirm it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.fhir.dates import DAY, moment
from gateway.nhs import identifiers, optout_list
from gateway.nhs.four_eyes import are_two_people
from gateway.store import optouts
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session


def load(
    store: Store, path: Path, *, holds: str = "", as_at: date | None = None, confirmed_by: Sequence[str] = ()
) -> dict[str, Any]:
    """Put a list in force: one NHS number a line, a comma behind it allowed.

    ``holds`` says what the numbers are (``optout_list.HOLDS``) and ``as_at`` on which day the list was true, from
    which its age counts; a live store needs both. Without a date a list is of today, and one that was loaded before of
    the day that it had then. Raises ``Invalid("line 7")``, or ``Refused`` for a list of nobody, the service's answer,
    and for what ``optout_list.doubts`` finds, unless it is ``confirmed_by`` two people. Then the old list stays, and
    the audit has the refusal.
    """
    try:
        return _load(store, path, holds, as_at, confirmed_by)
    except (Invalid, Refused) as refusal:
        with store.write() as session:
            record_write(session, {"act": "optout.load", "outcome": "refused", "why": str(refusal)})
        raise


def _load(store: Store, path: Path, holds: str, as_at: date | None, confirmed_by: Sequence[str]) -> dict[str, Any]:
    _require_stated(holds, as_at, is_live=not store.is_sandbox)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise Refused("the opt-out list cannot be read") from None
    numbers = [_number(line, place) for place, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not numbers:
        raise Refused("the opt-out list is empty: that cannot be told from silence")
    with store.write() as session:
        loaded, doubts = _replace(session, numbers, as_at)
        if doubts and not are_two_people(confirmed_by):
            why = "; ".join(doubts)
            raise Refused(f"{why}. The list in force stays, unless two people confirm this one: --confirmed-by, twice")
        confirmed = {"doubts": doubts, "confirmed_by": list(confirmed_by)} if doubts else {}
        record_write(
            session,
            {
                "act": "optout.load",
                "count": loaded.count,
                "hash": loaded.hash,
                "as_at": _day(loaded.as_at),
                **confirmed,
            },
        )
    return _status(loaded)


def _require_stated(holds: str, as_at: date | None, *, is_live: bool) -> None:
    if holds not in ("", *optout_list.HOLDS):
        raise Invalid("--holds")
    if holds == "kept":
        raise Refused("the answer of the service holds those who have NOT opted out: load the list of those who have")
    if is_live and not (holds and as_at):
        raise Refused("say what the file holds and of which day it is: --holds opted-out --as-at DATE")


def _replace(session: Session, numbers: Sequence[str], as_at: date | None) -> tuple[optouts.ListInForce, list[str]]:
    """Write the list and compare it with the people held and with the list before it."""
    before, known = optouts.in_force(session), optouts.known_as_at(session, numbers)
    stated = _midnight(as_at) if as_at else None
    if stated is not None and stated > session.now:
        raise Invalid("--as-at: in the future")
    loaded = optouts.replace(session, numbers, known or session.now if stated is None else stated)
    held, listed = optouts.held(session, loaded.key)
    doubts = optout_list.doubts(
        held=held,
        listed=listed,
        before=before.count if before else 0,
        after=loaded.count,
        lost=optouts.lost(session, before.key, loaded.key) if before else 0,
        is_older=stated is not None and before is not None and stated < before.as_at - before.as_at % DAY,
        is_known=stated is not None and known is not None and stated > known,
    )
    return loaded, doubts


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _day(at: int) -> str:
    return moment(at).date().isoformat()


def _number(line: str, place: int) -> str:
    number = identifiers.normalise(line.strip().removesuffix(","))
    if not identifiers.is_valid(number):
        raise Invalid(f"line {place}")
    return number


def status(store: Store) -> dict[str, Any]:
    """The list in force: when it was loaded, of which day it is, how many, its hash; never its members."""
    with store.read() as session:
        in_force = optouts.in_force(session)
    return _status(in_force) if in_force else {"state": "absent"}


def _status(in_force: optouts.ListInForce) -> dict[str, Any]:
    loaded = moment(in_force.loaded).isoformat(timespec="seconds")
    return {
        "state": "loaded", "loaded": loaded, "asAt": _day(in_force.as_at), "count": in_force.count,
        "hash": in_force.hash,
    }  # fmt: skip


def require_fresh(session: Session, now: int, days: int) -> optouts.ListInForce:
    """The list in force. Raises ``Refused`` when there is none or its own date is more than ``days`` ago: nobody is
    released."""
    in_force = optouts.in_force(session)
    if in_force is None:
        raise Refused("no opt-out list is loaded: nobody is released")
    if now - in_force.as_at > days * DAY:
        raise Refused("the opt-out list is stale: nobody is released")
    return in_force
