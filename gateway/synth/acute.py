"""Journeys that begin in an emergency: heart, stroke, a flare of COPD, a child's asthma, self-harm, homelessness.

Nobody is in two beds at once: each journey has its own part of the years before (see ``hospital``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from gateway.synth import aftercare, ward
from gateway.synth.draw import chance, moment
from gateway.synth.life import Life
from gateway.synth.support import reablement
from gateway.synth.truth import Entry, Medicine, Story, Visit

STROKE, HEART, COPD, SELF_HARM, HOMELESS, CHILD = (
    (3.45, 3.1),
    (3.9, 3.5),
    (4.4, 4.1),
    (6.2, 5.9),
    (6.6, 6.3),
    (1.0, 0.5),
)


def arrival(
    key: str, life: Life, draw: Random, when: tuple[float, float], reason: str, nights: int, wards: tuple[str, ...],
    diagnoses: tuple[tuple[str, str], ...], procedures: tuple[tuple[str, str], ...] = (),
) -> tuple[date, Visit, Visit]:  # fmt: skip
    """Return the day, the attendance and the stay that it led to."""
    on = life.ago(draw, *when)
    arrived = moment(draw, on, 8, 17)
    hours = draw.randint(2, 5)
    stay = ward.admission(
        key,
        arrived + timedelta(hours=hours),
        nights,
        wards,
        reason=reason,
        specialty="300",
        diagnoses=diagnoses,
        procedures=procedures,
    )
    return on, ward.emergency(f"{key}.ed", arrived, hours, reason), stay


def heart_attack(life: Life, draw: Random) -> Story:
    """A heart attack with a stent, cardiac rehabilitation, cardiology clinics, and tablets for life."""
    on, ed, stay = arrival(
        "heart", life, draw, HEART, "Central chest pain", draw.randint(2, 5), ("CCU", "WARD3"),
        (("I21.9", "Acute myocardial infarction, unspecified"),),
        (("K75.1", "Percutaneous transluminal balloon angioplasty and insertion of stent"),),
    )  # fmt: skip
    if stay.moves[-1].at.date() > life.end:
        return Story()
    home = stay.moves[-1].at.date()
    story = aftercare.told("heart", "heart attack", on, stay, life, draw)
    story += Story(
        visits=(ed, stay),
        reports=(ward.chemistry(draw, "heart.ue", ed.moves[0].at + timedelta(hours=1), "heart.ed"),),
        letters=(aftercare.letter(stay, life, "Admitted with chest pain.", "Stent placed. Cardiac rehabilitation."),),
        medicines=(
            aftercare.medicine("heart.aspirin", "aspirin", "Take one daily", life, home, about="heart.dx"),
            aftercare.medicine("heart.statin", "atorvastatin", "Take one at night", life, home, about="heart.dx"),
            aftercare.medicine("heart.bisoprolol", "bisoprolol", "Take one daily", life, home, about="heart.dx"),
        ),
    )
    story += aftercare.course("heart.rehab", home + timedelta(days=7), life, draw, aftercare.CARDIAC, 8)
    return story + aftercare.clinics("heart", home + timedelta(days=42), life, draw, "320", 2)


def stroke(life: Life, draw: Random) -> Story:
    """A stroke: scan, stroke unit, home early with a team, reablement, and a tablet for life."""
    on, ed, stay = arrival(
        "stroke", life, draw, STROKE, "Sudden weakness of one side", draw.randint(5, 12), ("HASU", "STROKE"),
        (("I63.9", "Cerebral infarction, unspecified"),),
    )  # fmt: skip
    home = stay.moves[-1].at.date()
    if home > life.end:
        return Story()
    shown = ("There is an acute infarct in the left middle cerebral artery territory.", "No haemorrhage.")
    story = aftercare.told("stroke", "stroke", on, stay, life, draw)
    story += Story(
        visits=(ed, stay),
        reports=(ward.picture("stroke.ct", "CT of head", ed.moves[0].at + timedelta(minutes=40), shown, "stroke.ed"),),
        letters=(aftercare.letter(stay, life, "Admitted with a stroke.", "Early supported discharge team visits."),),
        medicines=(
            aftercare.medicine("stroke.clopidogrel", "clopidogrel", "Take one daily", life, home, about="stroke.dx"),
        ),
    )
    story += aftercare.course("stroke.esd", home, life, draw, aftercare.STROKE, 10, 3)
    return story + reablement(home, life, draw)


def copd(life: Life, draw: Random) -> Story:
    """COPD with an inhaler and yearly reviews; in some a flare that needed a bed."""
    since = life.ago(draw, 12, 5)
    story = Story(
        entries=(
            Entry("copd", "copd", since),
            *(
                Entry(f"copd.review{number}", "copd review", life.end - timedelta(days=60 + 365 * number))
                for number in range(3)
                if life.end - timedelta(days=60 + 365 * number) > since
            ),
        ),
        medicines=(
            aftercare.medicine("copd.tiotropium", "tiotropium", "Inhale once daily", life, since, "30", "dose", "copd"),
        ),
    )
    if not chance(draw, 0.35):
        return story
    _, ed, stay = arrival(
        "copd.flare", life, draw, COPD, "Breathless", draw.randint(2, 6), ("AMU", "WARD7"),
        (("J44.1", "Chronic obstructive pulmonary disease with acute exacerbation, unspecified"),),
    )  # fmt: skip
    home = stay.moves[-1].at.date()
    if home > life.end or ed.moves[0].at.date() <= since:
        return story
    story += Story(
        visits=(ed, stay),
        reports=(ward.blood_count(draw, "copd.fbc", ed.moves[0].at + timedelta(hours=1), "copd.flare.ed", True),),
        letters=(aftercare.letter(stay, life, "Admitted with a flare of COPD.", "Steroids for five days."),),
        medicines=(course_of("copd.prednisolone", "prednisolone", "Take six daily for five days", home, "30", "copd"),),
    )
    return story + aftercare.course("copd.team", home, life, draw, aftercare.RESPIRATORY, 4)


def course_of(key: str, drug: str, dosage: str, on: date, quantity: str, about: str = "") -> Medicine:
    """Return an acute medicine, given once."""
    return Medicine(key, drug, dosage, quantity, "tablet", on, False, issues=(on,), days=5, about=about)


def child_asthma(life: Life, draw: Random) -> Story:
    """A child's asthma: an attack that needed a night, an inhaler, a review."""
    on, ed, stay = arrival(
        "child", life, draw, CHILD, "Breathless", 1, ("CHILDREN",), (("J45.9", "Asthma, unspecified"),)
    )  # fmt: skip
    if stay.moves[-1].at.date() > life.end:
        return Story()
    since = max(life.birth + timedelta(days=400), on - timedelta(days=300))
    review = min(on + timedelta(days=30), life.end)
    return Story(
        entries=(Entry("child.asthma", "asthma", since), Entry("child.review", "asthma review", review)),
        visits=(ed, stay),
        letters=(aftercare.letter(stay, life, "Admitted overnight with asthma.", "Inhaler technique taught."),),
        medicines=(
            aftercare.medicine(
                "child.salbutamol", "salbutamol", "Two puffs when required", life, since, "200", "dose", "child.asthma"
            ),
        ),
    )  # fmt: skip


def self_harm(life: Life, draw: Random) -> Story:
    """An overdose: a night in hospital, seen by the liaison team, followed up by the practice."""
    on, ed, stay = arrival(
        "harm", life, draw, SELF_HARM, "Took tablets", 1, ("AMU",),
        (("T39.1", "Poisoning: 4-aminophenol derivatives"), ("X60.0", "Intentional self-poisoning")),
    )  # fmt: skip
    if stay.moves[-1].at.date() > life.end:
        return Story()
    story = aftercare.told("harm", "self-harm", on, stay, life, draw)
    return story + Story(
        visits=(ed, stay),
        letters=(aftercare.letter(stay, life, "Seen by the liaison team.", "The practice is asked to follow up."),),
    )


def homeless(life: Life, draw: Random) -> Story:
    """Somebody without a home who comes to the emergency department again and again."""
    first = life.ago(draw, *HOMELESS)
    visits = []
    for number in range(draw.randint(2, 4)):
        arrived = moment(draw, first + timedelta(days=9 * number), 9, 17)
        visits.append(ward.emergency(f"homeless.ed{number}", arrived, 3, "Foot pain, no fixed abode", disposal="3"))
    seen: list[datetime] = [visit.moves[-1].at for visit in visits]
    return Story(
        entries=(Entry("homeless", "homeless", first),),
        visits=tuple(visit for visit, left in zip(visits, seen) if left.date() <= life.end),
    )
