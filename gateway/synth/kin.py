"""Who is whose twin and whose child, told by the numbers alone: nobody has to be made to know it.

Of every hundred people of the England mix one is a mother and the next her baby; of every five hundred two are twins.
Among fixed people their row says it.
"""

from __future__ import annotations

from datetime import date, timedelta

from gateway.synth.draw import stream, years_before
from gateway.synth.packs import CAST
from gateway.synth.rates import Mix

MOTHER, BABY = 41, 42
TWIN_A, TWIN_B = 271, 272
NOT_FOR_MOTHERS = frozenset(
    {"hip_fracture", "pneumonia", "attendance", "cancelled_admission", "on_the_ward", "heart_attack", "stroke", "copd",
     "cancer", "self_harm", "homeless", "knee", "cataract", "child_asthma", "sensitive"}
)  # fmt: skip
"""Journeys that could put a mother into a second bed at the birth, or that say something else of her pregnancy."""


def twin_of(number: int, mix: Mix) -> int:
    """Return the number of the twin born first, for the second one; else 0."""
    if number in CAST:
        return CAST[number].twin
    return number - 1 if mix == "england" and number % 500 == TWIN_B else 0


def mother_of(number: int, mix: Mix) -> int:
    if number in CAST:
        return CAST[number].mother
    return number - 1 if mix == "england" and number % 100 == BABY else 0


def child_of(number: int, mix: Mix) -> int:
    """Return the number of the baby, for a mother; else 0."""
    if number in CAST:
        return number + 1 if number + 1 in CAST and CAST[number + 1].mother == number else 0
    return number + 1 if mix == "england" and number % 100 == MOTHER else 0


def birth_of_child(number: int, seed: int, today: date) -> date:
    """Return when baby ``number`` was born: from eight weeks to eleven months ago."""
    return today - timedelta(days=stream(seed, number, "born on").randint(56, 330))


def mother_birth(number: int, seed: int, today: date) -> date:
    """Return when mother ``number`` was born: 19 to 41 years before her baby."""
    return years_before(birth_of_child(number + 1, seed, today), stream(seed, number, "age").uniform(19, 41))


def child_birth(number: int, seed: int, today: date, mix: Mix) -> date | None:
    """Return when the person gave birth or was born, for a mother or a baby."""
    if mother_of(number, mix):
        return birth_of_child(number, seed, today)
    return birth_of_child(number + 1, seed, today) if child_of(number, mix) else None
