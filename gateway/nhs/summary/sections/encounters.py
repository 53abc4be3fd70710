"""Encounters: the contacts of the last months and those still open."""

from __future__ import annotations

from typing import Any

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    Row,
    is_before,
    is_error,
    months_before,
    newest,
    row,
    shown_date,
    text,
    when,
)

ENCOUNTER_MONTHS = 6
OPEN = frozenset({"in-progress", "onleave", "arrived", "triaged", "planned"})
STATUS = {
    "in-progress": "open", "arrived": "open", "triaged": "open", "onleave": "on leave", "planned": "planned", "cancelled": "CANCELLED",
    "unknown": "status not known",
}  # fmt: skip


def encounters(record: Record) -> list[Row]:
    """Contacts that began or ended in the period, those still open or planned, and those without a date."""
    since = months_before(record.now.date(), ENCOUNTER_MONTHS)
    return newest(
        _encounter(held)
        for held in record.of("Encounter")
        if not is_error(held.resource) and not _is_old(held.resource, since)
    )


def _is_old(resource: dict[str, Any], since: str) -> bool:
    ended = resource.get("period", {}).get("end", "")
    return resource.get("status") not in OPEN and is_before(ended or when(resource), since)


def _encounter(held: Held) -> Row:
    resource = held.resource
    title = text((resource.get("type") or [{}])[0]) or resource.get("class", {}).get("display", "") or "Encounter"
    stays = (
        stay["location"].get("display", "") for stay in reversed(resource.get("location", ())) if "location" in stay
    )
    place = next(stays, "")
    ended = resource.get("period", {}).get("end", "")
    reasons = ", ".join(filter(None, map(text, resource.get("reasonCode", ()))))
    details = (place, f"to {shown_date(ended)}" if ended else "", f"reason: {reasons}" if reasons else "")
    return row(held, title, when(resource), details, (STATUS.get(resource.get("status", ""), ""),), timed=True)
