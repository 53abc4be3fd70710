"""Hospital visits and reports, as building blocks of journeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from random import Random
from typing import Any

from gateway.synth.draw import chance
from gateway.synth.truth import Issue, Item, Move, Report, Visit


def emergency(key: str, arrived: datetime, hours: int, reason: str, disposal: str = "1") -> Visit:
    """Return a visit to the emergency department; ``disposal`` 1 is admitted, 3 discharged (A&E attendance
    disposal)."""
    left = arrived + timedelta(hours=hours)
    moves = (Move("A04", arrived, "ED"), Move("A03", left, "ED"))
    return Visit(key, "E", moves, reason, specialty="180", disposal=disposal)


def admission(key: str, admitted: datetime, nights: int, wards: tuple[str, ...], **facts: Any) -> Visit:
    """Return a stay that goes through ``wards``, a day apart in the early afternoon, and ends in the evening after
    ``nights``."""
    moves = [Move("A01", admitted, wards[0])]
    moves += [Move("A02", _on(admitted, number, 14), ward) for number, ward in enumerate(wards[1:], 1)]
    moves.append(Move("A03", _on(admitted, max(nights, len(wards) - 1), 18), wards[-1]))
    return Visit(key, "I", tuple(moves), **facts)


def _on(day: datetime, later: int, hour: int) -> datetime:
    return datetime.combine(day.date() + timedelta(days=later), time(hour, day.minute))


def undone(visit: Visit, event: str, after: timedelta, again: bool) -> Visit:
    """Return the visit with one step taken back ``after`` it was sent: A11 the admission, A12 the last transfer, A13
    the discharge.

    ``again`` makes the step a second time a day later; an admission taken back ends the visit there.
    """
    taken_back = {"A11": "A01", "A12": "A02", "A13": "A03"}[event]
    place = max(number for number, move in enumerate(visit.moves) if move.event == taken_back)
    step = visit.moves[place]
    before = visit.moves[place - 1].ward if event == "A12" else step.ward
    cancel = Move(event, step.at + after, before, of=step.at)
    if event == "A11":
        moves = (*visit.moves[: place + 1], cancel)
    elif again:
        redone = Move(step.event, step.at + timedelta(days=1), step.ward)
        rest = tuple(Move(move.event, move.at + timedelta(days=1), move.ward) for move in visit.moves[place + 1 :])
        moves = (*visit.moves[: place + 1], cancel, redone, *rest)
    else:
        rest = tuple(Move(move.event, move.at, before) for move in visit.moves[place + 1 :])
        moves = (*visit.moves[: place + 1], cancel, *rest)
    return replace(visit, moves=moves)


def numeric(
    code: str, words: str, value: float, digits: int, unit: str, low: float | None = None, high: float | None = None
) -> Item:
    """Return a number with its range, flagged where it lies outside."""
    text = f"{value:.{digits}f}"
    bounds = f"{low}-{high}" if low is not None and high is not None else ""
    flag = "L" if low is not None and float(text) < low else "H" if high is not None and float(text) > high else ""
    return Item(code, words, "NM", text, unit, bounds, flag)


def report(
    key: str, code: str, words: str, taken: datetime, items: tuple[Item, ...], visit: str = "", section: str = "LAB"
) -> Report:
    """Return a report sent once, final, some two hours after the sample."""
    return Report(key, code, words, section, taken, (Issue("F", taken + timedelta(minutes=130), items),), visit)


def blood_count(draw: Random, key: str, taken: datetime, visit: str, infected: bool = False) -> Report:
    white = draw.uniform(12, 19) if infected else draw.uniform(4.2, 10.5)
    items = (
        numeric("HGB", "Haemoglobin", draw.uniform(98, 155), 0, "g/L", 115, 165),
        numeric("WBC", "White cell count", white, 1, "10*9/L", 4.0, 11.0),
        numeric("PLT", "Platelet count", draw.uniform(160, 420), 0, "10*9/L", 150, 450),
    )
    return report(key, "FBC", "Full blood count", taken, items, visit)


def chemistry(draw: Random, key: str, taken: datetime, visit: str) -> Report:
    items = (
        numeric("NA", "Sodium", draw.uniform(131, 146), 0, "mmol/L", 133, 146),
        numeric("K", "Potassium", draw.uniform(3.4, 5.2), 1, "mmol/L", 3.5, 5.3),
        numeric("CRE", "Creatinine", draw.uniform(55, 140), 0, "umol/L", 49, 104),
    )
    return report(key, "UE", "Urea and electrolytes", taken, items, visit)


def inflammation(draw: Random, key: str, taken: datetime, visit: str, infected: bool) -> Report:
    """Return a C reactive protein, below its limit of measurement where nothing is wrong (a comparator, not a
    number)."""
    item = (
        numeric("CRP", "C reactive protein", draw.uniform(60, 240), 0, "mg/L", 0, 5)
        if infected
        else Item("CRP", "C reactive protein", "SN", "<^1", "mg/L", "0-5")
    )
    return report(key, "CRP", "C reactive protein", taken, (item,), visit)


def swab(draw: Random, key: str, taken: datetime, visit: str) -> Report:
    """Return a coded result: first preliminary and pending, then final."""
    result = ("260373001", "Detected") if chance(draw, 0.2) else ("260415000", "Not detected")
    words = "SARS-CoV-2 RNA"
    first = Issue("P", taken + timedelta(minutes=40), (Item("COVPCR", words, "TX", "Result to follow"),))
    last = Issue("F", taken + timedelta(hours=5), (Item("COVPCR", words, "CE", f"{result[0]}^{result[1]}^SCT"),))
    return Report(key, "COV", "Respiratory virus PCR", "LAB", taken, (first, last), visit)


def picture(key: str, words: str, taken: datetime, lines: tuple[str, ...], visit: str) -> Report:
    """Return a report in words, several lines of one text."""
    items = tuple(Item("TXT", "Report", "TX", line) for line in lines)
    return report(key, "XR", words, taken, items, visit, "RAD")


def corrected(draw: Random, key: str, taken: datetime, visit: str) -> Report:
    """Return a potassium that was sent as final from a haemolysed sample, and corrected the same day."""
    wrong = numeric("K", "Potassium", draw.uniform(6.4, 7.2), 1, "mmol/L", 3.5, 5.3)
    right = numeric("K", "Potassium", draw.uniform(3.9, 4.8), 1, "mmol/L", 3.5, 5.3)
    issues = (
        Issue("F", taken + timedelta(hours=2), (wrong,)),
        Issue("C", taken + timedelta(hours=6), (right,), "Corrected: first sample haemolysed"),
    )
    return Report(key, "K", "Potassium", "LAB", taken, issues, visit)
