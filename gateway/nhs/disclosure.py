"""Disclosure control: rounds and hides the counts that a recipient sees, because small numbers identify people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Refused

HIDDEN = "*"


@dataclass(frozen=True)
class Rules:
    """Counts up to ``small`` are hidden; others are rounded to ``nearest``. ``zero`` says whether a nought may be
    shown."""

    small: int
    nearest: int
    zero: bool
    reason: str


PROFILES = {
    "hes": Rules(
        7, 5, zero=True, reason="Hospital Episode Statistics: 1 to 7 as *, others to the nearest 5, noughts kept"
    ),
    "nhse-sde": Rules(
        9, 5, zero=False, reason="NHS England's Secure Data Environment: every count under 10, others to the nearest 5"
    ),
    "opensafely": Rules(7, 5, zero=False, reason="OpenSAFELY: every count up to 7, others to the nearest 5"),
}
"""The rules of each environment."""


def shown(count: int, profile: str) -> int | str:
    """Return a count as a recipient sees it. Raises ``Refused`` for an unknown profile.

    >>> shown(3, "hes"), shown(0, "hes"), shown(8, "hes"), shown(1234, "hes")
    ('*', 0, 10, 1235)
    >>> shown(9, "nhse-sde"), shown(0, "nhse-sde")
    ('*', '*')
    """
    rules = _rules(profile)
    if count == 0 and rules.zero:
        return 0
    if count <= rules.small:
        return HIDDEN
    return (count + rules.nearest // 2) // rules.nearest * rules.nearest


def table(counts: Mapping[str, int], profile: str) -> dict[str, int | str]:
    """Return the cells of one table as a recipient sees them.

    A single hidden cell could be had from the total: the next smallest is hidden too.

    >>> table({"a": 3, "b": 40, "c": 21}, "hes")
    {'a': '*', 'b': 40, 'c': '*'}
    """
    cells = {name: shown(count, profile) for name, count in counts.items()}
    seen = sorted((counts[name], name) for name, cell in cells.items() if cell != HIDDEN and counts[name])
    if list(cells.values()).count(HIDDEN) == 1 and seen:
        cells[seen[0][1]] = HIDDEN
    return cells


def _rules(profile: str) -> Rules:
    rules = PROFILES.get(profile)
    if rules is None:
        raise Refused(f"disclosure: {', '.join(PROFILES)}")
    return rules
