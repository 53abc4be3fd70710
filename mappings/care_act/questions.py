"""The statutory questions of an assessment, and what their answers are in FHIR."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mappings import Look
from mappings.vocabulary import code_table

URN = "urn:nhs-record-gateway:care-act:"
LISTS = {"CA-ELIGIBILITY-01": "eligibility", "STAT-FINANCE-01": "funding"}
"""The questions whose answers are of a list."""
YES, NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})


@lru_cache
def dictionary() -> dict[str, str]:
    """Return the statutory questions by their id."""
    return {row["code"]: row["text"] for row in code_table(__package__, "codes_question")}


@lru_cache
def answers(list_: str) -> frozenset[str]:
    return frozenset(row["code"] for row in code_table(__package__, "codes_answer") if row["list"] == list_)


def is_statutory(item: Any) -> bool:
    id_ = item.get("questionId") if isinstance(item, dict) else None
    return isinstance(id_, str) and id_ in dictionary()


def output(question: dict[str, Any], look: Look) -> dict[str, Any]:
    """Return a question with its answer as Task.output, {} for one without. An answer of a list is its concept; one
    that the list does not have is words, and counted."""
    id_ = question["questionId"]
    said = question.get("answer")
    texts = [str(part).strip() for part in (said if isinstance(said, list) else [said]) if part not in (None, "")]
    if not texts:
        return {}
    kind = {"coding": [{"system": URN + "question", "code": id_}], "text": dictionary()[id_]}
    if list_ := LISTS.get(id_):
        concepts = [concept(list_, text, look) for text in texts]
        if len(concepts) == 1:
            return {"type": kind, "valueCodeableConcept": concepts[0]}
    elif question.get("answerType") == "Boolean" and len(texts) == 1 and texts[0].casefold() in YES | NO:
        return {"type": kind, "valueBoolean": texts[0].casefold() in YES}
    return {"type": kind, "valueString": "; ".join(texts)}


def concept(list_: str, text: str, look: Look) -> dict[str, Any]:
    """Return a value of one of the standard's lists, in its words; words alone for any other."""
    if text in answers(list_):
        return {"coding": [{"system": URN + list_, "code": text}], "text": text}
    look.unlisted("CareNeedsAssessment", list_, text)
    return {"text": text}
