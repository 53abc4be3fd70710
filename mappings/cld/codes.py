"""The words of Client Level Data: DHSC's value lists, the older spellings that still arrive, and the two that FHIR has
codes for.

A value of a list is its own code, in a system named after the list. A spelling that no list and no cleaning row knows
stays text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mappings.vocabulary import ETHNIC_CATEGORY, code_table

URN = "urn:nhs-record-gateway:cld:"
UNKNOWN = "Unknown"
YES_OR_NO = "Yes or No"
ETHNICITY = "Ethnicity"
EVENT_TYPES = {"request": "Request", "assessment": "Assessment", "service": "Service", "review": "Review"}
LISTS = dict.fromkeys(
    ("Has Unpaid Carer", "Autism Spectrum Disorder (ASD)", "Dementia", "Eligible Needs Identified"), YES_OR_NO
)
"""Columns whose list is not called by their own name."""


def fold(text: str) -> str:
    """Return a value without case, spaces and punctuation, so that two spellings compare equal (DHSC's own cleaning).

    >>> fold("NFA - Moved to another LA") == fold("nfa – moved to another la")
    True
    """
    return re.sub(r"[\W_]+", "", text.casefold())


@lru_cache
def _values() -> dict[tuple[str, str], str]:
    """(list, folded spelling) → the list's value: the values first, then the spellings that clean to one."""
    known = {(row["list"], fold(row["value"])): row["value"] for row in _rows("values")}
    for row in _rows("cleaning"):
        known.setdefault((row["list"], fold(row["sent"])), row["value"])
    return known


@lru_cache(maxsize=16384)
def clean(column: str, text: str) -> str:
    """Return the value of the column's list that ``text`` is a spelling of, or "" when it is none."""
    name = LISTS.get(column, column)
    return _values().get((name, fold(text)), "") or (_in_parts(text) if name == ETHNICITY else "")


def _in_parts(text: str) -> str:
    """Return the ethnicity that is written as another spelling of its heading and of the group under it.

    >>> _in_parts("Asian / Asian British: Indian"), _in_parts("Black or Black British - African"), _in_parts("White")
    ('Asian or Asian British: Indian', 'Black, Black British, Caribbean or African: African', '')
    """
    heading, _, group = re.sub(r"(?<!\s)\s{1,9}[-\u2013]\s{1,9}", ":", text, count=1).partition(":")
    parts = _parts_of_ethnicity()
    value = parts.get(("heading", fold(heading)), heading)
    named = f"{value}: {parts.get(('group', fold(group)), group)}"
    return _values().get((ETHNICITY, fold(named)), "") if group else ""


@lru_cache
def _parts_of_ethnicity() -> dict[tuple[str, str], str]:
    return {(row["part"], fold(row["sent"])): row["value"] for row in _rows("ethnicity_part")}


@lru_cache
def event_type(text: str) -> str:
    """Return the one event type that ``text`` names, "" for none or several: DHSC reads what contains its word.

    >>> event_type("Services"), event_type("Carer's assessment"), event_type("Assessment and review")
    ('Service', 'Assessment', '')
    """
    named = [value for name, value in EVENT_TYPES.items() if name in fold(text)]
    return named[0] if len(named) == 1 else ""


@lru_cache
def has_list(column: str) -> bool:
    """Whether DHSC's list of the column's values is known."""
    name = LISTS.get(column, column)
    return any(row["list"] == name for row in _rows("values"))


def unlisted(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the columns of a row whose value no list knows, and the value."""
    return [(name, text) for name, text in values.items() if has_list(name) and not clean(name, text)]


def word(column: str, text: str) -> str:
    """Return the part of a key that ``text`` gives: its value, so that both releases give one key; else its folded
    self."""
    return clean(column, text) or fold(text)


def concept(column: str, text: str) -> dict[str, Any]:
    """Return a CodeableConcept: the list's value as code, and the council's own words; empty for an empty column."""
    if not text:
        return {}
    value = clean(column, text)
    return {"coding": [{"system": system(LISTS.get(column, column)), "code": value}] if value else [], "text": text}


def system(column: str) -> str:
    """Return the URI of a list.

    >>> system("Request: Route of Access")
    'urn:nhs-record-gateway:cld:request-route-of-access'
    """
    return URN + re.sub(r"[^a-z0-9]+", "-", column.lower()).strip("-")


def ethnicity(text: str) -> dict[str, Any]:
    """Return the ethnic category, with DHSC's finer value beside it; words alone where the value is not DHSC's."""
    category = concept("Ethnicity", text)
    target = _targets("ethnicity").get(clean("Ethnicity", text), "")
    return (
        {**category, "coding": [{"system": ETHNIC_CATEGORY, "code": target}, *category["coding"]]}
        if target
        else category
    )


def gender(text: str) -> str:
    """Return FHIR's administrative gender, or "" for a value that is not DHSC's."""
    return _targets("gender").get(clean("Gender", text), "")


@lru_cache
def outcome_ranks() -> dict[str, int]:
    """Return DHSC's hierarchy of event outcomes, 0 first: which of two statements about one event is kept."""
    return {
        row["value"]: rank for rank, row in enumerate(row for row in _rows("values") if row["list"] == "Event Outcome")
    }


@lru_cache
def _targets(name: str) -> dict[str, str]:
    return {row["code"]: row["target"] for row in _rows(name)}


def _rows(name: str) -> list[dict[str, str]]:
    return code_table(__package__, f"codes_{name}")
