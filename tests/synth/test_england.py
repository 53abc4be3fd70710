"""The England mix: what may never happen to anybody, how often things happen, and the labels of what is wrong."""

import json
from collections import Counter, defaultdict
from datetime import date, timedelta
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.nhs import identifiers
from gateway.synth import kin, mess, places, world
from gateway.synth.people import MOST, people, person
from gateway.synth.rates import rates
from gateway.synth.truth import Person

TODAY = date(2026, 3, 1)
PRACTICES = places.practices(3, tpp=1)
FEMALE = {"pregnant", "breast cancer", "sensitive pregnancy"}
MALE = {"prostate cancer"}


def england(numbers, seed: int = 1):
    return people(0, seed, TODAY, practices=PRACTICES, mix="england", numbers=numbers)


def days(someone: Person) -> list[date]:
    """Every day on which something happened to the person."""
    story = someone.story
    return [
        *(entry.at for entry in story.entries),
        *(entry.problem.ended for entry in story.entries if entry.problem and entry.problem.ended),
        *(seen.at.date() for seen in story.consultations),
        *(on for drug in story.medicines for on in (drug.start, *drug.issues)),
        *(move.at.date() for visit in story.visits for move in visit.moves),
        *(issue.at.date() for report in story.reports for issue in report.issues),
        *(letter.at.date() for letter in story.letters),
        *(clinic.at.date() for clinic in story.clinics),
        *(on for course in story.courses for on in (course.asked, *(at.date() for at in course.contacts))),
        *(event.start for event in story.support),
        *(event.end for event in story.support if event.end),
    ]


def check(someone: Person) -> None:
    """What must be true of everybody."""
    last = someone.death or TODAY - timedelta(days=1)
    assert all(someone.birth <= on <= last for on in days(someone))
    assert someone.birth <= someone.registered <= last
    codes = {entry.code for entry in someone.story.entries}
    assert not codes & (FEMALE if someone.sex == "M" else MALE if someone.sex == "F" else set())
    assert someone.sex != "M" or not any(visit.specialty == "501" for visit in someone.story.visits)
    for record in someone.records:
        check_record(record)
    current = [
        record for record in someone.records if record.gp and not record.left and record.practice != someone.practice
    ]
    assert not current, "two current registrations"
    if "penicillin allergy" in codes:
        assert not any(drug.drug == "amoxicillin" for drug in someone.story.medicines)


def check_record(record: Person) -> None:
    """What must be true of each record: whole visits that do not overlap, links that lead somewhere."""
    story = record.story
    visits = sorted(story.visits, key=lambda visit: visit.moves[0].at)
    for visit in visits:
        times = [move.at for move in visit.moves]
        assert times == sorted(times) and visit.moves[0].event == ("A04" if visit.kind == "E" else "A01")
    for before, after in zip(visits, visits[1:]):
        assert before.moves[-1].at <= after.moves[0].at
    entries = [entry.key for entry in story.entries]
    assert len(set(entries)) == len(entries)
    consultations = {seen.key for seen in story.consultations}
    for entry in story.entries:
        assert {entry.parent, entry.about} <= {"", *entries} and entry.consultation in {"", *consultations}
        assert not entry.value or entry.unit
    for drug in story.medicines:
        assert drug.about in {"", *entries}


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, MOST))
def test_whoever_it_is_nothing_happens_that_cannot(seed, number):
    someone = person(number, seed, TODAY, PRACTICES, (places.COUNCIL,), "england")
    check(someone)
    numbers = [someone.nhs_number, *someone.former_numbers]
    numbers += [
        seen.nhs_number for record in someone.records for seen in (record.gp, record.hospital, record.care) if seen
    ]
    assert all(text.startswith("999") for text in numbers if text)
    assert identifiers.is_synthetic(someone.nhs_number)


def test_the_first_thousand_people_too():
    for someone in england(range(1, 1001)):
        check(someone)


def test_somebody_is_the_same_alone_and_among_many():
    among = {someone.number: someone for someone in england(range(1, 301))}
    for number in (17, 42, 272, 300):
        (alone,) = england([number])
        assert alone == among[number]


def test_babies_have_their_mothers_surname_and_birthday_of_the_delivery():
    for number in range(41, 641, 100):
        mother, baby = england([number, number + 1])
        born = next(visit for visit in mother.story.visits if visit.key == "birth").moves[0].at.date()
        assert (mother.sex, baby.family, baby.birth) == ("F", mother.family, born)
        assert (baby.address, baby.practice) == (mother.address, mother.practice)
        assert 18 < (born - mother.birth).days / 365.25 < 42 and mother.nhs_number != baby.nhs_number


def test_twins_are_born_together_and_are_two_people():
    for number in range(271, 3271, 500):
        first, second = england([number, number + 1])
        assert kin.twin_of(number + 1, "england") == number
        assert (first.birth, first.family) == (second.birth, second.family)
        assert first.given != second.given and first.nhs_number != second.nhs_number


def test_each_label_says_what_the_record_has_otherwise(tmp_path):
    written = world.write(tmp_path, 1500, 1, TODAY, practices=PRACTICES, mix="england", formats=("truth",))
    facts = [json.loads(line) for line in (tmp_path / "truth" / "mess.ndjson").read_text().splitlines()]
    truth = {
        fact["number"]: fact
        for fact in map(json.loads, (tmp_path / "truth" / "people.ndjson").read_text().splitlines())
    }
    links = defaultdict(set)
    for link in map(json.loads, (tmp_path / "truth" / "links.ndjson").read_text().splitlines()):
        links[link["person"]].add(link["record"])
    assert written.count == len(truth) and len({fact["kind"] for fact in facts}) > 15
    assert {fact["kind"] for fact in facts} <= set(mess.KINDS)
    for fact in facts:
        assert not fact["record"] or fact["record"] in links[fact["person"]], fact["kind"]
    labelled = {(fact["person"], fact["source"]) for fact in facts}
    names = {"emis": "gp", "tpp": "gp", "hl7v2": "hospital", "cld": "care"}
    for number, who in truth.items():
        for source, held in who["sources"].items():
            assert not held["differs"] or (number, names[source]) in labelled


def test_every_kind_of_mess_and_every_rate_names_its_source_or_that_it_is_ours():
    planted = {rate.name for rate in rates("mess", "england")}
    assert planted | {"hospital: birth date ten years out"} == set(mess.KINDS)
    for kind in ("age", "change", "journey", "known", "mess", "target"):
        assert [rate.name for rate in rates(kind, "england") if rate.rate and not rate.source] == []


COUNTED = {
    "hypertension": {"hypertension"},
    "diabetes": {"diabetes"},
    "heart_attack": {"heart attack"},
    "copd": {"copd"},
    "dementia": {"dementia"},
    "asthma": {"asthma"},
    "stroke": {"stroke"},
    "cancer": {"breast cancer", "prostate cancer"},
    "learning_disability": {"learning disability register"},
}
"""The codes by which a condition of the targets is counted."""


@pytest.mark.slow
def test_how_often_things_happen_is_near_the_published_figures():
    """At 5,000 people: within a fifth of the figure, or within three standard errors of it."""
    of_age: Counter[str] = Counter()
    having: Counter[str] = Counter()
    for someone in england(range(11, 5011)):
        age = (TODAY - someone.birth).days / 365.25
        codes = {entry.code for entry in someone.story.entries}
        long_term = any(event.words.get("type", "").startswith("Long term") for event in someone.story.support)
        for target in rates("target", "england"):
            if target.is_of(someone.sex, age):
                of_age[target.name] += 1
                having[target.name] += bool(
                    codes & COUNTED.get(target.name, set())
                    or (target.name == "frailty" and long_term)
                    or (target.name == "opted out" and someone.is_("opted-out"))
                )
    for target in rates("target", "england"):
        share = having[target.name] / of_age[target.name]
        error = sqrt(target.rate * (1 - target.rate) / of_age[target.name])
        assert abs(share - target.rate) <= max(0.2 * target.rate, 3 * error), (target.name, share, target.rate)


@pytest.mark.slow
def test_ages_are_those_of_england():
    ages = Counter()
    for someone in england(range(11, 5011)):
        ages[int((TODAY - someone.birth).days / 365.25) // 5 * 5] += 1
    total = sum(rate.rate for rate in rates("age", "england"))
    for band in rates("age", "england"):
        if band.rate and band.low < 85:
            share, expected = ages[band.low] / 5000, band.rate / total
            assert abs(share - expected) < 0.016, (band.low, share, expected)
