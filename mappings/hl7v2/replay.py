"""The messages of a group in order, and the values that their fields have come to.

There are two clocks. What a message says *of* a person or visit is a snapshot, and the newest is the one *recorded*
last (EVN-2, else MSH-7). What an event did is ordered by when it *happened* (EVN-6). HL7 v2.4 3.4.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.errors import Invalid
from mappings import Group, Look, Row
from mappings.hl7v2 import times
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.message import DELETE, Encoding, Message, Segment
from mappings.hl7v2.orders import message_of
from mappings.hl7v2.possible import AHEAD

CONTROL_ID = re.compile(r"[A-Za-z_.-]{0,12}(\d{1,20})")
"""A control id that counts (``W0999``); of others, such as random ones, no order is taken."""
WEIGHTS = {"F": 1, "U": 1, "B": 1, "V": 1, "C": 2, "A": 2, "X": 3, "D": 3, "W": 3}
"""How much a status takes back: of OBX-11 (HL7 table 0085), and, but for ``A``, of OBR-25 (table 0123)."""
ORDER_WEIGHTS = WEIGHTS | {"A": 0}
"""Of OBR-25 ``A`` says that some of the results are there, and not that one is amended."""


MOST_DIGITS = 20
"""Digits of a sequence number (MSH-13) that is one."""
OWN_TIMES = {"A01": 44, "A04": 44, "A03": 45}
"""The field of PV1 that says when an event happened, where EVN-6 does not."""


class Sent(NamedTuple):
    """One message of a group, with the row it came in."""

    row: Row
    message: Message


Clock = Callable[[Sent, str], str]
"""The text of the time that a message is ordered by, of (message, zone)."""


def ordered(rows: list[Row], look: Look, clock: Clock) -> list[Sent]:
    """Return the messages by ``clock``, then time of sending (MSH-7), number (MSH-13), control id as a number (MSH-10),
    what they take back, and key, so that arrival plays no part. Of two messages that no clock tells apart, the one that
    shields the patient counts last."""
    zone = look.feed.zone

    def place(sent: Sent) -> tuple[int, int, int, bool, int, int, str]:
        header = sent.message["MSH"]
        sequence = header.text(13)
        return (
            times.rank(clock(sent, zone), zone) or sent.row.order,
            times.rank(header.text(7), zone),
            int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) <= MOST_DIGITS else 0,
            sent.row.table == "ADT" and says_shielded(sent.message),
            int(control[1]) if (control := CONTROL_ID.fullmatch(header.text(10))) else 0,
            look.once(("hl7v2 weight", sent.row.key), lambda: weight(sent.message)) if len(rows) > 1 else 0,
            sent.row.key,
        )

    messages = [Sent(row, message_of(row, look)) for row in rows]
    return sorted(messages, key=place) if len(messages) > 1 else messages


def weight(message: Message) -> int:
    """Return how much a result message takes back: 0 for preliminary results, 1 for final ones, 2 for corrections, 3
    for what is cancelled or withdrawn."""
    results = [WEIGHTS.get(segment.text(11).upper(), 0) for segment in message.all("OBX")]
    orders = [ORDER_WEIGHTS.get(segment.text(25).upper(), 0) for segment in message.all("OBR")]
    return max([*results, *orders], default=0)


def recorded(sent: Sent, zone: str) -> str:
    """Return when a message was entered: EVN-2, unless it lies after the sending, else MSH-7."""
    message = sent.message
    return plausible(times.of(message["EVN"], 2), times.of(message["MSH"], 7), zone)


def happened(sent: Sent, zone: str) -> str:
    """Return when the event happened: EVN-6, else of an admission PV1-44 and of a discharge PV1-45; unless it lies
    after the entry (a slip, or the time something is planned for), else when it was entered. A discharge before the
    admission is a slip too. An event that cancels carries the other's time in EVN-6 (HL7 v2.4 chapter 3)."""
    message, entered, event = sent.message, recorded(sent, zone), EVENTS.get(sent.message.event)
    if event and event.cancels:
        return entered
    said, own = times.of(message["EVN"], 6), OWN_TIMES.get(message.event)
    said = said or (times.of(message["PV1"], own) if own else "")
    admitted = times.of(message["PV1"], 44)
    if message.event == "A03" and said and times.rank(said, zone) < times.rank(admitted, zone):
        gone = times.of(message["PV1"], 45)
        said = gone if times.rank(gone, zone) >= times.rank(admitted, zone) else ""
    return plausible(said, entered, zone)


def plausible(said: str, known: str, zone: str) -> str:
    """Return the time ``said``, unless there is none or it lies after the one that is ``known``."""
    if not said or not known:
        return said or known
    return known if times.moment(said, zone)[0] - times.moment(known, zone)[0] > AHEAD else said


class Fields:
    """What some fields of some segments have come to: a value stays until another is sent, and ``""`` deletes it. A
    date that cannot be counts as not sent."""

    def __init__(self, wanted: dict[str, tuple[int, ...]]):
        self._wanted = wanted
        self._held: dict[tuple[str, int], Segment] = {}

    def take(self, message: Message) -> None:
        """Take what ``message`` sends of the wanted fields."""
        for name, numbers in self._wanted.items():
            segment = message[name]
            if not segment:
                continue
            for number in numbers:
                value = segment[number]
                if value == DELETE:
                    self._held.pop((name, number), None)
                elif value and (number, 1) not in segment.doubted:
                    self._held[name, number] = segment

    def drop(self, name: str, *numbers: int) -> None:
        """Forget fields, as an event that takes them back asks."""
        for number in numbers:
            self._held.pop((name, number), None)

    def segment(self, name: str, number: int) -> Segment:
        """Return the segment that holds the field now; an empty one if none does. Ask it for this field only."""
        segment = self._held.get((name, number))
        return segment if segment is not None else NOTHING

    def text(self, name: str, number: int, component: int = 1) -> str:
        return self.segment(name, number).text(number, component)

    def time(self, name: str, number: int) -> str:
        return times.of(self.segment(name, number), number)

    def repetitions(self, name: str, number: int) -> list[Any]:
        return self.segment(name, number).repetitions(number)


NOTHING = Segment("", "", Encoding())


def is_shielded(fields: Fields) -> bool:
    """Whether ZU8-4 says the patient's whereabouts must not be shown (ITK: 0 no, 1 and 2 yes); what is not a number is
    taken as yes."""
    return _is_yes(fields.text("ZU8", 4))


def says_shielded(message: Message) -> bool:
    """The same of one message alone."""
    return _is_yes(message["ZU8"].text(4))


def _is_yes(said: str) -> bool:
    return said.strip() not in ("", "0", DELETE)


def key_of(group: Group, prefix: str) -> str:
    """Return the group's key without its prefix (``pat:``)."""
    if not group.key.startswith(prefix):
        raise Invalid("group")
    return group.key[len(prefix) :]
