"""What the messages of one order come to for one person: the reports by service, and the results in force."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.lines import results_of
from mappings.hl7v2.message import Segment
from mappings.hl7v2.observation import UNSETTLED, WITHDRAWN, Result, Value, accept, cancelled, come_back
from mappings.hl7v2.orders import Order
from mappings.hl7v2.orders import results_of as orders_in
from mappings.hl7v2.replay import Sent
from mappings.hl7v2.sameness import Key, Names, Slots, is_change, parent_of
from mappings.hl7v2.specimen import Taken, specimens_of


class Spoken(NamedTuple):
    """One order of one message: its service and its results."""

    order: Order
    service: str
    results: list[Result]


class Heard(NamedTuple):
    """What one message says under an order number: its place among all messages of it, when it was sent (MSH-7 as
    ``times.rank``, 0 for not known), and its orders."""

    place: int
    posted: int
    orders: list[Spoken]


@dataclass
class Report:
    """What the messages so far say of one service under the order."""

    obr: Segment
    status: str
    notes: list[str] = dataclasses.field(default_factory=list)
    specimens: tuple[Taken, ...] = ()
    results: dict[Key, None] = dataclasses.field(default_factory=dict)

    def take(self, order: Order) -> None:
        """Take a later OBR, unless it would put something preliminary in the place of something final. A report that is
        cancelled or withdrawn yields to any."""
        status = report_status(order.obr)
        if status in UNSETTLED | {"partial"} and self.status not in UNSETTLED | WITHDRAWN | {"partial"}:
            return
        if not (status == "final" and self.status == "corrected"):
            self.status = status
        self.obr, self.notes = order.obr, notes_of(order) or self.notes
        self.specimens = specimens_of(order) or self.specimens


class Revoked(NamedTuple):
    """An order that its OBR-25 cancels or withdraws, ``status``; "" as service speaks of every report."""

    service: str
    status: str
    obr: Segment
    place: int
    posted: int

    def is_of(self, service: str) -> bool:
        return self.service in ("", service)


class Outcome:
    """Reports and results after the messages so far. ``taken`` holds what each change took the place of: the values, by
    the identity of its OBX, or of its OBR where the whole order is withdrawn. What is in it met a result."""

    def __init__(self, messages: Sequence[Heard]) -> None:
        self.reports: dict[str, Report] = {}
        self.taken: dict[int, list[Value]] = {}
        self._names = Names(
            [(spoken.service, result) for spoken in heard.orders for result in spoken.results] for heard in messages
        )
        self._slots = Slots()
        self._homes: dict[Key, str] = {}
        self._revoked: list[Revoked] = []
        self._first: dict[int, int] = {}
        self._met: set[Key] = set()

    @property
    def results(self) -> dict[Key, Result]:
        return self._slots.results

    def take(self, heard: Heard, zone: str) -> None:
        """Take one message: what it says of the orders, then its results."""
        sources: list[tuple[str, Result]] = []
        for spoken in heard.orders:
            self._hear(spoken, heard)
            if spoken.service in self.reports:
                self.reports[spoken.service].take(spoken.order)
            elif spoken.service or spoken.results or not self.reports:
                self.reports[spoken.service] = opened(spoken.order)
            sources += [(spoken.service, result) for result in spoken.results]
        for service, key, result in self._slots.place(sources, self._names, zone):
            self._accept(key, result)
            self._revoke_late(service, key, heard)
            self._give(service, key)

    def _hear(self, spoken: Spoken, heard: Heard) -> None:
        """Let an order that is cancelled or withdrawn (OBR-25) reach the results it has, and remember it for those that
        messages bring which were sent before it and come after it by their time of issue."""
        status = report_status(spoken.order.obr)
        if status not in WITHDRAWN:
            return
        revoked = Revoked(spoken.service, status, spoken.order.obr, heard.place, heard.posted)
        self._revoked.append(revoked)
        for service, report in self.reports.items():
            for key in report.results if revoked.is_of(service) else ():
                self._revoke(revoked, key)

    def _revoke(self, revoked: Revoked, key: Key) -> None:
        """Take back a result for its order: a withdrawn order all of them, a cancelled one what is not settled."""
        held = self.results[key]
        if revoked.status == "entered-in-error" or held.status in UNSETTLED:
            self.taken.setdefault(id(revoked.obr), []).append(held.sent)
            self.results[key] = cancelled(held, revoked.status, revoked.posted)

    def _revoke_late(self, service: str, key: Key, heard: Heard) -> None:
        """Take back a result whose order was withdrawn or cancelled later than the result was sent, though its time of
        issue is the later one. Of a withdrawal at a time that nobody knows, it is the first message after it. A result
        that was sent after a withdrawal which met none stands, and says so."""
        for revoked in self._revoked:
            if not revoked.is_of(service) or revoked.place == heard.place or self.results[key].status in WITHDRAWN:
                continue
            first = self._first.setdefault(id(revoked.obr), heard.place)
            if revoked.posted > heard.posted or (not revoked.posted and first == heard.place):
                self._revoke(revoked, key)
            elif revoked.status == "entered-in-error" and id(revoked.obr) not in self.taken:
                self.results[key] = come_back(self.results[key])

    def _accept(self, key: Key, result: Result) -> None:
        """Put a result in force, or not, and note what a change took the place of."""
        held = self.results.get(key)
        self.results[key] = accept(held, result)
        if held is not None and is_marked(result) and key in self._met:
            self.taken.setdefault(id(result.obx), []).append(held.sent)
        if held is not None and result.status not in WITHDRAWN and self.results[key] is held:
            self.taken.setdefault(id(held.obx), []).append(result.sent)
        if result.status != "entered-in-error":
            self._met.add(key)

    def _give(self, service: str, key: Key) -> None:
        """Give a result to the report it came with last, and to no other: it is one resource."""
        if (home := self._homes.get(key)) != service:
            if home is not None:
                self.reports[home].results.pop(key, None)
            self.reports[service].results.setdefault(key)
            self._homes[key] = service

    def finish(self) -> None:
        """Let each report say what its results say of it."""
        self.reports = {service: summed_up(report, self.results) for service, report in self.reports.items()}


def replay(messages: Sequence[Heard], zone: str) -> Outcome:
    """Return what messages, in their order, come to."""
    outcome = Outcome(messages)
    for heard in messages:
        outcome.take(heard, zone)
    outcome.finish()
    return outcome


def hear(filler: str, sent: Iterable[Sent], places: dict[str, int], look: Look) -> list[Heard]:
    """Return what each message says under an order number, in their order; ``places`` gives it by the row's key."""
    heard = []
    for item in sent:
        posted = times.rank(times.of(item.message["MSH"], 7), look.feed.zone)
        orders = orders_of(item, filler, look)
        spoken = [Spoken(order, service_of(order.obr), results_of(order, posted)) for order in orders]
        heard.append(Heard(places[item.row.key], posted, spoken))
    return sorted(heard, key=lambda item: item.place)


def orders_of(sent: Sent, filler: str, look: Look) -> list[Order]:
    return orders_in(sent.row, look).by_key.get(filler, [])


def is_marked(result: Result) -> bool:
    """Whether a result says that it changes another: it withdraws, corrects or amends it."""
    return is_change(result) and result.status != "cancelled"


def opened(order: Order) -> Report:
    return Report(order.obr, report_status(order.obr), notes_of(order), specimens_of(order))


def summed_up(report: Report, results: dict[Key, Result]) -> Report:
    """Return the report with what its results say of it: corrected where one of them is, withdrawn only where
    all are: a report in error hides what stands in it."""
    statuses = {results[key].status for key in report.results}
    if statuses == {"entered-in-error"}:
        return replace(report, status="entered-in-error")
    changed = next((status for status in ("corrected", "amended") if status in statuses), "")
    if changed and report.status in ("final", "entered-in-error"):
        return replace(report, status=changed)
    if report.status == "entered-in-error" and statuses:
        return replace(report, status="partial" if statuses & UNSETTLED else "final")
    return report


def notes_of(order: Order) -> list[str]:
    """Return the comments on an order, and what the requester told the laboratory (OBR-13, OBR-31)."""
    details = order.obr.whole(13).strip()
    reasons = [words for field in order.obr.repetitions(31) if (words := field.text(2) or field.text(1))]
    clinical = [f"Clinical details: {details}"] if details else []
    return [*order.notes, *clinical, *([f"Reason for the request: {', '.join(reasons)}"] if reasons else [])]


def service_of(obr: Segment) -> str:
    """Return what names a report under its order: the code of OBR-4, else its words, and the parent result."""
    name = obr.text(4, 1) or obr.text(4, 4) or (obr.text(4, 2) or obr.text(4, 5)).casefold()
    return "|".join((name, *parent_of(obr)))


def report_status(obr: Segment) -> str:
    return codes.target("report_status", obr.text(25)) or "unknown"
