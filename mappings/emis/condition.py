"""An entry that is a condition, or stands on the problem list, to Condition."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import SNOMED
from mappings import Look, Row, Values
from mappings.emis.codes import coded
from mappings.emis.entry import Entry, clinician, encounter, filed, subject
from mappings.emis.qualifiers import NONE
from mappings.emis.tables import PROBLEM
from mappings.emis.values import entered, guid, identifier, is_doubtful, partial
from mappings.vocabulary import (
    CONDITION_CATEGORY,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
    ENCOUNTER_DIAGNOSIS,
    UK_CORE,
    UK_CORE_CODES,
    UNKNOWN,
    status,
    tagged,
)

PROBLEM_LIST = [{"coding": [{"system": CONDITION_CATEGORY, "code": "problem-list-item"}]}]
PROFILE = UK_CORE + "UKCore-Condition"
EPISODE = UK_CORE + "Extension-UKCore-ConditionEpisode"
EPISODES = {"first": "first", "new": "new", "review": "review", "end": "end"}
RELATED = "http://hl7.org/fhir/StructureDefinition/condition-related"
VERIFIED = {"refuted": "refuted", "confirmed": "confirmed", "suspected": "provisional"}
"""Said of a Condition where a qualifier or the words say it; a plain entry has no verification status, and none is
invented."""


def condition(entry: Entry, problem: Row | None, look: Look) -> dict[str, Any]:
    """Return the Condition: a diagnosis of its encounter, or a problem-list item when the problem row is there."""
    values, held = entry.values, problem.values if problem else Values()
    recorded, ambiguous = entered(values)
    count_unlisted(held, look)
    condition = resource(
        "Condition",
        look.id("Condition", entry.key),
        PROFILE,
        entry.security,
        is_clean=True,
        identifier=[identifier(entry.key)],
        extension=extensions(entry, held, look),
        clinicalStatus=clinical_status(entry, held) if problem else course(entry),
        verificationStatus=verification(entry),
        category=categories(held, problem is not None),
        severity=severity(entry),
        code=entry.code.concept,
        bodySite=[{"text": site}] if (site := entry.said.details.get("site")) else [],
        subject=subject(values, look),
        encounter=encounter(values, look),
        onsetDateTime=entry.effective,
        abatementDateTime="" if is_active(held) else partial(held, "EndDate"),
        recordedDate=recorded,
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        asserter=clinician(values, look),
        note=[*entry.notes, *words_of(entry), *problem_notes(held)] if problem or entry.said is not NONE else [],
    )
    return tagged(condition, ambiguous or is_doubtful(held, "EndDate"))


def is_active(held: Values) -> bool:
    return str(held["ProblemStatusDescription"]).casefold().startswith("active")


def clinical_status(entry: Entry, held: Values) -> dict[str, Any]:
    """Return a problem's status as its row says it; where it says nothing, a resolved or ended one is inactive and any
    other unknown."""
    said = held["ProblemStatusDescription"].casefold()
    if said.startswith("active"):
        return status(CONDITION_CLINICAL, "active")
    if said.startswith(("past", "inactive")) or held["EndDate"]:
        return status(CONDITION_CLINICAL, "inactive")
    return course(entry) or UNKNOWN


def count_unlisted(held: Values, look: Look) -> None:
    """Count a status of a problem that is in no words we know: whether it goes on is then unknown."""
    said = held["ProblemStatusDescription"].strip()
    if said and not said.casefold().startswith(("active", "past", "inactive")):
        look.unlisted(PROBLEM, "ProblemStatusDescription", said)


def course(entry: Entry) -> dict[str, Any]:
    """Return the clinical status that words or qualifiers give: resolved, in remission, or history of; {} for none."""
    if entry.sense == "resolved":
        words = f"{entry.code.text} {entry.said.words}".casefold()
        return status(CONDITION_CLINICAL, "remission" if "remission" in words else "resolved")
    return status(CONDITION_CLINICAL, "inactive") if entry.sense == "history" else {}


def verification(entry: Entry) -> dict[str, Any]:
    """Return what is said of certainty. The words of a code that denies ("ruled out") deny by themselves: only
    qualifiers refute."""
    if entry.in_words:
        return status(CONDITION_VERIFICATION, "provisional") if entry.sense == "suspected" else {}
    if entry.sense in ("", "resolved", "history"):
        return {}
    return status(CONDITION_VERIFICATION, VERIFIED.get(entry.sense, "unconfirmed"))


def words_of(entry: Entry) -> list[dict[str, Any]]:
    """Return a qualifier's own words where the status above is only the nearest."""
    if entry.in_words or entry.said.is_mixed or entry.sense in ("", "refuted", "confirmed", "suspected"):
        return []
    return [{"text": entry.said.words}]


def categories(held: Values, is_problem: bool) -> list[dict[str, Any]]:
    """Return the category; a problem's significance is a second one in its own words: how the practice files it, not
    how bad it is."""
    if not is_problem:
        return [ENCOUNTER_DIAGNOSIS]
    significance = held["SignificanceDescription"].strip()
    return [*PROBLEM_LIST, {"text": significance}] if significance else PROBLEM_LIST


def severity(entry: Entry) -> dict[str, Any]:
    """Return the severity a qualifier gives; significance is never one."""
    words = entry.said.details.get("severity", "")
    if not words:
        return {}
    code = coded("severity", words, target="snomed")
    return {"coding": [{"system": SNOMED, "code": code}], "text": words} if code else {"text": words}


def extensions(entry: Entry, held: Values, look: Look) -> list[dict[str, Any]]:
    """Return the episode, the problem the entry is filed under and the one its own problem is part of."""
    nodes = filed(entry, look)
    episode = entry.values["Episode"].strip()
    if episode and episode.casefold() != "none":
        code = EPISODES.get(episode.casefold())
        coding = {"coding": [{"system": UK_CORE_CODES + "ConditionEpisodicity", "code": code}]} if code else {}
        nodes.append({"url": EPISODE, "valueCodeableConcept": {**coding, "text": episode}})
    if parent := held["ParentProblemObservationGuid"]:
        nodes.append({"url": RELATED, "valueReference": look.reference("Condition", guid(parent))})
    return nodes


def problem_notes(held: Values) -> list[dict[str, Any]]:
    """Return as notes what a problem row says and Condition has no element for."""
    texts = []
    if relation := held["ParentProblemRelationship"].strip():
        texts.append(f"Relationship to the parent problem: {relation}")
    if held["ExpectedDuration"] not in ("", "0"):
        texts.append(f"Expected duration: {held['ExpectedDuration']} days")
    if is_active(held) and (end := partial(held, "EndDate")):
        texts.append(f"End date of the problem: {end}")
    if reviewed := partial(held, "LastReviewDate"):
        texts.append(f"Last reviewed: {reviewed}")
    return [{"text": text} for text in texts]
