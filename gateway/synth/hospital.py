"""Journeys through the hospital, and what practice and council record after them.

Nobody is in two beds at once: each journey has its own part of the last three years, because none knows of the others.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

from gateway.synth import ward
from gateway.synth.draw import moment
from gateway.synth.life import Life
from gateway.synth.support import reablement
from gateway.synth.truth import Consultation, Entry, Medicine, Problem, Story

HIP = (1.0, 0.4)
PNEUMONIA = ((2.0, 1.3), (0.32, 0.1))
ATTENDANCE = ((3.0, 2.1), (0.07, 0.03))
CANCELLED = (1.25, 1.05)
"""When each may have happened, in years before the end; the ten days before the end belong to those who are still on a
ward."""


def hip_fracture(life: Life, draw: Random) -> Story:
    """A fall: emergency department, two wards, theatre, home; the letter at the practice days later; reablement by the
    council."""
    fell = life.ago(draw, *HIP)
    arrived = moment(draw, fell, 8, 17)
    hours, nights = draw.randint(3, 6), draw.randint(6, 14)
    stay = ward.admission(
        "hip",
        arrived + timedelta(hours=hours),
        nights,
        ("WARD4", "WARD9"),
        reason="Fall at home, painful hip",
        specialty="110",
        diagnoses=(("S72.0", "Fracture of neck of femur"), ("I10X", "Essential hypertension")),
        procedures=(("W46.1", "Primary prosthetic replacement of head of femur using cement"),),
    )
    if "transfer undone" in life.has:
        stay = ward.undone(stay, "A12", timedelta(hours=3), again=True)
    home = stay.moves[-1].at.date()
    letter = min(home + timedelta(days=draw.randint(2, 10)), life.end)
    shown = ("There is a displaced fracture of the neck of the femur.", "No other injury is seen.")
    visits = (ward.emergency("hip.ed", arrived, hours, "Fall at home"), stay)
    reports = (
        ward.picture("hip.xr", "X-ray of hip", arrived + timedelta(hours=1), shown, "hip.ed"),
        ward.blood_count(draw, "hip.fbc", arrived + timedelta(hours=2), "hip.ed"),
        ward.chemistry(draw, "hip.ue", arrived + timedelta(hours=2), "hip.ed"),
    )
    entries = (
        Entry("hip.dx", "hip fracture", fell, "hip.letter", problem=Problem()),
        Entry("hip.physio", "physiotherapy", letter, "hip.letter", about="hip.dx"),
    )
    medicines = (
        Medicine(
            "hip.paracetamol",
            "paracetamol",
            "Take two four times a day",
            "100",
            "tablet",
            letter,
            False,
            issues=(letter,),
            days=14,
        ),
    )
    gp = Story((Consultation("hip.letter", moment(draw, letter), "Discharge letter"),), entries, medicines)
    return gp + Story(visits=visits, reports=reports) + reablement(home, life, draw)


def pneumonia(life: Life, draw: Random) -> Story:
    """An admission with bloods, a swab and a chest film; in some the discharge is taken back for a day. Antibiotic by
    allergy."""
    fell_ill = life.ago(draw, *draw.choice(PNEUMONIA))
    arrived = moment(draw, fell_ill, 9, 17)
    stay = ward.admission(
        "pneumonia",
        arrived + timedelta(hours=4),
        draw.randint(2, 6),
        ("AMU", "WARD2"),
        reason="Cough, fever and breathlessness",
        specialty="300",
        diagnoses=(("J18.9", "Pneumonia, unspecified"),),
    )
    if "discharge undone" in life.has:
        stay = ward.undone(stay, "A13", timedelta(hours=2), again=True)
    home = stay.moves[-1].at.date()
    shown = ("Patchy consolidation in the right lower zone.", "Heart size is normal.", "Follow-up film in six weeks.")
    reports = (
        ward.blood_count(draw, "pneumonia.fbc", arrived + timedelta(hours=1), "pneumonia.ed", infected=True),
        ward.chemistry(draw, "pneumonia.ue", arrived + timedelta(hours=1), "pneumonia.ed"),
        ward.inflammation(draw, "pneumonia.crp", arrived + timedelta(hours=1), "pneumonia.ed", infected=True),
        ward.swab(draw, "pneumonia.swab", arrived + timedelta(hours=1), "pneumonia.ed"),
        ward.picture("pneumonia.xr", "X-ray of chest", arrived + timedelta(hours=2), shown, "pneumonia.ed"),
    )
    drug = "doxycycline" if "penicillin_allergy" in life.has else "amoxicillin"
    course = min(home + timedelta(days=1), life.end)
    gp = Story(
        entries=(
            Entry(
                "pneumonia.dx", "pneumonia", fell_ill, problem=Problem(ended=min(home + timedelta(days=40), life.end))
            ),
        ),
        medicines=(
            Medicine(
                "pneumonia.course",
                drug,
                "Take one three times a day",
                "15",
                "capsule",
                course,
                False,
                issues=(course,),
                days=5,
            ),
        ),
    )
    return gp + Story(visits=(ward.emergency("pneumonia.ed", arrived, 4, "Breathless"), stay), reports=reports)


def attendance(life: Life, draw: Random) -> Story:
    """A visit to the emergency department that ends at home, with a blood test that found nothing."""
    arrived = moment(draw, life.ago(draw, *draw.choice(ATTENDANCE)), 8, 17)
    visit = ward.emergency("attendance", arrived, draw.randint(2, 6), "Chest pain, resolved", disposal="3")
    reports = (
        ward.blood_count(draw, "attendance.fbc", arrived + timedelta(minutes=50), "attendance"),
        ward.inflammation(draw, "attendance.crp", arrived + timedelta(minutes=50), "attendance", infected=False),
    )
    return Story(visits=(visit,), reports=reports)


def cancelled_admission(life: Life, draw: Random) -> Story:
    """An admission for an operation that was taken back the same morning."""
    admitted = moment(draw, life.ago(draw, *CANCELLED), 7, 9)
    stay = ward.admission("cancelled", admitted, 2, ("WARD6",), reason="Hernia repair", specialty="100", method="11")
    return Story(visits=(ward.undone(stay, "A11", timedelta(hours=3), again=False),))


def corrected_result(life: Life, draw: Random) -> Story:
    """A potassium reported wrongly and corrected."""
    return Story(reports=(ward.corrected(draw, "corrected", moment(draw, life.ago(draw, 1, 0.1), 9, 12), ""),))


def on_the_ward(life: Life, draw: Random) -> Story:
    """An admission days ago that has not ended. Nothing for those who have died."""
    if not life.alive:
        return Story()
    admitted = moment(draw, life.end - timedelta(days=draw.randint(2, 5)), 9, 17)
    stay = ward.admission(
        "ward",
        admitted,
        3,
        ("AMU", "WARD2"),
        reason="Chest pain, under observation",
        diagnoses=(("R07.4", "Chest pain, unspecified"),),
    )
    here = replace(stay, moves=tuple(move for move in stay.moves if move.event != "A03"))
    return Story(visits=(here,), reports=(ward.chemistry(draw, "ward.ue", admitted + timedelta(hours=2), "ward"),))
