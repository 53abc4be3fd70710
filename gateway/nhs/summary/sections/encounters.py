"""Encounters: the contacts of the last months, those open now, and those of which no end was ever received."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    Row,
    day,
    is_before,
    is_error,
    months_before,
    newest,
    order,
    row,
    shown_date,
    text,
    when,
)

ENCOUNTER_MONTHS = 6
OPEN = frozenset({"in-progress", "onleave", "arrived", "triaged"})
STAYS = frozenset({"IMP", "ACUTE", "NONAC", "OBSENC", "SS"})
"""Classes of a stay in hospital: its end is a discharge."""
EMERGENCY = frozenset({"EMER"})
STATUS = {"onleave": "on leave", "cancelled": "CANCELLED", "unknown": "status not known"}
NOTHING_SINCE = "nothing received since"


def encounters(record: Record) -> list[Row]:
    """Contacts that began or ended in the period, those that may still be open or planned, and those without a date. An
    open one whose end never came is no current one: it says when it was last heard of."""
    since = months_before(record.today, ENCOUNTER_MONTHS)
    shown = [
        held for held in record.of("Encounter") if not is_error(held.resource) and not _is_old(held.resource, since)
    ]
    rows = [_encounter(record, held) for held in shown]
    now = {held.reference for held in shown if is_now(record, held)}
    return sorted(newest(rows), key=lambda line: now.isdisjoint(line.references))


def is_now(record: Record, held: Held) -> bool:
    """Whether a visit is open now: nobody ended it, and it was spoken of no longer ago than a visit of its class may
    last (``kinds.RELATIONSHIP_DAYS``, which decides the same for access)."""
    resource, today = held.resource, record.today
    if resource.get("status") not in OPEN or resource.get("period", {}).get("end"):
        return False
    last, days = _last_heard(resource, today.isoformat()), kinds.open_days(held.kind, "Encounter", class_of(resource))
    return bool(last) and not (days is not None and is_before(last, (today - timedelta(days=days)).isoformat()))


def _is_old(resource: dict[str, Any], since: str) -> bool:
    ended = resource.get("period", {}).get("end", "")
    return resource.get("status") not in (*OPEN, "planned") and is_before(ended or when(resource), since)


def class_of(resource: dict[str, Any]) -> str:
    """The class of a visit, or ""."""
    code: str = resource.get("class", {}).get("code", "")
    return code


def _last_heard(resource: dict[str, Any], today: str) -> str:
    """The last day up to today that a visit speaks of, such as a move to another ward; "" for none."""
    return max((date for date in _dates(resource) if day(date) <= today), default="", key=order)


def _dates(resource: dict[str, Any]) -> Iterator[str]:
    places = [place.get("period", {}) for place in resource.get("location", ())]
    for period in (resource.get("period", {}), *places):
        yield from (period[name] for name in ("start", "end") if period.get(name))


def _encounter(record: Record, held: Held) -> Row:
    resource = held.resource
    title = text((resource.get("type") or [{}])[0]) or resource.get("class", {}).get("display", "") or "Encounter"
    ended = resource.get("period", {}).get("end", "")
    details = (place_of(resource), f"to {shown_date(ended)}" if ended else "", reason_of(record, held))
    return row(held, title, when(resource), details, _flags(record, held), timed=True)


def place_of(resource: dict[str, Any]) -> str:
    """The last place that a visit names, such as a ward; "" for none."""
    stays = (
        stay["location"].get("display", "") for stay in reversed(resource.get("location", ())) if "location" in stay
    )
    return next(stays, "")


def reason_of(record: Record, held: Held) -> str:
    """Why the contact took place, if the reader may see it."""
    said = held.resource.get("reasonCode", ()) if record.tells(held, "reasonCode") else ()
    reasons = ", ".join(filter(None, map(text, said)))
    return f"reason: {reasons}" if reasons else ""


def _flags(record: Record, held: Held) -> tuple[str, ...]:
    resource, status = held.resource, held.resource.get("status", "")
    is_stay, said = class_of(resource) in STAYS, STATUS.get(status, "")
    if status == "planned":
        planned = when(resource)
        is_past = is_before(planned, record.today.isoformat())
        return (f"was planned for {shown_date(planned)}; {NOTHING_SINCE}" if is_past else "planned",)
    if status not in OPEN or resource.get("period", {}).get("end"):
        return (said,)
    no_end = f"no {'discharge' if is_stay else 'end'} received"
    if is_now(record, held):
        return (f"{'in hospital' if is_stay else 'open'} now ({no_end})", said)
    last = _last_heard(resource, record.today.isoformat())
    return (f"{no_end}; last heard {shown_date(last)}" if last else f"{no_end}; date unknown", said)
