"""Attacks on releases that were written by hand, where everybody can count what they must find."""

import json
import random

import pytest

from gateway.attack import figures, linkage, membership_inference, seen, uniqueness
from gateway.errors import Invalid, Refused


def patient(number: int, born="1980", sex="female", district="ZZ1", died=None, of=None) -> dict:
    return {
        "resourceType": "Patient", "id": f"id{number}", "identifier": [{"value": of or f"person{number}"}], "birthDate": born, "gender": sex,
        "address": [{"postalCode": district}], **({"deceasedDateTime": died} if died else {}),
    }  # fmt: skip


def event(number: int, code: str, date: str) -> dict:
    return {
        "resourceType": "Observation", "id": f"{number}{code}{date}", "subject": {"reference": f"Patient/id{number}"},
        "code": {"coding": [{"system": "s", "code": code}]}, "effectiveDateTime": date,
    }  # fmt: skip


def write(folder, patients, events=(), part=0):
    folder.mkdir(exist_ok=True)
    for name, resources in (("Patient", patients), ("Observation", events)):
        path = folder / f"{name}.{part:05d}.ndjson"
        path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    return folder


def looked_at(tmp_path, patients, events=()):
    return seen.read(write(tmp_path / "release", patients, events))


def test_who_is_alone_is_counted_by_what_is_known_and_apart_for_the_dead(tmp_path):
    people = [*(patient(number) for number in range(6)), patient(6, district="ZZ2"), patient(7, died="2026-01")]
    told = figures.attack(looked_at(tmp_path, people))
    assert told["all.people"] == 8 and told["living.people"] == 7 and told["dead.people"] == 1
    assert told["all.alone.born+sex"] == 0 and told["all.few.born+sex"] == 0
    assert told["living.alone.born+sex+district"] == round(1 / 7, 4) == told["living.few.born+sex+district"]
    assert told["dead.alone.born+sex"] == 1
    assert told["all.alone.born+sex+district+ethnicity+died"] == 2 / 8


def test_patients_of_one_pseudonym_are_one_person(tmp_path):
    people = looked_at(tmp_path, [patient(1), patient(2, of="person1"), patient(3)]).people
    assert {name: person.facts["patients"] for name, person in people.items()} == {"person1": "2", "person3": "1"}


def test_two_dated_events_tell_those_whom_nobody_shares_both_with(tmp_path):
    events = [event(number, code, "2026-01-02") for number in (1, 2) for code in "ab"]
    events += [event(3, "a", "2026-01-02"), event(3, "b", "2026-01-03"), event(4, "a", "2026-01-02")]
    release = looked_at(tmp_path, map(patient, range(1, 5)), events)
    assert uniqueness.by_two_events(release, random.Random(1)) == {
        "two events.people": 3, "two events.alone": round(1 / 3, 4),
    }  # fmt: skip


def test_a_rare_code_is_counted_with_the_people_who_have_it(tmp_path):
    events = [event(number, "common", "2026-01-02") for number in range(1, 11)]
    release = looked_at(tmp_path, map(patient, range(1, 11)), [*events, event(7, "rare", "2026")])
    assert uniqueness.by_rare_codes(release) == {"rare codes.codes": 1, "rare codes.people": 0.1}


@pytest.mark.parametrize(
    ("codes", "wrong"), [("abcdefghij", 0.0), ("aaaaaaaaaa", 1.0)], ids=["all unlike", "all alike"]
)
def test_membership_is_told_where_nobody_else_is_like_a_person(tmp_path, codes, wrong):
    events = [event(number, code, "2026-01-02") for number, code in enumerate(codes)]
    release = looked_at(tmp_path, map(patient, range(10)), events)
    told = membership_inference.by_one_event(release, random.Random(1))
    assert told == {"membership.people": 5, "membership.wrong": wrong, "membership.advantage": 1 - wrong}


def test_two_releases_in_one_order_are_linked_by_it_and_others_are_not(tmp_path):
    here = [patient(number) for number in range(20)]
    there = [patient(number, of=f"other{number}") for number in range(20)]
    truth = {f"person{number}": f"other{number}" for number in range(20)}
    seen_here = looked_at(tmp_path, here)
    for name, order, right in (("same", there, 1.0), ("reversed", there[::-1], 0.0)):
        other = seen.read(write(tmp_path / name, order))
        assert linkage.by_order(seen_here, other, truth) == {"linkage.by order": right}


def test_two_releases_are_linked_by_what_they_tell_as_precisely_as_both_tell_it(tmp_path):
    codes = {number: f"c{number % 4}" for number in range(8)}
    dates = {number: f"2026-0{1 + number // 4}-1{number}" for number in range(8)}
    truth = {f"person{number}": f"other{number}" for number in range(8)}
    here = looked_at(tmp_path, map(patient, range(8)), [event(n, codes[n], dates[n]) for n in range(8)])
    others = [patient(number, of=f"other{number}") for number in range(8)]
    for name, length, right in (("days", 10, 1.0), ("months", 7, 1.0), ("years", 4, 0.0)):
        other = seen.read(write(tmp_path / name, others, [event(n, codes[n], dates[n][:length]) for n in range(8)]))
        told = linkage.by_content(here, other, truth, random.Random(1))
        assert told["linkage.by content"] == right == told["linkage.claimed by content"]


@pytest.mark.hazard("HZ-EXPORT-23")
def test_a_few_who_left_between_two_releases_are_told_and_many_are_not(tmp_path):
    here = looked_at(tmp_path, map(patient, range(20)))
    for left, told in ((0, 0), (1, 1), (4, 4), (5, 0)):
        other = seen.read(write(tmp_path / str(left), map(patient, range(20 - left))))
        assert linkage.differencing(here, other)["differencing.told"] == told


def test_a_large_release_is_looked_at_by_whole_parts_and_says_so(tmp_path):
    folder = write(tmp_path / "release", map(patient, range(3)))
    write(folder, map(patient, range(3, 6)), part=1)
    assert len(seen.read(folder, most=2).people) == 3 and not seen.read(folder, most=2).is_whole
    assert len(seen.read(folder, most=4).people) == 6 and seen.read(folder, most=4).is_whole


def test_one_seed_draws_the_same_people(tmp_path):
    release = looked_at(
        tmp_path, map(patient, range(40)), [event(n, f"c{n % 7}", f"2026-01-{n % 28 + 1:02d}") for n in range(40)]
    )
    assert figures.attack(release, seed=7) == figures.attack(release, seed=7)


@pytest.mark.parametrize("written", ["nothing=1", "dead.people=many", "dead.people"])
def test_a_limit_is_of_a_figure_and_a_number(tmp_path, written):
    with pytest.raises(Invalid, match="--limit"):
        figures.limits([written], figures.attack(looked_at(tmp_path, [patient(1)])))


def test_a_figure_at_its_limit_is_not_over_it(tmp_path):
    told = figures.attack(looked_at(tmp_path, [patient(1), patient(2)]))
    assert figures.over(told, {"all.alone.born+sex": 0.0, "all.few.born+sex": 0.5}) == ["all.few.born+sex"]


@pytest.mark.hazard("HZ-EXPORT-23")
def test_a_release_without_patients_is_attacked_by_its_references_and_its_facts_are_not_measured(tmp_path):
    events = [event(number, code, "2026-01-02") for number in (1, 2) for code in "ab"] + [event(3, "rare", "2026")]
    events.append({"resourceType": "Location", "id": "l"})
    whole = looked_at(tmp_path, map(patient, range(1, 4)), events)
    folder = write(tmp_path / "events", (), events)
    (folder / "Patient.00000.ndjson").unlink()
    bare = seen.read(folder)
    assert list(bare.people) == ["Patient/id1", "Patient/id2", "Patient/id3"] and not bare.has_facts
    figures_told, of_whole = figures.attack(bare), figures.attack(whole)
    assert figures_told.keys() == {name for name in of_whole if name.split(".")[0] not in ("all", "living", "dead")}
    rare = "rare codes.people"
    assert figures_told[rare] == of_whole[rare] and figures_told["two events.people"] == of_whole["two events.people"]
    with pytest.raises(Invalid, match="--limit"):
        figures.limits(["all.alone.born+sex=0"], figures_told)


@pytest.mark.parametrize(
    ("here", "there", "is_one_key", "names"),
    [
        (True, True, True, []),
        (False, None, True, ["facts"]),
        (False, False, True, ["facts"]),
        (True, False, True, ["differencing"]),
        (True, False, False, ["linkage"]),
        (False, True, False, ["facts", "linkage"]),
    ],
)
def test_what_cannot_be_compared_is_not_measured_rather_than_nought(here, there, is_one_key, names):
    def release(has_facts: bool) -> seen.Seen:
        return seen.Seen({"a": seen.Person({})}, is_whole=True, has_facts=has_facts)

    other, truth = None if there is None else release(there), None if is_one_key else {"a": "a"}
    assert figures.not_measured(release(here), other, truth) == names
    attacks = {name.split(".")[0] for name in figures.attack(release(here), other, truth)}
    assert attacks.isdisjoint(names) and ("all" in attacks) == ("facts" not in names)
    assert other is None or bool(attacks & {"differencing", "linkage"}) == (names in ([], ["facts"]))


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_folder_that_holds_no_release_is_refused_by_its_line(tmp_path, text):
    if text:
        (tmp_path / "Patient.00000.ndjson").write_text(text)
    with pytest.raises(Refused, match="line 1" if text else "no release"):
        seen.read(tmp_path)


def test_an_allergy_whose_code_is_masked_is_read_by_nothing_else():
    """Its category is a code, and no concept."""
    masked = {"extension": [{"valueCode": "masked"}]}
    allergy = {"resourceType": "AllergyIntolerance", "code": masked, "category": ["medication"], "recordedDate": "2020"}
    assert seen._event(allergy) == ("AllergyIntolerance", "", "2020")
