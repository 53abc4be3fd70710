"""A care home of 40: one poll of its feed beside a search of each type for each resident, over the same application."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from starlette.testclient import TestClient

from gateway import config
from gateway.api.app import create_app
from gateway.composition import create_gateway, open_service
from gateway.nhs import identifiers
from tests.api.people import SETS, observation, on_the_ward, patient
from tests.bench.room import Room
from tests.bench.table import Line
from tests.toy import deliver, row, says

PEOPLE, HELD, TIMES = 40, 500, 10
TYPES = (
    "Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport",
    "Encounter", "Procedure", "Immunization", "ServiceRequest", "CarePlan", "Flag", "DocumentReference",
)  # fmt: skip
USER = "dr-ward"


def measure(room: Room) -> Iterator[Line]:
    held = room.rows(HELD)
    folder = room.folder / "caseload"
    gateway = create_gateway(config.Settings(data_dir=folder, sandbox=True), "sandbox")
    _fill(gateway.store, held)
    service = open_service(gateway)
    client = TestClient(create_app(service))
    client.headers["Authorization"] = f"Bearer {gateway.sandbox_token(USER)}"
    (entry,) = client.get("/fhir/Group").json()["entry"]
    at = f"/fhir/Group/{entry['resource']['id']}/$changes"
    started = time.perf_counter()
    at = _followed(client, at)
    yield Line(f"caseload of {PEOPLE} x {held}: all of it, at first", time.perf_counter() - started, "s")
    patients = [f"{n + 1:08d}-0000-5000-8000-000000000000" for n in range(PEOPLE)]

    def searched() -> None:
        for id_ in patients:
            for type_ in TYPES:
                assert client.get(
                    f"/fhir/{type_}?{'_id' if type_ == 'Patient' else 'patient'}={id_}&_lastUpdated=gt2999"
                ).is_success

    def change(turn: int) -> None:
        deliver(
            gateway.store,
            [row(f"new{turn}", observation(900_000 + turn, 1), publisher="T")],
            SETS,
            name="trust",
            kind="hospital",
        )

    for what, between in (("nothing written between", lambda turn: None), ("one result written between", change)):
        each = _timed(searched, between, 2)
        poll = _timed(lambda: _followed(client, at), between, TIMES)
        yield Line(f"caseload: {PEOPLE} x {len(TYPES)} searches, {what}", each * 1000, "ms")
        yield Line(f"caseload: one poll, {what}", poll * 1000, "ms", f"{each / poll:,.0f} times less than the searches")
    service.close()
    gateway.store.close()


def _fill(store, held: int) -> None:
    rows = [says("T", 1, ods="RZZ", name="Home")]
    for n in range(PEOPLE):
        number = identifiers.synthetic(1000 + n)
        rows.append(row(f"p{n}", patient(n + 1, number, "Ames", "Ann"), on_the_ward(1000 + n, n + 1), publisher="T"))
        results = [observation(10_000 + n * 1000 + m, n + 1, effectiveDateTime="2024-05-04") for m in range(held)]
        rows.append(row(f"r{n}", *results, publisher="T"))
    deliver(store, rows, SETS, name="trust", kind="hospital")


def _followed(client: TestClient, at: str) -> str:
    """The address of the next poll."""
    while True:
        (_, link) = client.get(at).json()["link"]
        at = "/fhir/" + link["url"].partition("/fhir/")[2]
        if link["relation"] == "monitor":
            return at


def _timed(act: Callable[[], object], between: Callable[[int], object], times: int) -> float:
    """The seconds of an act, on average, and not of what happens between."""
    spent = 0.0
    for turn in range(times):
        between(turn + times * 100)
        started = time.perf_counter()
        act()
        spent += time.perf_counter() - started
    return spent / times
