"""All the attacks on one release, in figures by name, and which of them are over a limit."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gateway.attack import linkage, membership_inference, uniqueness
from gateway.attack.linkage import Truth
from gateway.attack.seen import Seen
from gateway.attack.uniqueness import Figures
from gateway.errors import Invalid

SEED = 1


def attack(seen: Seen, other: Seen | None = None, truth: Truth | None = None, seed: int = SEED) -> Figures:
    """The figures of a release, shares from 0 to 1. With ``other``, a release of the same project, what the difference
    tells; with ``truth`` too, a release of another project, how many people are linked rightly. The same ``seed`` draws
    the same people. What cannot be measured has no figure: see ``not_measured``."""
    chance = random.Random(seed)
    figures = {
        **(uniqueness.by_facts(seen) if seen.has_facts else {}),
        **uniqueness.by_two_events(seen, chance),
        **uniqueness.by_rare_codes(seen),
        **membership_inference.by_one_event(seen, chance),
    }
    if other is not None and truth is None and seen.has_facts == other.has_facts:
        figures |= linkage.differencing(seen, other)
    if other is not None and truth is not None and seen.has_facts and other.has_facts:
        both = {name: there for name, there in truth.items() if name in seen.people and there in other.people}
        figures |= linkage.by_order(seen, other, both)
        figures |= linkage.by_content(seen, other, both, chance)
    return figures


def not_measured(seen: Seen, other: Seen | None = None, truth: Truth | None = None) -> list[str]:
    """The attacks that could not be made, for want of Patients: "facts", "differencing", "linkage"."""
    names = [] if seen.has_facts else ["facts"]
    if other is not None and truth is None and seen.has_facts != other.has_facts:
        names.append("differencing")
    if other is not None and truth is not None and not (seen.has_facts and other.has_facts):
        names.append("linkage")
    return names


def limits(written: Sequence[str], figures: Figures) -> dict[str, float]:
    """The limits of ``NAME=NUMBER``. Raises ``Invalid`` for a figure that there is not, or no number."""
    limits: dict[str, float] = {}
    for text in written:
        name, _, number = text.partition("=")
        if name not in figures:
            raise Invalid(f"--limit: the figures are {', '.join(figures)}")
        try:
            limits[name] = float(number)
        except ValueError:
            raise Invalid("--limit: NAME=NUMBER") from None
    return limits


def over(figures: Figures, limits: Mapping[str, float]) -> list[str]:
    """The figures that are over their limit."""
    return [name for name, limit in limits.items() if not figures[name] <= limit]
