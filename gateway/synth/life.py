"""The state of a synthetic person that a journey can read."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from gateway.synth.draw import day, years_before


class Life(NamedTuple):
    """From when to when something may happen (``end`` is the death, or yesterday), and what else the person has:
    journeys and variants.
    ``delivery`` is the day that a mother gave birth, or her baby was born."""

    birth: date
    end: date
    sex: str
    has: frozenset[str] = frozenset()
    alive: bool = True
    delivery: date | None = None

    @property
    def age(self) -> float:
        return (self.end - self.birth).days / 365.25

    def ago(self, draw: Random, most: float, least: float) -> date:
        """Return a day between ``most`` and ``least`` years before the end, never before the tenth day of life."""
        first = min(max(years_before(self.end, most), self.birth + timedelta(days=10)), self.end)
        return day(draw, first, max(first, years_before(self.end, least)))
