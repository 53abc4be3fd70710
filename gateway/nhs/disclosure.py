"""Small numbers tell on people: what a recipient sees of counts passes the project's disclosure rules first."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import Refused


@dataclass(frozen=True)
class Rules:
    """Counts up to ``small`` are not shown; others are rounded to ``nearest``."""

    small: int
    nearest: int


PROFILES = {"hes": Rules(7, 5), "nhse-sde": Rules(9, 5), "opensafely": Rules(7, 5)}
"""HES (1–7 → *, round 5), NHS England's SDE (under 10, round 5), OpenSAFELY (up to 7, round 5)."""


def shown(count: int, profile: str) -> int | str:
    """A count as a recipient sees it. A true nought is shown; raises ``Refused`` for an unknown profile.

    >>> shown(3, "hes"), shown(0, "hes"), shown(8, "hes"), shown(9, "nhse-sde"), shown(1234, "hes")
    ('*', 0, 10, '*', 1235)
    """
    rules = PROFILES.get(profile)
    if rules is None:
        raise Refused("disclosure: hes, nhse-sde or opensafely")
    if 0 < count <= rules.small:
        return "*"
    return (count + rules.nearest // 2) // rules.nearest * rules.nearest
