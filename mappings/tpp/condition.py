"""An entry that is a condition, or stands on the problem list, to Condition; and a problem without an entry."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.condition import EPISODE, EPISODES, PROBLEM_LIST, PROFILE, course, verification
from mappings.emis.entry import Entry
from mappings.tpp.codes import concept_of
from mappings.tpp.delivery import extracted
from mappings.tpp.entry import clinician, encounter, name, places, recorder, security, subject
from mappings.tpp.lists import word
from mappings.tpp.tables import PROBLEM
from mappings.tpp.times import day, is_doubtful, when
from mappings.vocabulary import CONDITION_CLINICAL, ENCOUNTER_DIAGNOSIS, UK_CORE_CODES, status, tagged


def condition(built: Entry, problem: Row | None, look: Look) -> dict[str, Any]:
    """Return the Condition: a diagnosis of its event, or a problem-list item when the problem row is there. Dates and
    people are the entry's: the problem repeats them."""
    row, values = built.row, built.values
    condition = resource(
        "Condition",
        look.id("Condition", name(row)),
        PROFILE,
        security(row, problem),
        extension=episode(row, look),
        clinicalStatus=clinical_status(problem) if problem else course(built),
        verificationStatus=verification(built),
        category=categories(problem, look) if problem else [ENCOUNTER_DIAGNOSIS],
        code=built.code.concept,
        subject=subject(row, look),
        encounter=encounter(values, look),
        onsetDateTime=when(values, "DateEvent"),
        abatementDateTime=ended(problem) if problem else "",
        recordedDate=when(values, "DateEventRecorded"),
        recorder=recorder(values, look),
        asserter=clinician(values, look),
        note=[*places(row), *ends_later(problem)],
    )
    return tagged(condition, is_doubtful(values, "DateEvent", "DateEventRecorded"))


def to_problem(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Condition of a problem that names no coded entry: it has a code of its own."""
    row = next(iter(group.of(PROBLEM)), None)
    if row is None:
        return []
    values = row.values
    concept = concept_of(values["CTV3Code"].strip(), "", look)
    condition = resource(
        "Condition",
        look.id("Condition", name(row)),
        PROFILE,
        security(row),
        clinicalStatus=clinical_status(row),
        category=categories(row, look),
        code=concept or {"text": "Problem without a code"},
        subject=subject(row, look),
        encounter=encounter(values, look),
        onsetDateTime=when(values, "DateEvent"),
        abatementDateTime=ended(row),
        recordedDate=when(values, "DateEventRecorded"),
        recorder=recorder(values, look),
        asserter=clinician(values, look),
        note=[*places(row), *ends_later(row)],
    )
    return [tagged(condition, is_doubtful(values, "DateEvent", "DateEventRecorded"))]


def ended(problem: Row) -> str:
    """Return the day on which a problem ended, "" while it goes on. A day after the extract is still to come."""
    end = day(problem.values, "DateEnd")
    return end if end <= extracted(problem.order) else ""


def ends_later(problem: Row | None) -> list[dict[str, Any]]:
    """Return as a note an end that is still to come."""
    end = day(problem.values, "DateEnd") if problem else ""
    return [{"text": f"End date of the problem: {end}"}] if problem and end and not ended(problem) else []


def clinical_status(problem: Row) -> dict[str, Any]:
    """Return active, or inactive for a problem that ended: ended does not say healed."""
    return status(CONDITION_CLINICAL, "inactive" if ended(problem) else "active")


def categories(problem: Row, look: Look) -> list[dict[str, Any]]:
    """Return the category of a problem. What SystmOne calls severity is Major or Minor: how the practice files it, and
    not how bad it is."""
    significance = word(problem, "Severity", look)
    return [*PROBLEM_LIST, {"text": significance}] if significance else PROBLEM_LIST


def episode(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the extension for the kind of episode (first, new, review…), [] for none."""
    text = word(row, "EpisodeType", look)
    if not text or text.casefold() == "none":
        return []
    code = EPISODES.get(text.casefold())
    coding = {"coding": [{"system": UK_CORE_CODES + "ConditionEpisodicity", "code": code}]} if code else {}
    return [{"url": EPISODE, "valueCodeableConcept": {**coding, "text": text}}]
