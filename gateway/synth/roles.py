"""THE TABLE of fixed people: they are in every world of ten or more, and each demonstrates one hazard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.synth.truth import Practice

DEMO, OPTED_OUT, RESTRICTED, SENSITIVE, MERGED, TYPE_1, DISSENT, TWIN, TWIN_SIBLING, MISMATCH = range(1, 11)
"""Their numbers, by what they show."""


class Fixed(NamedTuple):
    """``age`` is in whole years at the reference date; the journeys are what this person has, and their variants, and
    no others. ``mess`` are keys of ``mess.KINDS``. ``at`` is the place of the practice among those of the world (the
    last where there are fewer). ``twin`` and ``mother`` are numbers of other fixed people. All are the first
    council's."""

    role: str
    sex: str
    age: int
    journeys: tuple[str, ...]
    shows: str
    mess: tuple[str, ...] = ()
    at: int = 0
    twin: int = 0
    mother: int = 0
    dies: bool = False
    roles: tuple[str, ...] = ()

    def practice(self, practices: Sequence[Practice]) -> Practice:
        return practices[min(self.at, len(practices) - 1)]


_COMMON = ("check_up", "immunisations", "attendance", "contact")

FIXED = {
    DEMO: Fixed(
        "demo",
        "F",
        78,
        (
            "check_up",
            "hypertension",
            "diabetes",
            "asthma",
            "penicillin_allergy",
            "past_problems",
            "family_history",
            "immunisations",
            "vaccine declined",
            "hip_fracture",
            "transfer undone",
            "pneumonia",
            "discharge undone",
            "frailty",
            "cancelled_admission",
            "corrected_result",
            "on_the_ward",
            "moved house",
        ),
        "known to all three sources, with a rich record, and on a ward today: the person whose summary is shown",
    ),
    OPTED_OUT: Fixed(
        "opted-out", "M", 61, (*_COMMON, "hypertension"), "national data opt-out: on the opt-out list, so in no export"
    ),
    RESTRICTED: Fixed(
        "restricted", "F", 44, (*_COMMON, "asthma"), "SpineSensitive at the practice: shown to nobody, in no export"
    ),
    SENSITIVE: Fixed(
        "sensitive",
        "F",
        37,
        (*_COMMON, "sensitive", "asthma"),
        "an item of the sensitive set, with its medicine and its consultation",
    ),
    MERGED: Fixed(
        "merged",
        "M",
        69,
        (*_COMMON, "pneumonia"),
        "two hospital numbers made one by A40, and a late A08 for the dead number",
        mess=("hospital: merged",),
    ),
    TYPE_1: Fixed(
        "type-1",
        "F",
        52,
        (*_COMMON, "hypertension", "objection"),
        "Type 1 objection (9Nu0.): the practice's data stay at home",
    ),
    DISSENT: Fixed(
        "dissent", "M", 57, (*_COMMON, "diabetes", "dissent"), "express dissent from the Summary Care Record (9Ndo.)"
    ),
    TWIN: Fixed(
        "twin",
        "M",
        33,
        (*_COMMON, "asthma"),
        "born with 9, of the same surname; the hospital holds 9's NHS number for him by mistake",
        mess=("hospital: twin's number",),
        twin=9,
    ),
    TWIN_SIBLING: Fixed(
        "twin-sibling", "F", 33, (*_COMMON, "penicillin_allergy"), "twin of 8: must never be gathered with him", at=1
    ),
    MISMATCH: Fixed(
        "mismatch",
        "M",
        66,
        (*_COMMON, "hypertension"),
        "the hospital holds another birth date: a possible mismatch, not shown",
        mess=("hospital: birth date ten years out",),
        at=1,
    ),
}

ROLES = {fixed.role: number for number, fixed in FIXED.items()}
"""The number of the person who plays each role."""
