"""Dates that cannot be: something of a life before its birth, or something that is done long after it was sent.

They stay in the message, where they tell results and orders apart, and are not believed as times (``times.of``).
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import lru_cache

from mappings.hl7v2 import times
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.message import Message, Segment
from mappings.vocabulary import can_be, may_come

AHEAD = timedelta(days=1)
"""How far a time may lie after the time of sending before it is a slip: clocks differ, and zones."""
BEFORE_BIRTH = timedelta(days=300)
"""How long before birth something may be dated that is filed under a child: antenatal tests, the mother's admission."""
BEGUN = frozenset({"in-progress", "arrived", "finished", "onleave"})
"""The statuses of a visit that has begun."""
PLANNING = frozenset({"A05", "A14", "A15", "A16", "A25", "A26", "A27", "A38"})
"""Events that plan, or take back what was planned: EVN-6 may say when it is to be."""
AWAITED = frozenset({"S", "O"})
"""OBR-25 of what is scheduled or ordered (HL7 table 0123): its time may lie ahead."""

BORN, DIED, PAST, COMING = "born", "died", "past", "coming"
KINDS = {
    ("PID", 7, 1): BORN,  # birth
    ("PID", 29, 1): DIED,  # death
    ("EVN", 2, 1): PAST,  # entry: orders what is recorded
    ("EVN", 6, 1): PAST,  # event: orders what happened, and is a discharge's own time; see ``PLANNING``
    ("PV1", 44, 1): PAST,  # admission; see ``BEGUN``
    ("PV1", 45, 1): PAST,  # discharge; see ``BEGUN``
    ("PV2", 8, 1): COMING,  # expected admission
    ("PV2", 9, 1): COMING,  # expected discharge
    ("AL1", 6, 1): PAST,  # allergy identified
    ("DG1", 5, 1): PAST,  # diagnosis
    ("PR1", 5, 1): COMING,  # procedure: ``clinical`` says what of one that lies ahead
    ("OBR", 7, 1): PAST,  # observation or collection begins; see ``AWAITED``
    ("OBR", 8, 1): PAST,  # and ends; see ``AWAITED``
    ("OBR", 14, 1): PAST,  # specimen received
    ("OBR", 22, 1): PAST,  # results issued: orders them
    ("OBX", 14, 1): PAST,  # observation
    ("SPM", 17, 1): PAST,  # specimen taken, from
    ("SPM", 17, 2): PAST,  # and to
    ("SPM", 18, 1): PAST,  # specimen received
    ("ORC", 9, 1): PAST,  # order placed
    ("OBR", 6, 1): COMING,  # and wanted
    ("IAM", 11, 1): PAST,  # allergy begins
    ("IAM", 13, 1): PAST,  # and told of
    ("AIS", 4, 1): COMING,  # appointment: its service,
    ("AIG", 8, 1): COMING,  # equipment,
    ("AIL", 6, 1): COMING,  # place
    ("AIP", 6, 1): COMING,  # and staff
    ("RXA", 3, 1): PAST,  # vaccine given
    ("RXA", 16, 1): COMING,  # it expires
    ("RXA", 22, 1): PAST,  # and was entered
    ("TXA", 4, 1): PAST,  # what a document tells of
    ("TXA", 6, 1): PAST,  # document written
    ("TXA", 7, 1): PAST,  # and typed
    ("TXA", 8, 1): PAST,  # and edited
}
"""THE TABLE of (segment, field, component) that say when something was or will be. What OBX-5 holds is the result
itself, and is never judged."""


def doubt(message: Message) -> list[str]:
    """Mark the dates of a message that cannot be, so that ``times.of`` answers "" for them, and return their fields
    (``PID-29``), one for each time that it is so.

    They are held against the day that the message was sent, and against the birth date that it gives.
    """
    known, birth = known_day(message), times.sent(message["PID"], 7)
    born = times.date(birth) if is_possible(BORN, birth, "", known) else ""
    places: list[str] = []
    for segment in message.segments:
        for number, component in FIELDS.get(segment.name, ()):
            text = times.sent(segment, number, component)
            if text and not is_possible(kind_of(segment, number, component, message), text, born, known):
                segment.doubted |= {(number, component)}
                places.append(f"{segment.name}-{number}")
    return places


FIELDS = {
    name: tuple((number, component) for segment, number, component in KINDS if segment == name) for name, _, _ in KINDS
}
"""The fields and components to judge, by segment."""


def kind_of(segment: Segment, number: int, component: int, message: Message) -> str:
    """Return what a date is in this message: some may lie ahead of an event that plans, of a visit that has not begun
    by what the event says, or of an order that is only awaited."""
    event = EVENTS.get(message.event)
    match segment.name, number:
        case "EVN", 6:
            may_lie_ahead = message.event in PLANNING
        case "PV1", _:
            may_lie_ahead = event is None or event.status not in BEGUN
        case "OBR", 7 | 8:
            may_lie_ahead = segment.text(25).upper() in AWAITED
        case _:
            may_lie_ahead = False
    return COMING if may_lie_ahead else KINDS[segment.name, number, component]


@lru_cache(maxsize=8192)
def is_possible(kind: str, text: str, born: str, known: str) -> bool:
    """Whether a date of a kind can be, of a life that began on ``born`` and as it was known on ``known`` ("" for days
    that nobody says)."""
    day, last = times.date(text), known or "9999-12-31"
    if kind == BORN:
        return day <= last
    first = born if kind == DIED else before_birth(born)
    return (may_come if kind == COMING else can_be)(day, first[: len(day)], last)


@lru_cache(maxsize=8192)
def before_birth(born: str) -> str:
    """Return the first day of which something may be filed under a child, "" where the birth is not known to the
    day."""
    return (date.fromisoformat(born) - BEFORE_BIRTH).isoformat() if len(born) == 10 else born


def known_day(message: Message) -> str:
    """Return the last day that what a message says to have happened can be of: the day after MSH-7, else after EVN-2;
    "" where it has no time."""
    return day_after(times.date(message["MSH"].text(7)) or times.date(message["EVN"].text(2)))


def is_after(text: str, known: str) -> bool:
    """Whether an HL7 time lies after the last day ``known``; "" says nothing."""
    return bool(text and known) and times.date(text) > known


def is_before(day: str, born: str) -> bool:
    """Whether a FHIR time lies before the birth, in the precision that both have; "" says nothing.

    >>> is_before("1970", "1970-02-03"), is_before("1970-02-02T10:00:00Z", "1970-02-03")
    (False, True)
    """
    digits = min(len(day), len(born))
    return day[:digits] < born[:digits]


@lru_cache(maxsize=4096)
def day_after(day: str) -> str:
    """Return the day after a FHIR date, which may be a month or a year; "" for none.

    >>> day_after("2025-06-30"), day_after("2025-02"), day_after("")
    ('2025-07-01', '2025-03-01', '')
    """
    if not day:
        return ""
    year, month, last = [int(part) for part in day.split("-")] + [12, 0][len(day.split("-")) - 1 :]
    return (date(year, month, last or calendar.monthrange(year, month)[1]) + AHEAD).isoformat()
