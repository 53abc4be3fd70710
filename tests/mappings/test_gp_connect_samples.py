"""The sample answers and what they become: read the difference before accepting a new golden file."""

import shutil
from random import Random

import pytest

from mappings.gp_connect import SOURCE
from tests.mappings.harness import Mapped, faults, map_all, map_rows, read_all, written
from tests.mappings.harness_gp_connect import SAMPLES, WHOLE


def after(folder, *names: str) -> Mapped:
    """What the store would hold after these answers."""
    for name in names:
        shutil.copy(SAMPLES / name, folder / name)
    return map_all(SOURCE, folder, WHOLE)


@pytest.mark.parametrize(
    ("golden_name", "names"),
    [("record", ("record.json",)), ("later", ("record.json", "later.json")), ("died", ("died_20240312.json",))],
)
def test_the_samples_become_their_golden_files(golden_name, names, golden, tmp_path):
    found = after(tmp_path, *names)
    assert not found.rejects and not found.faults
    assert faults(found.resources()) == []
    golden(SAMPLES / f"{golden_name}.fhir.json", written(found.resources()))


def test_a_later_answer_takes_away_what_it_tells_of_wholly_and_nothing_else(tmp_path):
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    before, later = (
        after(tmp_path / "one", "record.json"),
        after(tmp_path / "two", "record.json", "later.json"),
    )
    then, now = ({(each["resourceType"], each["id"]): each for each in found.resources()} for found in (before, later))
    # allergies: those that it lacks, and the ended one; medicines have a warning, problems were not asked for
    assert sorted(kind for kind, _ in then.keys() - now.keys()) == ["AllergyIntolerance"] * 5 + ["Flag"]
    assert sorted(kind for kind, _ in now.keys() - then.keys()) == ["Flag"]


def test_answers_shuffled_and_sent_twice_come_to_the_same(tmp_path):
    found = after(tmp_path, "record.json", "later.json")
    rows = read_all(SOURCE, tmp_path, WHOLE)
    for seed in range(5):
        again = [*rows, *rows[: len(rows) // 2]]
        Random(seed).shuffle(again)
        assert map_rows(SOURCE, again, WHOLE).resources() == found.resources()
