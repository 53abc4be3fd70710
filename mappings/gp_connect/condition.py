"""A problem to Condition. What it is filed as (major, minor) is no severity, and its status ends nothing else."""

from __future__ import annotations

from typing import Any

from mappings.emis.condition import EPISODE, EPISODES, PROFILE, RELATED, verification
from mappings.gp_connect.allergy import ERROR, code_of
from mappings.gp_connect.allergy_said import is_cancelled, said_allergy
from mappings.gp_connect.concepts import entry_of, with_text
from mappings.gp_connect.stu3 import Sent, extensions, held, named, parts_of, referred, target, value_of
from mappings.vocabulary import CONDITION_CLINICAL, CONDITION_VERIFICATION, UK_CORE_CODES, UNKNOWN, status

ENDED = frozenset({"inactive", "resolved", "remission"})
SIGNIFICANCES = {"major": "Major", "minor": "Minor"}


def to_condition(sent: Sent) -> list[dict[str, Any]]:
    """Return the Condition, and an AllergyIntolerance where the problem is one and the record has no other of it."""
    certainty = code_of(sent.one("verificationStatus"))
    code = with_text(sent.one("code") or {}) or {"text": "Problem without a code"}
    entry = entry_of(sent.row, code, sent.look)
    condition = sent.built(
        "Condition",
        PROFILE,
        extension=[*related(sent), *episode(sent)],
        identifier=sent.identifiers(),
        clinicalStatus=None if certainty == ERROR else clinical_status(sent),
        verificationStatus=status(CONDITION_VERIFICATION, certainty)
        if certainty and certainty != "unknown"
        else verification(entry),
        category=categories(sent),
        severity=sent.one("severity"),
        code=code,
        bodySite=sent.many("bodySite"),
        subject=sent.subject(),
        encounter=sent.encounter(),
        **sent.choice("onset"),
        **abatement(sent),
        recordedDate=sent.text("assertedDate"),
        asserter=sent.one("asserter"),
        stage=sent.many("stage"),
        evidence=[*sent.many("evidence"), *actual(sent)],
        note=[*sent.many("note"), *ended(sent)],
    )
    answer = [condition]
    if entry.route == "allergy" and not is_elsewhere(sent):
        answer.append(said_allergy(sent, code, entry, "onsetDateTime", "assertedDate"))
    return answer


def clinical_status(sent: Sent) -> dict[str, Any]:
    """Return the status as it was sent. One that says nothing is not known: neither active nor past."""
    code = code_of(sent.one("clinicalStatus"))
    return status(CONDITION_CLINICAL, code) if code else UNKNOWN


def categories(sent: Sent) -> list[dict[str, Any]]:
    """Return the category; significance is a second one in its own words: how the practice files it."""
    said = value_of(sent.extension("ProblemSignificance"))
    word = SIGNIFICANCES.get(str(said).casefold(), str(said)) if isinstance(said, str) else ""
    return [*sent.many("category"), *([{"text": word}] if word else [])]


def abatement(sent: Sent) -> dict[str, Any]:
    """Return when it ended. R4 no longer has an end that is only said to be, and lets no problem end that is still
    active: those are said in a note."""
    if code_of(sent.one("clinicalStatus")) not in ENDED:
        return {}
    return {name: value for name, value in sent.choice("abatement").items() if name != "abatementBoolean"}


def ended(sent: Sent) -> list[dict[str, Any]]:
    """Return as a note an end that Condition has no element for."""
    said = sent.choice("abatement")
    if not said or said.keys() == abatement(sent).keys() or said.get("abatementBoolean") is False:
        return []
    at = next(iter(said.values()))
    return [{"text": f"End date of the problem: {at}" if isinstance(at, str) else "Ended, without a date"}]


def actual(sent: Sent) -> list[dict[str, Any]]:
    """Return the item that the problem is: both say one thing, so what hides one hides the other."""
    reference = sent.extension_value("ActualProblem")
    return [{"detail": [reference]}] if reference else []


def related(sent: Sent) -> list[dict[str, Any]]:
    """Return the problems that this one is a part of. Its own parts and siblings say so themselves: a hidden one of
    them must not hide it."""
    answer = []
    for node in extensions(sent.said, "RelatedProblemHeader"):
        parts = parts_of(node)
        name, key = target(str((parts.get("target") or {}).get("reference", "")))
        if parts.get("type") == "parent" and name == "Condition":
            answer.append({"url": RELATED, "valueReference": sent.look.reference("Condition", named("Condition", key))})
    return answer


def episode(sent: Sent) -> list[dict[str, Any]]:
    """Return the kind of episode (first, new, review, end) with the practice's own words; [] for none."""
    concept = with_text(sent.extension_value("ConditionEpisode"))
    words = [str(coding.get("code", "")).casefold() for coding in concept.get("coding", ())]
    code = next((EPISODES[word] for word in words if word in EPISODES), "")
    known = [{"system": UK_CORE_CODES + "ConditionEpisodicity", "code": code}] if code else concept.get("coding", [])
    return [{"url": EPISODE, "valueCodeableConcept": {**concept, "coding": known}}] if concept else []


def is_elsewhere(sent: Sent) -> bool:
    """Whether the item that the problem is makes an allergy itself. A cancelled one does not."""
    name, key = referred(value_of(sent.extension("ActualProblem")))
    row = sent.look.row(name, key) if name in ("AllergyIntolerance", "Observation") else None
    return row is not None and not (name == "Observation" and is_cancelled(held(row)))
