"""Journeys: what happens to people. THE TABLE: one function each, in the room of whoever records it first.

A journey draws from its own stream and adds its story; none reads another's. How likely each is: ``rates.csv``.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gateway.synth import acute, hospital, mind, planned, practice, support
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
        acute.heart_attack,
        acute.stroke,
        acute.copd,
        planned.cancer,
        acute.child_asthma,
        acute.self_harm,
        mind.learning_disability,
        mind.dementia,
        acute.homeless,
        planned.knee,
        planned.cataract,
        planned.birth_given,
        planned.born,
        practice.sensitive_pregnancy,
        practice.sensitive_fertility,
        practice.sensitive_gender,
    )
}

VARIANTS = frozenset({"vaccine declined", "transfer undone", "discharge undone", "moved house"})
"""Turns that a journey (or the recording) takes for those who have them."""
