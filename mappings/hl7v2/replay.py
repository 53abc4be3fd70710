"""The messages of a group in the order the events happened, and the values that their fields have come to."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.errors import Invalid
from mappings import Group, Look, Row
from mappings.hl7v2 import times
from mappings.hl7v2.message import DELETE, Encoding, Message, Segment, parse


class Sent(NamedTuple):
    """One message of a group, with the row it came in."""

    row: Row
    message: Message


def ordered(rows: list[Row], look: Look) -> list[Sent]:
    """Return the messages by time of event, then time of sending (MSH-7), number (MSH-13) and key, so that arrival
    plays no part."""
    found = [Sent(row, parse(row.values["message"])) for row in rows]

    def place(sent: Sent) -> tuple[int, int, int, str]:
        header = sent.message["MSH"]
        made = times.order(header.text(7), look.feed.zone) if header.text(7) else 0
        sequence = header.text(13)
        return sent.row.order, made, int(sequence) if sequence.isascii() and sequence.isdigit() else 0, sent.row.key

    return sorted(found, key=place)


class Fields:
    """What some fields of some segments have come to: a value stays until another is sent, and ``""`` deletes it."""

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
                elif value:
                    self._held[name, number] = segment

    def drop(self, name: str, *numbers: int) -> None:
        """Forget fields, as an event that takes them back asks."""
        for number in numbers:
            self._held.pop((name, number), None)

    def segment(self, name: str, number: int) -> Segment:
        """Return the segment that holds the field now; an empty one if none does. Ask it for this field only."""
        found = self._held.get((name, number))
        return found if found is not None else NOTHING

    def text(self, name: str, number: int, component: int = 1) -> str:
        return self.segment(name, number).text(number, component)

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
