"""Documents, orders, vaccinations, appointments, allergies and moves through the store: what arrives last first comes
to the same."""

from pathlib import Path

import pytest

from gateway.intake import load
from gateway.store.database import open_store
from gateway.store.numbers import TYPES as TYPES_BY_NUMBER
from gateway.terminology import sets
from mappings import Feed, sources
from tests.intake.conftest import NAMESPACE, state
from tests.schema import sqlite_url

SAMPLES = Path(__file__).parents[2] / "mappings" / "hl7v2" / "samples"
NAMES = ("allergies", "bookings", "letters", "moves", "orders", "results", "stay", "vaccinations")
TYPES = {
    "DocumentReference",
    "ServiceRequest",
    "Immunization",
    "Appointment",
    "AllergyIntolerance",
    "Encounter",
    "Observation",
}


def stored(folder: Path, deliveries: list[str]) -> dict[str, list]:
    """What a new store says after these deliveries, one after another."""
    folder.mkdir()
    store = open_store(sqlite_url(folder / "gateway.db"), create="sandbox", namespace=NAMESPACE)
    for number, text in enumerate(deliveries):
        (folder / f"{number}").mkdir()
        (folder / f"{number}" / "sent.hl7").write_text(text, encoding="utf-8")
        load.load(store, sources()["hl7v2"], folder / f"{number}", Feed(), sets.load(sandbox=True), workers=0)
    return state(store)


@pytest.mark.hazard("HZ-HL7V2-83")
@pytest.mark.slow
def test_what_arrives_last_first_comes_to_the_same(tmp_path):
    texts = ["\n".join(message) for name in NAMES for message in messages((SAMPLES / f"{name}.hl7").read_text("utf-8"))]
    last_first = ["\n".join(texts[::-1][at : at + 8]) for at in range(0, len(texts), 8)]
    forwards, backwards = stored(tmp_path / "all", ["\n".join(texts)]), stored(tmp_path / "last", last_first)
    assert {TYPES_BY_NUMBER[row[0]] for row in forwards["resources"]} >= TYPES and not forwards["quarantine"]
    for name in ("resources", "persons", "quarantine"):
        assert forwards[name] == backwards[name], name


def messages(text: str) -> list[list[str]]:
    apart: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("MSH"):
            apart.append([])
        if not line.startswith(("FHS", "BHS", "BTS", "FTS")):
            apart[-1].append(line)
    return apart
