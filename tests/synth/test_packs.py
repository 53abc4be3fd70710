"""Each pack, loaded into a sandbox, shows what its table says of each person."""

from collections import Counter, defaultdict
from datetime import date
from types import SimpleNamespace

import pytest

from gateway.intake import load
from gateway.nhs import identifiers, labels
from gateway.store.database import open_store
from gateway.store.numbers import TYPE_NUMBER
from gateway.synth import mess, places, world
from gateway.synth.packs import CAST, FIRST, PACKS
from gateway.synth.people import MOST, people
from gateway.terminology import sets
from mappings import Feed, sources
from tests.synth import linkage

TODAY = date(2026, 3, 1)
NAMES = {number: name for name, number in TYPE_NUMBER.items()}

GROUPS = {
    "clean": 1,
    "no-number": 2,
    "check-digit": 2,
    "spaces": 1,
    "not-theirs": 2,
    "misspelt": 1,
    "swapped-date": 2,
    "placeholder": 2,
    "names-swapped": 2,
    "former-name": 1,
    "merged": 1,
    "two-numbers": 1,
    "overlaid": 2,
    "moved": 1,
    "twice": 1,
    "twin-first": 1,
    "twin-second": 2,
    "young-twin-first": 1,
    "young-twin-second": 2,
    "superseded": 2,
    "gender-changed": 2,
}
"""Into how many groups the records of each person of the identity pack come."""

LABELS = {
    "open": 0,
    "opted-out": 0,
    "restricted": labels.RESTRICTED,
    "type-1": labels.TYPE1,
    "dissent": 0,
    "sexual-health": labels.SENSITIVE,
    "pregnancy-ended": labels.SENSITIVE,
    "fertility": labels.SENSITIVE,
    "gender": labels.SENSITIVE,
    "died": 0,
}
"""The label that something of each person of the privacy pack has, of those in this table."""

JOURNEYS = {
    "hip": {"Encounter": 2, "Procedure": 1, "DiagnosticReport": 3, "EpisodeOfCare": 1},
    "pneumonia": {"Encounter": 2, "DiagnosticReport": 5},
    "heart": {"Encounter": 2, "Procedure": 1, "MedicationStatement": 3},
    "stroke": {"Encounter": 2, "DiagnosticReport": 1, "MedicationStatement": 1},
    "diabetes": {"MedicationStatement": 2, "Condition": 1},
    "copd": {"MedicationStatement": 1, "Condition": 1},
    "frailty": {"Condition": 1, "Task": 1, "EpisodeOfCare": 2},
    "cancer": {"Condition": 1, "Procedure": 1, "ServiceRequest": 1},
    "mother": {"Encounter": 2, "Observation": 1},
    "baby": {"Observation": 1},
    "child": {"Encounter": 2, "Condition": 1, "MedicationStatement": 1},
    "self-harm": {"Encounter": 2, "Condition": 1},
    "learning-disability": {"Encounter": 3},
    "dementia": {"Condition": 1},
    "homeless": {"Encounter": 2},
    "knee": {"Encounter": 1, "Procedure": 1, "Condition": 1},
    "cataract": {"Encounter": 1, "Procedure": 1, "Condition": 1},
}
"""How many resources of a type, at the least, each person of the journeys pack has."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """All packs but the demo's, in one store: who each record's Patient is gathered with, and what each person has."""
    folder = tmp_path_factory.mktemp("packs")
    store = open_store(f"sqlite:///{folder / 'gateway.db'}", create="sandbox")
    numbers = tuple(number for pack in ("identity", "privacy", "journeys") for number in PACKS[pack])
    written = world.write(
        folder / "packs", 0, 1, TODAY, practices=places.practices(3, tpp=1), mix="england", numbers=numbers,
        formats=("emis", "tpp", "hl7v2", "cld", "truth"),
    )  # fmt: skip
    for name in ("emis", "tpp", "hl7v2", "cld"):
        report = load.load(store, sources()[name], written.path(name), Feed(), sets.load(sandbox=True), workers=0)
        assert not report.as_dict()["rejects"]
    truth = linkage.truth_links(written.folder)
    groups = linkage.gathered(store)
    with store.read() as session:
        heads = session.rows(
            "SELECT h.type, h.labels, h.patient, n.person FROM head h LEFT JOIN person n ON n.patient = h.patient "
            "WHERE h.deleted = 0"
        )
    store.close()
    of_group = defaultdict(list)
    for type_, bits, patient, person in heads:
        of_group[str(person or patient)].append((NAMES[type_], bits))
    of_person = defaultdict(set)
    for record, number in truth.items():
        of_person[CAST[number].role, number].add(groups.get(record))
    return SimpleNamespace(truth=truth, groups=groups, of_group=of_group, of_person=of_person)


def those(pack: str) -> list[tuple[str, int]]:
    return [(fixed.role, number) for number, fixed in PACKS[pack].items()]


@pytest.mark.hazard("HZ-SYNTH-03")
@pytest.mark.parametrize(("role", "number"), those("identity"))
def test_people_of_the_identity_pack_are_gathered_as_their_row_says(loaded, role, number):
    groups = loaded.of_person[role, number] - {None}
    assert len(groups) == GROUPS[role]
    others = {
        loaded.truth[record] for record, group in loaded.groups.items() if group in groups and record in loaded.truth
    }
    assert others == {number}


@pytest.mark.parametrize(("role", "number"), those("privacy"))
def test_people_of_the_privacy_pack_are_labelled_as_their_row_says(loaded, role, number):
    bits = 0
    for group in loaded.of_person[role, number]:
        for _, label in loaded.of_group[group]:
            bits |= label
    asked = labels.RESTRICTED | labels.TYPE1 | labels.SENSITIVE
    assert bits & asked == LABELS[role]


@pytest.mark.parametrize(("role", "number"), those("journeys"))
def test_people_of_the_journeys_pack_have_what_their_row_says(loaded, role, number):
    counts = Counter(type_ for group in loaded.of_person[role, number] for type_, _ in loaded.of_group[group])
    assert {name: count for name, count in JOURNEYS[role].items() if counts[name] < count} == {}


def test_every_pack_has_numbers_of_its_own_after_all_ordinary_people():
    numbers = [number for pack, cast in PACKS.items() for number in cast if pack != "demo"]
    assert len(set(numbers)) == len(numbers) and min(numbers) == FIRST == MOST + 1
    former = [mess.former_number(person) for person in people(0, 1, TODAY, numbers=numbers)]
    assert len(set(former)) == len(former) and min(former) > identifiers.synthetic(mess.SUPERSEDED + MOST // 10)
    assert all(identifiers.is_synthetic(identifiers.synthetic(number - 1)) for number in numbers)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("pack", PACKS)
def test_whatever_the_seed_each_kind_of_mess_and_each_journey_of_a_pack_is_there(pack, seed):
    for person in people(
        0, seed, TODAY, practices=places.practices(3, tpp=1), mix="england", numbers=tuple(PACKS[pack])
    ):
        fixed = PACKS[pack][person.number]
        assert {planted.kind for planted in person.mess} == set(fixed.mess), fixed.role
        assert person.gp and (person.hospital or "attendance" not in fixed.journeys)
        assert bool(person.death) is fixed.dies
