"""Disclosure control: rounds and hides the counts that a recipient sees, because small numbers identify people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Return the cells of one table as a recipient sees them, who may see its total too.

    What is hidden could be had from the total less what is shown: further cells are hidden, the smallest first, until
    there are two and each of them may be anything that is hidden.

    >>> table({"a": 3, "b": 40, "c": 21}, "hes")
    {'a': '*', 'b': 40, 'c': '*'}
    """
    rules = _rules(profile)
    cells = {name: shown(count, profile) for name, count in counts.items()}
    total = shown(sum(counts.values()), profile)
    seen = sorted((counts[name], name) for name, cell in cells.items() if cell != HIDDEN and counts[name])
    while seen and HIDDEN in cells.values() and _is_told(list(cells.values()), total, rules):
        cells[seen.pop(0)[1]] = HIDDEN
    return cells


def _is_told(cells: Sequence[int | str], total: int | str, rules: Rules) -> bool:
    """Whether the total less the cells that are shown tells of a hidden one that it is less than it might be."""
    hidden = sum(cell == HIDDEN for cell in cells)
    if hidden == 1:
        return True
    if isinstance(total, str):
        return False
    most = _span(total, rules)[1] - sum(_span(cell, rules)[0] for cell in cells if not isinstance(cell, str))
    return most - (hidden - 1) * int(rules.zero) < rules.small


def _span(cell: int, rules: Rules) -> tuple[int, int]:
    """The least and the greatest count that is shown so."""
    if not cell:
        return 0, 0
    half = rules.nearest // 2
    return max(cell - half, rules.small + 1), cell + rules.nearest - half - 1


def _rules(profile: str) -> Rules:
    rules = PROFILES.get(profile)
    if rules is None:
        raise Refused(f"disclosure: {', '.join(PROFILES)}")
    return rules
