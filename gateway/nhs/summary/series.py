"""Each test over time: the last results of one code, one unit, one specimen, one laboratory and one publisher, newest
first. Nothing is joined over two of any of these."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.measured import has_unit_of, pressures, reference_range, unit_of, value
from gateway.nhs.summary.sections.reports import Block, Part, blocks, kind_of, of_errors
from gateway.nhs.summary.sections.results import (
    REPORT_IN_ERROR,
    STATUS,
    is_open,
    is_result,
    names_of_same,
    remarks,
    report_flags,
    result_row,
)
from gateway.nhs.summary.sections.rows import codes, order, shown_time, text, when

LAST = 5
"""How many results of a test are told."""
LONG = 60
"""Characters up to which a result in words stands in a cell: a longer one is read in its report."""
SEE_REPORT = "in words: see the report"
LONG_NOTE = 160
"""Characters up to which a comment stands beside the value in its cell."""
SEE_NOTE = "has a comment: see the result"
CORRECTED = frozenset({"corrected", "amended", "appended"})
UNSETTLED = frozenset({STATUS["preliminary"], STATUS["cancelled"], f"report: {STATUS['preliminary']}", REPORT_IN_ERROR})
"""The flags of a result that may still change, or whose report does not stand."""


@dataclass(frozen=True, slots=True)
class Point:
    """One result of a test: ``at`` as sent, ``when`` and ``words`` as shown. ``number`` is its value, where it has one,
    ``bound`` its comparator; ``low`` is the lower end of a pair such as a blood pressure, whose upper end is
    ``number``. ``note`` is its comment and its report's; ``is_settled``: nothing says that it may change or fall."""

    at: str
    when: str
    words: str
    flags: tuple[str, ...]
    note: str
    number: Decimal | None
    bound: str
    low: Decimal | None
    is_corrected: bool
    reference: str
    is_settled: bool = True

    @property
    def remark(self) -> str:
        """The comment as it stands in a cell."""
        return self.note if len(self.note) <= LONG_NOTE else SEE_NOTE


@dataclass(frozen=True, slots=True)
class Series:
    """One test: what it is called, its unit, who holds it and did it, the range last sent with it ((None, None) for
    none), and its last results, newest first. ``more``: older ones are held."""

    title: str
    unit: str
    source: str
    range_words: str
    low: Decimal | None
    high: Decimal | None
    points: tuple[Point, ...]
    more: bool


def series(record: Record) -> list[Series]:
    """The tests of a record, the one with the newest result first. The results are those of the section of results:
    the same permitted and filtered ones."""
    if "results" not in record.sections:
        return []
    held = [observation for observation in record.of("Observation") if is_result(observation)]
    by_test: dict[tuple[Any, ...], list[tuple[Block, Held]]] = {}
    known = {result.reference for result in held}
    grouped = blocks(record, held)
    for block in grouped:
        for part in block.parts:
            for below, _ in part.walk():
                if below.held.reference in known:
                    by_test.setdefault(_test(record, block, below), []).append((block, below.held))
    same, errors = names_of_same(grouped), of_errors(record)
    tests = [_series(_distinct(results, same), errors, key[-1]) for key, results in by_test.items()]
    return sorted(sorted(tests, key=lambda test: test.title), key=lambda test: order(test.points[0].at), reverse=True)


def _test(record: Record, block: Block, part: Part) -> tuple[Any, ...]:
    """What two results share that may stand in one line: code, specimen, publisher, unit and laboratory. A number is of
    one test whichever report it came in; what is in words is of its report, because its code may say no more than
    "report"."""
    code, report, specimen, publisher = kind_of(block, part, record)
    resource = part.held.resource
    is_number = "valueQuantity" in resource or pressures(resource) is not None
    return (
        code,
        "" if is_number else report,
        specimen,
        publisher,
        _unit(resource),
        _laboratory(record, block, resource),
    )


def _laboratory(record: Record, block: Block, resource: dict[str, Any]) -> str:
    """The organisations that did a test, by name: those of the result, else those of its report. Who is named without
    a reference did a laboratory's test; who took a blood pressure makes no other line."""
    is_laboratory = block.report is not None or any(
        "laboratory" in codes(item) for item in resource.get("category", ())
    )
    performers = resource.get("performer") or (block.report.resource.get("performer", ()) if block.report else ())
    names = set[str]()
    for performer in performers:
        reference = performer.get("reference", "")
        if (
            reference.startswith("Organization/")
            or performer.get("type") == "Organization"
            or (not reference and is_laboratory and "type" not in performer)
        ):
            held = record.by_reference.get(reference)
            named = held.resource.get("name", "") if held else ""
            names.add(named or performer.get("display") or performer.get("identifier", {}).get("value") or reference)
    return ", ".join(sorted(names - {""}))


def _distinct(results: list[tuple[Block, Held]], same: dict[str, Hashable]) -> list[list[tuple[Block, Held]]]:
    """The results of a test, newest first, each with those that say just the same of the same time after it: the
    settled one leads."""
    said: dict[Hashable, list[tuple[Block, Held]]] = {}
    for block, held in sorted(results, key=lambda result: is_open(result[1])):
        said.setdefault(same[held.reference], []).append((block, held))
    return sorted(said.values(), key=lambda alike: _place(*alike[0]), reverse=True)


def _place(block: Block, held: Held) -> tuple[str, int]:
    """By time; at one time a correction comes after what it corrects, and what may still change before both."""
    is_corrected = held.resource.get("status") in CORRECTED
    return order(_at(block, held)), 0 if is_open(held) else 2 if is_corrected else 1


def _unit(resource: dict[str, Any]) -> str:
    pair = pressures(resource)
    return unit_of(pair[0] if pair else resource.get("valueQuantity", {}))


def _series(newest: list[list[tuple[Block, Held]]], errors: frozenset[str], laboratory: str) -> Series:
    shown = newest[:LAST]
    block, held = shown[0][0]
    line, resource = result_row(held), held.resource
    points = tuple(_point(alike, errors) for alike in shown)
    low, high = _range(resource)
    source = line.source if laboratory in ("", line.source) else f"{line.source}, by {laboratory}"
    is_report = points[0].words == SEE_REPORT and block.report is not None
    title = text(block.report.resource.get("code")) if is_report and block.report else ""
    return Series(
        title or line.title, _unit(resource), source, reference_range(resource), low, high, points, len(newest) > LAST
    )  # fmt: skip


def _range(resource: dict[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """The ends of the one range that was sent with a result, in the unit of its value."""
    intervals = resource.get("referenceRange", ())
    if len(intervals) != 1:
        return None, None
    low, high = (intervals[0].get(end, {}) for end in ("low", "high"))
    is_comparable = has_unit_of(low, resource) and has_unit_of(high, resource)
    return (_number(low), _number(high)) if is_comparable else (None, None)


def _at(block: Block, held: Held) -> str:
    """When a result was taken: its own time, else its report's."""
    return when(held.resource) or block.at


def _point(alike: list[tuple[Block, Held]], errors: frozenset[str]) -> Point:
    """One result, with the flags of whatever else says the same, but that it was preliminary."""
    block, held = alike[0]
    resource = held.resource
    line, pair = result_row(held), pressures(resource)
    quantity = pair[0] if pair else resource.get("valueQuantity", {})
    said = f"{pair[0]['value']}/{pair[1]['value']} {unit_of(pair[0])}" if pair else value(resource)
    at, own = _at(block, held), (*line.flags, *report_flags(block, held, errors))
    also = [flag for other in alike[1:] for flag in (*result_row(other[1]).flags, *report_flags(*other, errors))]
    flags = tuple(dict.fromkeys((*own, *(flag for flag in also if flag not in UNSETTLED))))
    note = " · ".join(dict.fromkeys(words for other in alike if (words := remarks(*other))))
    return Point(
        at, shown_time(at), said if len(said) <= LONG else SEE_REPORT, flags, note, _number(quantity),
        str(quantity.get("comparator", "")), _number(pair[1]) if pair else None, resource.get("status") in CORRECTED,
        held.reference, UNSETTLED.isdisjoint(own),
    )  # fmt: skip


def _number(quantity: dict[str, Any]) -> Decimal | None:
    return Decimal(str(quantity["value"])) if "value" in quantity else None
