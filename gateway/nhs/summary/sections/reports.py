"""Results as their laboratory grouped them: each report with its results in the sent order, and what belongs to a
result (the susceptibilities of an organism) under it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import is_error, order, text, when

NOTE_URL = "DiagnosticReport.note"
"""What the URL of an extension with a comment on the whole report ends in (R5 has ``DiagnosticReport.note``)."""


@dataclass(slots=True)
class Part:
    """One result, with what belongs to it."""

    held: Held
    parts: list[Part] = field(default_factory=list)

    def walk(self, level: int = 0) -> Iterator[tuple[Part, int]]:
        """The result and all below it, each with how deep it stands."""
        yield self, level
        for part in self.parts:
            yield from part.walk(level + 1)


@dataclass(slots=True)
class Block:
    """One report with its results, or (``report`` is None) a result that no report holds. ``at`` is when it was taken:
    the report's time, else the latest of its results'."""

    report: Held | None
    parts: list[Part]
    at: str = field(init=False)

    def __post_init__(self) -> None:
        own = when(self.report.resource) if self.report else ""
        self.at = own or max((when(part.held.resource) for part in self.parts), default="", key=order)


def blocks(record: Record, results: Sequence[Held]) -> list[Block]:
    """The reports of a record with those of the results that they hold, and each other result by itself. A result of
    several reports stands in the first. A report that is an error holds nothing: what it named and is no error itself
    stands in another report, or by itself."""
    free = {held.reference: held for held in results}
    grouped = []
    for report in record.of("DiagnosticReport"):
        if is_error(report.resource):
            continue
        members = [free.pop(name) for name in _members(report.resource) if name in free]
        grouped.append(Block(report, _nested(members, free)))
    alone = _nested(list(free.values()), {})
    return grouped + [Block(None, [part]) for part in alone]


def of_errors(record: Record) -> frozenset[str]:
    """The results that no report holds but one that is an error: they stand, and say so."""
    held: dict[bool, set[str]] = {True: set(), False: set()}
    for report in record.of("DiagnosticReport"):
        held[is_error(report.resource)].update(_members(report.resource))
    return frozenset(held[True] - held[False])


def order_number(block: Block) -> list[tuple[int, str]]:
    """The laboratory's number of a report, in an order in which 9 comes before 10: reports of one moment stand in the
    order in which the laboratory numbered them."""
    if block.report is None:
        return []
    identifiers = block.report.resource.get("identifier", ())
    number = next((identifier["value"] for identifier in identifiers if identifier.get("value")), "")
    return [(len(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", number)]


def _members(resource: dict[str, Any]) -> list[str]:
    """The results that a report names, in the sent order."""
    return [result["reference"] for result in resource.get("result", ()) if result.get("reference")]


def _nested(members: list[Held], free: dict[str, Held]) -> list[Part]:
    """Results with what belongs to each below it: what it has as members (taken from ``free`` too), and what says that
    it is derived from it. Whatever a circle of references would lose stands by itself."""
    waiting = list(members)
    parts = {held.reference: Part(held) for held in waiting}
    for held in waiting:  # grows as members of members are found
        for child in _children(held.resource) if "hasMember" in held.resource else ():
            if child in free:
                parts[child] = Part(free[child])
                waiting.append(free.pop(child))
    below: dict[str, str] = {}
    for name, part in parts.items():
        if "hasMember" not in part.held.resource and "derivedFrom" not in part.held.resource:
            continue  # as most
        for child in _children(part.held.resource):
            if child in parts and child != name:
                below.setdefault(child, name)
        for parent in _parents(part.held.resource):
            if parent in parts and parent != name:
                below.setdefault(name, parent)
    for name, parent in list(below.items()):
        if _is_circle(name, below):
            del below[name]
        else:
            parts[parent].parts.append(parts[name])
    return [part for name, part in parts.items() if name not in below]


def _children(resource: dict[str, Any]) -> list[str]:
    return [member["reference"] for member in resource.get("hasMember", ()) if member.get("reference")]


def _parents(resource: dict[str, Any]) -> list[str]:
    return [source["reference"] for source in resource.get("derivedFrom", ()) if source.get("reference")]


def _is_circle(name: str, below: dict[str, str]) -> bool:
    seen, at = {name}, below.get(name)
    while at is not None:
        if at in seen:
            return True
        seen.add(at)
        at = below.get(at)
    return False


def comment(report: dict[str, Any]) -> str:
    """The laboratory's comment on a whole report, "" for none."""
    said = [
        note.get("text", "")
        for extension in report.get("extension", ())
        if extension.get("url", "").endswith(NOTE_URL) and (note := extension.get("valueAnnotation", {}))
    ]
    return "\n".join(words for words in said if words)


def specimen(record: Record, resource: dict[str, Any]) -> str:
    """What was tested, in words: of a report or a result."""
    if "specimen" not in resource:
        return ""
    sent = resource["specimen"]
    names = []
    for reference in sent if isinstance(sent, list) else [sent]:
        held = record.by_reference.get(reference.get("reference", ""))
        named = text(held.resource.get("type")) if held else ""
        names.append(named or reference.get("display", ""))
    return ", ".join(dict.fromkeys(name for name in names if name))


def kind_of(block: Block, part: Part, record: Record) -> tuple[Any, ...]:
    """What makes two results results of one test: the code, what was tested, the report it came in, who did it."""
    resource = part.held.resource
    if block.report is None:
        return (_codings(resource.get("code")), "", specimen(record, resource).casefold(), part.held.publisher)
    report = block.report.resource
    tested = specimen(record, resource) or specimen(record, report)
    return (_codings(resource.get("code")), _codings(report.get("code")), tested.casefold(), part.held.publisher)


def _codings(concept: dict[str, Any] | None) -> frozenset[tuple[str, str]]:
    codings = (concept or {}).get("coding", ())
    sent = {(coding.get("system", ""), coding["code"]) for coding in codings if coding.get("code")}
    return frozenset(sent or {("", text(concept).casefold())})
