"""Where the person is now and what was arranged: in hospital since when and why, the last discharge, the package of
care as its council last said, the next appointment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.nhs import kinds
from gateway.nhs.summary.absences import ABSENCES
from gateway.nhs.summary.completeness import listed, named
from gateway.nhs.summary.record import Contribution, Held, Record
from gateway.nhs.summary.sections.encounters import (
    EMERGENCY,
    NEVER,
    OPEN,
    STAYS,
    class_of,
    end_of,
    has_ended,
    is_now,
    is_past,
    last_heard,
    place_of,
    reason_of,
)
from gateway.nhs.summary.sections.rows import Row, day, is_error, order, row, shown_date, shown_time, text, when
from gateway.nhs.summary.shown import CONTRIBUTES, Section

ENCOUNTERS = "encounters"
ACTIVE = "was active on"
STILL_OPEN = "sent as still open"
DIED = "The GP practice has recorded that this person died: nothing is told of where they are now."
BOOKED = {
    "booked": "", "arrived": "arrived", "checked-in": "checked in", "pending": "not confirmed by all", "proposed": "proposed, not booked",
}  # fmt: skip
"""The states of an appointment to come, with what to know of each."""


@dataclass(frozen=True, slots=True)
class Now:
    """The lines, and the sentences about what none of them tells."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def now(record: Record, sections: Sequence[Section]) -> Now:
    """What is known of now. What was not received is said by source: no line is not the same as nowhere."""
    if record.died is not None:
        return Now((), (DIED,))
    by_id = {section.id: section for section in sections}
    rows: list[Row] = []
    notes: list[str] = []
    if ENCOUNTERS not in record.sections:
        notes.append(f"Hospital visits and appointments: {ABSENCES[_closed(record, ENCOUNTERS)].said('')}")
    else:
        stays = [_stay(record, held) for held in _here(record)]
        rows += stays
        notes += [] if stays else [_no_stay(record)]
        rows += [_discharge(record, held) for held in _discharged(record)[:1]]
        rows += [_appointment(held) for held in _booked(record)[:1]]
    care, said = _care(record, by_id)
    return Now((*rows, *care), (*notes, *said))


def _closed(record: Record, right: str) -> str:
    return "scope" if right in record.out_of_scope else "role"


def _here(record: Record) -> list[Held]:
    """The visits to a hospital that are open now, newest first."""
    open_ = [
        held
        for held in record.of("Encounter")
        if class_of(held.resource) in STAYS | EMERGENCY and not is_error(held.resource) and is_now(record, held)
    ]
    return sorted(open_, key=lambda held: order(when(held.resource)), reverse=True)


def _stay(record: Record, held: Held) -> Row:
    resource = held.resource
    where = "In an emergency department" if class_of(resource) in EMERGENCY else "In hospital"
    away = " (on leave)" if resource.get("status") == "onleave" else ""
    end, last = end_of(resource), last_heard(record, resource)
    details = (
        place_of(resource),
        reason_of(record, held),
        f"expected to end {shown_time(end)}" if end else "",
        f"last heard {shown_date(last)}" if day(last) != day(when(resource)) else "",
    )
    line = row(held, f"{where}{away} since {_at(when(resource))}", when(resource), details, timed=True)
    return replace(line, flags=("no discharge received",))


def _at(value: str) -> str:
    return shown_time(value) if value else "an unknown date"


def _no_stay(record: Record) -> str:
    if record.withheld:
        return f"Hospital visits now: {ABSENCES['withheld'].said('')}"
    names = [named(record, source) for source in record.contributions if _is_hospital(source)]
    if not names:
        return "No hospital is part of this page: whether the person is in one is not known here."
    return f"No open hospital visit received from {listed(names)}."


def _is_hospital(source: Contribution) -> bool:
    could = kinds.of(source.kind)
    return (
        source.state in CONTRIBUTES
        and ENCOUNTERS in could.sections
        and not could.registers
        and ENCOUNTERS not in source.closed
    )


def _discharged(record: Record) -> list[Held]:
    """The stays that ended, the last first. One that is planned has not, whatever end it was given, and an end that is
    still to come is none."""
    ended = [
        held
        for held in record.of("Encounter")
        if class_of(held.resource) in STAYS and not is_error(held.resource) and held.resource.get("status") not in NEVER
        and has_ended(record, held.resource)
    ]  # fmt: skip
    return sorted(ended, key=lambda held: order(end_of(held.resource)), reverse=True)


def _discharge(record: Record, held: Held) -> Row:
    resource = held.resource
    ended = resource["period"]["end"]
    admitted = f"admitted {shown_date(when(resource))}" if when(resource) else ""
    details = (admitted, place_of(resource), reason_of(record, held))
    flags = (STILL_OPEN if resource.get("status") in OPEN else "",)
    return row(held, f"Last discharge {shown_date(ended)}", ended, details, flags)


def _booked(record: Record) -> list[Held]:
    """The appointments to come, the next first; of today that has no time too."""
    today = record.today.isoformat()
    booked = [
        held
        for held in record.of("Appointment")
        if held.resource.get("status") in BOOKED
        and (start := held.resource.get("start", ""))
        and (not is_past(record, start) if "T" in start else start >= today)
        and not is_error(held.resource)
    ]
    return sorted(booked, key=lambda held: order(held.resource["start"]))


def _appointment(held: Held) -> Row:
    start = held.resource["start"]
    service = ", ".join(filter(None, map(text, held.resource.get("serviceType", ()))))
    flags = (BOOKED[held.resource["status"]],)
    return row(held, f"Next appointment {shown_time(start)}", start, (service,), flags, timed=True)


def _care(record: Record, sections: Mapping[str, Section]) -> tuple[list[Row], list[str]]:
    """The care that a council said was active, each as at its day; or why none is told."""
    section = sections.get(kinds.SOCIAL_CARE)
    if section is None:
        return [], []
    if kinds.SOCIAL_CARE not in record.sections:
        return [], [f"Package of care: {section.absence}"]
    active = [row for row in section.rows if any(flag.startswith(ACTIVE) for flag in row.flags)]
    if active:
        return [replace(row, title=f"Care: {row.title}") for row in active], []
    names = [name.name for name in record.contributions if kinds.of(name.kind).is_social and name.state in CONTRIBUTES]
    return [], [f"No active package of care received from {' or '.join(names)}." if names else section.absence]
