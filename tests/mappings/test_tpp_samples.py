"""The sample deliveries and what they become: read the difference before accepting a new golden file."""

import shutil
from pathlib import Path
from random import Random

import pytest

from mappings.tpp import SOURCE
from tests.mappings.harness import Mapped, faults, map_all, map_rows, written
from tests.mappings.harness_tpp import SAMPLES, read_all


def after(folder: Path, *samples: str) -> Mapped:
    """What the store would hold after these deliveries."""
    for sample in samples:
        shutil.copytree(SAMPLES / sample, folder / sample)
    return map_all(SOURCE, folder)


@pytest.mark.parametrize(("golden_name", "folders"), [("bulk", ("bulk",)), ("delta", ("bulk", "delta"))])
def test_the_samples_become_their_golden_files(golden_name, folders, golden, tmp_path):
    found = after(tmp_path, *folders)
    assert not found.rejects and not found.faults
    assert faults(found.resources()) == []
    golden(SAMPLES / f"{golden_name}.fhir.json", written(found.resources()))


def test_a_delta_changes_what_it_says_and_nothing_else(tmp_path):
    before, later = after(tmp_path / "one", "bulk"), after(tmp_path / "two", "bulk", "delta")
    then, now = ({(each["resourceType"], each["id"]): each for each in found.resources()} for found in (before, later))
    assert sorted(kind for kind, _ in then.keys() - now.keys()) == [
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
    ]
    assert [kind for kind, _ in now.keys() - then.keys()] == ["Condition"]
    changed = sorted(kind for kind, id_ in then.keys() & now.keys() if then[kind, id_] != now[kind, id_])
    assert changed == [
        "Condition",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Patient",
        "ServiceRequest",
    ]


def test_deliveries_shuffled_and_sent_twice_come_to_the_same(tmp_path):
    later = after(tmp_path, "bulk", "delta")
    rows = read_all(tmp_path)
    for seed in range(5):
        again = [*rows, *rows[: len(rows) // 2]]
        Random(seed).shuffle(again)
        assert map_rows(SOURCE, again).resources() == later.resources()


@pytest.mark.corpora
def test_the_constructed_extract_is_mapped(shared):
    found = map_all(SOURCE, shared / "data" / "constructed" / "tpp")
    counts = {name: len(found.resources(name)) for name in sorted({each["resourceType"] for each in found.resources()})}
    assert not found.rejects and not found.faults and faults(found.resources()) == []
    assert "SRCode CTV3Code" in found.unlisted
    assert counts == {
        "AllergyIntolerance": 1,
        "Condition": 2,  # a local code that nothing tells, and it is counted
        "Encounter": 1,
        "EpisodeOfCare": 1,
        "Immunization": 1,
        "MedicationRequest": 2,
        "MedicationStatement": 2,
        "Observation": 1,
        "Patient": 2,
    }
