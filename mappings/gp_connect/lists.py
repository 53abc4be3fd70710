"""The Lists of an answer: which clinical areas it tells of and how wholly, where each item stands in a consultation,
and under which problems.

A List names what an answer holds of an area, and warns of what it leaves out. Consultations are Lists too: of topics,
headings and items. https://developer.nhs.uk/apis/gpconnect-1-5-1/accessrecord_structured_development_list.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mappings.gp_connect.stu3 import extensions, many, parts_of, plain, reference_of, referred, target, value_of
from mappings.vocabulary import code_table

BY_TYPE = {
    "AllergyIntolerance": "allergies", "MedicationStatement": "medications", "MedicationRequest": "medications",
    "Immunization": "immunisations", "Condition": "problems", "Encounter": "consultations", "DiagnosticReport": "investigations",
    "Specimen": "investigations", "ReferralRequest": "referrals",
}  # fmt: skip
"""The area of a type, for an item that no List names."""
NOTHING = "no-content-recorded"
"""The only reason of an empty List that says that there is nothing to name."""
UNREADABLE = "unreadable"
"""The warning of a List that cannot be read."""
ISSUES = "issues"
"""The area of issues of a medicine: an answer may leave them all out."""
AREAS = frozenset(row["area"] for row in code_table(__package__, "codes_list"))
Resource = dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """What one List of an area says: its code and title, whether it is what was asked for, its warnings, and why it is
    empty ("" for one that is not). ``is_whole``: it names all of its area; an empty one only where it says that
    nothing is recorded."""

    patient: str
    code: str
    area: str
    title: str
    is_primary: bool
    date: str
    warnings: tuple[str, ...]
    empty: str
    is_whole: bool


@dataclass(frozen=True)
class Heading:
    """Where an item stands in a consultation: the Encounter, the heading's title, and the problem of its topic."""

    encounter: str
    title: str
    problem: str


@dataclass
class Lists:
    """What the Lists of one answer say. Items are (type, id)."""

    statements: list[Statement] = field(default_factory=list)
    area: dict[tuple[str, str], str] = field(default_factory=dict)
    headings: dict[tuple[str, str], Heading] = field(default_factory=dict)
    problems: dict[tuple[str, str], list[str]] = field(default_factory=dict)


@lru_cache
def _codes() -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in code_table(__package__, "codes_list")}


def kind_of(resource: Resource) -> dict[str, str]:
    """Return the row of the table for a List, {} for one of another kind."""
    codes = (str(coding.get("code", "")).strip() for coding in codings_of(resource.get("code")))
    return next((_codes()[code] for code in codes if code in _codes()), {})


def read_lists(resources: dict[tuple[str, str], Resource], lists: list[Resource]) -> Lists:
    """Return what the Lists of an answer say of its resources (by type and id)."""
    answer = Lists()
    kinds = [(resource, kind) for resource in lists if (kind := kind_of(resource))]
    for resource, kind in kinds:
        if kind["kind"] == "structure":
            continue
        answer.statements.append(_statement(resource, kind, resources))
        for item in items(resource):
            if kind["kind"] == "primary" or item not in answer.area:
                answer.area[item] = kind["area"]
    by_id = {str(resource.get("id", "")): resource for resource, kind in kinds if kind["kind"] == "structure"}
    for resource in by_id.values():
        if encounter := referred(resource.get("encounter"))[1]:
            _walk(resource, encounter, "", "", by_id, answer, set())
    for (type_, key), resource in resources.items():
        if type_ == "Condition":
            _file(key, resource, answer)
        elif type_ == "DiagnosticReport":
            _results(resource, resources, answer)
    return answer


def area_of(lists: Lists, type_: str, key: str, resource: Resource) -> str:
    """Return the area whose whole answer would hold an item, "" for none that could."""
    if type_ == "MedicationRequest" and resource.get("intent") == "order":
        return ISSUES
    return lists.area.get((type_, key), "") if type_ not in BY_TYPE else BY_TYPE[type_]


def items(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what a List names within the answer, as (type, id)."""
    for entry in many(resource.get("entry")):
        name, key = referred(plain(entry).get("item"))
        if key:
            yield name, key


def warnings(resource: Resource) -> tuple[str, ...]:
    """Return the warning codes of a List. What cannot be read may be one."""
    values = [value_of(node) for node in extensions(resource, "ListWarningCode")]
    codes = [value.strip() if isinstance(value, str) else "" for value in values]
    codes += ["" for node in many(resource.get("extension")) if not isinstance(node, dict | None)]
    return tuple(dict.fromkeys(code or UNREADABLE for code in codes))


def empty_reason(resource: Resource) -> str:
    """Return the code that says why a List is empty, ``unknown`` for none. Of several that nothing is recorded counts
    last."""
    codes = [str(coding["code"]).strip() for coding in codings_of(resource.get("emptyReason")) if coding.get("code")]
    return min(codes, key=lambda code: code == NOTHING, default="unknown")


def _statement(resource: Resource, kind: dict[str, str], resources: dict[tuple[str, str], Resource]) -> Statement:
    contained = {f"#{plain(item).get('id')}" for item in many(resource.get("contained"))}
    references = [reference_of(plain(entry).get("item")) for entry in many(resource.get("entry"))]
    reason = empty_reason(resource) if resource.get("emptyReason") or not references else ""
    subject, patient = referred(resource.get("subject"))
    return Statement(
        patient=patient if subject == "Patient" else "",
        code=kind["code"],
        area=kind["area"],
        title=kind["name"],
        is_primary=kind["kind"] == "primary",
        date=str(resource.get("date", "")),
        warnings=warnings(resource),
        empty="" if references else reason,
        is_whole=kind["kind"] == "primary"
        and resource.get("status") == "current"
        and reason in ("", NOTHING)
        and all(target(reference) in resources or reference in contained for reference in references),
    )


def _walk(
    resource: Resource,
    encounter: str,
    title: str,
    problem: str,
    by_id: dict[str, Resource],
    answer: Lists,
    seen: set[str],
) -> None:
    """Note where each item below a List of a consultation stands. A heading's title is the nearest one."""
    key = str(resource.get("id", ""))
    if key in seen:
        return
    seen.add(key)
    if kind_of(resource)["name"] == "Heading":
        title = str(resource.get("title", "")).strip()
    for node in extensions(resource, "RelatedProblemHeader"):
        problem = referred(parts_of(node).get("target"))[1] or problem
    for name, item in items(resource):
        if name == "List" and item in by_id:
            _walk(by_id[item], encounter, title, problem, by_id, answer, seen)
        elif name != "List":
            own = problem if (name, item) != ("Condition", problem) else ""
            answer.headings.setdefault((name, item), Heading(encounter, title, own))


def _file(key: str, resource: Resource, answer: Lists) -> None:
    """Note the items that a problem is linked with. Another problem is no item of it."""
    for node in extensions(resource, "RelatedClinicalContent"):
        item = referred(value_of(node))
        if item[1] and item[0] not in ("Condition", "Encounter", "List"):
            answer.problems.setdefault(item, []).append(key)


def _results(report: Resource, resources: dict[tuple[str, str], Resource], answer: Lists) -> None:
    """Note that the results of a report, and what they are made of, are of the investigations."""
    waiting = [referred(result) for result in many(report.get("result"))]
    while waiting:
        item = waiting.pop()
        if item in answer.area or item not in resources:
            continue
        answer.area[item] = "investigations"
        related = many(resources[item].get("related"))
        waiting += [referred(plain(member).get("target")) for member in related]
    waiting = [referred(asked) for asked in many(report.get("basedOn"))]
    for item in waiting:
        answer.area.setdefault(item, "investigations")


def codings_of(concept: object) -> list[Resource]:
    """Return the codings of a concept, whatever was sent in its place."""
    return [coding for coding in many(plain(concept).get("coding")) if isinstance(coding, dict)]
