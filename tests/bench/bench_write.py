"""Writes over real HTTP: Observations of a contributor, each durable, mapped, labelled, indexed and audited in a
transaction of its own, beside the same bytes put into a table of the same database with as many commits."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pysqlite3.dbapi2 as sqlite

from gateway import config
from gateway.composition import create_gateway
from tests.bench.clients import ask, post, server
from tests.bench.room import Room
from tests.bench.table import Line

PEOPLE, BODIES, BARE, WARM = 50, 20_000, 300, 5.0


def measure(room: Room) -> Iterator[Line]:
    folder, seconds = room.folder / "write", 2 if room.quick else 10
    settings = config.Settings(data_dir=folder, sandbox=True)
    with create_gateway(settings, "sandbox") as gateway:
        token = gateway.sandbox_token("tester")
    environment = {"GATEWAY_DATA_DIR": str(folder), "GATEWAY_SANDBOX": "1"}
    with server(["gateway", "serve", "--no-work"], environment) as at:
        request = urllib.request.Request(f"http://127.0.0.1:{at.port}/fhir", people(), headers(token))
        urllib.request.urlopen(request, timeout=60).close()
        bodies = [observation(number) for number in range(BODIES)]
        post(at, "/fhir/Observation", bodies, token, WARM, 1)  # the first makes ready what all need
        alone = post(at, "/fhir/Observation", bodies, token, seconds, 1)
        busy = post(at, "/fhir/Observation", bodies, token, seconds, 8)
        nothing = ask(at, ["/livez"], token, 1, 8)
    used = f"processor {1000 * busy.processor:.2f} ms, of a request for nothing {1000 * nothing.processor:.2f} ms"
    waits = f"alone {alone.rate:,.0f}/s, p50 {alone.at(0.5):.1f}, p99 {alone.at(0.99):.1f} ms"
    beside = f"bare commits of the same bytes {bare(folder, bodies):,.0f}/s; {waits}; {used}"
    yield Line("writes over the API, 8 clients", busy.rate, beside=beside, target=500)


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}


def people() -> bytes:
    """A transaction of people under ids that the Observations name."""
    entries = [
        {
            "resource": {"resourceType": "Patient", "id": f"bench-{number}", "gender": "female"},
            "request": {"method": "PUT", "url": f"Patient/bench-{number}"},
        }
        for number in range(PEOPLE)
    ]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def observation(number: int) -> bytes:
    """A weight, each another: equal bytes would make no new version of an update."""
    return msgspec.json.encode(
        {
            "resourceType": "Observation", "subject": {"reference": f"Patient/bench-{number % PEOPLE}"}, "status": "final", "effectiveDateTime": "2026-01-01T10:00:00Z",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "27113001", "display": "Body weight"}]},
            "identifier": [{"system": "urn:test:bench", "value": str(number)}],
            "valueQuantity": {"value": number, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        }
    )  # fmt: skip


def bare(folder: Path, bodies: list[bytes]) -> float:
    """Commits a second of a table of two columns, with the settings of the store."""
    connection = sqlite.connect(str(folder / "bare.db"), isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE body (key INTEGER, text BLOB)",
    ):
        connection.execute(statement)
    begun = time.perf_counter()
    for number, body in zip(count(), bodies[:BARE]):
        connection.execute("INSERT INTO body VALUES (?, ?)", (number, body))
    connection.close()
    return BARE / (time.perf_counter() - begun)
