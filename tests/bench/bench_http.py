"""P4 and P5 over real HTTP: read by id, newest-first search of a patient, searches that no index answers, and the
summary of a person with a thousand resources.

``gateway serve`` runs in a process of its own on the loopback, with token, limits and audit; the clients keep their
connections.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from gateway import config
from gateway.composition import Gateway
from gateway.store.numbers import TYPE_NUMBER
from tests.bench.clients import Server, ask, server
from tests.bench.room import Loaded, Room
from tests.bench.table import Line

ROWS, MANY = 1_000_000, 1240
"""Observation rows of the store that is read and searched; rows of one patient that become a thousand resources."""
HELD = 7140
"""Observation rows of a patient that become five thousand Observations, and other resources."""
UNINDEXED = {
    "indexed": "status=amended",
    "code": "method=http://snomed.info/sct|12345",
    "quantity": "value-quantity=gt1000000",
    "missing": "method:missing=false",
}
SAMPLE = 2000
GP = "dr-green"
SHOWN = (
    "SELECT id FROM head WHERE type = ? AND patient NOT IN (SELECT patient FROM head WHERE type = ? AND labels "
    "<> 0) ORDER BY key"
)


def measure(room: Room) -> Iterator[Line]:
    found = room.loaded(room.rows(ROWS))
    seconds = 2 if room.quick else 10
    with server(["uvicorn", "tests.bench.bare:app", "--log-level", "warning", "--no-access-log"], {}) as at:
        bare = ask(at, ["/fhir/Observation/x"], "none", seconds, 8)
    with serving(found) as (at, token):
        ask(at, sample(found, "Observation", "/fhir/Observation/{}"), token, 1, 8)
        read = ask(at, sample(found, "Observation", "/fhir/Observation/{}"), token, seconds, 8)
        searches = sample(found, "Patient", "/fhir/Observation?patient=Patient/{}&_sort=-date&_count=20")
        alone = ask(at, searches, token, seconds, 1)
        busy = ask(at, searches, token, seconds, 8)
    size = f"{found.resources:,} resources"
    used = f"processor {1e6 * read.processor:.0f} µs, bare {1e6 * bare.processor:.0f}"
    beside = f"bare framework {bare.rate:,.0f}/s; p50 {read.at(0.5):.1f}, p99 {read.at(0.99):.1f} ms; {used}"
    yield Line(f"read by id, {size}", read.rate, beside=beside, target=1500)
    crowd = f"with 8 clients {busy.rate:,.0f}/s, p99 {busy.at(0.99):.1f} ms"
    beside = f"p50 {alone.at(0.5):.1f} ms, {alone.rate:,.0f}/s; {crowd}; processor {1000 * alone.processor:.1f} ms"
    yield Line(f"newest-first search of a patient, p99, {size}", alone.at(0.99), "ms", beside, 30, is_ceiling=True)
    yield from _filtered(room, seconds)
    yield from _summary(room, seconds)


def _filtered(room: Room, seconds: float) -> Iterator[Line]:
    """Searches of one person's resources by a parameter that an index has, and by others that none has: a code that
    nobody has, a quantity that is compared, and an element that is missing."""
    found = room.loaded(room.rows(2 * HELD), each=room.rows(HELD))
    with serving(found) as (at, token):
        (person, *_), asked = sample(found, "Patient", "/fhir/Observation?patient=Patient/{}"), {}
        for name, clause in UNINDEXED.items():
            ask(at, [f"{person}&{clause}"], token, seconds / 8, 1)
            asked[name] = ask(at, [f"{person}&{clause}"], token, seconds / 4, 1)
    indexed = asked.pop("indexed")
    for name, answers in asked.items():
        beside = (
            f"p50 {answers.at(0.5):.1f} ms; by an index: processor {1000 * indexed.processor:.1f} ms; "
            f"{found.resources // 2:,} resources of the person"
        )
        used = 1000 * answers.processor
        yield Line(f"search without an index, {name}, processor", used, "ms", beside, 25, is_ceiling=True)


def _summary(room: Room, seconds: float) -> Iterator[Line]:
    found = room.loaded(10 * MANY, each=MANY)
    with serving(found) as (at, token):
        paths = sample(found, "Patient", "/fhir/Patient/{}/$summary")
        ask(at, paths, token, 1, 1)
        answers = ask(at, paths, token, seconds, 1)
    beside = (
        f"p99 {answers.at(0.99):.1f} ms; processor {1000 * answers.processor:.1f} ms; "
        f"{found.resources // 10:,} resources a person"
    )
    yield Line("summary of a person, p50", answers.at(0.5), "ms", beside, 25, is_ceiling=True)


class serving:  # noqa: N801  a context manager that reads as a verb
    """The gateway over a loaded store: (server, token)."""

    def __init__(self, found: Loaded):
        settings = config.Settings(data_dir=found.folder, sandbox=True)
        with Gateway(settings, found.open()) as gateway:
            self.token = gateway.sandbox_token(GP)
        environment = {"GATEWAY_DATA_DIR": str(found.folder), "GATEWAY_SANDBOX": "1", "GATEWAY_LOG_LEVEL": "INFO"}
        self.server = server(["gateway", "serve", "--no-work"], environment)

    def __enter__(self) -> tuple[Server, str]:
        return self.server.__enter__(), self.token

    def __exit__(self, *raised) -> None:
        self.server.__exit__(*raised)


def sample(found: Loaded, resource_type: str, path: str) -> list[str]:
    """Paths of resources drawn from the whole store, always the same ones; none of a restricted patient's, which would
    be refused."""
    store = found.open()
    with store.read() as session:
        ids = [row[0] for row in session.rows(SHOWN, TYPE_NUMBER[resource_type], TYPE_NUMBER["Patient"])]
    store.close()
    return [path.format(id_) for id_ in random.Random(1).sample(ids, min(SAMPLE, len(ids)))]
