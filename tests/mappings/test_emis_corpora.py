"""The constructed extract in the supplier's layout, and our own samples: mapped, valid R4, and within UK Core's
constraints."""

import shutil
from pathlib import Path
from random import Random

import msgspec
import pytest

from mappings.emis import SOURCE
from tests.mappings.harness import Mapped, faults, map_all, map_rows, read_all, written

SAMPLES = Path(__file__).parents[2] / "mappings" / "emis" / "samples"


@pytest.mark.corpora
def test_the_constructed_extract_is_mapped(shared):
    found = map_all(SOURCE, shared / "data" / "constructed" / "emis")
    counts = {name: len(found.resources(name)) for name in sorted({each["resourceType"] for each in found.resources()})}
    assert counts == {
        "AllergyIntolerance": 1,
        "Appointment": 1,
        "Condition": 1,
        "Encounter": 1,
        "EpisodeOfCare": 5,
        "FamilyMemberHistory": 1,
        "Immunization": 1,
        "Location": 1,
        "MedicationRequest": 3,
        "MedicationStatement": 2,
        "Observation": 3,
        "Organization": 1,
        "Patient": 5,
        "Practitioner": 1,
        "PractitionerRole": 1,
        "Provenance": 2,
        "Schedule": 1,
        "ServiceRequest": 2,
        "Slot": 2,
    }
    assert not found.rejects and list(found.faults.values()) == ["column CodeId"]  # 9999 is in no code table
    assert faults(found.resources()) == []


@pytest.mark.corpora
def test_the_columns_are_those_of_the_specification(shared):
    from mappings.emis.columns import TABLES

    told = msgspec.json.decode((shared / "data" / "schema" / "emis_v8p2.json").read_bytes())
    assert {table: tuple(column["name"].strip("*`") for column in columns) for table, columns in told.items()} == TABLES


@pytest.mark.parametrize(("golden_name", "folders"), [("bulk", ("bulk",)), ("delta", ("bulk", "delta"))])
def test_the_samples_become_their_golden_files(golden_name, folders, golden, tmp_path):
    found = after(tmp_path, *folders)
    assert not found.rejects and not found.faults
    assert faults(found.resources()) == []
    golden(SAMPLES / f"{golden_name}.fhir.json", written(found.resources()))


def test_a_delta_changes_what_it_says_and_nothing_else(tmp_path):
    before, later = after(tmp_path / "one", "bulk"), after(tmp_path / "two", "bulk", "delta")
    then, now = ({(each["resourceType"], each["id"]): each for each in found.resources()} for found in (before, later))
    gone = sorted(kind for kind, _ in then.keys() - now.keys())
    assert gone == ["Appointment", "Observation", "ServiceRequest", "Slot"] and not now.keys() - then.keys()
    changed = sorted(kind for kind, id_ in then.keys() & now.keys() if then[kind, id_] != now[kind, id_])
    assert changed == [
        "Appointment",
        "Appointment",
        "Appointment",
        "Condition",
        "EpisodeOfCare",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Patient",
        "Schedule",
        "Slot",
    ]


def test_deliveries_shuffled_come_to_the_same(tmp_path):
    later = after(tmp_path, "bulk", "delta")
    rows = read_all(SOURCE, tmp_path)
    for seed in range(5):
        Random(seed).shuffle(rows)
        assert map_rows(SOURCE, rows).resources() == later.resources()


def after(folder: Path, *samples: str) -> Mapped:
    """What the store would hold after these deliveries."""
    for sample in samples:
        shutil.copytree(SAMPLES / sample, folder / sample)
    return map_all(SOURCE, folder)
