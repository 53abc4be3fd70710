"""Synthetic people: the same person 17 in a run of 20 and of a million, whatever journeys are added for others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from gateway.nhs import identifiers
from gateway.synth import places
from gateway.synth.draw import chance, day, digest, guid, stream, years_before
from gateway.synth.journeys import JOURNEYS, Life
from gateway.synth.roles import FIXED, MERGED, MISMATCH, OPTED_OUT, TWIN, TWIN_SIBLING
from gateway.synth.truth import Address, Council, Person, Practice, Seen, Story

AGES = ((1, 17, 4), (18, 39, 16), (40, 59, 24), (60, 74, 28), (75, 96, 28))
"""Age bands with their weights: older than England, because those known to a council are."""

OPT_OUT, DEATH, NO_GP, NO_HOSPITAL, NO_CARE = 0.05, 0.06, 0.02, 0.1, 0.05
"""How many have opted out (near the national rate), have died (of those over 60), or are not known to one kind of source."""

NO_NUMBER_HOSPITAL, UNVERIFIED, NO_NUMBER_CARE, MISSPELT = 0.04, 0.12, 0.08, 0.04
"""How many records lack the NHS number, have one that nobody verified (hospital), or have a letter missing in the surname (council)."""

LIKELIHOOD = {
    "hypertension": (18, 96, 0.32),
    "diabetes": (18, 96, 0.14),
    "asthma": (6, 96, 0.12),
    "penicillin_allergy": (2, 96, 0.09),
    "past_problems": (12, 96, 0.2),
    "immunisations": (1, 120, 0.8),
    "hip_fracture": (65, 96, 0.12),
    "pneumonia": (45, 96, 0.12),
    "frailty": (72, 96, 0.3),
    "contact": (20, 96, 0.85),
    "attendance": (3, 96, 0.75),
    "cancelled_admission": (18, 96, 0.06),
    "corrected_result": (18, 96, 0.08),
}
"""Ages between which a journey may happen to someone, and how likely it is to."""


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

    ``today`` is the reference date: nothing happens after the day before it. ``practices`` defaults to the first two. With ``canary`` every
    string that tells who someone is holds a token of their own (``canaries``), for tests that look for leaks.
    """
    practices = practices or places.practices(2)
    for number in range(1, count + 1):
        made = person(number, seed, today, practices, councils)
        yield marked(made) if canary else made


def person(number: int, seed: int, today: date, practices: Sequence[Practice], councils: Sequence[Council]) -> Person:
    """Return person ``number`` of the world that ``seed`` makes."""
    who = basics(number, seed, today)
    end, death = lifetime(number, seed, who.birth, today)
    life = Life(who.birth, end, who.sex, frozenset(journeys(number, seed, who.birth, end)))
    draw = stream(seed, number, "place")
    practice = draw.choice(practices)
    council = draw.choice(councils)
    home = address(draw, number)
    key = digest(seed, number)
    nhs_number = identifiers.synthetic(number - 1)
    story = sum((JOURNEYS[name](life, stream(seed, number, name)) for name in JOURNEYS if name in life.has), Story())
    roles = {FIXED[number].role} if number in FIXED else set()
    if number == OPTED_OUT or (number not in FIXED and chance(stream(seed, number, "opt-out"), OPT_OUT)):
        roles.add("opted-out")
    made = Person(
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
        address=home,
        email=f"person{number}@example.com",
        home_phone=f"01632960{number % 1000:03d}",
        mobile=f"07700900{number % 1000:03d}",
        carer=f"{draw.choice(places.GIVEN['white', 'F', 1])} {who.family}" if chance(draw, 0.2) else "",
        ethnicity=who.ethnicity,
        practice=practice,
        trust=places.TRUST,
        council=council,
        registered=day(draw, max(who.birth + timedelta(days=9), years_before(end, 20)), max(who.birth, years_before(end, 1))),
        gp=Seen(str(100_000 + number), nhs_number, who.birth, who.given, who.family, verified=True),
        hospital=None,
        care=None,
        story=story,
    )
    return recorded(made, seed)


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
    given = draw.choice(list_)
    middle = draw.choice([name for name in list_ if name != given]) if chance(draw, 0.6) else ""
    made = Basics(sex, born, names, ethnicity, given, middle, draw.choice(places.FAMILIES[names]))
    if number == TWIN:
        sister = basics(TWIN_SIBLING, seed, today)
        given = draw.choice(places.GIVEN[sister.names, "M", 1 if sister.names == "white" else 0])
        return made._replace(birth=sister.birth, family=sister.family, names=sister.names, ethnicity=sister.ethnicity, given=given, middle="")
    return made


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
    for name, (low, high, likelihood) in LIKELIHOOD.items():  # every row draws, so that a new one at the end shifts nobody
        if chance(draw, likelihood) and low <= age < high + 1:
            yield name


def address(draw: Random, number: int) -> Address:
    street = f"{draw.choice(places.STREETS)} {draw.choice(places.STREET_KINDS)}"
    house = f"Flat {draw.randint(1, 40)}" if chance(draw, 0.2) else ""
    return Address(house, f"{draw.randint(1, 180)} {street}", draw.choice(places.TOWNS), places.COUNTY, places.postcode(draw))


def title(who: Basics, end: date, draw: Random) -> str:
    if (end - who.birth).days < 16 * 365:
        return "Master" if who.sex == "M" else "Miss"
    return {"M": "Mr", "I": "Mx"}.get(who.sex) or draw.choice(("Mrs", "Ms", "Miss"))


def recorded(made: Person, seed: int) -> Person:
    """Return the person as the sources hold them: who knows them, with which number, and what they got wrong."""
    draw = stream(seed, made.number, "recording")
    ordinary = made.number not in FIXED
    unknown = [ordinary and chance(draw, rate) for rate in (NO_GP, NO_HOSPITAL, NO_CARE)]
    lost = [ordinary and chance(draw, rate) for rate in (NO_NUMBER_HOSPITAL, UNVERIFIED, NO_NUMBER_CARE, MISSPELT)]
    hospital = Seen(f"H{made.number:07d}", made.nhs_number, made.birth, made.given, made.family, verified=not (lost[0] or lost[1]))
    care = Seen(f"P{made.number:06d}", made.nhs_number, made.birth, made.given, made.family)
    if lost[0]:
        hospital = replace(hospital, nhs_number="")
    if lost[2]:
        care = replace(care, nhs_number="")
    if lost[3]:
        care = replace(care, family=made.family[:2] + made.family[3:])
    if made.number == MERGED:
        hospital = replace(hospital, retired=f"H9{made.number:06d}")
    if made.number == TWIN:
        hospital = replace(hospital, nhs_number=identifiers.synthetic(TWIN_SIBLING - 1), verified=False)
    if made.number == MISMATCH:
        hospital = replace(hospital, birth=made.birth.replace(year=made.birth.year - 10, day=min(made.birth.day, 28)), verified=False)
    return replace(
        made,
        gp=None if unknown[0] else made.gp,
        hospital=hospital if unknown[0] or not unknown[1] else None,
        care=care if made.story.support and not unknown[2] else None,
    )


def marked(made: Person) -> Person:
    """Return the person with a token of their own in every string that tells who they are."""
    number, letters = made.number, token(made.number)
    eight = f"{int(made.key[:12], 16) % 10**8:08d}"
    inward = f"{1 + number // 400 % 8}{places.INWARD[number // 20 % 20]}{places.INWARD[number % 20]}"
    seen = {
        "gp": made.gp and replace(made.gp, number=f"7{eight}"),
        "hospital": made.hospital
        and replace(made.hospital, number=f"ZQH{eight}", retired=f"ZQR{eight}" if made.hospital.retired else ""),
        "care": made.care and replace(made.care, number=f"ZQC{eight}"),
    }
    names = {"given": f"{letters}given", "family": f"{letters}family"}
    return replace(
        made,
        **names,
        middle=f"{letters}middle",
        address=Address(
            f"{letters}house", f"1 {letters}street", f"{letters}town", made.address.county, f"ZA{1 + number // 3200 % 9} {inward}"
        ),
        email=f"{letters}mail@example.com",
        carer=f"{letters}carer",
        word=f"{letters}text",
        **{kind: held and replace(held, **names) for kind, held in seen.items()},
    )


def token(number: int) -> str:
    """Return the letters that are person ``number``'s canary: ``Zq`` and four letters, alike in length, none part of another."""
    letters = ""
    for _ in range(4):
        number, place = divmod(number, 26)
        letters = chr(ord("a") + place) + letters
    return f"Zq{letters}"


def canaries(made: Person) -> list[str]:
    """Return every string that must appear in no export, log or error about this person. For people made with ``canary``."""
    numbers = [made.nhs_number, identifiers.spaced(made.nhs_number)]
    held = [seen.number for seen in (made.gp, made.hospital, made.care) if seen]
    retired = [made.hospital.retired] if made.hospital and made.hospital.retired else []
    place = [made.address.house, made.address.street, made.address.town, made.address.postcode, made.address.postcode.replace(" ", "")]
    reached = [made.email, made.home_phone, made.mobile]
    named = [made.given, made.middle, made.family, made.carer]
    patient = guid(made.key, "patient").strip("{}")
    return [text for text in (*numbers, *held, *retired, *place, *reached, *named, made.word, token(made.number), patient, patient.lower()) if text]
