"""The sample deliveries and what they become: read the difference before accepting a new golden file."""

import shutil
from pathlib import Path
from random import Random

import pytest

from mappings.cds import SOURCE
from tests.mappings.harness import Mapped, faults, map_all, map_rows, read_all, written
from tests.mappings.harness_cds import SAMPLES


def after(folder: Path, *samples: str) -> Mapped:
    """What the store would hold after these deliveries."""
    for sample in samples:
        shutil.copytree(SAMPLES / sample, folder / sample)
    return map_all(SOURCE, folder)


@pytest.mark.parametrize(("golden_name", "folders"), [("first", ("first",)), ("second", ("first", "second"))])
def test_the_samples_become_their_golden_files(golden_name, folders, golden, tmp_path):
    mapped = after(tmp_path, *folders)
    assert not mapped.rejects and not mapped.faults
    assert faults(mapped.resources()) == []
    golden(SAMPLES / f"{golden_name}.fhir.json", written(mapped.resources()))


def test_a_second_delivery_changes_what_it_says_and_nothing_else(tmp_path):
    before, later = after(tmp_path / "one", "first"), after(tmp_path / "two", "first", "second")
    then, now = ({(r["resourceType"], r["id"]): r for r in mapped.resources()} for mapped in (before, later))
    gone = sorted(kind for kind, _ in then.keys() - now.keys())
    assert gone == ["Condition"] * 2 + ["Encounter"] * 4 + ["Procedure"]  # two of them of the bulk replacement
    assert sorted(kind for kind, _ in now.keys() - then.keys()) == ["Condition", "Condition"]
    changed = sorted(kind for kind, id_ in then.keys() & now.keys() if then[kind, id_] != now[kind, id_])
    assert changed == ["Appointment", "Encounter", "Encounter", "Encounter"]


def test_deliveries_shuffled_and_sent_twice_come_to_the_same(tmp_path):
    later = after(tmp_path, "first", "second")
    rows = read_all(SOURCE, tmp_path)
    for seed in range(5):
        again = [*rows, *rows[: len(rows) // 2]]
        Random(seed).shuffle(again)
        assert map_rows(SOURCE, again).resources() == later.resources()
