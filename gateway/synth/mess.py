"""THE TABLE of what goes wrong in records, and how each kind is planted. How often: ``rates.csv``.

A kind is planted only where it can be (a former surname needs a record that has a surname), and is then labelled with
the source and the number of the record it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Literal, NamedTuple

from gateway.nhs import identifiers
from gateway.synth import kin, places
from gateway.synth.draw import day, digest, guid, years_before
from gateway.synth.packs import CAST
from gateway.synth.truth import Mess, Person, Practice, Seen, Story

Source = Literal["gp", "hospital", "care", "pds", ""]

FIRST = (
    "hospital: number missing",
    "hospital: number not verified",
    "care: number missing",
    "care: letter missing in the surname",
)
"""Kinds that the recording of every person draws first, in this order."""

SUPERSEDED = 810_000
"""From which index on NHS numbers are those that people had before."""

SUPERSEDED_OF_PACKS = 895_000

SHORT = {
    "Margaret": "Peggy", "Dorothy": "Dot", "Patricia": "Pat", "Barbara": "Babs", "Susan": "Sue", "Deborah": "Debbie",
    "Nicola": "Nicky", "Emily": "Em", "Megan": "Meg", "Olivia": "Liv", "Amelia": "Millie", "John": "Jack",
    "Ronald": "Ron", "Kenneth": "Ken", "Raymond": "Ray", "Dennis": "Den", "Andrew": "Andy", "Stephen": "Steve",
    "Thomas": "Tom", "Daniel": "Dan", "Oliver": "Olly", "Shazia": "Shaz", "Rajesh": "Raj", "Vikram": "Vik",
}  # fmt: skip
"""Forenames and what people are called."""


class Around(NamedTuple):
    """What a kind may need to know besides the person: the practices there are, and the last day on which something
    may happen."""

    practices: Sequence[Practice]
    end: date


class Kind(NamedTuple):
    """``plant`` returns the person with it, or the person as they were where it cannot be. ``says`` is for people."""

    source: Source
    plant: Callable[[Person, Random, Around], Person]
    says: str


def plant(person: Person, kind: str, draw: Random, around: Around) -> Person:
    """Return the person with one kind of mess, labelled."""
    source, put, _ = KINDS[kind]
    changed = put(person, draw, around)
    if changed is person:
        return person
    record = number_in(changed, source)
    return replace(changed, mess=(*changed.mess, Mess(kind, source, record)))


def number_in(person: Person, source: Source) -> str:
    """Return the number by which a source knows the person; "" for one that does not."""
    if source == "gp":
        return (guid(person.key, "patient") if person.practice.system == "emis" else "") if person.gp else ""
    if source in ("hospital", "care"):
        seen: Seen | None = getattr(person, source)
        return seen.number if seen else ""
    return person.nhs_number


Plant = Callable[[Person, Random, Around], Person]


def _seen(source: Literal["gp", "hospital", "care"], change: Callable[[Seen, Person, Random], Seen | None]) -> Plant:
    """Return what plants a change of how one source holds a person. A change that gives None cannot be."""

    def put(person: Person, draw: Random, _: Around) -> Person:
        seen: Seen | None = getattr(person, source)
        new = change(seen, person, draw) if seen else None
        return _replaced(person, source, new) if new and new != seen else person

    return put


def _replaced(person: Person, source: Literal["gp", "hospital", "care"], seen: Seen) -> Person:
    match source:
        case "gp":
            return replace(person, gp=seen)
        case "hospital":
            return replace(person, hospital=seen)
        case _:
            return replace(person, care=seen)


def _number_missing(seen: Seen, person: Person, draw: Random) -> Seen:
    return replace(seen, nhs_number="", verified=False)


def _wrong_check_digit(seen: Seen, person: Person, draw: Random) -> Seen | None:
    wrong = (int(seen.nhs_number[9]) + draw.randint(1, 9)) % 10 if seen.nhs_number else 0
    return replace(seen, nhs_number=f"{seen.nhs_number[:9]}{wrong}", verified=False) if seen.nhs_number else None


def _spaces(seen: Seen, person: Person, draw: Random) -> Seen | None:
    return replace(seen, nhs_number=identifiers.spaced(seen.nhs_number)) if len(seen.nhs_number) == 10 else None


def _somebody_elses(seen: Seen, person: Person, draw: Random) -> Seen | None:
    return (
        replace(seen, nhs_number=identifiers.synthetic(person.number - 2), verified=False)
        if person.number > 1
        else None
    )


def _transposed(seen: Seen, person: Person, draw: Random) -> Seen | None:
    number, place = seen.nhs_number, draw.randint(3, 8)
    changed = number[:place] + number[place + 1 : place + 2] + number[place : place + 1] + number[place + 2 :]
    return replace(seen, nhs_number=changed) if changed != number else None


def _misspelt(seen: Seen, person: Person, draw: Random) -> Seen | None:
    place = draw.randint(1, max(1, len(seen.family) - 2))
    family = seen.family[:place] + seen.family[place + 1] + seen.family[place] + seen.family[place + 2 :]
    return replace(seen, family=family) if len(seen.family) > 3 else None


def _letter_missing(seen: Seen, person: Person, draw: Random) -> Seen:
    return replace(seen, family=seen.family[:2] + seen.family[3:])


def _short(seen: Seen, person: Person, draw: Random) -> Seen | None:
    return replace(seen, given=SHORT[seen.given]) if seen.given in SHORT else None


def _swapped_birth(seen: Seen, person: Person, draw: Random) -> Seen | None:
    birth = seen.birth
    return replace(seen, birth=date(birth.year, birth.day, birth.month)) if birth.day <= 12 else None


def _placeholder_birth(seen: Seen, person: Person, draw: Random) -> Seen:
    return replace(seen, birth=date(1900, 1, 1), verified=False)


def _first_of_january(seen: Seen, person: Person, draw: Random) -> Seen:
    return replace(seen, birth=date(seen.birth.year, 1, 1))


def _month_out(seen: Seen, person: Person, draw: Random) -> Seen:
    birth = seen.birth
    month = birth.month % 12 + 1 if birth.month < 12 else 11
    return replace(seen, birth=birth.replace(month=month, day=min(birth.day, 28)))


def _ten_years_out(seen: Seen, person: Person, draw: Random) -> Seen:
    birth = person.birth.replace(year=person.birth.year - 10, day=min(person.birth.day, 28))
    return replace(seen, birth=birth, verified=False)


def _names_swapped(seen: Seen, person: Person, draw: Random) -> Seen:
    return replace(seen, given=seen.family, family=seen.given)


def _former_surname(seen: Seen, person: Person, draw: Random) -> Seen | None:
    others = [name for name in places.FAMILIES["white"] if name != person.family]
    return replace(seen, family=draw.choice(others)) if person.sex == "F" else None


def _twins_number(seen: Seen, person: Person, draw: Random) -> Seen | None:
    sibling = kin.twin_of(person.number, "england")
    return replace(seen, nhs_number=identifiers.synthetic(sibling - 1), verified=False) if sibling else None


def _merged(person: Person, draw: Random, around: Around) -> Person:
    """A second number, made one with the first ten days after the first visit."""
    first = min((visit.moves[-1].at.date() for visit in person.story.visits), default=around.end)
    if not person.hospital or person.also or first > around.end - timedelta(days=16):
        return person
    return replace(person, hospital=replace(person.hospital, retired=f"H9{person.number:06d}"))


def _overlaid(seen: Seen, person: Person, draw: Random) -> Seen:
    return replace(
        seen,
        given=draw.choice(places.GIVEN["white", "M", 1]),
        family=draw.choice(places.FAMILIES["white"]),
        birth=seen.birth - timedelta(days=draw.randint(3_000, 9_000)),
    )


def _twice_registered(person: Person, draw: Random, _: Around) -> Person:
    """A second registration at the same practice, a letter of the surname lost, without a record."""
    if not person.gp or person.also:
        return person
    seen = replace(person.gp, number=f"{500_000 + person.number}", family=person.family[:2] + person.family[3:])
    return _with(person, replace(person, gp=seen, hospital=None, care=None, story=Story()), "twice")


def _moved_practice(person: Person, draw: Random, around: Around) -> Person:
    """A former practice keeps the record as it was on the day the person left."""
    others = [surgery for surgery in around.practices if surgery != person.practice]
    first = years_before(person.registered, 6)
    if not person.gp or person.also or not others or person.registered <= person.birth + timedelta(days=400):
        return person
    left = person.registered
    story = Story(
        consultations=tuple(seen for seen in person.story.consultations if seen.at.date() < left),
        entries=tuple(
            entry for entry in person.story.entries if entry.at < left and not entry.parent and not entry.about
        ),
    )
    known = {seen.key for seen in story.consultations}
    story = replace(
        story,
        entries=tuple(
            entry if entry.consultation in known else replace(entry, consultation="") for entry in story.entries
        ),
    )
    former = replace(
        person,
        practice=draw.choice(others),
        registered=day(draw, max(first, person.birth + timedelta(days=9)), left - timedelta(days=200)),
        left=left,
        gp=replace(person.gp, number=f"{300_000 + person.number}"),
        hospital=None,
        care=None,
        story=story,
    )
    return _with(person, former, "former")


def _two_numbers(person: Person, draw: Random, _: Around) -> Person:
    """A second hospital number, never merged, that holds the first visit and what was found in it."""
    if not person.hospital or len(person.story.visits) < 2 or person.hospital.retired or person.also:
        return person
    first = min(person.story.visits, key=lambda visit: visit.moves[0].at)
    its = tuple(report for report in person.story.reports if report.visit == first.key)
    other = Story(visits=(first,), reports=its)
    seen = replace(person.hospital, number=f"H8{person.number:06d}")
    story = replace(
        person.story,
        visits=tuple(visit for visit in person.story.visits if visit is not first),
        reports=tuple(report for report in person.story.reports if report not in its),
    )
    return _with(
        replace(person, story=story), replace(person, gp=None, care=None, hospital=seen, story=other), "second"
    )


def _with(person: Person, other: Person, name: str) -> Person:
    return replace(person, also=(*person.also, replace(other, key=digest(person.key, name), also=(), mess=())))


def _death_not_known(person: Person, draw: Random, _: Around) -> Person:
    return replace(person, roles=person.roles | {"death not known"}) if person.death and person.gp else person


def _superseded(person: Person, draw: Random, _: Around) -> Person:
    """The hospital holds the number that the person had before; the national service says which one it is now."""
    number = former_number(person)
    if not number or not person.hospital:
        return person
    return replace(
        person, former_numbers=(number,), hospital=replace(person.hospital, nhs_number=number, verified=True)
    )


def _gender_changed(person: Person, draw: Random, _: Around) -> Person:
    """The hospital holds the former number, name and sex. Nothing links the two numbers, and nothing may."""
    number = former_number(person)
    if not number or not person.hospital or person.sex not in "MF":
        return person
    sex = "M" if person.sex == "F" else "F"
    seen = replace(
        person.hospital,
        nhs_number=number,
        sex=sex,
        given=draw.choice(places.GIVEN["white", sex, 1]),
    )
    return replace(person, hospital=seen, roles=person.roles | {"gender changed"})


def former_number(person: Person) -> str:
    """Return the NHS number that the person may have had before: one in ten people can have one, and everyone of a
    pack; "" for the others."""
    if person.number in CAST:
        return identifiers.synthetic(SUPERSEDED_OF_PACKS + person.number % 1000)
    return identifiers.synthetic(SUPERSEDED + person.number // 10) if person.number % 10 == 3 else ""


KINDS: dict[str, Kind] = {
    "hospital: number missing": Kind("hospital", _seen("hospital", _number_missing), "the hospital has no NHS number"),
    "hospital: number not verified": Kind(
        "hospital", lambda person, draw, around: person, "the hospital has not checked the NHS number"
    ),
    "care: number missing": Kind("care", _seen("care", _number_missing), "the council has no NHS number"),
    "care: letter missing in the surname": Kind(
        "care", _seen("care", _letter_missing), "the council's surname lacks a letter"
    ),
    "gp: number missing": Kind("gp", _seen("gp", _number_missing), "the practice has no NHS number"),
    "gp: registered twice": Kind("gp", _twice_registered, "registered twice at one practice, once misspelt"),
    "gp: moved practice": Kind("gp", _moved_practice, "a former practice keeps the record"),
    "gp: birth date a month out": Kind("gp", _seen("gp", _month_out), "the practice's birth date is a month out"),
    "gp: death not known": Kind("gp", _death_not_known, "the practice does not know of the death"),
    "hospital: wrong check digit": Kind(
        "hospital", _seen("hospital", _wrong_check_digit), "the hospital's NHS number has a wrong check digit"
    ),
    "hospital: number with spaces": Kind(
        "hospital", _seen("hospital", _spaces), "the hospital writes the NHS number with spaces"
    ),
    "hospital: somebody else's number": Kind(
        "hospital", _seen("hospital", _somebody_elses), "the hospital has somebody else's NHS number"
    ),
    "hospital: twin's number": Kind(
        "hospital", _seen("hospital", _twins_number), "the hospital has the twin's NHS number"
    ),
    "hospital: surname misspelt": Kind(
        "hospital", _seen("hospital", _misspelt), "two letters of the hospital's surname are swapped"
    ),
    "hospital: short forename": Kind(
        "hospital", _seen("hospital", _short), "the hospital has the name that people call them by"
    ),
    "hospital: day and month of birth swapped": Kind(
        "hospital", _seen("hospital", _swapped_birth), "the hospital's birth date has day and month swapped"
    ),
    "hospital: placeholder birth date": Kind(
        "hospital", _seen("hospital", _placeholder_birth), "the hospital's birth date is 1900-01-01"
    ),
    "hospital: birth date ten years out": Kind(
        "hospital", _seen("hospital", _ten_years_out), "the hospital's birth date is ten years out"
    ),
    "hospital: names in each other's place": Kind(
        "hospital", _seen("hospital", _names_swapped), "the hospital has forename and surname swapped"
    ),
    "hospital: former surname": Kind(
        "hospital", _seen("hospital", _former_surname), "the hospital has the surname of before a marriage"
    ),
    "hospital: merged": Kind("hospital", _merged, "two hospital numbers, made one later"),
    "hospital: two numbers": Kind("hospital", _two_numbers, "two hospital numbers that are never made one"),
    "hospital: overlaid": Kind(
        "hospital", _seen("hospital", _overlaid), "somebody else's name and birth date over the person's record"
    ),
    "hospital: superseded number": Kind(
        "hospital", _superseded, "the hospital has the NHS number of before, since superseded"
    ),
    "hospital: gender and number changed": Kind(
        "hospital", _gender_changed, "the hospital has the NHS number, name and sex of before a change of gender"
    ),
    "care: former surname": Kind(
        "care", _seen("care", _former_surname), "the council has the surname of before a marriage"
    ),
    "care: birth date the first of January": Kind(
        "care", _seen("care", _first_of_january), "the council knows the year of birth only"
    ),
    "care: digits transposed": Kind(
        "care", _seen("care", _transposed), "two digits of the council's NHS number are swapped"
    ),
}
"""Every kind of mess by its name: ``source: what``."""
