"""Journeys that are planned: cancer after an urgent referral, a knee, a cataract, and a birth for mother and baby."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random

from gateway.synth import aftercare, ward
from gateway.synth.draw import moment
from gateway.synth.life import Life
from gateway.synth.support import reablement
from gateway.synth.truth import Consultation, Entry, Problem, Story, Visit

CANCER, KNEE, CATARACT = (4.9, 4.6), (5.4, 5.1), (5.8, 5.5)


def operation(
    key: str, on: date, draw: Random, nights: int, wards: tuple[str, ...], specialty: str,
    diagnosis: tuple[str, str], procedure: tuple[str, str], reason: str,
) -> Visit:  # fmt: skip
    """Return a stay for an operation from a waiting list."""
    return ward.admission(
        key,
        moment(draw, on, 7, 8),
        nights,
        wards,
        reason=reason,
        specialty=specialty,
        method="11",
        diagnoses=(diagnosis,),
        procedures=(procedure,),
    )


def cancer(life: Life, draw: Random) -> Story:
    """An urgent referral, the diagnosis, an operation, and follow-up in clinic. Breast in women, prostate in men."""
    seen = life.ago(draw, *CANCER)
    is_woman = life.sex == "F"
    code, diagnosis, procedure, specialty = (
        (
            "breast cancer",
            ("C50.9", "Malignant neoplasm: Breast, unspecified"),
            ("B27.4", "Total mastectomy NEC"),
            "103",
        )
        if is_woman
        else (
            "prostate cancer",
            ("C61X", "Malignant neoplasm of prostate"),
            ("M61.1", "Total excision of prostate"),
            "101",
        )
    )
    diagnosed = seen + timedelta(days=draw.randint(14, 28))
    on = diagnosed + timedelta(days=draw.randint(20, 31))
    stay = operation("cancer", on, draw, 2, ("WARD5",), specialty, diagnosis, procedure, "Planned operation")
    home = stay.moves[-1].at.date()
    if home > life.end:
        return Story()
    asked = Consultation("cancer.asked", moment(draw, seen))
    story = Story(
        consultations=(asked,),
        entries=(
            Entry("cancer.referral", "urgent referral", seen, "cancer.asked"),
            Entry("cancer.dx", code, diagnosed, problem=Problem()),
        ),
        visits=(stay,),
        letters=(aftercare.letter(stay, life, "Operation without complication.", "Results in clinic in two weeks."),),
    )
    return story + aftercare.clinics("cancer", seen + timedelta(days=10), life, draw, specialty, 5, 60)


def knee(life: Life, draw: Random) -> Story:
    """Osteoarthritis, a new knee, and help at home afterwards."""
    on = life.ago(draw, *KNEE)
    stay = operation(
        "knee", on, draw, 3, ("WARD8",), "110", ("M17.9", "Gonarthrosis, unspecified"),
        ("W40.1", "Primary total prosthetic replacement of knee joint using cement"), "Total knee replacement",
    )  # fmt: skip
    home = stay.moves[-1].at.date()
    if home > life.end:
        return Story()
    since = max(life.birth + timedelta(days=15_000), on - timedelta(days=1500))
    story = Story(
        entries=(Entry("knee.oa", "osteoarthritis", since, problem=Problem()),),
        visits=(stay,),
        letters=(aftercare.letter(stay, life, "New knee, walking with a frame.", "Physiotherapy at home."),),
    )
    story += aftercare.course("knee.physio", home, life, draw, aftercare.REHABILITATION, 6)
    story += aftercare.clinics("knee", home + timedelta(days=42), life, draw, "110", 1)
    return story + reablement(home, life, draw)


def cataract(life: Life, draw: Random) -> Story:
    """A cataract, taken out in a day."""
    on = life.ago(draw, *CATARACT)
    stay = operation(
        "cataract", on, draw, 0, ("EYES",), "130", ("H26.9", "Cataract, unspecified"),
        ("C75.1", "Insertion of prosthetic replacement for lens NEC"), "Cataract extraction",
    )  # fmt: skip
    diagnosed = max(life.birth + timedelta(days=15_000), on - timedelta(days=200))
    return Story(
        entries=(Entry("cataract.dx", "cataract", diagnosed, problem=Problem(ended=on)),),
        visits=(stay,),
    ) + aftercare.clinics("cataract", on + timedelta(days=28), life, draw, "130", 1)


def birth_given(life: Life, draw: Random) -> Story:
    """A pregnancy: booked by the practice, clinics, the birth in hospital, and a visit of the team at home."""
    if life.delivery is None:
        return Story()
    born = life.delivery
    booked = born - timedelta(days=210)
    stay = ward.admission(
        "birth",
        datetime.combine(born, time(8, draw.randint(0, 59))),
        1,
        ("LABOUR",),
        reason="In labour",
        specialty="501",
        method="31",
        diagnoses=(("O80.9", "Single spontaneous delivery, unspecified"), ("Z37.0", "Single live birth")),
        procedures=(("R24.9", "Unspecified normal delivery"),),
    )
    clinics = aftercare.clinics("birth", booked + timedelta(days=14), life, draw, "501", 6, 28)
    seen = Consultation("birth.booked", moment(draw, booked))
    return (
        Story(
            consultations=(seen,),
            entries=(Entry("birth.pregnant", "pregnant", booked, "birth.booked"),),
            visits=(stay,),
            letters=(aftercare.letter(stay, life, "Normal birth.", "Mother and baby are well."),),
        )
        + clinics
        + aftercare.course("birth.team", born + timedelta(days=2), life, draw, aftercare.NURSING, 3, 5)
    )


def born(life: Life, draw: Random) -> Story:
    """A newborn: registered with the practice, weighed at six to eight weeks."""
    on = life.birth + timedelta(days=draw.randint(43, 55))
    if on > life.end:
        return Story()
    seen = Consultation("born.check", moment(draw, on))
    weight = f"{draw.uniform(4.0, 6.2):.1f}"
    return Story(consultations=(seen,), entries=(Entry("born.weight", "weight", on, "born.check", weight, "kg"),))
