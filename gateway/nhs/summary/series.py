"""Each test over time: the last results of one code, one unit, one specimen and one publisher, newest first. Nothing is
joined over two of any of these."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.measured import pressures, reference_range, unit_of, value
from gateway.nhs.summary.sections.reports import Block, Part, blocks, kind_of
from gateway.nhs.summary.sections.results import is_result, result_row
from gateway.nhs.summary.sections.rows import notes, order, shown_time, text, when

LAST = 5
"""How many results of a test are told."""
LONG = 60
"""Characters up to which a result in words stands in a cell: a longer one is read in its report."""
SEE_REPORT = "in words: see the report"
CORRECTED = frozenset({"corrected", "amended", "appended"})


@dataclass(frozen=True, slots=True)
class Point:
    """One result of a test: ``at`` as sent, ``when`` and ``words`` as shown. ``number`` is its value, where it has one,
    ``bound`` its comparator; ``low`` is the lower end of a pair such as a blood pressure, whose upper end is
    ``number``."""

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


@dataclass(frozen=True, slots=True)
class Series:
    """One test: what it is called, its unit, who holds it, the range last sent with it ((None, None) for none), and its
    last results, newest first. ``more``: older ones are held."""

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
    for block in blocks(record, held):
        for part in block.parts:
            for below, _ in part.walk():
                if below.held.reference in known:
                    by_test.setdefault(_test(record, block, below), []).append((block, below.held))
    tests = [_series(results) for results in by_test.values()]
    return sorted(sorted(tests, key=lambda test: test.title), key=lambda test: order(test.points[0].at), reverse=True)


def _test(record: Record, block: Block, part: Part) -> tuple[Any, ...]:
    """What two results share that may stand in one line: code, specimen, publisher and unit. A number is of one test
    whichever report it came in; what is in words is of its report, because its code may say no more than "report"."""
    code, report, specimen, publisher = kind_of(block, part, record)
    resource = part.held.resource
    is_number = "valueQuantity" in resource or pressures(resource) is not None
    return (code, "" if is_number else report, specimen, publisher, _unit(resource))


def _unit(resource: dict[str, Any]) -> str:
    pair = pressures(resource)
    return unit_of(pair[0] if pair else resource.get("valueQuantity", {}))


def _series(results: list[tuple[Block, Held]]) -> Series:
    newest = sorted(results, key=lambda result: order(_at(*result)), reverse=True)
    shown = newest[:LAST]
    block, held = shown[0]
    line, resource = result_row(held), held.resource
    points = tuple(_point(*result) for result in shown)
    interval = resource.get("referenceRange", ())
    low, high = (_number(interval[0].get(end, {})) for end in ("low", "high")) if len(interval) == 1 else (None, None)
    is_report = points[0].words == SEE_REPORT and block.report is not None
    title = text(block.report.resource.get("code")) if is_report and block.report else ""
    return Series(
        title or line.title, _unit(resource), line.source, reference_range(resource), low, high, points, len(newest) > LAST
    )  # fmt: skip


def _at(block: Block, held: Held) -> str:
    """When a result was taken: its own time, else its report's."""
    return when(held.resource) or block.at


def _point(block: Block, held: Held) -> Point:
    resource = held.resource
    line, pair = result_row(held), pressures(resource)
    quantity = pair[0] if pair else resource.get("valueQuantity", {})
    said = f"{pair[0]['value']}/{pair[1]['value']} {unit_of(pair[0])}" if pair else value(resource)
    at = _at(block, held)
    return Point(
        at, shown_time(at), said if len(said) <= LONG else SEE_REPORT, line.flags, notes(resource), _number(quantity),
        str(quantity.get("comparator", "")), _number(pair[1]) if pair else None, resource.get("status") in CORRECTED,
        held.reference,
    )  # fmt: skip


def _number(quantity: dict[str, Any]) -> Decimal | None:
    return Decimal(str(quantity["value"])) if "value" in quantity else None
