"""Synthetic people: the same person 17 in a run of 20 and of a million, whatever journeys are added for others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from gateway.nhs import identifiers
from gateway.synth import kin, places
from gateway.synth.canary import canaries, marked
from gateway.synth.draw import chance, day, digest, stream, years_before
from gateway.synth.journeys import JOURNEYS
from gateway.synth.life import Life
from gateway.synth.mess import Around
from gateway.synth.packs import CAST
from gateway.synth.rates import Mix, by_name, likelihood, rates
from gateway.synth.recording import recorded
from gateway.synth.truth import Address, Council, Person, Practice, Seen, Story

__all__ = ["canaries", "people", "person"]

MOST = 800_000
"""How many people there can be. The numbers after theirs are for packs and for superseded NHS numbers."""


SENSITIVE = frozenset({"sensitive", "sensitive_pregnancy", "sensitive_fertility", "sensitive_gender"})


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
    mix: Mix = "demo",
    numbers: Iterable[int] = (),
) -> Iterator[Person]:
    """Yield people 1 to ``count`` (or those of ``numbers``), one at a time; nothing is kept of those before.

    ``today`` is the reference date: nothing happens after the day before it. ``practices`` defaults to the first two.
    With ``canary`` every string that tells who someone is holds a token of their own (``canaries``), for tests that
    look for leaks.
    """
    practices = practices or places.practices(2)
    for number in numbers or range(1, count + 1):
        someone = person(number, seed, today, practices, councils, mix)
        yield marked(someone) if canary else someone


def person(
    number: int,
    seed: int,
    today: date,
    practices: Sequence[Practice],
    councils: Sequence[Council],
    mix: Mix = "demo",
) -> Person:
    """Return person ``number`` of the world that ``seed`` makes, as true and as each source holds them."""
    someone = true(number, seed, today, practices, councils, mix)
    end = someone.death or today - timedelta(days=1)
    return recorded(someone, seed, Around(practices, end), mix)


def true(
    number: int, seed: int, today: date, practices: Sequence[Practice], councils: Sequence[Council], mix: Mix
) -> Person:
    """Return the truth about a person: who they are, and what happened to them."""
    who = basics(number, seed, today, mix)
    end, death = lifetime(number, seed, who.birth, today, mix)
    names = frozenset(journeys(number, seed, who, end, mix))
    life = Life(who.birth, end, who.sex, names, death is None, kin.child_birth(number, seed, today, mix))
    practice, council = registered_at(number, seed, practices, councils, bool(names & SENSITIVE))
    draw = stream(seed, number, "place")
    nhs_number = identifiers.synthetic(number - 1)
    story = sum((JOURNEYS[name](life, stream(seed, number, name)) for name in JOURNEYS if name in names), Story())
    someone = Person(
        number=number,
        key=digest(seed, number),
        roles=frozenset(roles(number, seed, mix)),
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
    if someone.registered > end:
        someone = replace(someone, registered=end)
    if "homeless" in life.has:
        return replace(someone, address=places.NO_ABODE)
    if "moved house" in life.has:
        draw = stream(seed, number, "moved house")
        someone = replace(someone, moved=life.ago(draw, 0.6, 0.1), old_address=address(draw))
    kept_home = kin.mother_of(number, mix) or (kin.twin_of(number, mix) if (end - who.birth).days < 18 * 366 else 0)
    if kept_home:
        hers = true(kept_home, seed, today, practices, councils, mix)
        someone = replace(someone, address=hers.address, practice=hers.practice, council=hers.council)
    return someone


def roles(number: int, seed: int, mix: Mix) -> Iterator[str]:
    """Yield what the person is there to show, and whether they have opted out or are restricted."""
    if number in CAST:
        yield CAST[number].role
        yield from CAST[number].roles
        return
    known = by_name("known", mix)
    draw = stream(seed, number, "opt-out")
    if chance(draw, known["opted out"][0].rate):
        yield "opted-out"
    if chance(draw, known["restricted"][0].rate):
        yield "restricted"


def registered_at(
    number: int, seed: int, practices: Sequence[Practice], councils: Sequence[Council], is_emis: bool
) -> tuple[Practice, Council]:
    """Return whose patient and whose client the person is; for the fixed people that is fixed too, whatever the seed.

    ``is_emis``: the practice must use EMIS, whose local codes the sandbox's invented sensitive set holds.
    """
    if number in CAST:
        return CAST[number].practice(practices), councils[0]
    draw = stream(seed, number, "practice")
    practice = draw.choice(practices)
    if is_emis and practice.system != "emis":
        practice = draw.choice([surgery for surgery in practices if surgery.system == "emis"] or list(practices))
    return practice, stream(seed, number, "council").choice(councils)


def basics(number: int, seed: int, today: date, mix: Mix = "demo") -> Basics:
    """Return sex, birth and names. Twins are born together with one surname; a baby has its mother's."""
    draw = stream(seed, number, "basics")
    fixed = CAST.get(number)
    bands = rates("age", mix)
    band = draw.choices(bands, [row.rate for row in bands])[0]
    born = years_before(today, draw.uniform(band.low, band.high + 0.99))
    if fixed:
        born = years_before(today, fixed.age + draw.uniform(0.1, 0.9))
        if "hospital: day and month of birth swapped" in fixed.mess:
            born = born.replace(day=born.month % 12 + 1)  # a day that can be a month, and another one
    sex = fixed.sex if fixed else draw.choices(("F", "M", "I"), (0.52, 0.478, 0.002))[0]
    ethnicity, names, _ = draw.choices(places.ETHNICITIES, [weight for *_, weight in places.ETHNICITIES])[0]
    years = (today - born).days // 365
    if kin.child_of(number, mix):  # a mother
        sex, born = "F", kin.mother_birth(number, seed, today)
        years = (today - born).days // 365
    era = (0 if years >= 60 else 1 if years >= 30 else 2) if names == "white" else 0
    list_ = places.GIVEN[names, "M" if sex == "M" else "F", era]
    given_name = draw.choice(list_)
    middle = draw.choice([name for name in list_ if name != given_name]) if chance(draw, 0.6) else ""
    someone = Basics(sex, born, names, ethnicity, given_name, middle, draw.choice(places.FAMILIES[names]))
    if twin := kin.twin_of(number, mix):
        sister = basics(twin, seed, today, mix)
        era = (0 if years >= 60 else 1 if years >= 30 else 2) if sister.names == "white" else 0
        if fixed:
            era = 1 if sister.names == "white" else 0
        own = [name for name in places.GIVEN[sister.names, "M" if sex == "M" else "F", era] if name != sister.given]
        return sister._replace(sex=sex, given=draw.choice(own), middle="")
    if mother := kin.mother_of(number, mix):
        hers = basics(mother, seed, today, mix)
        born = kin.birth_of_child(number, seed, today)
        era = 2 if hers.names == "white" else 0
        given_name = draw.choice(places.GIVEN[hers.names, "M" if sex == "M" else "F", era])
        return hers._replace(sex=sex, birth=born, given=given_name, middle="")
    return someone


def lifetime(number: int, seed: int, birth: date, today: date, mix: Mix) -> tuple[date, date | None]:
    """Return the last day something may happen, and the date of death or None. The fixed people live unless their row
    says otherwise."""
    draw = stream(seed, number, "life")
    yesterday = today - timedelta(days=1)
    older = (today - birth).days > 60 * 365
    dies = CAST[number].dies if number in CAST else older and chance(draw, by_name("known", mix)["died"][0].rate)
    if dies:
        death = day(draw, years_before(today, 1), today - timedelta(days=20))
        return death, death
    return yesterday, None


def journeys(number: int, seed: int, who: Basics, end: date, mix: Mix) -> Iterator[str]:
    """Yield the names of what happens to the person: what the table says for fixed people, drawn by age for others."""
    if number in CAST:
        yield from CAST[number].journeys
        return
    draw = stream(seed, number, "journeys")
    age = (end - who.birth).days / 365.25
    yield "check_up"
    mother, baby = bool(kin.child_of(number, mix)), bool(kin.mother_of(number, mix))
    for name, bands in by_name("journey", mix).items():
        if draw.random() < likelihood(bands, who.sex, age) and not (mother and name in kin.NOT_FOR_MOTHERS):
            yield name
    if mother:
        yield "birth_given"
    if baby:
        yield "born"


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
