"""Whether a clinical code is an allergy or an adverse reaction: by the store's own code sets, by chapter, by words.

Each tells it on its own, whatever the category: an allergy that is missed can kill, and categories are set by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mappings.emis.words import frame, head, words
from mappings.vocabulary import code_table

SPEAKS_OF_IT = frozenset({"planned", "declined", "not-given", "family", "not-family", "absent", "risk", "about"})
"""Senses of words that speak of an allergy clinic, a test, a relative or of no allergy: such a term is an allergy by
its code or category only."""
SETS = {"no-known-allergy": "nil", "allergy": "yes"}
"""The terminology sets that are asked, and what membership means."""


def listed(memberships: Iterable[tuple[str, str]]) -> str:
    """Return what the (set, effect) pairs of a code say: ``nil`` where there is no allergy, ``yes``, or "" for neither.

    >>> listed([("type1", "dissent")]), listed([("allergy", "drug")])
    ('', 'yes')
    """
    names = {name for name, _ in memberships}
    return next((answer for name, answer in SETS.items() if name in names), "")


def allergy_of(read: str, snomed: str, text: str, sense: str) -> str:
    """Return ``nil``, ``yes`` or "" by the chapters and concepts of ``codes_allergy.csv``, then by the words.

    ``sense`` is what the words say (``sense.sense_of``).

    >>> allergy_of("TJ...", "", "Reaction: insulin", ""), allergy_of("SN550", "", "Child maltreatment", "")
    ('yes', '')
    >>> allergy_of("", "", "Simvastatin allergy", ""), allergy_of("", "", "Allergic rhinitis", "")
    ('yes', '')
    """
    if said := by_code(read, snomed):
        return said.removesuffix("none")
    if sense == "nil":
        return "nil"
    return "yes" if sense not in SPEAKS_OF_IT and is_allergy(text) else ""


def by_code(read: str, snomed: str) -> str:
    """Return ``yes``, ``nil`` or ``none`` by the row with the longest prefix, "" where no row has the code."""
    rows = [
        row
        for row in code_table(__package__, "codes_allergy")
        if _is_row_of(row, read if row["system"] == "read" else snomed)
    ]
    return max(rows, key=lambda row: len(row["code"]))["says"] if rows else ""


def _is_row_of(row: dict[str, str], code: str) -> bool:
    return bool(code) and (code == row["code"] if row["match"] == "exact" else code.startswith(row["code"]))


@lru_cache(maxsize=1 << 12)
def is_allergy(term: str) -> bool:
    """Return whether the words of a term tell of an allergy, an intolerance of a substance or an adverse reaction.

    >>> is_allergy("Codeine adverse reaction"), is_allergy("Allergy clinic"), is_allergy("Cold intolerance")
    (True, False, False)
    """
    normal = words(term)
    for row in code_table(__package__, "codes_allergy_words"):
        match = frame(row["frame"]).fullmatch(normal)
        if match and all(_is_substance(match.groupdict().get(side) or "") for side in _SIDES[row["about"]]):
            return row["is"] == "yes"
    return False


_SIDES = {"": (), "substance": ("before", "after"), "substance-after": ("after",)}
"""Which words of the term have to name a substance, by the column ``about``."""


def _is_substance(part: str) -> bool:
    """Whether the words can name a substance, as they do before or after "intolerance"; none at all do not speak
    against it. A noun of a substance at their end decides: a cough is none, a cough suppressant is."""
    words_of_it = part.replace("-", " ").split()
    if words_of_it and words_of_it[-1] in _nouns("substance"):
        return True
    return head(part) in ("", "vaccination") and _nouns("not_a_substance").isdisjoint(words_of_it)


@lru_cache
def _nouns(table: str) -> frozenset[str]:
    return frozenset(row["word"] for row in code_table(__package__, f"codes_{table}"))
