"""Journeys that a practice records: conditions, readings, repeats, immunisations, and what people say about their
data."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from gateway.synth.codes import SENSITIVE
from gateway.synth.draw import chance, moment, years_before
from gateway.synth.life import Life
from gateway.synth.truth import Consultation, Entry, Medicine, Problem, Reminder, Story


def check_up(life: Life, draw: Random) -> Story:
    """Smoking, weight and a blood count: what most records hold."""
    on = life.ago(draw, 4, 0.2)
    seen = Consultation("check", moment(draw, on))
    smoking = draw.choice(("never smoked", "ex-smoker", "smoker")) if life.age >= 16 else "never smoked"
    weight = draw.uniform(52, 104) if life.age >= 16 else draw.uniform(10, 40)
    entries = [
        Entry("check.smoking", smoking, on, "check"),
        Entry("check.weight", "weight", on, "check", f"{weight:.1f}", "kg"),
        Entry("check.fbc", "fbc", on, "check"),
        Entry(
            "check.hb",
            "haemoglobin",
            on,
            "check",
            f"{draw.uniform(112, 158):.0f}",
            "g/L",
            "115",
            "165",
            parent="check.fbc",
        ),
        Entry("check.na", "sodium", on, "check", f"{draw.uniform(134, 145):.0f}", "mmol/L", "133", "146"),
        Entry("check.k", "potassium", on, "check", f"{draw.uniform(3.6, 5.1):.1f}", "mmol/L", "3.5", "5.3"),
    ]
    if chance(draw, 0.08):
        entries.append(Entry("check.local", "frailty meeting", on, "check", confidential=True))
    return Story(consultations=(seen,), entries=tuple(entries))


def hypertension(life: Life, draw: Random) -> Story:
    """A diagnosis, a series of blood pressures that comes down, and a repeat."""
    since = life.ago(draw, 12, 4)
    story = Story(entries=(Entry("htn", "hypertension", since, problem=Problem(), episode="First"),))
    systolic = draw.randint(158, 182)
    on = max(since, years_before(life.end, 3.5))
    number = 0
    while on <= life.end:
        story += blood_pressure(f"htn.bp{number}", moment(draw, on), systolic, draw.randint(78, 98), about="htn")
        systolic = max(118, systolic - draw.randint(0, 12))
        on += timedelta(days=draw.randint(120, 210))
        number += 1
    return story + repeat(
        "htn.amlodipine", life, draw, "amlodipine", "Take one daily", "28", "tablet", since, about="htn"
    )


def blood_pressure(key: str, at: datetime, systolic: int, diastolic: int, about: str = "") -> Story:
    """One reading as EMIS records it: a parent without a value, and two children, the diastolic first."""
    on = at.date()
    seen = Consultation(key, at)
    return Story(
        consultations=(seen,),
        entries=(
            Entry(key, "blood pressure", on, key, about=about),
            Entry(f"{key}.dia", "diastolic", on, key, str(diastolic), "mmHg", parent=key, about=about),
            Entry(
                f"{key}.sys",
                "systolic",
                on,
                key,
                str(systolic),
                "mmHg",
                parent=key,
                about=about,
                abnormal=systolic >= 160,
            ),
        ),
    )


def diabetes(life: Life, draw: Random) -> Story:
    """A diagnosis, half-yearly HbA1c, yearly cholesterol and creatinine, two repeats and a recall."""
    since = life.ago(draw, 10, 3)
    story = Story(entries=(Entry("dm", "diabetes", since, problem=Problem(), episode="First"),))
    level, on, number = draw.uniform(58, 92), max(since, years_before(life.end, 3)), 0
    while on <= life.end:
        key = f"dm.review{number}"
        entries = [
            Entry(
                f"{key}.hba1c",
                "hba1c",
                on,
                key,
                f"{level:.0f}",
                "mmol/mol",
                "20",
                "41",
                about="dm",
                abnormal=level > 75,
            )
        ]
        if number % 2 == 0:
            entries.append(
                Entry(
                    f"{key}.chol",
                    "cholesterol",
                    on,
                    key,
                    f"{draw.uniform(3.2, 6.4):.1f}",
                    "mmol/L",
                    "",
                    "5.0",
                    about="dm",
                )
            )
            entries.append(
                Entry(
                    f"{key}.crea",
                    "creatinine",
                    on,
                    key,
                    f"{draw.uniform(58, 120):.0f}",
                    "umol/L",
                    "49",
                    "104",
                    about="dm",
                )
            )
            entries.append(Entry(f"{key}.bmi", "bmi", on, key, f"{draw.uniform(24, 38):.1f}", "kg/m2", about="dm"))
        story += Story(consultations=(Consultation(key, moment(draw, on), "Clinic"),), entries=tuple(entries))
        level = max(44.0, level - draw.uniform(-4, 12))
        on += timedelta(days=draw.randint(160, 200))
        number += 1
    story += repeat(
        "dm.metformin", life, draw, "metformin", "Take one twice a day with food", "56", "tablet", since, about="dm"
    )
    story += repeat(
        "dm.atorvastatin", life, draw, "atorvastatin", "Take one at night", "28", "tablet", since, about="dm"
    )
    return story + Story(
        reminders=(Reminder("dm.recall", "medication review", life.end + timedelta(days=90), life.end),)
    )


def asthma(life: Life, draw: Random) -> Story:
    """A diagnosis known to the year only, an inhaler, and in some a repeat that was stopped."""
    since = date(life.ago(draw, 20, 5).year + 1, 1, 1)
    entry = Entry("asthma", "asthma", since, problem=Problem(), precision="Y")
    used = repeat(
        "asthma.salbutamol",
        life,
        draw,
        "salbutamol",
        "Inhale two puffs when required",
        "200",
        "dose",
        since,
        about="asthma",
    )
    stopped = Story()
    if chance(draw, 0.3):
        start = life.ago(draw, 3, 2)
        stop = start + timedelta(days=200)
        issues = tuple(start + timedelta(days=28 * number) for number in range(4))
        stopped = Story(
            medicines=(
                Medicine(
                    "asthma.omeprazole",
                    "omeprazole",
                    "Take one daily",
                    "28",
                    "capsule",
                    start,
                    stopped=stop,
                    issues=issues,
                ),
            )
        )
    return Story(entries=(entry,)) + used + stopped


def repeat(
    key: str, life: Life, draw: Random, drug: str, dosage: str, quantity: str, unit: str, start: date, about: str = ""
) -> Story:
    """A repeat that is still given, with the issues of its last half year."""
    first = max(start, life.end - timedelta(days=170))
    last = life.end - timedelta(days=draw.randint(1, 20))
    issues, on = [], first
    while on <= last:
        issues.append(on)
        on += timedelta(days=28)
    return Story(medicines=(Medicine(key, drug, dosage, quantity, unit, start, issues=tuple(issues), about=about),))


def penicillin_allergy(life: Life, draw: Random) -> Story:
    """An allergy; one in three practices put it on the problem list too (it stays an allergy)."""
    on = life.ago(draw, 15, 1)
    problem = Problem() if chance(draw, 0.33) else None
    return Story(entries=(Entry("allergy", "penicillin allergy", on, problem=problem),))


def past_problems(life: Life, draw: Random) -> Story:
    """An operation long ago, dated to the month, and a problem that has ended."""
    on = life.ago(draw, 25, 8).replace(day=1)
    start = life.ago(draw, 8, 4)
    story = Story(
        entries=(
            Entry(
                "past.depression",
                "depression",
                start,
                problem=Problem(ended=start + timedelta(days=400), significant=False),
            ),
        )
    )
    if on > life.birth:
        story += Story(entries=(Entry("past.appendix", "appendicectomy", on, precision="YM"),))
    return story


def family_history(life: Life, draw: Random) -> Story:
    """What a parent had, dated to the year it was told; never the person's own condition."""
    told_on = date(life.ago(draw, 6, 1).year, 1, 1)
    codes = (
        ("fh ischaemic heart", "fh diabetes")
        if chance(draw, 0.2)
        else (draw.choice(("fh ischaemic heart", "fh diabetes")),)
    )
    return Story(entries=tuple(Entry(f"family.{code[3:]}", code, told_on, precision="Y") for code in codes))


def immunisations(life: Life, draw: Random) -> Story:
    """Influenza each autumn, one of them declined by some; pneumococcal in the old, measles, mumps and rubella in the
    young."""
    declined = draw.randrange(3) if "vaccine declined" in life.has else -1
    entries = []
    for number in range(3):
        autumn = date(life.end.year - number, 10, draw.randint(1, 28))
        if life.birth + timedelta(days=200) < autumn <= life.end:
            code = "influenza declined" if number == declined else "influenza"
            entries.append(Entry(f"imms.flu{number}", code, autumn))
    if life.age >= 66:
        entries.append(Entry("imms.pneumo", "pneumococcal", years_before(life.end, life.age - 65)))
    if 2 <= life.age < 18:
        entries.append(Entry("imms.mmr", "mmr", life.birth + timedelta(days=380)))
    return Story(entries=tuple(entries))


def sensitive(life: Life, draw: Random) -> Story:
    """A problem of the (invented) sensitive set, with the medicine given for it and the consultation it was said in."""
    at = moment(draw, life.ago(draw, 2, 0.5))
    on = at.date()
    return Story(
        consultations=(Consultation(SENSITIVE.lower(), at),),
        entries=(Entry("sensitive", "sensitive", on, SENSITIVE.lower(), problem=Problem()),),
        medicines=(
            Medicine(
                "sensitive.course",
                "doxycycline",
                "Take one twice a day",
                "14",
                "capsule",
                on,
                False,
                issues=(on,),
                days=7,
                about="sensitive",
            ),
        ),
    )


def sensitive_pregnancy(life: Life, draw: Random) -> Story:
    """An item of the (invented) set on the ending of a pregnancy."""
    return _sensitive("sensitive pregnancy", life, draw) if life.sex != "M" else Story()


def sensitive_fertility(life: Life, draw: Random) -> Story:
    """An item of the (invented) set on assisted fertilisation."""
    return _sensitive("sensitive fertility", life, draw)


def sensitive_gender(life: Life, draw: Random) -> Story:
    """An item of the (invented) set on gender."""
    return _sensitive("sensitive gender", life, draw)


def _sensitive(code: str, life: Life, draw: Random) -> Story:
    at = moment(draw, life.ago(draw, 2, 0.5))
    key = code.replace(" ", ".")
    entry = Entry(key, code, at.date(), f"{key}.seen", problem=Problem())
    return Story(consultations=(Consultation(f"{key}.seen", at),), entries=(entry,))


def objection(life: Life, draw: Random) -> Story:
    """A Type 1 objection to secondary use, recorded at the practice."""
    return Story(entries=(Entry("objection", "type 1 objection", life.ago(draw, 6, 1)),))


def dissent(life: Life, draw: Random) -> Story:
    """Express dissent from the Summary Care Record, recorded at the practice."""
    return Story(entries=(Entry("dissent", "scr dissent", life.ago(draw, 6, 1)),))
