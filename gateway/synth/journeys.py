"""Journeys: what happens to people, one function each. A journey draws from its own stream and adds its story; none reads another's.

Rates and ages are plausible, not epidemiology. Every event lies between birth and ``life.end`` (death, or yesterday).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import NamedTuple

from gateway.synth import ward
from gateway.synth.codes import SENSITIVE
from gateway.synth.draw import chance, day, moment, years_before
from gateway.synth.truth import Consultation, Entry, Medicine, Problem, Reminder, Story, Support


class Life(NamedTuple):
    """What a journey may know: from when to when, and what else the person has."""

    birth: date
    end: date
    sex: str
    has: frozenset[str] = frozenset()

    @property
    def age(self) -> float:
        return (self.end - self.birth).days / 365.25

    def ago(self, draw: Random, most: float, least: float) -> date:
        """Return a day between ``most`` and ``least`` years before the end, never before the tenth day of life."""
        return day(draw, max(years_before(self.end, most), self.birth + timedelta(days=10)), years_before(self.end, least))


def check_up(life: Life, draw: Random) -> Story:
    """Smoking, weight, family history and a blood count: what most records hold."""
    on = life.ago(draw, 4, 0.2)
    seen = Consultation("check", moment(draw, on))
    smoking = draw.choice(("never smoked", "ex-smoker", "smoker")) if life.age >= 16 else "never smoked"
    weight = draw.uniform(52, 104) if life.age >= 16 else draw.uniform(10, 40)
    entries = [
        Entry("check.smoking", smoking, on, "check"),
        Entry("check.weight", "weight", on, "check", f"{weight:.1f}", "kg"),
        Entry("check.fbc", "fbc", on, "check"),
        Entry("check.hb", "haemoglobin", on, "check", f"{draw.uniform(112, 158):.0f}", "g/L", "115", "165", parent="check.fbc"),
        Entry("check.na", "sodium", on, "check", f"{draw.uniform(134, 145):.0f}", "mmol/L", "133", "146"),
        Entry("check.k", "potassium", on, "check", f"{draw.uniform(3.6, 5.1):.1f}", "mmol/L", "3.5", "5.3"),
    ]
    if chance(draw, 0.3):
        year = date(on.year, 1, 1)
        if year > life.birth:
            entries.append(Entry("check.family", draw.choice(("fh ischaemic heart", "fh diabetes")), year, "check", precision="Y"))
    if chance(draw, 0.08):
        entries.append(Entry("check.local", "frailty meeting", on, "check", confidential=True))
    return Story(consultations=(seen,), entries=tuple(entries))


def hypertension(life: Life, draw: Random) -> Story:
    """A diagnosis, a series of blood pressures that comes down, and a repeat."""
    found = life.ago(draw, 12, 4)
    story = Story(entries=(Entry("htn", "hypertension", found, problem=Problem(), episode="First"),))
    systolic = draw.randint(158, 182)
    on = max(found, years_before(life.end, 3.5))
    number = 0
    while on <= life.end:
        story += blood_pressure(f"htn.bp{number}", moment(draw, on), systolic, draw.randint(78, 98), about="htn")
        systolic = max(118, systolic - draw.randint(0, 12))
        on += timedelta(days=draw.randint(120, 210))
        number += 1
    return story + repeat("htn.amlodipine", life, draw, "amlodipine", "Take one daily", "28", "tablet", found, about="htn")


def blood_pressure(key: str, at: datetime, systolic: int, diastolic: int, about: str = "") -> Story:
    """One reading as EMIS records it: a parent without a value, and two children, the diastolic first."""
    on = at.date()
    seen = Consultation(key, at)
    return Story(
        consultations=(seen,),
        entries=(
            Entry(key, "blood pressure", on, key, about=about),
            Entry(f"{key}.dia", "diastolic", on, key, str(diastolic), "mmHg", parent=key, about=about),
            Entry(f"{key}.sys", "systolic", on, key, str(systolic), "mmHg", parent=key, about=about, abnormal=systolic >= 160),
        ),
    )


def diabetes(life: Life, draw: Random) -> Story:
    """A diagnosis, half-yearly HbA1c, yearly cholesterol and creatinine, two repeats and a recall."""
    found = life.ago(draw, 10, 3)
    story = Story(entries=(Entry("dm", "diabetes", found, problem=Problem(), episode="First"),))
    level, on, number = draw.uniform(58, 92), max(found, years_before(life.end, 3)), 0
    while on <= life.end:
        key = f"dm.review{number}"
        entries = [Entry(f"{key}.hba1c", "hba1c", on, key, f"{level:.0f}", "mmol/mol", "20", "41", about="dm", abnormal=level > 75)]
        if number % 2 == 0:
            entries.append(Entry(f"{key}.chol", "cholesterol", on, key, f"{draw.uniform(3.2, 6.4):.1f}", "mmol/L", "", "5.0", about="dm"))
            entries.append(Entry(f"{key}.crea", "creatinine", on, key, f"{draw.uniform(58, 120):.0f}", "umol/L", "49", "104", about="dm"))
            entries.append(Entry(f"{key}.bmi", "bmi", on, key, f"{draw.uniform(24, 38):.1f}", "kg/m2", about="dm"))
        story += Story(consultations=(Consultation(key, moment(draw, on), "Nurse clinic"),), entries=tuple(entries))
        level = max(44.0, level - draw.uniform(-4, 12))
        on += timedelta(days=draw.randint(160, 200))
        number += 1
    story += repeat("dm.metformin", life, draw, "metformin", "Take one twice a day with food", "56", "tablet", found, about="dm")
    story += repeat("dm.atorvastatin", life, draw, "atorvastatin", "Take one at night", "28", "tablet", found, about="dm")
    return story + Story(reminders=(Reminder("dm.recall", "medication review", life.end + timedelta(days=90), life.end),))


def asthma(life: Life, draw: Random) -> Story:
    """A diagnosis known to the year only, an inhaler, and in some a repeat that was stopped."""
    found = date(life.ago(draw, 20, 5).year + 1, 1, 1)
    entry = Entry("asthma", "asthma", found, problem=Problem(), precision="Y")
    used = repeat("asthma.salbutamol", life, draw, "salbutamol", "Inhale two puffs when required", "200", "dose", found, about="asthma")
    stopped = Story()
    if chance(draw, 0.3):
        start = life.ago(draw, 3, 2)
        stop = start + timedelta(days=200)
        issues = tuple(start + timedelta(days=28 * number) for number in range(4))
        stopped = Story(
            medicines=(
                Medicine("asthma.omeprazole", "omeprazole", "Take one daily", "28", "capsule", start, stopped=stop, issues=issues),
            )
        )
    return Story(entries=(entry,)) + used + stopped


def repeat(key: str, life: Life, draw: Random, drug: str, dosage: str, quantity: str, unit: str, start: date, about: str = "") -> Story:
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
    story = Story(entries=(Entry("past.depression", "depression", start, problem=Problem(ended=start + timedelta(days=400), significant=False)),))
    if on > life.birth:
        story += Story(entries=(Entry("past.appendix", "appendicectomy", on, precision="YM"),))
    return story


def immunisations(life: Life, draw: Random) -> Story:
    """Influenza each autumn, one of them declined; pneumococcal in the old, measles, mumps and rubella in the young."""
    declined = draw.randrange(3) if chance(draw, 0.4) else -1
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


def hip_fracture(life: Life, draw: Random) -> Story:
    """A fall: emergency department, two wards, theatre, home; the letter at the practice days later; reablement by the council."""
    fell = life.ago(draw, 1.2, 0.35)
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
    if chance(draw, 0.25):
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
        Medicine("hip.paracetamol", "paracetamol", "Take two four times a day", "100", "tablet", letter, False, issues=(letter,), days=14),
    )
    gp = Story((Consultation("hip.letter", moment(draw, letter), "Discharge letter"),), entries, medicines)
    return gp + Story(visits=visits, reports=reports) + reablement(home, life, draw)


def reablement(home: date, life: Life, draw: Random) -> Story:
    """The council's short-term support after a discharge, and what it led to."""
    start = home + timedelta(days=2)
    ends = start + timedelta(days=draw.randint(28, 42))
    reason = {"reason": "Physical support: Access and mobility only"}
    events = [
        Support("Request", home, home + timedelta(days=1), "Progress to reablement/ST-Max", {"route": "Discharge from Hospital", **reason}),
        Support("Service", start, ends, words={"type": "Short term support: ST-Max", "component": "Reablement", "cost": "18.40", **reason}),
        Support("Assessment", ends, ends + timedelta(days=5), "NFA: Support ended as planned", {"assessment": "Short Term Assessment", **reason}),
    ]
    return Story(support=tuple(event for event in events if event.start <= life.end and (event.end is None or event.end <= life.end)))


def pneumonia(life: Life, draw: Random) -> Story:
    """An admission with bloods, a swab and a chest film; in some the discharge is taken back for a day. Antibiotic by allergy."""
    fell_ill = life.ago(draw, 2, 0.1)
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
    if chance(draw, 0.3):
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
        entries=(Entry("pneumonia.dx", "pneumonia", fell_ill, problem=Problem(ended=min(home + timedelta(days=40), life.end))),),
        medicines=(Medicine("pneumonia.course", drug, "Take one three times a day", "15", "capsule", course, False, issues=(course,), days=5),),
    )
    return gp + Story(visits=(ward.emergency("pneumonia.ed", arrived, 4, "Breathless"), stay), reports=reports)


def frailty(life: Life, draw: Random) -> Story:
    """Severe frailty, long-term care from the council, reviewed each year."""
    found = life.ago(draw, 3, 1.3)
    entries = [Entry("frailty", "severe frailty", found, problem=Problem())]
    if chance(draw, 0.4):
        entries.append(Entry("frailty.dementia", "dementia", life.ago(draw, 3, 1), problem=Problem()))
    asked = found + timedelta(days=draw.randint(5, 40))
    agreed = asked + timedelta(days=draw.randint(10, 40))
    home = chance(draw, 0.7)
    reason = {"reason": "Physical Support: Personal care support" if home else "Support with memory and cognition"}
    service = (
        {"type": "Long term support: Community", "component": "Home support or domiciliary care", "cost": "22.50", "units": "10.5"}
        if home
        else {"type": "Long term support: Residential care", "component": "Long term residential care", "cost": "890.00", "per": "Weekly"}
    )
    support = [
        Support(
            "Request",
            asked,
            asked + timedelta(days=2),
            "Progress to assessment, review or reassessment",
            {"route": "Community / Other route", **reason},
        ),
        Support(
            "Assessment",
            asked + timedelta(days=3),
            agreed,
            "Progress to support planning or services",
            {"assessment": "Long Term Assessment", "eligible": "Yes", **reason},
        ),
        Support("Service", agreed + timedelta(days=3), None, words={**service, **reason}, forgotten=chance(draw, 0.1)),
    ]
    reviewed = agreed + timedelta(days=300)
    while reviewed + timedelta(days=8) <= life.end:
        support.append(
            Support("Review", reviewed, reviewed + timedelta(days=8), "Continuation of support or services", {"review": "Planned", **reason})
        )
        reviewed += timedelta(days=330)
    return Story(entries=tuple(entries), support=tuple(support))


def contact(life: Life, draw: Random) -> Story:
    """A light touch by the council: a request, and equipment or advice."""
    asked = life.ago(draw, 1, 0.3)
    reason = {"reason": "Physical support: Access and mobility only"}
    advised = chance(draw, 0.5)
    outcome = "NFA: Information and advice or signposting" if advised else "Progress to support planning or services"
    events = [Support("Request", asked, asked + timedelta(days=3), outcome, {"route": "Community / Other route", **reason})]
    if not advised:
        given = asked + timedelta(days=12)
        words = {"type": "Short term support: Other short term", "component": "Equipment", **reason}
        events.append(Support("Service", given, given + timedelta(days=1), words=words))
    return Story(support=tuple(events))


def attendance(life: Life, draw: Random) -> Story:
    """A visit to the emergency department that ends at home, with a blood test that found nothing."""
    arrived = moment(draw, life.ago(draw, 2, 0.1), 8, 17)
    visit = ward.emergency("attendance", arrived, draw.randint(2, 6), "Chest pain, resolved", disposal="3")
    reports = (
        ward.blood_count(draw, "attendance.fbc", arrived + timedelta(minutes=50), "attendance"),
        ward.inflammation(draw, "attendance.crp", arrived + timedelta(minutes=50), "attendance", infected=False),
    )
    return Story(visits=(visit,), reports=reports)


def cancelled_admission(life: Life, draw: Random) -> Story:
    """An admission for an operation that was taken back the same morning."""
    admitted = moment(draw, life.ago(draw, 1.5, 0.1), 7, 9)
    stay = ward.admission("cancelled", admitted, 2, ("WARD6",), reason="Hernia repair", specialty="100", method="11")
    return Story(visits=(ward.undone(stay, "A11", timedelta(hours=3), again=False),))


def corrected_result(life: Life, draw: Random) -> Story:
    """A potassium reported wrongly and corrected."""
    return Story(reports=(ward.corrected(draw, "corrected", moment(draw, life.ago(draw, 1, 0.1), 9, 12), ""),))


def sensitive(life: Life, draw: Random) -> Story:
    """A problem of the (invented) sensitive set, with the medicine given for it and the consultation it was said in."""
    at = moment(draw, life.ago(draw, 2, 0.5))
    on = at.date()
    return Story(
        consultations=(Consultation(SENSITIVE.lower(), at),),
        entries=(Entry("sensitive", "sensitive", on, SENSITIVE.lower(), problem=Problem()),),
        medicines=(
            Medicine(
                "sensitive.course", "doxycycline", "Take one twice a day", "14", "capsule", on, False, issues=(on,), days=7, about="sensitive"
            ),
        ),
    )


def objection(life: Life, draw: Random) -> Story:
    """A Type 1 objection to secondary use, recorded at the practice."""
    return Story(entries=(Entry("objection", "type 1 objection", life.ago(draw, 6, 1)),))


def dissent(life: Life, draw: Random) -> Story:
    """Express dissent from the Summary Care Record, recorded at the practice."""
    return Story(entries=(Entry("dissent", "scr dissent", life.ago(draw, 6, 1)),))


JOURNEYS = {
    journey.__name__: journey
    for journey in (
        check_up,
        hypertension,
        diabetes,
        asthma,
        penicillin_allergy,
        past_problems,
        immunisations,
        hip_fracture,
        pneumonia,
        frailty,
        contact,
        attendance,
        cancelled_admission,
        corrected_result,
        sensitive,
        objection,
        dissent,
    )
}
