"""The sample submissions and what they become: read the difference before accepting a new golden file."""

import shutil
from pathlib import Path
from random import Random

import pytest

from mappings import Row
from mappings.community import SOURCE
from tests.mappings.harness import Mapped, faults, map_all, map_rows, read_all, written
from tests.mappings.harness_community import SAMPLES


def after(folder: Path, *samples: str) -> Mapped:
    """What the store would hold after these submissions."""
    for sample in samples:
        shutil.copytree(SAMPLES / sample, folder / sample)
    return map_all(SOURCE, folder)


CASES = [("january", ("january",)), ("february", ("january", "february", "january_again"))]


@pytest.mark.parametrize(("golden_name", "folders"), CASES)
def test_the_samples_become_their_golden_files(golden_name, folders, golden, tmp_path):
    found = after(tmp_path, *folders)
    assert not found.rejects and not found.faults
    assert faults(found.resources()) == []
    golden(SAMPLES / f"{golden_name}.fhir.json", written(found.resources()))


def test_a_later_month_and_a_month_sent_again_change_what_they_say_and_nothing_else(tmp_path):
    before = after(tmp_path / "one", "january")
    later = after(tmp_path / "two", "january", "february", "january_again")
    then, now = ({(each["resourceType"], each["id"]): each for each in found.resources()} for found in (before, later))
    assert sorted(kind for kind, _ in then.keys() - now.keys()) == ["Condition", "Encounter", "Flag", "Observation"]
    assert now.keys() <= then.keys()
    changed = sorted(kind for kind, id_ in then.keys() & now.keys() if then[kind, id_] != now[kind, id_])
    assert changed == ["Encounter", "EpisodeOfCare", "Flag", "Patient", "Patient", "RelatedPerson", "ServiceRequest"]


def test_submissions_shuffled_and_sent_twice_come_to_the_same(tmp_path):
    later = after(tmp_path, "january", "february", "january_again")
    rows = [item for item in read_all(SOURCE, tmp_path) if isinstance(item, Row)]
    for seed in range(5):
        again = [*rows, *rows[: len(rows) // 2]]
        Random(seed).shuffle(again)
        assert map_rows(SOURCE, again).resources() == later.resources()
