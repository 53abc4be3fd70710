"""Synthetic people: the same ones every time, coherent from birth to death, and nobody's."""

import ast
import re
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import pytest

from gateway.nhs import identifiers
from gateway.synth import places, roles
from gateway.synth.codes import CODES, DRUGS, SENSITIVE
from gateway.synth.journeys import JOURNEYS, VARIANTS
from gateway.synth.people import canaries, people
from gateway.synth.rates import by_name

TODAY = date(2026, 11, 24)
ROOMS = Path(__file__).parents[2] / "gateway" / "synth"


@pytest.fixture(scope="module")
def everyone():
    return list(people(400, 1, TODAY))


def test_a_smaller_run_is_the_beginning_of_a_larger_one(everyone):
    assert list(people(30, 1, TODAY)) == everyone[:30]


def test_another_seed_makes_other_people(everyone):
    other = list(people(30, 2, TODAY))
    assert not [
        a.number for a, b in zip(other, everyone) if (a.given, a.family, a.birth) == (b.given, b.family, b.birth)
    ]


def test_people_come_one_at_a_time():
    assert len(list(islice(people(10**8, 1, TODAY), 3))) == 3


def test_nothing_reads_a_clock_or_a_shared_source_of_chance():
    banned = {"now", "today", "utcnow", "uuid4", "uuid1", "urandom", "hash", "time_ns"}
    for path in ROOMS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert name not in banned, f"{path.name} calls {name}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
                pytest.fail(f"{path.name} uses the shared generator")


def test_every_nhs_number_is_valid_nobodys_and_given_once(everyone):
    numbers = [person.nhs_number for person in everyone]
    assert len(set(numbers)) == len(numbers)
    held = [
        seen.nhs_number
        for person in everyone
        for seen in (person.gp, person.hospital, person.care)
        if seen and seen.nhs_number
    ]
    assert all(identifiers.is_synthetic(number) for number in [*numbers, *held])


def test_codes_carry_their_check_digit():
    for code in [*(code.snomed for code in CODES.values()), *(drug.dmd for drug in DRUGS.values())]:
        assert not code or verhoeff(code), code
    ids = [code.id for code in CODES.values()] + [drug.id for drug in DRUGS.values()]
    assert len(set(ids)) == len(ids)


CATEGORIES = frozenset(
    {
        "Administration, documents and attachments",
        "Allergy and adverse drug reactions",
        "Biochemistry",
        "Biological values",
        "Conditions, operations and procedures",
        "Family history",
        "Haematology",
        "Immunisations",
        "Obstetrics and Birth",
        "Personal Health and Social",
        "Referral",
    }
)
"""Of the names that Endeavour's EMIS transform lists (``emis/csv/schema/coding/ClinicalCodeType.java``), those used."""


def test_categories_are_those_of_the_cited_source():
    assert {code.category for code in CODES.values()} == CATEGORIES


def test_nothing_happens_before_birth_or_after_death(everyone):
    for person in everyone:
        last = person.death or date(2026, 11, 23)
        story = person.story
        days = [entry.at for entry in story.entries] + [seen.at.date() for seen in story.consultations]
        days += [
            on
            for medicine in story.medicines
            for on in (medicine.start, *medicine.issues, *filter(None, [medicine.stopped]))
        ]
        days += [move.at.date() for visit in story.visits for move in visit.moves]
        days += [issue.at.date() for report in story.reports for issue in report.issues]
        days += [on for event in story.support for on in (event.start, event.end) if on]
        days += [entry.problem.ended for entry in story.entries if entry.problem and entry.problem.ended]
        assert all(person.birth <= on <= last for on in days), person.number
        assert person.birth <= person.registered <= last


def test_a_visit_goes_forward_and_ends_as_it_should(everyone):
    seen = set()
    for person in everyone:
        for visit in person.story.visits:
            events = [move.event for move in visit.moves]
            times = [move.at for move in visit.moves]
            seen |= set(events)
            assert times == sorted(times), (person.number, visit.key)
            assert events[0] == ("A04" if visit.kind == "E" else "A01")
            assert events[-1] in (("A01", "A02") if visit.key == "ward" else ("A03", "A11"))
            for move in visit.moves:
                assert move.of is None or any(before.at == move.of for before in visit.moves if before.at < move.at)
    assert seen == {"A01", "A02", "A03", "A04", "A11", "A12", "A13"}


def test_nobody_is_in_two_beds_at_once(everyone):
    for person in everyone:
        visits = sorted(person.story.visits, key=lambda visit: visit.moves[0].at)
        for before, after in zip(visits, visits[1:]):
            assert before.moves[-1].at <= after.moves[0].at and before.key != "ward", person.number


def test_some_are_on_a_ward_today_and_all_of_them_live(everyone):
    here = [person for person in everyone if any(visit.key == "ward" for visit in person.story.visits)]
    assert everyone[roles.DEMO - 1] in here and len(here) > 3 and not [person for person in here if person.death]


def test_no_time_falls_into_the_hour_that_clocks_skip_or_repeat(everyone):
    at = [move.at for person in everyone for visit in person.story.visits for move in visit.moves]
    at += [seen.at for person in everyone for seen in person.story.consultations]
    assert at and all(moment.hour != 1 or moment.date().weekday() != 6 for moment in at if isinstance(moment, datetime))


def test_links_within_a_story_lead_somewhere(everyone):
    for person in everyone:
        story = person.story
        entries = {entry.key for entry in story.entries}
        assert len(entries) == len(story.entries)
        assert len({visit.key for visit in story.visits}) == len(story.visits)
        for entry in story.entries:
            assert not entry.parent or entry.parent in entries
            assert not entry.about or entry.about in entries
            assert not entry.consultation or entry.consultation in {seen.key for seen in story.consultations}
        for medicine in story.medicines:
            assert not medicine.about or medicine.about in entries
        for report in story.reports:
            assert not report.visit or report.visit in {visit.key for visit in story.visits}


def test_no_one_allergic_to_penicillin_is_given_it(everyone):
    allergic = [
        person for person in everyone if any(entry.code == "penicillin allergy" for entry in person.story.entries)
    ]
    assert allergic
    assert not [
        person.number
        for person in allergic
        if any(medicine.drug == "amoxicillin" for medicine in person.story.medicines)
    ]


def test_most_are_known_to_all_three_sources_and_no_child_to_the_council(everyone):
    three = [person for person in everyone if person.gp and person.hospital and person.care]
    assert len(three) > 0.6 * len(everyone)
    assert all(person.gp or person.hospital or person.care for person in everyone)
    for person in everyone:
        if person.care:
            assert (min(event.start for event in person.story.support) - person.birth).days > 17.9 * 365


def test_every_journey_happens_to_someone(everyone):
    assert set(JOURNEYS) | VARIANTS >= {name for fixed in roles.FIXED.values() for name in fixed.journeys}
    assert set(JOURNEYS) | VARIANTS == set(by_name("journey", "england")) | {"check_up", "birth_given", "born"}
    codes = {entry.code for person in everyone for entry in person.story.entries}
    assert codes >= {
        "hypertension",
        "hba1c",
        "asthma",
        "hip fracture",
        "pneumonia",
        "severe frailty",
        "influenza declined",
        "mmr",
        "sensitive",
    }


def one(everyone, number):
    return everyone[number - 1]


def test_the_fixed_people_play_their_roles(everyone):
    for number, fixed in roles.FIXED.items():
        person = one(everyone, number)
        assert person.is_(fixed.role) and person.sex == fixed.sex and person.death is None
        assert person.gp and person.hospital and person.care, fixed.role
        assert (TODAY - person.birth).days // 365.25 == fixed.age or number == roles.TWIN
    demo = one(everyone, roles.DEMO).story
    assert len(demo.entries) > 40 and len(demo.visits) >= 4
    assert {event.kind for event in demo.support} == {"Request", "Assessment", "Service", "Review"}
    assert one(everyone, roles.OPTED_OUT).is_("opted-out")
    assert not [n for n in roles.FIXED if n != roles.OPTED_OUT and one(everyone, n).is_("opted-out")]
    assert [
        CODES[entry.code].read for entry in one(everyone, roles.TYPE_1).story.entries if "objection" in entry.code
    ] == ["9Nu0.00"]
    assert [
        CODES[entry.code].read for entry in one(everyone, roles.DISSENT).story.entries if "dissent" in entry.code
    ] == ["9Ndo.00"]
    assert one(everyone, roles.MERGED).hospital.retired


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fixed_people_are_registered_where_they_always_are(seed):
    held = {person.number: person.practice.ods for person in people(10, seed, TODAY)}
    assert held == {number: "A99002" if fixed.at else "A99001" for number, fixed in roles.FIXED.items()}


def test_the_sensitive_item_has_a_medicine_and_a_consultation(everyone):
    story = one(everyone, roles.SENSITIVE).story
    entry = next(entry for entry in story.entries if CODES[entry.code].read == SENSITIVE)
    assert [medicine.key for medicine in story.medicines if medicine.about == entry.key]
    assert [seen.key for seen in story.consultations if seen.key == entry.consultation]


def test_the_twins_differ_in_sex_and_given_name_only_and_one_has_the_others_number(everyone):
    twin, sister = one(everyone, roles.TWIN), one(everyone, roles.TWIN_SIBLING)
    assert (twin.birth, twin.family) == (sister.birth, sister.family)
    assert twin.sex != sister.sex and twin.given != sister.given
    assert twin.hospital.nhs_number == sister.nhs_number != twin.nhs_number
    assert not twin.hospital.verified


def test_the_mismatch_has_the_right_number_and_the_wrong_birth_date(everyone):
    person = one(everyone, roles.MISMATCH)
    assert person.hospital.nhs_number == person.nhs_number
    assert person.hospital.birth != person.birth == person.gp.birth


def test_canaries_are_each_persons_own():
    marked = list(people(60, 1, TODAY, canary=True))
    owner = {}
    for person in marked:
        for text in canaries(person):
            assert len(text) >= 6
            assert owner.setdefault(text, person.number) == person.number
    for person in marked:
        assert person.family in canaries(person) and person.address.town in canaries(person)


def test_a_person_with_canaries_is_the_same_person_under_other_names(everyone):
    for plain, marked in zip(everyone, people(20, 1, TODAY, canary=True)):
        assert (plain.birth, plain.nhs_number, plain.story) == (marked.birth, marked.nhs_number, marked.story)


def test_places_and_people_who_work_there_are_invented():
    made = places.practices(12)
    assert [practice.ods for practice in made][:2] == ["A99001", "A99002"]
    assert all(identifiers.is_practice_code(practice.ods) for practice in made)
    assert identifiers.is_trust_code(places.TRUST.ods) and identifiers.is_site_code(places.TRUST.site)
    assert all(identifiers.is_council_code(council.code) for council in places.COUNCILS)
    assert len(set(places.staff_names())) == len(places.staff_names())


def test_postcodes_have_a_valid_form_in_an_area_that_does_not_exist(everyone):
    form = re.compile(r"ZA[1-9] [0-9][ABD-HJLNP-UW-Z]{2}")
    assert all(form.fullmatch(person.address.postcode) for person in everyone)
    assert all(form.fullmatch(person.address.postcode) for person in people(30, 1, TODAY, canary=True))


MULTIPLY = [[(a + b) % 5 if a < 5 and b < 5 else 0 for b in range(10)] for a in range(10)]
for a in range(10):
    for b in range(10):
        if a < 5 <= b:
            MULTIPLY[a][b] = (a + b - 5) % 5 + 5
        elif b < 5 <= a:
            MULTIPLY[a][b] = (a - 5 - b) % 5 + 5
        elif a >= 5 and b >= 5:
            MULTIPLY[a][b] = (a - b) % 5
PERMUTE = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    PERMUTE.append([PERMUTE[-1][digit] for digit in PERMUTE[1]])


def verhoeff(number: str) -> bool:
    """Whether the last digit is the Verhoeff check of the others, from the dihedral group's own rules."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = MULTIPLY[check][PERMUTE[place % 8][int(digit)]]
    return check == 0
