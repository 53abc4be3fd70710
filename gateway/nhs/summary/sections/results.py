"""Results and measurements, as they were sent: by report, the last of each test; a comparator is a bound, a correction
says so, and no flag does not mean normal."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from gateway.fhir.codes import SNOMED
from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.measured import (
    NO_VALUE,
    NOT_FLAGGED,
    blood_pressure,
    interpretation,
    is_outside,
    pressure_flags,
    reference_range,
    value,
)
from gateway.nhs.summary.sections.reports import (
    Block,
    Part,
    blocks,
    comment,
    kind_of,
    of_errors,
    order_number,
    specimen,
)
from gateway.nhs.summary.sections.rows import Row, codes, is_error, notes, order, row, text, unworded, when

STATUS = {"corrected": "corrected", "amended": "corrected", "appended": "corrected", "preliminary": "preliminary",
          "partial": "preliminary", "unknown": "status not known", "cancelled": "report cancelled"}  # fmt: skip
TELLING = frozenset({
    "valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueRange", "valueRatio",
    "valueSampledData", "valueTime", "valueDateTime", "valuePeriod", "component", "interpretation",
})  # fmt: skip
"""The elements by which an Observation tells a result."""
NOT_RESULTS = frozenset({"cancelled", "registered"})
CRITICAL = frozenset({"AA", "HH", "LL", "HU", "LU", "HX", "LX"})
CRITICAL_WORDS = re.compile(r"\b(critical|panic|life.?threatening|urgent|alert)", re.IGNORECASE)
"""How senders mark what cannot wait: by code, or in the words of the flag."""
PART_UNCLEAR = "blood-pressure-part-unclear"
LAST_OF_EACH = 5
"""How many results of one test are shown, and how many critical ones beside them."""
REPORT_IN_ERROR = "its report was entered in error, the result was not"
LONG_COMMENT = 160
"""Characters up to which a comment on a report is repeated with each of its results."""
SEE_COMMENT = "comment on the whole report: see above"
NOTE = "Flags are the sender's: a result without one is not thereby normal. The last five of each test are shown."


def results(record: Record) -> list[Row]:
    """The last results of each test, by report, newest report first and in the sent order within it. The same code,
    exact time and value of several sources shows once and names them all. What is left out is not worded: one line for
    each source says that there is more."""
    references = frozenset(observation.reference for observation in record.of("Observation") if is_result(observation))
    held = [
        observation
        for observation in record.of("Observation")
        if observation.reference in references or _is_group(observation)
    ]
    grouped = sorted(sorted(blocks(record, held), key=order_number), key=lambda block: order(block.at), reverse=True)
    grouped, also = _collapsed(grouped)
    kept = _kept(record, grouped, references)
    lines = (line for block in grouped for line in _lines(record, block, kept, also))
    errors = of_errors(record)
    shown = [_with_flag(line, REPORT_IN_ERROR) if line.references[0] in errors else line for line in lines]
    left_out = {
        held.publisher: held
        for block in grouped
        for held in _held(block)
        if held.reference not in kept and held.reference in references
    }
    return shown + [unworded(held) for held in left_out.values()]


def _is_group(held: Held) -> bool:
    """Whether an Observation names a group of results."""
    return "hasMember" in held.resource and not kinds.of(held.kind).is_social and not is_error(held.resource)


def is_result(held: Held) -> bool:
    """Whether an Observation tells a result, and is no error and no circumstance of social care."""
    resource = held.resource
    if kinds.of(held.kind).is_social or is_error(resource) or resource.get("status") in NOT_RESULTS:
        return False
    return not TELLING.isdisjoint(resource) or _is_missing(resource)


def _is_missing(resource: dict[str, Any]) -> bool:
    """A laboratory result that should have a value and has none: it is said, not left out. A panel has its members'
    values."""
    laboratory = any("laboratory" in codes(category) for category in resource.get("category", ()))
    return laboratory and "dataAbsentReason" in resource and not resource.get("hasMember")


def _held(block: Block) -> Iterator[Held]:
    for part in block.parts:
        if not part.parts:  # as most are
            yield part.held
            continue
        for below, _ in part.walk():
            yield below.held


# What is shown


def _collapsed(grouped: list[Block]) -> tuple[list[Block], dict[str, list[Held]]]:
    """The blocks without results that stand in no report and say just what another says; and by the reference of that
    other, who else says it."""
    same = names_of_same(grouped)
    first: dict[Hashable, Held] = {}
    for block in sorted(grouped, key=lambda block: block.report is None):
        for held in _held(block):
            known = first.setdefault(same[held.reference], held)
            if block.report is None and is_open(known) and not is_open(held):
                first[same[held.reference]] = held
    also: dict[str, list[Held]] = {}
    left = []
    for block in grouped:
        part = block.parts[0] if block.parts and block.report is None else None
        leads = first[same[part.held.reference]] if part else None
        if part and leads and not part.parts and leads is not part.held:
            also.setdefault(leads.reference, []).append(part.held)
        else:
            left.append(block)
    return left, also


def names_of_same(grouped: Iterable[Block]) -> dict[str, Hashable]:
    """By its reference, a name of each result that all and only those share that say the same. Those of one code and
    time are few: only they are looked at whole."""
    alike: dict[Hashable, list[Held]] = {}
    for block in grouped:
        for held in _held(block):
            at = when(held.resource)
            alike.setdefault((_code(held.resource), order(at)) if "T" in at else held.reference, []).append(held)
    return {
        held.reference: (name, *_said(held.resource)) if len(together) > 1 else held.reference
        for name, together in alike.items()
        for held in together
    }


def is_open(held: Held) -> bool:
    """Whether a result may still change: the settled one of two that say the same leads."""
    return STATUS.get(held.resource.get("status", ""), "") == STATUS["preliminary"]


def _said(resource: dict[str, Any]) -> tuple[Any, ...]:
    """What two statements of one result share beside code and exact time: value, comment, where it was taken from, and
    whether it is a correction."""
    is_correction = resource.get("status") in ("corrected", "amended")
    taken = text(resource.get("bodySite")), resource.get("specimen", {}).get("display", "")
    return (value(resource), notes(resource), *taken, is_correction)


def _code(resource: dict[str, Any]) -> frozenset[str]:
    return frozenset(codes(resource.get("code"), SNOMED) or codes(resource.get("code")) or {text(resource.get("code"))})


def _kept(record: Record, grouped: Iterable[Block], references: frozenset[str]) -> set[str]:
    """The results that are shown: the last of each test, and the last critical ones of each. Those that mean something
    only together are shown together."""
    count: dict[Hashable, list[int]] = {}
    kept: set[str] = set()
    dated = [
        ((when(part.held.resource) if block.report else "") or block.at, block, part)
        for block in grouped
        for part in block.parts
    ]
    for _, block, part in sorted(dated, key=lambda entry: order(entry[0]), reverse=True):
        whole = [below for below, _ in part.walk()] if part.parts else [part]
        wanted = [below.held.reference in references and _is_wanted(record, block, below, count) for below in whole]
        if any(wanted):
            kept.update(below.held.reference for below in whole)
    return kept


def _is_critical(resource: dict[str, Any]) -> bool:
    """Whether the sender flagged a result, or a component of it, as critical."""
    if "interpretation" not in resource and "component" not in resource:
        return False
    flags = [flag for part in (resource, *resource.get("component", ())) for flag in part.get("interpretation", ())]
    return any(codes(flag) & CRITICAL or CRITICAL_WORDS.search(interpretation(flag)) for flag in flags)


def _is_wanted(record: Record, block: Block, part: Part, count: dict[Hashable, list[int]]) -> bool:
    """Whether a result is among the last of its test, or among its last critical ones. ``count`` holds how many of
    both each test has had."""
    had = count.setdefault(kind_of(block, part, record), [0, 0])
    had[0] += 1
    if not _is_critical(part.held.resource):
        return had[0] <= LAST_OF_EACH
    had[1] += 1
    return min(had) <= LAST_OF_EACH


# In words


def _lines(record: Record, block: Block, kept: set[str], also: dict[str, list[Held]]) -> list[Row]:
    """The lines of one report, or of one result that stands alone."""
    parts = [part for part in block.parts if part.held.reference in kept]
    if block.report is None:
        return [line for part in parts for line in _part_lines(part, 0, also)] if parts else []
    report = block.report
    if not parts:
        return [_report(record, report)] if not block.parts and _tells(report) else []
    if len(parts) == 1 and not parts[0].parts and not _has_words(report.resource):
        return [_only_result(record, report, _with_sources(parts[0].held, also))]
    said = comment(report.resource)
    remark = (said if len(said) <= LONG_COMMENT else SEE_COMMENT) if said else ""
    below = [_remarked(line, remark) for part in parts for line in _part_lines(part, 1, also)]
    return [replace(_report(record, report), heads=True), *below]


def _part_lines(part: Part, level: int, also: dict[str, list[Held]]) -> Iterator[Row]:
    for below, depth in part.walk(level):
        line = _with_sources(below.held, also)
        yield replace(line, level=depth, heads=bool(below.parts))


def _with_sources(held: Held, also: dict[str, list[Held]]) -> Row:
    line = result_row(held)
    for other in also.get(held.reference, ()):
        line = _also(line, result_row(other))
    return line


def _with_flag(line: Row, flag: str) -> Row:
    return replace(line, flags=(*line.flags, flag))


def _remarked(line: Row, remark: str) -> Row:
    return replace(line, detail=_joined(line.detail, f"Report comment: {remark}" if remark else ""))


def _joined(*words: str) -> str:
    return " · ".join(word for word in words if word)


def _has_words(report: dict[str, Any]) -> bool:
    return bool(report.get("conclusion") or report.get("presentedForm"))


def _tells(held: Held) -> bool:
    """Whether a report without results says something itself: a conclusion, a comment, or a document that this page
    cannot show."""
    return held.resource.get("status") not in NOT_RESULTS and (
        _has_words(held.resource) or bool(comment(held.resource))
    )


def _report(record: Record, held: Held) -> Row:
    resource = held.resource
    tested, said = specimen(record, resource), comment(resource)
    details = (
        resource.get("conclusion", ""),
        "a document is held and not shown here" if resource.get("presentedForm") else "",
        f"Specimen: {tested}" if tested else "",
        f"Report comment: {said}" if said else "",
    )
    return row(held, text(resource.get("code")), when(resource), details, (_status(resource),), timed=True)


def _status(resource: dict[str, Any]) -> str:
    return STATUS.get(resource.get("status", ""), "")


def report_flags(block: Block, held: Held, errors: frozenset[str]) -> tuple[str, ...]:
    """What the report of a result says of it, where the report does not stand above it. ``errors``: see
    ``of_errors``."""
    status = _status(block.report.resource) if block.report else ""
    is_told = not status or status == _status(held.resource)
    in_words = () if is_told else (status if status.startswith("report") else f"report: {status}",)
    return (*in_words, *((REPORT_IN_ERROR,) if held.reference in errors else ()))


def remarks(block: Block, held: Held) -> str:
    """What is said beside the value of a result: its own note, and the comment on its report."""
    said = comment(block.report.resource) if block.report else ""
    return _joined(notes(held.resource), f"Report comment: {said}" if said else "")


def _only_result(record: Record, report: Held, line: Row) -> Row:
    """The only result of a report, on one line: words are named by the report, a value by its test."""
    head, result = _report(record, report), record.by_reference[line.references[0]].resource
    is_words = "valueString" in result
    other = line.title if is_words else head.title
    named = f"{'as' if is_words else 'in'} {other}" if head.title != line.title and other.casefold() != "report" else ""
    return replace(
        line,
        title=head.title if is_words else line.title,
        detail=_joined(line.detail, head.detail, named),
        references=(*head.references, *line.references),
        flags=tuple(dict.fromkeys((*line.flags, *head.flags))),
    )


def _also(first: Row, other: Row) -> Row:
    """The same result of another source, or sent again: both sources are named, and no flag of either is lost, but that
    the other was preliminary."""
    said = (flag for flag in other.flags if flag != STATUS["preliminary"])
    sources, flags = (tuple(dict.fromkeys(both)) for both in ((*first.sources, *other.sources), (*first.flags, *said)))
    return replace(first, sources=sources, flags=flags, references=(*first.references, *other.references))


def result_row(held: Held) -> Row:
    """The line of one result: its value with its range and note, and what its sender and its status say of it."""
    resource = held.resource
    tags = {tag.get("code") for tag in resource.get("meta", {}).get("tag", ())}
    flags = [interpretation(concept) for concept in resource.get("interpretation", ())]
    pressure, needs_value = blood_pressure(resource), is_result(held) and not flags
    flags += pressure_flags(resource) if pressure else []
    return row(
        held,
        "Blood pressure" if pressure else text(resource.get("code")),
        when(resource),
        (pressure or value(resource) or (NO_VALUE if needs_value else ""), reference_range(resource), notes(resource)),
        (
            *flags,
            NOT_FLAGGED if not flags and is_outside(resource) else "",
            STATUS.get(resource.get("status", ""), ""),
            "systolic or diastolic not told" if PART_UNCLEAR in tags else "",
        ),
        timed=True,
    )
