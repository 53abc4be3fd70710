"""An observation row to what it is: ``to_observation`` sends each to its kind, and adds the problem it may also be."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from mappings import Group, Look, Row
from mappings.emis.allergy import allergy
from mappings.emis.clinical import family_history, immunisation, procedure, specimen
from mappings.emis.condition import condition
from mappings.emis.entry import NEGATIVE, Entry, entry_of, shared
from mappings.emis.qualifiers import NONE
from mappings.emis.request import plan, referral, request
from mappings.emis.result import PART_UNCLEAR, observation, report
from mappings.emis.tables import CODE, OBSERVATION, PROBLEM, REFERRAL
from mappings.emis.values import guid

MAKERS = {
    "allergy": allergy,
    "family": family_history,
    "immunisation": immunisation,
    "procedure": procedure,
    "specimen": specimen,
    "request": request,
    "plan": plan,
}


def to_observation(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what the group's own row makes. Its children are there for what is made of both; they make themselves in
    their own groups."""
    key = group.key[4:]
    rows = group.rows
    if len(rows) == 1:
        alone = rows[0]
        if alone.deleted or alone.table != OBSERVATION or alone.key != key:
            return awaited(group, key)
        read = shared if "ParentObservationGuid" in alone.values else entry_of
        return resources(read(alone, look), None, None, [], look)
    observations = group.of(OBSERVATION)
    head = next((row for row in observations if row.key == key), None)
    if head is None:
        return awaited(group, key)
    children = [row for row in observations if row.key != key and row.patient == head.patient]
    problem = next((row for row in group.of(PROBLEM) if row.key == key), None)
    ask = next((row for row in group.of(REFERRAL) if row.key == key), None)
    entry = shared(head, look, ask is not None, bool(children))
    return resources(entry, problem, ask, children, look)


def awaited(group: Group, key: str) -> list[dict[str, Any]]:
    """Return nothing for an observation that was deleted or that only children name. Raises ``Invalid`` while a
    problem or a referral is here and its observation never came: it is not lost but waits."""
    is_told = any(row.table in (PROBLEM, REFERRAL) and not row.deleted for row in group.rows)
    if is_told and not any(row.table == OBSERVATION and row.key == key for row in group.rows):
        raise Invalid("column ObservationGuid")
    return []


def resources(
    entry: Entry, problem: Row | None, ask: Row | None, children: list[Row], look: Look
) -> list[dict[str, Any]]:
    """Return the resource of the entry's kind, and the Condition that a problem is beside it.

    Problem status is one more view of an entry and never its first: an allergy on the problem list is still an allergy.
    An unlisted category is counted here and not within ``shared``: it counts once, however many groups read the entry.
    """
    if entry.code.unlisted is not None:
        look.unlisted(CODE, "EmisCodeCategoryDescription", entry.code.unlisted)
    if entry.route == "condition":
        return [condition(entry, problem, look)]
    answer = []
    if entry.route in ("observation", "report"):
        parts: list[Entry] = []
        members: list[dict[str, Any]] = []
        specimens: list[dict[str, Any]] = []
        if children:  # nine of ten rows have none
            held = known(children, look)
            parts = parts_of(entry, held)
            members = members_of(held, parts, look)
            specimens = specimens_of(held, look)
        if is_doubled(parts):
            answer += [apart(part, look) for part in parts]
            members = [look.reference("Observation", part.key) for part in parts] + members
            parts = []
        if entry.route == "report":
            answer.append(report(entry, members, specimens, look))
        elif not is_component(entry, look):
            answer.append(observation(entry, parts, members, specimens, look))
    elif entry.route == "referral":
        answer.append(referral(entry, ask, look))
    else:
        answer.append(MAKERS[entry.route](entry, look))
    if problem is not None and not is_relatives(entry) or entry.code.is_disease and is_disease_too(entry):
        answer.append(condition(entry, problem, look))
    return answer


def is_relatives(entry: Entry) -> bool:
    """Whether a qualifier, and not the code, says that an entry is of a relative: it is no problem of the patient."""
    return entry.route == "family" and not entry.in_words and entry.code.route != "family"


def is_disease_too(entry: Entry) -> bool:
    """Whether an entry of the allergies names a disease, such as a diabetes that a drug caused. EMIS files it with the
    adverse reactions; it is on the list of diagnoses as well."""
    return entry.route == entry.code.route == "allergy" and entry.code.is_disease and entry.sense not in NEGATIVE


def is_component(entry: Entry, look: Look) -> bool:
    """Whether the parent shows the entry as a component; it decides by the same rule, ``belongs``."""
    if entry.code.part not in ("systolic", "diastolic") or not entry.values.get("ParentObservationGuid"):
        return False
    parent = look.row(OBSERVATION, guid(entry.values["ParentObservationGuid"]))
    if parent is None:
        return False
    try:
        return belongs(entry, shared(parent, look, has_children=True))
    except Invalid:
        return False  # the parent waits for its code, and this group is mapped again when it comes


def belongs(part: Entry, panel: Entry) -> bool:
    """Whether an entry is a part of a blood pressure: told by the codes of both, never by value. What a component
    could not say (a qualifier of its own, another date, problem or consultation) leaves it an Observation of its
    own."""
    return (
        part.code.part in ("systolic", "diastolic")
        and panel.code.part == "panel"
        and part.route == panel.route == "observation"
        and part.said is NONE
        and part.row.patient == panel.row.patient
        and part.effective == panel.effective
        and all(
            part.values.get(column, "") in ("", panel.values.get(column))
            for column in ("ProblemGuid", "ConsultationGuid")
        )
    )


def parts_of(entry: Entry, children: list[Entry]) -> list[Entry]:
    """Return the children that are the parts of a blood pressure, systolic first as people write them."""
    parts = [child for child in children if belongs(child, entry)]
    return sorted(parts, key=lambda child: (child.code.part != "systolic", *place(child)))


def place(child: Entry) -> tuple[int, str]:
    """Return where an entry stands in its file, which is the order that people see. Not the order of its extract: an
    unchanged entry that is sent again has another, and nothing is mapped for it."""
    return child.row.line, child.key


def is_doubled(parts: list[Entry]) -> bool:
    """Whether a panel has two systolic or two diastolic parts: joined, nobody could see which belongs to which."""
    return len(parts) > 1 and len({part.code.part for part in parts}) < len(parts)


def apart(part: Entry, look: Look) -> dict[str, Any]:
    """Return a part of a doubled blood pressure as an Observation of its own, which says that it was one of several."""
    alone = observation(part, [], [], [], look)
    alone["meta"] = {**alone["meta"], "tag": [*alone["meta"].get("tag", []), PART_UNCLEAR]}
    alone["note"] = [*alone.get("note", []), {"text": "One of several readings: which belong together is not said."}]
    return alone


def specimens_of(children: list[Entry], look: Look) -> list[dict[str, Any]]:
    """Return references to the children that are the specimens which a report or result is of."""
    specimens = sorted((child for child in children if child.route == "specimen"), key=place)
    return [look.reference("Specimen", child.key) for child in specimens]


def members_of(children: list[Entry], parts: list[Entry], look: Look) -> list[dict[str, Any]]:
    """Return references to the children that are results: those with a value, or of a laboratory category."""
    results = [child for child in children if child.route == "observation" and child not in parts]
    return [
        look.reference("Observation", child.key)
        for child in sorted(results, key=place)
        if "Value" in child.values or child.code.category == "laboratory"
    ]


def known(children: list[Row], look: Look) -> list[Entry]:
    """Return the entries of the children whose codes have arrived; the others wait in quarantine and touch this group
    when they come."""
    entries = []
    for child in children:
        try:
            entries.append(shared(child, look))
        except Invalid:
            continue
    return entries
