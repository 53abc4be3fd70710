"""The OBX of one order to its results: lines of a text and parts of a document put together, organisms tied."""

from __future__ import annotations

import re

from msgspec.structs import replace

from mappings.hl7v2 import codes, documents, times
from mappings.hl7v2.message import Segment
from mappings.hl7v2.observation import UNSETTLED, WITHDRAWN, Result, Tie, status_of
from mappings.hl7v2.orders import Commented, Order
from mappings.hl7v2.sameness import name_of, parent_of
from mappings.hl7v2.specimen import specimens_of
from mappings.hl7v2.values import TEXT, words_of

SUSCEPTIBLE = {"S", "I", "R", "MS", "VS", "SDD", "NS", "SENSITIVE", "SUSCEPTIBLE", "RESISTANT", "INTERMEDIATE"}
MARKED = {"corrected", "amended"}
READING = re.compile(r"(?!\d+[.)]\s*[A-Za-z])[<>=≤≥~±+-]*\s*\.?\d[\d.,:/^*eE+ -]*\s?[^\s\d]{0,4}\S{0,10}")
"""A measurement in words: ``5.1``, ``< 0.5 mg/L``, ``1:128``, ``120/80``; not ``1. Skin``, the first line of a list."""


def results_of(order: Order, posted: int = 0) -> list[Result]:
    """Return the results of an order, each with its comments, specimens and the result it was found in. ``posted``:
    when the message was sent."""
    grouped = group(order)
    specimens = specimens_of(order)
    all_statuses = [[status_of(part.segment, order.obr) for part in parts] for parts in grouped]
    statuses = [said[-1] for said in all_statuses]
    is_corrected = codes.target("result_unsaid", order.obr.text(25)) == "corrected" and not MARKED & set(statuses)
    parent, heads = parent_of(order.obr), Heads(order)
    results = []
    for number, parts in enumerate(grouped):
        segments = tuple([part.segment for part in parts])
        notes = "\n".join([note for part in parts for note in part.notes])
        results.append(
            Result(
                segments,
                order.obr,
                marked(all_statuses[number]),
                name_of(segments[0], parent),
                (notes,) if notes else (),
                specimens,
                heads.tie(segments[0]),
                is_corrected,
                posted=posted,
            )
        )
    return results


def marked(statuses: list[str]) -> str:
    """Return the status of a result by those of its lines: of a text, corrected where one of its lines is."""
    return next((status for status in statuses if status in MARKED), statuses[-1])


def group(order: Order) -> list[list[Commented]]:
    """Return the OBX that make one result each: the lines of a text (same OBX-3 and OBX-4, HL7 v2.4 7.4.2), the parts
    of a document."""
    grouped: list[list[Commented]] = []
    texts: dict[tuple[str, ...], list[Commented]] = {}
    for comment in order.results:
        obx = comment.segment
        key = line_key(obx, order.obr)
        is_line = key and key in texts and (obx.text(2).upper() in ("TX", "FT") or texts[key] is grouped[-1])
        if is_line:
            texts[key].append(comment)
        elif grouped and is_part(grouped[-1], obx, order.obr):
            grouped[-1].append(comment)
        else:
            grouped.append([comment])
            if key:
                texts[key] = grouped[-1]
    return grouped


def is_part(parts: list[Commented], obx: Segment, obr: Segment) -> bool:
    if not documents.is_document(obx):
        return False
    before = [parts[0].segment, parts[-1].segment]
    return documents.continues(before, obx) and standing(status_of(before[-1], obr)) == standing(status_of(obx, obr))


def line_key(obx: Segment, obr: Segment) -> tuple[str, ...]:
    """Return what the lines of one text have in common, () for what is no line of a text. A withdrawn line, or one that
    is not settled, stands for itself; so does a reading sent as text, and of ST what is of another time or does not
    follow."""
    kind = obx.text(2).upper()
    if kind not in TEXT or is_susceptibility(obx) or is_reading(obx):
        return ()
    time = times.of(obx, 14) if kind == "ST" else ""
    return (obx[3], obx[4], obx[6], time, standing(status_of(obx, obr)))


def is_reading(obx: Segment) -> bool:
    """Whether an OBX of text is a measurement: a number, bound, titre or pair with or without its unit. In TX and FT a
    number may be a line of a text, unless it has a unit (OBX-6)."""
    is_text = obx.text(2).upper() in ("TX", "FT")
    return bool((obx[6] or not is_text) and READING.fullmatch(obx.whole(5).strip()))


def standing(status: str) -> str:
    """Return the kind of a status: settled, not settled, or withdrawn."""
    return "withdrawn" if status in WITHDRAWN else "unsettled" if status in UNSETTLED else "settled"


def is_susceptibility(obx: Segment) -> bool:
    """Whether an OBX says how susceptible an organism is: by OBX-8, else by its value."""
    return obx.text(8).upper() in SUSCEPTIBLE or obx.text(5).upper() in SUSCEPTIBLE


def outers(sub: str) -> list[str]:
    """Return the OBX-4 that one is nested in, the nearest first.

    >>> outers("1.2.3"), outers("1")
    (['1.2', '1'], [])
    """
    parts = sub.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


class Heads:
    """What the results of an order may have been found in, as they come: the last coded one of each OBX-4, and the last
    of each OBX-4 and OBX-3. A culture of thousands of lines is read once."""

    def __init__(self, order: Order):
        obr = order.obr
        code = obr.text(26, 1, 1) or obr.text(26, 1, 4) if obr[26] else ""
        self.parent: Tie | None = None
        if obr[26] and (code or obr.text(26, 2) or obr.text(26, 3)):
            self.parent = Tie(code, obr.text(26, 2), obr.text(26, 3) or order.values.get((code, obr.text(26, 2)), ""))
            if order.parent:
                other, obx = order.parent
                self.parent = replace(self.parent, source=name_of(obx, parent_of(other.obr)), order=other.key)
        self.coded: dict[str, Segment] = {}
        self.last: dict[tuple[str, str], Segment] = {}

    def tie(self, obx: Segment) -> Tie | None:
        """Return what the next result was found in: the parent that the order names (OBR-26); of a susceptibility
        without one, the coded result before it with the same OBX-4, or the text after that which stands under the same
        OBX-3; of a result whose OBX-4 is nested (``1.1``) the one outside of it (``1``)."""
        if self.parent:
            return self.parent
        sub = obx[4]
        outer = next((name for name in outers(sub) if name in self.coded), "")
        if not is_susceptibility(obx):
            self.last[sub, obx[3]] = obx
            if obx.text(2).upper() in codes.CODED:
                self.coded[sub] = obx
            sub = outer
        elif sub not in self.coded:
            sub = outer
        if sub not in self.coded or self.coded[sub] is obx:
            return None
        source = self.last[sub, self.coded[sub][3]]
        words = source.text(5, 2) or words_of((source,))
        return Tie(source.text(3) or source.text(3, 4), source[4], words, source)
