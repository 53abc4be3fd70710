"""What the words of a whole term say beyond its code: declined, planned, absent, suspected, of the family…

The frames of ``codes_sense.csv`` are tried in order on the normal form of the term. A word such as "due", "negative" or
"not done" says something of the term's head only in some places of the phrase, and about some kinds of head: a
vaccination is due, an infarction is due *to* something; a test is negative, a lymphoma is ALK-negative.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mappings.emis.words import frame, head, kind_of_word, words
from mappings.vocabulary import code_table

ACTS = frozenset({"act", "procedure", "vaccination", "referral", "observable"})
STATED = frozenset({"", "suspected", "resolved"})
"""What the words of a code can say that stands in a chapter of diseases or operations. Such a code states the disease
or the operation: nowhere in these chapters of Read v2 does a code deny it or put it off."""
SCREENED = frozenset({"screening", "screen", "test", "testing", "serology", "swab", "swabs", "naat", "pcr", "rna"})
"""Words after a disease that make it the name of a test."""
MARKERS = frozenset({"antibody", "antibodies", "antigen", "titre"})
"""Words that do so right after a disease only: a hepatitis "B, e antigen negative" is a kind of hepatitis."""
ILLNESS = frozenset({"disease", "symptom", "finding"})


class Rule(NamedTuple):
    """A row of the table, compiled."""

    pattern: re.Pattern[str]
    sense: str
    about: str


def sense_of(term: str, is_stated: bool = False) -> str:
    """Return what the words of a term say, "" for nothing. ``is_stated``: the code stands in a chapter of diseases or
    operations.

    >>> sense_of("Influenza vaccination declined"), sense_of("Asthma"), sense_of("Infarction due/unspcf occlusn")
    ('declined', '', '')
    >>> sense_of("Needs influenza immunisation"), sense_of("Lymphoma, ALK-negative"), sense_of("TB screening negative")
    ('planned', '', 'absent')
    """
    sense = _sense_of(term)
    return sense if not is_stated or sense in STATED else ""


@lru_cache(maxsize=1 << 12)
def _sense_of(term: str) -> str:
    normal = words(term)
    for rule in _rules():
        match = rule.pattern.fullmatch(normal)
        if match and _HOLDS[rule.about](match.groupdict().get(_SIDES.get(rule.about, "before")) or ""):
            return rule.sense
    return ""


def _is_tail(before: str) -> bool:
    """Whether the words follow a disease or symptom and a comma and more: they qualify a part of the term and not that.
    "Asthma - excluded" denies the asthma; "Tuberculosis, smear not found" and "Chest pain, infarction excluded" deny
    something else."""
    first, comma, rest = before.partition(" , ")
    return bool(comma and rest.strip() and head(first) in ILLNESS)


def _is_negative(before: str) -> bool:
    """Whether "negative" after these words says that what they name is absent: a test, or a disease that stands right
    before it. "Hepatitis B negative" does, "lymphoma ALK negative" and "pulmonary TB smear negative" do not."""
    tokens = before.split()
    last = max((place for place, token in enumerate(tokens) if kind_of_word(token) == "disease"), default=-1)
    rest = tokens[last + 1 :]
    between = [token for token in rest if token != ","]
    if last < 0 or head(before) in ACTS and "for" in tokens[:last]:  # "Test for rupture negative"
        return True
    is_test = not SCREENED.isdisjoint(between) or "," not in rest and not MARKERS.isdisjoint(between)
    return is_test or all(len(token) == 1 for token in between)


_HOLDS: dict[str, Callable[[str], bool]] = {
    "": lambda before: True,
    "act": lambda before: head(before) in ACTS or _last_kind(before) in ACTS,
    "act-after": lambda after: head(after) in ACTS,
    "ill-after": lambda after: head(after) in ILLNESS,
    "not-disease": lambda before: head(before) != "disease",
    "not-tail": lambda before: not _is_tail(before),
    "is-disease": lambda before: head(before) == "disease" and not _is_tail(before),
    "is-ill": lambda before: head(before) in ILLNESS and not _is_tail(before),
    "is-negative": _is_negative,
}


_SIDES = {"act-after": "after", "ill-after": "after"}
"""Which words of the term a condition is about, where it is not those before."""


def _last_kind(before: str) -> str:
    """The kind of the last known word, where the head itself is unknown or is no disease."""
    if head(before) == "disease":
        return ""
    return next((kind for token in reversed(before.split()) if (kind := kind_of_word(token))), "")


@lru_cache
def _rules() -> list[Rule]:
    return [Rule(frame(row["frame"]), row["sense"], row["about"]) for row in code_table(__package__, "codes_sense")]
