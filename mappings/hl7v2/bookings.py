"""Appointments that were booked, moved, cancelled or not kept (SIU) to Appointments.

HL7 v2.4 chapter 10. An appointment is known by the filler's number (SCH-2), else the placer's (SCH-1), with its place
in a series (SCH-3). Its messages are replayed in order; each brings all that takes part (AIS, AIG, AIL, AIP), or
what it changes of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Group, Look
from mappings.hl7v2 import codes, times, values
from mappings.hl7v2.datatypes import location, practitioner
from mappings.hl7v2.message import Message, Segment
from mappings.hl7v2.people import by_person, owner
from mappings.hl7v2.replay import Fields, Sent, key_of, ordered, recorded
from mappings.vocabulary import UK_CORE

PROFILE = UK_CORE + "UKCore-Appointment"
BY_EVENT = {
    "S12": "booked", "S13": "booked", "S14": "", "S15": "cancelled", "S16": "cancelled", "S17": "entered-in-error", "S26": "noshow",
}  # fmt: skip
"""THE TABLE of events: booked, moved, changed, cancelled, discontinued, deleted, not kept; "" leaves the status."""
ENDED = frozenset({"cancelled", "entered-in-error", "noshow"})
OPENS = frozenset({"S12", "S13"})
"""Events that book an appointment again that had ended."""
WITHOUT_TIME = frozenset({"cancelled", "waitlist"})
"""Statuses that need no start (R4, app-3)."""
PARTS = ("AIS", "AIG", "AIL", "AIP")
"""A service, equipment, a place, a person."""
GONE = "D"
MINUTES = frozenset({"MIN", "M", "MINUTE", "MINUTES"})
NO_LENGTH = "Nobody said how long"
WANTED: dict[str, tuple[int, ...]] = {"SCH": (1, 2, 6, 7, 8, 9, 10, 11)}


@dataclass
class Booking:
    """What the messages so far say of one appointment of one person."""

    fields: Fields = field(default_factory=lambda: Fields(WANTED))
    status: str = ""
    parts: list[Segment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, message: Message) -> None:
        """Take one message: the status by its event, else by SCH-25, and who and what takes part where it says so."""
        event, sch = message.event, message["SCH"]
        by_event, said = BY_EVENT[event], codes.target("appointment_status", sch.text(25))
        status = by_event if by_event in ENDED else said or by_event
        if self.status in ENDED and status not in ENDED and event not in OPENS:
            status = ""
        self.status = status or self.status or "booked"
        self.fields.take(message)
        self.parts = taking(message, self.parts)
        notes = [words for segment in message.all("NTE") if (words := segment.whole(3).strip())]
        notes += [f"{codes.text_of(obx, 3)}: {values.in_words((obx,))}" for obx in message.all("OBX") if obx[5].strip()]
        self.notes = notes or self.notes

    def begins(self) -> str:
        """Return the start: SCH-11.4, else that of a service or of what takes part."""
        own = self.fields.text("SCH", 11, 4)
        places = {"AIS": 4, "AIG": 8, "AIL": 6, "AIP": 6}
        parts = (times.of(segment, places[segment.name]) for segment in self.parts)
        return next((text for text in (own, *parts) if times.is_time(text) and text), "")

    def lasts(self) -> int:
        """Return the minutes, 0 where nobody says: SCH-9, else those of a service or of what takes part."""
        places = {"AIS": 7, "AIG": 11, "AIL": 9, "AIP": 9}
        lengths = [(self.fields.text("SCH", 9), self.fields.text("SCH", 10))]
        lengths += [(part.text(places[part.name]), part.text(places[part.name] + 1)) for part in self.parts]
        counted = [length for length, unit in lengths if re.fullmatch("[0-9]{1,5}", length) and unit.upper() in MINUTES]
        return int(counted[0]) if counted else 0


def taking(message: Message, known: list[Segment]) -> list[Segment]:
    """Return what takes part after a message: all that it names, else what was ``known``. Where it deletes something
    (segment action code ``D`` in AIS-2, AIG-2, AIL-2, AIP-2, or in RGS-2 for all that follows), it tells of changes:
    what it does not name stays, behind what has a new time."""
    staying: list[Segment] = []
    gone: list[Segment] = []
    is_group_gone = False
    for segment in message.segments:
        if segment.name == "RGS":
            is_group_gone = segment.text(2).upper() == GONE
        elif segment.name in PARTS:
            is_gone = is_group_gone or segment.text(2).upper() == GONE
            (gone if is_gone else staying).append(segment)
    if not gone:
        return staying or known
    named = {named_part(segment) for segment in (*staying, *gone)}
    return [*staying, *(segment for segment in known if named_part(segment) not in named)]


def named_part(part: Segment) -> tuple[str, str]:
    """Return what names a part of an appointment: its kind with the service, thing, place or person."""
    return part.name, part[3]


def to_bookings(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Appointments of an ``appt:`` group: one, or one for each person whose appointment has the number."""
    key = key_of(group, "appt:")
    people = by_person(ordered(group.of("SIU"), look, recorded), look)
    if len(people) > 1:
        look.warn("SCH-2", "one appointment number, two people")
    built = []
    for person, sent in people.items():
        booking = Booking()
        for item in sent:
            booking.take(item.message)
        built.append(
            build(booking, key if len(people) == 1 else f"{key}|person|{person}", sent[-1], group.publisher, look)
        )
    return [appointment for appointment in built if appointment]


def build(booking: Booking, key: str, last: Sent, publisher: str, look: Look) -> dict[str, Any]:
    """Return the Appointment, {} for one that was deleted and never had a time. Raises ``Invalid("SCH-11")`` for any
    other without a start."""
    fields, zone, minutes = booking.fields, look.feed.zone, booking.lasts()
    start, end = span(booking, zone, minutes)
    if not start and booking.status not in WITHOUT_TIME:
        if booking.status == "entered-in-error":
            return {}
        raise Invalid("SCH-11: an appointment without a start")
    comments = [*booking.notes, *([NO_LENGTH] if start and not minutes and start == end else [])]
    reason = next(iter(fields.repetitions("SCH", 6)), None)
    why = codes.codeable(reason, look, publisher) if reason and booking.status in ENDED else {}
    built = resource(
        "Appointment",
        look.id("Appointment", key),
        PROFILE,
        identifier=[
            {"system": codes.identifiers_of(publisher, fields.text("SCH", number, 2), "Appointment"), "value": value}
            for number in (1, 2)
            if (value := fields.text("SCH", number))
        ],
        status=booking.status,
        cancelationReason=why if booking.status == "cancelled" else {},
        serviceType=[codes.first(part, 3, look, publisher) for part in booking.parts if part.name == "AIS"],
        appointmentType=coded(fields, 8, look, publisher),
        reasonCode=[concept] if (concept := coded(fields, 7, look, publisher)) else [],
        start=start,
        end=end,
        minutesDuration=minutes or None,
        comment="\n".join(comments),
        participant=[
            {"actor": look.reference("Patient", owner(last.row, look)), "status": "accepted"},
            *({**who, "status": "accepted"} for part in booking.parts if (who := taking_part(part, publisher))),
        ],
    )
    return times.flagged(built, zone, booking.begins())


def span(booking: Booking, zone: str, minutes: int) -> tuple[str, str]:
    """Return start and end as instants: the end by SCH-11.5, else by the length, else the start itself."""
    begins = booking.begins()
    start = times.instant(begins, zone)
    if not start:
        return "", ""
    end = times.instant(booking.fields.text("SCH", 11, 5), zone)
    if not end or end < start:
        end = (
            (times.moment(begins, zone)[0] + timedelta(minutes=minutes)).isoformat(timespec="seconds")
            if minutes
            else start
        )
    return start, end


def coded(fields: Fields, number: int, look: Look, publisher: str) -> dict[str, Any]:
    return next((codes.codeable(item, look, publisher) for item in fields.repetitions("SCH", number)), {})


def taking_part(part: Segment, publisher: str) -> dict[str, Any]:
    """Return who or what takes part: a clinician (AIP), a place (AIL) or another resource in words (AIG); {} for a
    service."""
    fields = part.repetitions(3)
    if not fields or part.name == "AIS":
        return {}
    if part.name == "AIP":
        actor, kind = practitioner(fields[0]), part.text(4, 2)
    elif part.name == "AIL":
        actor, kind = location(fields[0], publisher), ""
    else:
        actor, kind = {"display": fields[0].text(2) or fields[0].text(1)}, part.text(4, 2)
    return {"type": [{"text": kind}] if kind else [], "actor": actor} if actor else {}
