"""The orders of a result message: each OBR with its comments, its specimens and its results, each with their own.

A comment (NTE) belongs to what it follows: to a result after its OBX, to a specimen after its SPM, to the order after
its OBR, and to the *next* order after an ORC. What precedes the first OBR (a comment on the patient or the visit) is
kept with the first order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mappings import Look, Row
from mappings.hl7v2 import codes, entities
from mappings.hl7v2.message import Message, Segment, parse
from mappings.hl7v2.possible import doubt


@dataclass(slots=True)
class Commented:
    """An OBX or an SPM with the comments that follow it."""

    segment: Segment
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """One OBR and what follows it. Not to be changed: all groups of the message share it. ``values`` holds the words of
    the message's results by code and OBX-4, for what another order says was found in them. ``parent`` is
    the order that OBR-29 names with its OBX that OBR-26 names, where the message has that one.
    """

    key: str
    obr: Segment
    notes: list[str]
    specimens: list[Commented] = field(default_factory=list)
    results: list[Commented] = field(default_factory=list)
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    parent: tuple[Order, Segment] | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """A result message: its orders by order key, and the key of its visit."""

    by_key: dict[str, list[Order]]
    visit: str


def results_of(row: Row, look: Look) -> Results:
    """Return the orders of a row's message, read once for all groups that are mapped together: a message of 2,000
    orders has 2,000 groups."""
    return look.once(("hl7v2 orders", row.key), lambda: read(message_of(row, look), row.patient))


def message_of(row: Row, look: Look) -> Message:
    """Return a row's message, read once for all groups that are mapped together. Its dates that cannot be are marked;
    the reader counted them."""
    return look.once(("hl7v2 message", row.key), lambda: believed(row.values["message"]))


def believed(text: str) -> Message:
    """Return a kept message with its dates that cannot be marked."""
    message = parse(text)
    doubt(message)
    return message


def read(message: Message, patient: str) -> Results:
    """Return the orders of the result message of ``patient``. Raises ``Invalid`` as ``entities.orders`` does."""
    keys = {id(obr): key for key, obr in entities.orders(message, patient)}
    orders: list[Order] = []
    values: dict[tuple[str, str], str] = {}
    waiting: list[str] = []
    notes = waiting
    for segment in message.segments:
        match segment.name:
            case "OBX" if orders and not entities.is_padding(segment):
                result = Commented(segment)
                orders[-1].results.append(result)
                notes = result.notes
                if segment.text(2) in codes.CODED:
                    values[segment.text(3), segment.text(4)] = segment.text(5, 2) or segment.text(5, 5)
            case "PID" | "PV1" | "ORC":
                notes = waiting
            case "OBR":
                orders.append(Order(keys[id(segment)], segment, waiting, values=values))
                notes, waiting = waiting, []
            case "SPM" if orders:
                orders[-1].specimens.append(Commented(segment))
                notes = orders[-1].specimens[-1].notes
            case "NTE" if segment.whole(3).strip():
                notes.append(segment.whole(3).strip("\r\n"))
    if orders:
        orders[-1].notes.extend(waiting)
    by_key: dict[str, list[Order]] = {}
    for order in orders:
        order.parent = parent_of(order, orders)
        by_key.setdefault(order.key, []).append(order)
    return Results(by_key, entities.visit_key(message))


def parent_of(order: Order, orders: list[Order]) -> tuple[Order, Segment] | None:
    """Return the other order that OBR-29 names and its one OBX that OBR-26 names, None where there is not exactly
    one."""
    obr = order.obr
    if not obr[29] or not obr[26]:
        return None
    placer, filler = (obr.text(29, part, 1) or obr.text(29, part) for part in (1, 2))
    number, at, code, sub = filler or placer, 3 if filler else 2, obr.text(26, 1, 1), obr.text(26, 2)
    fits = [
        (other, item.segment)
        for other in orders
        if number and code and other.key != order.key and other.obr.text(at) == number
        for item in other.results
        if item.segment.text(3) == code and (not sub or item.segment.text(4) == sub)
    ]
    return fits[0] if len(fits) == 1 else None
