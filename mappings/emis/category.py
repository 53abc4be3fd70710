"""What a clinical code becomes: by its EMIS category, and by chapter and words where the category does not say."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mappings.emis.words import head, words
from mappings.vocabulary import code_table

BY_CODE = "by-code"


class Kind(NamedTuple):
    """``route`` is what an entry of the code becomes (see ``entry.route``). ``observation_category`` is FHIR's.
    ``is_disease``: the code names a disease, which is a Condition beside what its category makes of it.
    ``is_listed``: the category is one of EMIS's."""

    route: str
    observation_category: str
    is_disease: bool
    is_listed: bool


@lru_cache(maxsize=1 << 14)
def kind(category: str, read: str, text: str, sense: str) -> Kind:
    """Return what a code is. ``read`` is its national code, "" for a local one; ``sense`` what its words say.

    >>> kind("Conditions, operations and procedures", "", "Appendicectomy", "").route
    'procedure'
    >>> kind("Unset", "", "Dementia due to Parkinson's disease", "").route
    'condition'
    """
    row = _categories().get(_folded(category))
    route, observation_category = (row["route"], row["observation_category"]) if row else (BY_CODE, "")
    states_disease = is_stated(read) and by_chapter(read)[0] == "condition"
    hides_disease = route in ("observation", "lab") and (states_disease or _names_disease(row, text))
    if route == BY_CODE:
        route, observation_category = by_code(read, text, sense)
    elif route == "condition":
        route = _of_conditions(read, text, sense)
    elif hides_disease or (route == "immunisation" and _is_no_vaccination(read, text, states_disease)):
        route = "condition"
    is_disease = states_disease or (not read and head(words(text)) == "disease")
    return Kind(route, observation_category, is_disease, row is not None)


def is_listed(category: str) -> bool:
    """Whether the category is one of EMIS's."""
    return _folded(category) in _categories()


def is_stated(read: str) -> bool:
    """Whether a national code stands in a chapter that states diseases or operations."""
    row = _chapter(read)
    return bool(row and row["stated"])


def by_chapter(read: str) -> tuple[str, str]:
    """Return the route and observation category of the chapter of a national code, "" for none."""
    row = _chapter(read)
    return (row["route"], row["observation_category"]) if row else ("", "")


def by_code(read: str, text: str, sense: str) -> tuple[str, str]:
    """Return the route and observation category that chapter or words give.

    >>> by_code("C10F.", "", ""), by_code("", "Serum sodium level", ""), by_code("", "H/O: hysterectomy", "history")
    (('condition', ''), ('observation', ''), ('condition', ''))
    """
    if read and (known := by_chapter(read))[0]:
        return known
    if sense in ("history", "resolved", "suspected"):
        return "condition", ""
    if sense in ("risk", "about"):
        return "observation", ""
    return _kinds().get(head(words(text)), ("condition", ""))


def _of_conditions(read: str, text: str, sense: str) -> str:
    """Tell operations and vaccinations from conditions within their one category."""
    if read and (route := by_chapter(read)[0]) and (is_stated(read) or route == "procedure"):
        return route
    if sense in ("history", "resolved", "suspected", "risk", "about"):
        return "condition"
    named = _kinds().get(head(words(text)), ("condition", ""))[0]
    return named if named in ("procedure", "immunisation") else "condition"


def _names_disease(row: dict[str, str] | None, text: str) -> bool:
    """Whether a term names a disease within a category of findings that may hold some."""
    return bool(row and row["disease"]) and head(words(text)) == "disease"


def _is_no_vaccination(read: str, text: str, states_disease: bool) -> bool:
    """Whether a code of the category of immunisations is a disease: EMIS files the post-polio syndrome there."""
    if by_chapter(read)[0] == "immunisation":
        return False
    return states_disease or head(words(text)) == "disease"


@lru_cache
def _categories() -> dict[str, dict[str, str]]:
    return {_folded(row["category"]): row for row in code_table(__package__, "codes_category")}


def _folded(category: str) -> str:
    """A category without case, "and" and punctuation: other deliveries write "Symptoms / Findings"."""
    return " ".join(word for word in re.findall(r"[a-z0-9]+", category.casefold()) if word != "and")


@lru_cache(maxsize=1 << 14)
def _chapter(read: str) -> dict[str, str] | None:
    rows = [row for row in code_table(__package__, "codes_chapter") if read and read.startswith(row["read"])]
    return max(rows, key=lambda row: len(row["read"])) if rows else None


@lru_cache
def _kinds() -> dict[str, tuple[str, str]]:
    return {row["kind"]: (row["route"], row["observation_category"]) for row in code_table(__package__, "codes_kind")}
