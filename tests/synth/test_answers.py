"""The answer key tells the truth about a world, and what the gateway gathers is measured against it."""

import json
from collections import Counter, defaultdict
from datetime import date

import pytest

from gateway.fhir.build import decode
from gateway.intake import load
from gateway.store.database import open_store
from gateway.store.numbers import TYPE_NUMBER
from gateway.synth import world
from gateway.terminology import sets
from mappings import Feed, sources

TODAY, COUNT = date(2026, 3, 1), 150


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> world.Manifest:
    return world.write(tmp_path_factory.mktemp("world"), COUNT, 1, TODAY)


def answers(manifest: world.Manifest) -> list[dict]:
    lines = (manifest.folder / "truth" / "people.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_person_17_is_the_same_in_every_world(written, tmp_path):
    few = world.write(tmp_path, 20, 1, TODAY)
    assert answers(few) == answers(written)[:20] and len(answers(written)) == COUNT
    assert all(key["nhs_number"].startswith("999") for key in answers(written))


def test_the_key_says_what_a_source_has_otherwise_than_the_truth(written):
    told = Counter(
        (source, name)
        for key in answers(written)
        for source, seen in key["sources"].items()
        for name in seen["differs"]
    )
    assert {("hl7v2", "nhs_number"), ("cld", "nhs_number"), ("cld", "family"), ("hl7v2", "birth")} <= set(told)
    assert not any(source == "emis" for source, _ in told)


@pytest.fixture(scope="module")
def gathered(written, tmp_path_factory) -> dict[tuple[str, str], str]:
    """(source, the source's own number) → the person it was gathered into."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'gateway.db'}", create="sandbox")
    for name in ("emis", "hl7v2", "cld"):
        load.load(store, sources()[name], written.path(name), Feed(), sets.load(sandbox=True), workers=0)
    with store.read() as session:
        rows = session.rows(
            "SELECT p.source, v.body, h.patient, n.person FROM head h JOIN publisher p ON p.key = h.publisher "
            "JOIN version v ON v.head = h.key LEFT JOIN person n ON n.patient = h.patient "
            "WHERE h.type = ? AND h.deleted = 0",
            TYPE_NUMBER["Patient"],
        )
    store.close()
    return {
        (source, identifier["value"].strip("{}").upper()): str(person or patient)
        for source, body, patient, person in rows
        for identifier in decode(body)["identifier"]
    }


@pytest.mark.slow
def test_what_is_gathered_is_measured_against_the_truth(written, gathered):
    """Nobody is gathered with another. Whoever each source knows rightly is one person; what is missed has a reason."""
    people: dict[str, set[int]] = defaultdict(set)
    pairs, met = Counter(), Counter()
    for key in answers(written):
        held = {
            source: gathered[source, seen["patient"].strip("{}").upper()] for source, seen in key["sources"].items()
        }
        for person in held.values():
            people[person].add(key["number"])
        for source, seen in key["sources"].items():
            if source != "emis" and "emis" in held:
                unsure = seen["differs"] or (["death"] if key["death"] and not seen["verified"] else [])
                mess = " and ".join(unsure) or "nothing"
                pairs[source, mess] += 1
                met[source, mess] += held[source] == held["emis"]
    assert max(map(len, people.values())) == 1
    assert pairs["hl7v2", "nothing"] == met["hl7v2", "nothing"] > 80
    assert pairs["cld", "nothing"] == met["cld", "nothing"] > 20
    assert sum(met[pair] for pair in pairs if "nhs_number" in pair[1]) == 0
