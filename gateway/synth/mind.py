"""Journeys of mind and memory: dementia, and a learning disability with its yearly check."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from gateway.synth import aftercare
from gateway.synth.draw import moment
from gateway.synth.life import Life
from gateway.synth.truth import Consultation, Entry, Problem, Story, Support


def dementia(life: Life, draw: Random) -> Story:
    """A diagnosis at a memory clinic, the practice's reviews, and an assessment by the council."""
    since = life.ago(draw, 4, 1)
    asked = since + timedelta(days=draw.randint(20, 60))
    done = asked + timedelta(days=draw.randint(10, 28))
    reason = {"reason": "Support with memory and cognition"}
    story = Story(
        entries=(Entry("dementia", "dementia", since, problem=Problem()),),
        support=(
            Support("Request", asked, asked + timedelta(days=2), "Progress to assessment, review or reassessment",
                    {"route": "Community / Other route", **reason}),
            Support("Assessment", asked + timedelta(days=3), done, "NFA: Information and advice or signposting",
                    {"assessment": "Long Term Assessment", "eligible": "Yes", **reason}),
        ) if done <= life.end else (),
    )  # fmt: skip
    return story + aftercare.clinics("dementia", since - timedelta(days=30), life, draw, "715", 2)


def learning_disability(life: Life, draw: Random) -> Story:
    """On the register, with a yearly health check by the nurse."""
    since = life.birth + timedelta(days=14 * 365)
    story = Story(entries=(Entry("ld", "learning disability register", min(since, life.end)),))
    for number in range(3):
        on = life.end - timedelta(days=30 + 365 * number)
        if on > since:
            key = f"ld.check{number}"
            seen = Consultation(key, moment(draw, on), "Clinic")
            entries = (
                Entry(key, "learning disability check", on, key),
                Entry(f"{key}.weight", "weight", on, key, f"{draw.uniform(52, 104):.1f}", "kg"),
            )
            story += Story(consultations=(seen,), entries=entries)
    return story
