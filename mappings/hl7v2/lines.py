"""The OBX of one order to its results: lines of a text and parts of a document put together, organisms tied."""

from __future__ import annotations

from mappings.hl7v2 import codes, documents, times
from mappings.hl7v2.message import Segment
from mappings.hl7v2.observation import UNSETTLED, WITHDRAWN, Result, Tie, status_of
from mappings.hl7v2.orders import Commented, Order
from mappings.hl7v2.specimen import specimens_of
from mappings.hl7v2.values import TEXT, words_of

SUSCEPTIBLE = {"S", "I", "R", "MS", "VS", "SDD", "NS", "SENSITIVE", "SUSCEPTIBLE", "RESISTANT", "INTERMEDIATE"}
CODED = {"CE", "CWE", "CNE"}
MARKED = {"corrected", "amended"}


def results_of(order: Order) -> list[Result]:
    """Return the results of an order, each with its comments, specimens and the result it was found in."""
    grouped = group(order)
    specimens = specimens_of(order)
    all_statuses = [[status_of(part.segment, order.obr) for part in parts] for parts in grouped]
    statuses = [said[-1] for said in all_statuses]
    is_corrected = codes.target("result_unsaid", order.obr.text(25)) == "corrected" and not MARKED & set(statuses)
    results = []
    for number, parts in enumerate(grouped):
        segments = tuple(part.segment for part in parts)
        notes = "\n".join(note for part in parts for note in part.notes)
        results.append(
            Result(
                segments,
                order.obr,
                marked(all_statuses[number]),
                (notes,) if notes else (),
                specimens,
                tie(segments[0], order, grouped[:number]),
                is_corrected,
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
        if key and key in texts:
            texts[key].append(comment)
        elif grouped and is_part(grouped[-1], obx, order.obr):
            grouped[-1].append(comment)
        else:
            grouped.append([comment])
            if key:
                texts[key] = grouped[-1]
    return grouped


def is_part(parts: list[Commented], obx: Segment, obr: Segment) -> bool:
    before = [part.segment for part in parts]
    return documents.continues(before, obx) and standing(status_of(before[-1], obr)) == standing(status_of(obx, obr))


def line_key(obx: Segment, obr: Segment) -> tuple[str, ...]:
    """Return what the lines of one text have in common, () for what is no line of a text. A withdrawn line, or one that
    is not settled, stands for itself; of readings sent as text (ST) those of another time, too."""
    kind = obx.text(2).upper()
    if kind not in TEXT or is_susceptibility(obx):
        return ()
    time = times.of(obx, 14) if kind == "ST" else ""
    return (obx[3], obx[4], obx[6], time, standing(status_of(obx, obr)))


def standing(status: str) -> str:
    """Return the kind of a status: settled, not settled, or withdrawn."""
    return "withdrawn" if status in WITHDRAWN else "unsettled" if status in UNSETTLED else "settled"


def is_susceptibility(obx: Segment) -> bool:
    """Whether an OBX says how susceptible an organism is: by OBX-8, else by its value."""
    return obx.text(8).upper() in SUSCEPTIBLE or obx.text(5).upper() in SUSCEPTIBLE


def tie(obx: Segment, order: Order, before: list[list[Commented]]) -> Tie | None:
    """Return what a result was found in: the parent that the order names (OBR-26); of a susceptibility without one, the
    coded result before it with the same OBX-4."""
    obr = order.obr
    code = obr.text(26, 1, 1) or obr.text(26, 1, 4) if obr[26] else ""
    if obr[26] and (code or obr.text(26, 2) or obr.text(26, 3)):
        return Tie(code, obr.text(26, 2), obr.text(26, 3) or order.values.get((code, obr.text(26, 2)), ""))
    if not is_susceptibility(obx):
        return None
    for parts in reversed(before):
        head = parts[0].segment
        if head[4] == obx[4] and head.text(2).upper() in CODED and not is_susceptibility(head):
            return Tie(head.text(3) or head.text(3, 4), head[4], head.text(5, 2) or words_of((head,)))
    return None
