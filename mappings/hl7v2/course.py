"""The course of a visit: its status and location history, by when its events happened, without what was cancelled.

A cancelling event names what it cancels by time (EVN-6). A place that changes without a transfer (an update, a
discharge from the lounge) ends the stay before it and begins another at a time that nobody told: history is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mappings.hl7v2 import times
from mappings.hl7v2.events import EVENTS, Event
from mappings.hl7v2.message import DELETE, Encoding, Message, Repetition
from mappings.hl7v2.replay import Sent, happened, recorded

TRANSFERS = {"A02", "A17"}
MOVES = TRANSFERS | {"A06", "A07"}
"""Events that happen where the patient comes to a place, at their time."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One entry of the location history: the raw PL with its separators, the times of its beginning and end ("" for not
    known), and when it was entered."""

    place: str
    encoding: Encoding
    start: str
    end: str = ""
    entered: int = 0


class Course:
    """Status and stays after the events so far."""

    def __init__(self) -> None:
        self.status = ""
        self.stays: list[Stay] = []
        self.discharged = ""

    def take(self, sent: Sent, zone: str) -> None:
        """Take one event."""
        message, event = sent.message, EVENTS[sent.message.event]
        if self.status == "cancelled" and event.revives:
            self.stays, self.discharged = [], ""  # those of the admission that was cancelled
        before, self.status = self.status, self.next_status(event)
        if message.event == "A03":
            self.discharged = happened(sent, zone) if times.of(message["EVN"], 6) else ""
        if message.event == "A12":
            self.stays = without(self.stays, message, zone)
        elif self.status != "cancelled" or not self.stays:
            self.take_place(sent, before, zone)

    def next_status(self, event: Event) -> str:
        """Return the status after an event. Only one that admits or registers opens a cancelled visit again."""
        blocked = self.status == "cancelled" and not event.revives
        taken = event.status and not blocked and (not event.only or self.status in event.only)
        return event.status if taken else self.status

    def take_place(self, sent: Sent, before: str, zone: str) -> None:
        """Move the location history on to where PV1-3 says that the patient is."""
        message, when, entered = sent.message, happened(sent, zone), times.rank(recorded(sent, zone), zone)
        place, is_move = message["PV1"][3], message.event in MOVES or EVENTS[message.event].revives
        if place in ("", DELETE) or EVENTS[message.event].cancels and self.stays:
            return
        now = Stay(place, message.encoding, when if is_move else "", entered=entered)
        last = self.stays[-1] if self.stays else None
        if last is None:
            admitted = times.of(message["PV1"], 44)
            self.stays = [replace(now, start=when if message.event in TRANSFERS else admitted or when)]
        elif last.place == place:
            return
        elif not is_move and not is_elsewhere(last, now):
            self.stays = [*self.stays[:-1], replace(last, place=max(last.place, place, key=len))]
        elif (
            len(self.stays) == 1 and message.event not in TRANSFERS and (before == "planned" or not before and is_move)
        ):
            admitted = times.of(message["PV1"], 44)
            self.stays = [replace(now, start=admitted or when)]  # where the patient was to come, and did not
        elif before == "finished" and message.event in TRANSFERS and self.discharged_before(when, message, zone):
            return
        elif is_move:
            self.stays = [*self.stays[:-1], replace(last, end=when), now]
        elif entered >= last.entered:
            self.stays = [*self.stays, now]

    def discharged_before(self, when: str, message: Message, zone: str) -> bool:
        """Whether the patient had gone when a move happened (PV1-45, else the discharge's own time)."""
        gone = times.of(message["PV1"], 45) or self.discharged
        return not gone or times.rank(when, zone) >= times.rank(gone, zone)


def without(stays: list[Stay], message: Message, zone: str) -> list[Stay]:
    """Return the stays without the transfer that an A12 names by time (EVN-6), else by the place that it goes back to
    (PV1-3), else the last one."""
    if len(stays) < 2:
        return stays
    named, place = times.of(message["EVN"], 6), message["PV1"][3]
    at = next((n for n in range(len(stays) - 1, 0, -1) if named and is_at(stays[n].start, named, zone)), 0)
    if not at and (not named or place == stays[-2].place):
        at = len(stays) - 1
    if not at or (not named and place == stays[-1].place):
        return stays
    ends = stays[at + 1].start if at + 1 < len(stays) else ""
    return [*stays[: at - 1], replace(stays[at - 1], end=ends), *stays[at + 1 :]]


def is_elsewhere(earlier: Stay, later: Stay) -> bool:
    """Whether two places contradict each other in point of care, room, bed or facility; one may say less."""
    ours, theirs = Repetition(earlier.place, earlier.encoding), Repetition(later.place, later.encoding)
    pairs = ((ours.text(number, 1), theirs.text(number, 1)) for number in range(1, 5))
    return any(a and b and a != b for a, b in pairs)


def is_at(earlier: str, later: str, zone: str) -> bool:
    return bool(earlier and later) and times.rank(earlier, zone) == times.rank(later, zone)


def course(events: list[Sent], zone: str) -> Course:
    """Return the course of a visit after its events, given in the order in which they happened."""
    answer = Course()
    for sent in settled(standing(events, zone), zone):
        answer.take(sent, zone)
    return answer


def standing(events: list[Sent], zone: str) -> list[Sent]:
    """Return the events without each that a cancellation names by its time while another of its kind stands after it:
    the cancellation does not speak of that other one."""
    for cancel in [sent for sent in events if EVENTS[sent.message.event].undoes and sent.message.event != "A12"]:
        kinds, named = EVENTS[cancel.message.event].undoes, times.of(cancel.message["EVN"], 6)
        at = next(number for number, sent in enumerate(events) if sent is cancel)
        alike = [sent for sent in events[:at] if sent.message.event in kinds]
        meant = [sent for sent in alike if is_at(happened(sent, zone), named, zone)]
        if meant and meant[-1] is not alike[-1] and not is_at(happened(alike[-1], zone), named, zone):
            gone = {id(meant[-1]), id(cancel)}
            events = [sent for sent in events if id(sent) not in gone]
    return events


def settled(events: list[Sent], zone: str) -> list[Sent]:
    """Return the messages with what was recorded after a cancellation behind it. A discharge entered in the evening
    for the afternoon is not the one that was cancelled at noon, whatever the order in which they happened."""
    entered = {id(sent): times.rank(recorded(sent, zone), zone) for sent in events}
    for cancel in [sent for sent in events if EVENTS[sent.message.event].undoes]:
        at = next(number for number, sent in enumerate(events) if sent is cancel)
        undone = EVENTS[cancel.message.event].undoes
        late = [sent.message.event in undone and entered[id(sent)] > entered[id(cancel)] for sent in events[:at]]
        before = [sent for sent, is_late in zip(events, late) if not is_late]
        events = [*before, cancel, *(sent for sent, is_late in zip(events, late) if is_late), *events[at + 1 :]]
    return events
