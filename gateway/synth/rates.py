"""THE TABLE of rates (``rates.csv``): how often what happens to people, and how often a source gets it wrong."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

Mix = Literal["demo", "england"]
"""``demo``: rich records of a few people. ``england``: near the published figures of England."""


class Rate(NamedTuple):
    """``sex`` "" is both; ages are whole years, both ends included; ``rate`` is a likelihood, or a weight of an age
    band."""

    name: str
    sex: str
    low: int
    high: int
    rate: float
    source: str

    def is_of(self, sex: str, age: float) -> bool:
        return self.low <= age < self.high + 1 and self.sex in ("", sex)


@cache
def rates(kind: str, mix: Mix) -> tuple[Rate, ...]:
    """Return the rows of a kind (age, journey, known, mess, target) that the mix has a rate for, in the table's
    order."""
    kept = []
    for row in _rows():
        if row["kind"] == kind and row[mix]:
            ages = int(row["low"] or 0), int(row["high"] or 200)
            kept.append(Rate(row["name"], row["sex"], *ages, float(row[mix]), row["source"]))
    return tuple(kept)


@cache
def by_name(kind: str, mix: Mix) -> dict[str, tuple[Rate, ...]]:
    """Return the rows of a kind by name: one for each band of ages. Names are in the table's order."""
    kept: dict[str, list[Rate]] = {row["name"]: [] for row in _rows() if row["kind"] == kind}
    for rate in rates(kind, mix):
        kept[rate.name].append(rate)
    return {name: tuple(bands) for name, bands in kept.items()}


def likelihood(bands: tuple[Rate, ...], sex: str, age: float) -> float:
    """Return how likely it is for someone of that sex and age."""
    return next((band.rate for band in bands if band.is_of(sex, age)), 0.0)


@cache
def _rows() -> list[dict[str, str]]:
    text = files("gateway.synth").joinpath("rates.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
