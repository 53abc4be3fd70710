"""The state of a synthetic person that a journey can read."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from gateway.synth.draw import day, years_before


class Life(NamedTuple):
    """From when to when something may happen (``end`` is the death, or yesterday), and what else the person has:
    journeys and variants."""

    birth: date
    end: date
    sex: str
    has: frozenset[str] = frozenset()
    alive: bool = True

    @property
    def age(self) -> float:
        return (self.end - self.birth).days / 365.25

    def ago(self, draw: Random, most: float, least: float) -> date:
        """Return a day between ``most`` and ``least`` years before the end, never before the tenth day of life."""
        return day(
            draw, max(years_before(self.end, most), self.birth + timedelta(days=10)), years_before(self.end, least)
        )
