"""Journeys: what happens to people. THE TABLE: one function each, in the room of whoever records it first.

A journey draws from its own stream and adds its story; none reads another's. Rates and ages are plausible, not
epidemiology.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gateway.synth import hospital, practice, support
from gateway.synth.life import Life
from gateway.synth.truth import Story

Journey = Callable[[Life, Random], Story]

JOURNEYS: dict[str, Journey] = {
    journey.__name__: journey
    for journey in (
        practice.check_up,
        practice.hypertension,
        practice.diabetes,
        practice.asthma,
        practice.penicillin_allergy,
        practice.past_problems,
        practice.family_history,
        practice.immunisations,
        hospital.hip_fracture,
        hospital.pneumonia,
        hospital.attendance,
        hospital.cancelled_admission,
        hospital.corrected_result,
        hospital.on_the_ward,
        support.frailty,
        support.contact,
        support.caring,
        practice.sensitive,
        practice.objection,
        practice.dissent,
    )
}

VARIANTS = frozenset({"vaccine declined", "transfer undone", "discharge undone", "moved house"})
"""Turns that a journey (or the recording) takes for those who have them."""

LIKELIHOOD = {
    "hypertension": (18, 96, 0.32),
    "diabetes": (18, 96, 0.14),
    "asthma": (6, 96, 0.12),
    "penicillin_allergy": (2, 96, 0.09),
    "past_problems": (12, 96, 0.2),
    "immunisations": (1, 96, 0.8),
    "hip_fracture": (65, 96, 0.12),
    "pneumonia": (45, 96, 0.12),
    "frailty": (72, 96, 0.3),
    "contact": (20, 96, 0.85),
    "attendance": (3, 96, 0.75),
    "cancelled_admission": (18, 96, 0.06),
    "corrected_result": (18, 96, 0.08),
    "family_history": (16, 96, 0.3),
    "caring": (25, 90, 0.08),
    "sensitive": (18, 96, 0.02),
    "objection": (18, 96, 0.03),
    "dissent": (18, 96, 0.01),
    "vaccine declined": (1, 96, 0.3),
    "transfer undone": (1, 96, 0.25),
    "discharge undone": (1, 96, 0.3),
    "moved house": (18, 96, 0.08),
    "on_the_ward": (18, 96, 0.04),
}
"""Ages between which something may happen to someone, and how likely it is to. New rows go to the end: each draws in
turn."""
