"""THE TABLE of packs: fixed people for those who test an integration, each with what must be seen of them."""

from __future__ import annotations

from gateway.synth.roles import FIXED, Fixed

FIRST = 800_001
"""The number of the first person of a pack. No ordinary world is as large."""

_COMMON = ("check_up", "attendance", "contact")
_MERGED_STORY = (*_COMMON, "pneumonia")


def _numbered(first: int, *scenarios: Fixed) -> dict[int, Fixed]:
    return dict(enumerate(scenarios, first))


PACKS: dict[str, dict[int, Fixed]] = {"demo": FIXED}
CAST: dict[int, Fixed] = {number: fixed for pack in PACKS.values() for number, fixed in pack.items()}
"""Everyone who is fixed, by number."""
