"""A small world on disk, written once: the first delivery of every source and the practice's second."""

import dataclasses
import datetime
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.intake import load
from gateway.nhs.codesets import CodeSets
from gateway.store.database import Store, open_store
from gateway.synth import emis, people, world
from gateway.terminology import sets
from mappings import Feed, Source, sources
from tests.schema import sqlite_url

TODAY = datetime.date(2026, 3, 1)
NAMESPACE = uuid.UUID("5b0e8a52-0000-4000-8000-000000000001")
COUNT = 14


@dataclass(frozen=True)
class Deliveries:
    """Where each delivery lies, and what the second one changed."""

    world: world.Manifest
    second: Path
    delta: emis.Delta

    def path(self, name: str) -> Path:
        return self.second if name == "delta" else self.world.path(name)

    @staticmethod
    def source(name: str) -> str:
        return "emis" if name == "delta" else name


def next_version(source: Source) -> Source:
    """The source with a newer mapping, which says something more of every resource."""

    def to_fhir(group, look):
        return [{**made, "language": "en-GB"} for made in source.to_fhir(group, look)]

    return dataclasses.replace(source, version="next", to_fhir=to_fhir, reread=None)


@pytest.fixture(scope="session")
def deliveries(tmp_path_factory) -> Deliveries:
    folder = tmp_path_factory.mktemp("world")
    made = world.write(folder, COUNT, 1, TODAY)
    second = folder / "second"
    delta = emis.write_delta(people.people(COUNT, 1, TODAY), second, datetime.datetime(2026, 3, 2, 1))
    return Deliveries(made, second, delta)


@pytest.fixture(scope="session")
def code_sets() -> CodeSets:
    return sets.load(sandbox=True)


@pytest.fixture
def new_store(tmp_path):
    """Make stores that give the same row the same id, so that they can be compared."""
    opened: list[Store] = []

    def make(name: str = "gateway") -> Store:
        opened.append(open_store(sqlite_url(tmp_path / f"{name}.db"), create="sandbox", namespace=NAMESPACE))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def take(store: Store, deliveries: Deliveries, name: str, code_sets: CodeSets, workers: int = 0):
    """Load one delivery by name (emis, hl7v2, cld, delta)."""
    return load.load(
        store, sources()[deliveries.source(name)], deliveries.path(name), Feed(), code_sets, workers=workers
    )


def state(store: Store) -> dict[str, list]:
    """What a store says now: current resources with their labels, persons, mismatches, choices, quarantine, index."""
    with store.read() as session:
        return {
            "resources": session.rows(
                "SELECT type, id, hash, labels, patient, low FROM head WHERE deleted = 0 ORDER BY type, id"
            ),
            "persons": session.rows("SELECT patient, person, grade, why FROM person ORDER BY patient"),
            "mismatches": session.rows("SELECT number, patient, why FROM mismatch ORDER BY 1, 2"),
            "entries": session.rows(
                "SELECT e.patient, e.param, e.value, h.id FROM entry e JOIN head h ON h.key = e.head ORDER BY 1, "
                "2, 3, 4"
            ),
            "global entries": session.rows(
                "SELECT e.param, e.value, h.id FROM entry_global e JOIN head h ON h.key = e.head ORDER BY 1, 2, 3"
            ),
            "words": session.rows(
                "SELECT w.param, w.word, h.id FROM word w JOIN head h ON h.key = w.head ORDER BY 1, 2, 3"
            ),
            "dates": session.rows(
                "SELECT d.param, d.low, d.high, h.id FROM second_date d JOIN head h ON h.key = d.head ORDER BY 1, "
                "2, 3, 4"
            ),
            "causes": session.rows(
                "SELECT h.id, l.bit, l.cause, l.patient FROM label l JOIN head h ON h.key = l.head WHERE h.deleted "
                "= 0 ORDER BY 1, 2, 3"
            ),
            "choices": session.rows(
                "SELECT p.patient, p.name, p.at, h.id FROM preference p JOIN head h ON h.key = p.head ORDER BY 4, 2"
            ),
            "claims": session.rows("SELECT patient, number FROM claim ORDER BY 1, 2"),
            "quarantine": session.rows("SELECT place, reason FROM quarantine ORDER BY 1"),
            "publishers": session.rows("SELECT source, code, ods, name, state FROM publisher ORDER BY 1, 2"),
        }
