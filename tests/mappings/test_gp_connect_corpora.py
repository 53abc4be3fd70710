"""The published consumer test data of GP Connect: every entry is mapped, looked up or named, and nothing is invalid."""

import json
from collections import Counter
from pathlib import Path

import pytest

from gateway.intake import load
from gateway.terminology import sets
from mappings import Feed, Row
from mappings.gp_connect import MAKERS, SOURCE
from mappings.gp_connect.stu3 import LOOKED_UP, TYPES
from tests.mappings.harness import faults, map_all, read_all

pytestmark = pytest.mark.corpora
FILES = 14
OF_ANOTHER = "AllergyIntolerance.patient: not the patient of the answer"
"""What one file holds three times: allergies of another patient than the one it is of."""
NOT_TAKEN: set[str] = set()
"""Types that are sent and not taken would be kept, and counted in the load report."""
MADE_OF = {"FamilyMemberHistory": "Observation"}


def answers(shared) -> list[Path]:
    paths = sorted((shared / "data" / "gp-connect").glob("*.json"))
    assert len(paths) == FILES
    return paths


def entries(path: Path) -> list[dict]:
    """Every resource of an answer, and those that a List contains."""
    resources = [entry["resource"] for entry in json.loads(path.read_text(encoding="utf-8"))["entry"]]
    return resources + [inner for resource in resources for inner in resource.get("contained", ())]


def test_every_entry_of_the_published_answers_is_mapped_or_named(shared):
    rejected: Counter[str] = Counter()
    for path in answers(shared):
        sent, found = Counter(each["resourceType"] for each in entries(path)), map_all(SOURCE, path)
        rows = [row for row in read_all(SOURCE, path) if isinstance(row, Row) and not row.aside]
        kept, distinct = Counter(row.table for row in rows), {(row.table, row.key) for row in rows}
        rejected.update(reject.reason for reject in found.rejects)
        lost = sent - kept
        assert sum(lost.values()) == len(found.rejects), path.name
        assert not found.faults and faults(found.resources()) == [], path.name
        assert sent.keys() <= MAKERS.keys() | LOOKED_UP | NOT_TAKEN | {"Patient"}
        assert {place.split()[0] for place in found.unlisted if place.endswith(" resource")} <= NOT_TAKEN
        assert made(found.resources()) == expected(Counter(type_ for type_, _ in distinct)), path.name
    assert rejected == {OF_ANOTHER: 3}


def expected(kept: Counter[str]) -> Counter[str]:
    """How many resources of each type rows come to: one each, but for what is looked up."""
    counts: Counter[str] = Counter()
    for type_, count in kept.items():
        if type_ in TYPES:
            counts[TYPES[type_]] += count
    return counts


def made(resources: list[dict]) -> Counter[str]:
    """How many resources of each type were made, without what stands beside a row's own: the registration, the Flags
    of a patient and an allergy that was sent as something else."""
    beside = ("EpisodeOfCare", "Flag")
    own = [each for each in resources if each["resourceType"] not in beside and not is_beside(each)]
    return Counter(MADE_OF.get(each["resourceType"], each["resourceType"]) for each in own)


def is_beside(resource: dict) -> bool:
    return any(
        note.get("text", "").startswith("Recorded as another kind of entry") for note in resource.get("note", ())
    )


@pytest.mark.slow
def test_the_published_answers_go_in_by_the_front_door(shared, store):
    report = load.load(store, SOURCE, answers(shared)[0].parent, Feed(), sets.load(sandbox=True), workers=0)
    assert report.state == "done" and report.rejects == {OF_ANOTHER: 3} and not report.uk_core
    assert set(report.unlisted) == {f"{type_} resource" for type_ in NOT_TAKEN}
