"""Encounters: the contacts of the last months, those open now, and those of which no end was ever received."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    Row,
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
NIGHTS = frozenset({"IMP", "ACUTE", "NONAC"})
EMERGENCY = frozenset({"EMER"})
NEVER = frozenset({"planned", "cancelled"})
"""Of a visit that did not take place, or not yet."""
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
    """Whether a visit is open now: the person lives, nobody ended it, its hospital discharged the person from no later
    stay, and it was spoken of no longer ago than a visit of its class may last (``kinds.RELATIONSHIP_DAYS``, which
    decides the same for access). An end that is still to come is an expectation."""
    resource, today = held.resource, record.today
    if resource.get("status") not in OPEN or has_ended(record, resource) or record.died is not None:
        return False
    last, days = last_heard(record, resource), kinds.open_days(held.kind, "Encounter", class_of(resource))
    if not last or days is not None and is_before(last, (today - timedelta(days=days)).isoformat()):
        return False
    return not later_discharge(record, held)


def has_ended(record: Record, resource: dict[str, Any]) -> bool:
    """Whether the end of a visit has come: a day without a time has begun, a time has passed."""
    end = end_of(resource)
    return bool(end) and is_past(record, end)


def is_past(record: Record, at: str) -> bool:
    """Whether a time has passed, or a day has begun, by the moment of a record."""
    return order(at) <= order(record.now.isoformat())


def end_of(resource: dict[str, Any]) -> str:
    """The end that a visit was given, past or expected; "" for none."""
    end: str = resource.get("period", {}).get("end", "")
    return end


def later_discharge(record: Record, held: Held) -> str:
    """The end of a stay by night of the same hospital that began no earlier than this visit and ended after all that
    is heard of it: "" for none. A day case closes nothing: it may be of a person who stays on."""
    began, last = when(held.resource), last_heard(record, held.resource)
    ends = (
        end_of(other.resource)
        for other in record.of("Encounter")
        if other.ods == held.ods and other.reference != held.reference and class_of(other.resource) in NIGHTS
        and other.resource.get("status") not in NEVER and not is_error(other.resource)
        and has_ended(record, other.resource)
        and began and order(when(other.resource)) >= order(began)
    )  # fmt: skip
    return max((end for end in ends if order(end) > order(last)), default="", key=order)


def _is_old(resource: dict[str, Any], since: str) -> bool:
    ended = resource.get("period", {}).get("end", "")
    return resource.get("status") not in (*OPEN, "planned") and is_before(ended or when(resource), since)


def class_of(resource: dict[str, Any]) -> str:
    """The class of a visit, or ""."""
    code: str = resource.get("class", {}).get("code", "")
    return code


def last_heard(record: Record, resource: dict[str, Any]) -> str:
    """The last time up to now that a visit speaks of, such as a move to another ward; "" for none."""
    return max((at for at in _dates(resource) if is_past(record, at)), default="", key=order)


def _dates(resource: dict[str, Any]) -> Iterator[str]:
    places = [place.get("period", {}) for place in resource.get("location", ())]
    for period in (resource.get("period", {}), *places):
        yield from (period[name] for name in ("start", "end") if period.get(name))


def _encounter(record: Record, held: Held) -> Row:
    resource = held.resource
    title = text((resource.get("type") or [{}])[0]) or resource.get("class", {}).get("display", "") or "Encounter"
    details = (place_of(resource), _until(record, resource), reason_of(record, held))
    return row(held, title, when(resource), details, _flags(record, held), timed=True)


def _until(record: Record, resource: dict[str, Any]) -> str:
    end = end_of(resource)
    if not end:
        return ""
    return f"to {shown_date(end)}" if has_ended(record, resource) else f"expected to end {shown_date(end)}"


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
    if status not in OPEN or has_ended(record, resource):
        return (said,)
    no_end = f"no {'discharge' if is_stay else 'end'} received"
    if is_now(record, held):
        return (f"{'in hospital' if is_stay else 'open'} now ({no_end})", said)
    last, later = last_heard(record, resource), later_discharge(record, held)
    left = f"a later discharge was received, {shown_date(later)}" if later else ""
    return (f"{no_end}; last heard {shown_date(last)}" if last else f"{no_end}; date unknown", left, said)
