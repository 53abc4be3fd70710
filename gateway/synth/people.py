"""Synthetic people: the same person 17 in a run of 20 and of a million, whatever journeys are added for others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from gateway.nhs import identifiers
from gateway.synth import places
from gateway.synth.canary import canaries, marked
from gateway.synth.draw import chance, day, digest, stream, years_before
from gateway.synth.journeys import JOURNEYS, LIKELIHOOD
from gateway.synth.life import Life
from gateway.synth.roles import ELSEWHERE, FIXED, MERGED, MISMATCH, OPTED_OUT, TWIN, TWIN_SIBLING
from gateway.synth.truth import Address, Council, Person, Practice, Seen, Story

__all__ = ["canaries", "people", "person"]

AGES = ((1, 17, 4), (18, 39, 16), (40, 59, 24), (60, 74, 28), (75, 96, 28))
"""Age bands with their weights: older than England, because those known to a council are."""

OPT_OUT, DEATH, NO_GP, NO_HOSPITAL, NO_CARE = 0.05, 0.06, 0.02, 0.1, 0.05
"""How many have opted out (near the national rate), have died (of those over 60), or are not known to one kind of
source."""

NO_NUMBER_HOSPITAL, UNVERIFIED, NO_NUMBER_CARE, MISSPELT = 0.04, 0.12, 0.08, 0.04
"""How many records lack the NHS number, have one that nobody verified (hospital), or have a letter missing in the
surname (council)."""


class Basics(NamedTuple):
    """Who someone is before anything happens to them."""

    sex: str
    birth: date
    names: str
    ethnicity: str
    given: str
    middle: str
    family: str


def people(
    count: int,
    seed: int,
    today: date,
    canary: bool = False,
    practices: Sequence[Practice] = (),
    councils: Sequence[Council] = (places.COUNCIL,),
) -> Iterator[Person]:
    """Yield people 1 to ``count``, one at a time; nothing is kept of those before.

    ``today`` is the reference date: nothing happens after the day before it. ``practices`` defaults to the first two.
    With ``canary`` every string that tells who someone is holds a token of their own (``canaries``), for tests that
    look for leaks.
    """
    practices = practices or places.practices(2)
    for number in range(1, count + 1):
        someone = person(number, seed, today, practices, councils)
        yield marked(someone) if canary else someone


def person(number: int, seed: int, today: date, practices: Sequence[Practice], councils: Sequence[Council]) -> Person:
    """Return person ``number`` of the world that ``seed`` makes."""
    who = basics(number, seed, today)
    end, death = lifetime(number, seed, who.birth, today)
    life = Life(who.birth, end, who.sex, frozenset(journeys(number, seed, who.birth, end)), death is None)
    practice, council = registered_at(number, seed, practices, councils)
    draw = stream(seed, number, "place")
    key = digest(seed, number)
    nhs_number = identifiers.synthetic(number - 1)
    story = sum((JOURNEYS[name](life, stream(seed, number, name)) for name in JOURNEYS if name in life.has), Story())
    roles = {FIXED[number].role} if number in FIXED else set()
    if number == OPTED_OUT or (number not in FIXED and chance(stream(seed, number, "opt-out"), OPT_OUT)):
        roles.add("opted-out")
    someone = Person(
        number=number,
        key=key,
        roles=frozenset(roles),
        nhs_number=nhs_number,
        sex=who.sex,
        birth=who.birth,
        death=death,
        title=title(who, end, draw),
        given=who.given,
        middle=who.middle,
        family=who.family,
        address=address(draw),
        email=f"person{number}@example.com",
        home_phone=f"01632960{number % 1000:03d}",
        mobile=f"07700900{number % 1000:03d}",
        carer=f"{draw.choice(places.GIVEN['white', 'F', 1])} {who.family}" if chance(draw, 0.2) else "",
        ethnicity=who.ethnicity,
        practice=practice,
        trust=places.TRUST,
        council=council,
        registered=day(
            draw, max(who.birth + timedelta(days=9), years_before(end, 20)), max(who.birth, years_before(end, 1))
        ),
        gp=Seen(str(100_000 + number), nhs_number, who.birth, who.given, who.family, verified=True),
        hospital=None,
        care=None,
        story=story,
    )
    if "moved house" in life.has:
        draw = stream(seed, number, "moved house")
        someone = replace(someone, moved=life.ago(draw, 0.6, 0.1), old_address=address(draw))
    return recorded(someone, seed)


def registered_at(
    number: int, seed: int, practices: Sequence[Practice], councils: Sequence[Council]
) -> tuple[Practice, Council]:
    """Return whose patient and whose client the person is; for the fixed people that is fixed too, whatever the
    seed."""
    if number in FIXED:
        return practices[-1 if number in ELSEWHERE else 0], councils[0]
    return stream(seed, number, "practice").choice(practices), stream(seed, number, "council").choice(councils)


def basics(number: int, seed: int, today: date) -> Basics:
    """Return sex, birth and names. The twin is born with his sister and has her surname."""
    draw = stream(seed, number, "basics")
    fixed = FIXED.get(number)
    low, high, _ = draw.choices(AGES, [weight for *_, weight in AGES])[0]
    born = years_before(today, draw.uniform(low, high + 0.99))
    if fixed:
        born = years_before(today, fixed.age + draw.uniform(0.1, 0.9))
    sex = fixed.sex if fixed else draw.choices(("F", "M", "I"), (0.52, 0.478, 0.002))[0]
    ethnicity, names, _ = draw.choices(places.ETHNICITIES, [weight for *_, weight in places.ETHNICITIES])[0]
    years = (today - born).days // 365
    era = (0 if years >= 60 else 1 if years >= 30 else 2) if names == "white" else 0
    list_ = places.GIVEN[names, "M" if sex == "M" else "F", era]
    given_name = draw.choice(list_)
    middle = draw.choice([name for name in list_ if name != given_name]) if chance(draw, 0.6) else ""
    someone = Basics(sex, born, names, ethnicity, given_name, middle, draw.choice(places.FAMILIES[names]))
    if number == TWIN:
        sister = basics(TWIN_SIBLING, seed, today)
        given_name = draw.choice(places.GIVEN[sister.names, "M", 1 if sister.names == "white" else 0])
        return someone._replace(
            birth=sister.birth,
            family=sister.family,
            names=sister.names,
            ethnicity=sister.ethnicity,
            given=given_name,
            middle="",
        )
    return someone


def lifetime(number: int, seed: int, birth: date, today: date) -> tuple[date, date | None]:
    """Return the last day something may happen, and the date of death or None. The fixed people live."""
    draw = stream(seed, number, "life")
    yesterday = today - timedelta(days=1)
    older = (today - birth).days > 60 * 365
    if number not in FIXED and older and chance(draw, DEATH):
        death = day(draw, years_before(today, 1), today - timedelta(days=20))
        return death, death
    return yesterday, None


def journeys(number: int, seed: int, birth: date, end: date) -> Iterator[str]:
    """Yield the names of what happens to the person: what the table says for fixed people, drawn by age for others."""
    if number in FIXED:
        yield from FIXED[number].journeys
        return
    draw = stream(seed, number, "journeys")
    age = (end - birth).days / 365.25
    yield "check_up"
    for name, (low, high, likelihood) in LIKELIHOOD.items():
        if chance(draw, likelihood) and low <= age < high + 1:
            yield name


def address(draw: Random) -> Address:
    street = f"{draw.choice(places.STREETS)} {draw.choice(places.STREET_KINDS)}"
    house = f"Flat {draw.randint(1, 40)}" if chance(draw, 0.2) else ""
    return Address(
        house, f"{draw.randint(1, 180)} {street}", draw.choice(places.TOWNS), places.COUNTY, places.postcode(draw)
    )


def title(who: Basics, end: date, draw: Random) -> str:
    if (end - who.birth).days < 16 * 365:
        return "Master" if who.sex == "M" else "Miss"
    return {"M": "Mr", "I": "Mx"}.get(who.sex) or draw.choice(("Mrs", "Ms", "Miss"))


def recorded(someone: Person, seed: int) -> Person:
    """Return the person as the sources hold them: who knows them, with which number, and what they got wrong."""
    draw = stream(seed, someone.number, "recording")
    ordinary = someone.number not in FIXED
    unknown = [ordinary and chance(draw, rate) for rate in (NO_GP, NO_HOSPITAL, NO_CARE)]
    lost = [ordinary and chance(draw, rate) for rate in (NO_NUMBER_HOSPITAL, UNVERIFIED, NO_NUMBER_CARE, MISSPELT)]
    hospital = Seen(
        f"H{someone.number:07d}",
        someone.nhs_number,
        someone.birth,
        someone.given,
        someone.family,
        verified=not (lost[0] or lost[1]),
    )
    care = Seen(f"P{someone.number:06d}", someone.nhs_number, someone.birth, someone.given, someone.family)
    if lost[0]:
        hospital = replace(hospital, nhs_number="")
    if lost[2]:
        care = replace(care, nhs_number="")
    if lost[3]:
        care = replace(care, family=someone.family[:2] + someone.family[3:])
    if someone.number == MERGED:
        hospital = replace(hospital, retired=f"H9{someone.number:06d}")
    if someone.number == TWIN:
        hospital = replace(hospital, nhs_number=identifiers.synthetic(TWIN_SIBLING - 1), verified=False)
    if someone.number == MISMATCH:
        hospital = replace(
            hospital,
            birth=someone.birth.replace(year=someone.birth.year - 10, day=min(someone.birth.day, 28)),
            verified=False,
        )
    return replace(
        someone,
        gp=None if unknown[0] else someone.gp,
        hospital=hospital if unknown[0] or not unknown[1] else None,
        care=care if someone.story.support and not unknown[2] else None,
    )
