"""What follows a stay: letter to the practice, community team, outpatient clinic. Building blocks of journeys."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from gateway.synth.draw import moment
from gateway.synth.life import Life
from gateway.synth.truth import Clinic, Consultation, Course, Entry, Letter, Medicine, Problem, Story, Visit

NURSING, REHABILITATION, STROKE, PALLIATIVE, CARDIAC, RESPIRATORY = "12", "19", "22", "07", "21", "29"
"""Kinds of team, as codes of SERVICE OR TEAM TYPE REFERRED TO (COMMUNITY CARE). Written from memory: check them before
their words are relied on."""

FROM_HOSPITAL, FROM_PRACTICE = "04", "01"
"""SOURCE OF REFERRAL FOR COMMUNITY, likewise."""


def letter(visit: Visit, life: Life, *lines: str) -> Letter:
    """Return the discharge letter, signed the morning after."""
    left = visit.moves[-1].at
    signed = datetime.combine(min(left.date() + timedelta(days=1), life.end), left.time())
    return Letter(f"{visit.key}.letter", signed, "Discharge summary", lines, visit.key)


def course(
    key: str, asked: date, life: Life, draw: Random, team: str, times: int, every: int = 7, source: str = FROM_HOSPITAL
) -> Story:
    """Return a team's course of visits, as far as the person lived to have them; open where it is not over."""
    days = [asked + timedelta(days=3 + every * number) for number in range(times)]
    contacts = tuple(moment(draw, on, 9, 16) for on in days if on <= life.end)
    ended = days[-1] if len(contacts) == times else None
    if asked > life.end:
        return Story()
    return Story(courses=(Course(key, asked, team, source, contacts, ended),))


def clinics(key: str, first: date, life: Life, draw: Random, specialty: str, times: int, every: int = 90) -> Story:
    """Return outpatient appointments; one in ten is not attended, and the last one discharges."""
    seen = []
    for number in range(times):
        at = moment(draw, first + timedelta(days=every * number), 9, 16)
        attended = "7" if draw.random() < 0.1 else "5"
        if at.date() <= life.end:
            outcome = "1" if number == times - 1 else "2"
            seen.append(Clinic(f"{key}.clinic{number}", at, specialty, attended, number == 0, outcome))
    return Story(clinics=tuple(seen))


def told(key: str, code: str, on: date, visit: Visit, life: Life, draw: Random) -> Story:
    """Return what the practice enters days after the stay: the diagnosis, dated when it happened."""
    home = visit.moves[-1].at.date()
    entered = min(home + timedelta(days=draw.randint(2, 10)), life.end)
    return Story(
        consultations=(Consultation(f"{key}.letter", moment(draw, entered), "Discharge letter"),),
        entries=(Entry(f"{key}.dx", code, on, f"{key}.letter", problem=Problem()),),
    )


def medicine(
    key: str,
    drug: str,
    dosage: str,
    life: Life,
    since: date,
    quantity: str = "28",
    unit: str = "tablet",
    about: str = "",
) -> Medicine:
    """Return a repeat with the issues of its last five months, from ``since`` on."""
    first = max(since, life.end - timedelta(days=150))
    last = life.end - timedelta(days=8)
    issues = tuple(first + timedelta(days=28 * number) for number in range(max(0, (last - first).days // 28 + 1)))
    return Medicine(key, drug, dosage, quantity, unit, since, issues=issues, about=about)
