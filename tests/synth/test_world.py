"""A world on disk: the same bytes for the same arguments, everyone in each source, and who is who."""

import csv
import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from datetime import date
from pathlib import Path

import pytest

from gateway.synth import cld, emis, hl7v2, optout, world
from gateway.synth.people import canaries, people

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return world.write(tmp_path_factory.mktemp("world"), 60, 1, TODAY)


def tree(folder: Path) -> str:
    """Return one hash over the names and bytes of everything below ``folder``."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def test_the_same_arguments_write_the_same_bytes_in_another_process(made, tmp_path):
    code = (
        "import sys; from datetime import date; from pathlib import Path; from gateway.synth import world;"
        "world.write(Path(sys.argv[1]), 60, 1, date(2026, 11, 24))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=env, cwd=Path(__file__).parents[2])
    assert tree(tmp_path) == tree(made.folder)


def test_another_seed_writes_other_bytes(made, tmp_path):
    assert tree(world.write(tmp_path, 60, 2, TODAY).folder) != tree(made.folder)


def test_the_manifest_says_where_things_are_and_who_is_who(made):
    assert made.path("emis").is_dir() and made.path("optout").is_file()
    assert len(list(made.path("emis").iterdir())) == 21
    assert made.path("hl7v2").is_dir() and len(list(made.path("cld").iterdir())) == 2
    assert set(made.people) == {
        "demo",
        "opted-out",
        "restricted",
        "sensitive",
        "merged",
        "type-1",
        "dissent",
        "twin",
        "twin-sibling",
        "mismatch",
    }
    told = json.loads((made.folder / "manifest.json").read_text(encoding="utf-8"))
    assert told["people"]["demo"]["nhs_number"] == made.people["demo"].nhs_number == "9990000018"
    assert list(told["practices"]) == ["A99001", "A99002"] and told["trust"] == "RZZ" and told["councils"] == ["990"]
    assert str(made.folder) not in json.dumps(told)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_small_world_is_whole_too(tmp_path, count):
    manifest = world.write(tmp_path, count, 1, TODAY)
    assert len(manifest.people) == count
    assert len(list(manifest.path("emis").iterdir())) == 21


def test_the_writers_alone_write_what_the_world_writes(made, tmp_path):
    emis.write(people(60, 1, TODAY), tmp_path / "emis" / made.emis.name, made_at(made))
    hl7v2.write(people(60, 1, TODAY), tmp_path / "hl7v2")
    cld.write(people(60, 1, TODAY), tmp_path / "cld", TODAY)
    optout.write(people(60, 1, TODAY), tmp_path / "optout.csv")
    for path in [made.folder / "manifest.json", *(made.folder / "truth").iterdir()]:
        copy = tmp_path / path.relative_to(made.folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert tree(tmp_path) == tree(made.folder)


def made_at(made):
    from datetime import datetime

    return datetime.strptime(made.emis.name, "%Y%m%d%H%M%S")


def test_the_opt_out_list_is_a_number_and_a_comma_a_line(made):
    lines = made.path("optout").read_bytes().decode("ascii").split("\n")
    assert lines[-1] == "" and all(len(line) == 11 and line.endswith(",") for line in lines[:-1])
    assert lines[0] == f"{made.people['opted-out'].nhs_number},"


@pytest.mark.slow
def test_people_pass_through_without_being_kept(tmp_path):
    def peak(count: int, folder: Path) -> int:
        tracemalloc.start()
        world.write(folder, count, 1, TODAY)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    peak(5, tmp_path / "warm")
    assert peak(400, tmp_path / "more") < 1.6 * peak(150, tmp_path / "some")


def test_a_persons_canaries_are_in_the_files_and_in_nobody_elses(tmp_path):
    world.write(tmp_path, 25, 1, TODAY, canary=True)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode("utf-8")
    for person in people(25, 1, TODAY, canary=True):
        for text in (person.given, person.family, person.word, person.address.street, person.mobile, person.email):
            assert text and text in everything
        assert sum(text in everything for text in canaries(person)) > 12
    for plain in people(25, 1, TODAY):
        if plain.carer:
            assert plain.carer not in everything
        assert f'"{plain.address.street}"' not in everything


FREE = {
    "Admin_Patient": ("ContactComments", "CarerName"),
    "CareRecord_Diary": ("OriginalTerm",),
    "Prescribing_DrugRecord": ("Dosage",),
    "Prescribing_IssueRecord": ("Dosage", "PatientMessage", "PharmacyText"),
}


def test_all_free_text_carries_a_canary(tmp_path):
    manifest = world.write(tmp_path, 40, 1, TODAY, canary=True)
    texts = []
    for table, columns in FREE.items():
        (path,) = manifest.path("emis").glob(f"*_{table}_2*.csv")
        with path.open(encoding="utf-8", newline="") as file:
            texts += [row[column] for row in csv.DictReader(file) for column in columns]
    for path in manifest.path("cld").iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            texts += [row["Event Description"] for row in csv.DictReader(file)]
    for path in manifest.path("hl7v2").iterdir():
        for line in path.read_text(encoding="utf-8").split("\n"):
            fields = line.split("|")
            if fields[0] in ("PV2", "NTE") or (fields[0] == "OBX" and fields[2] == "TX"):
                texts.append(fields[{"OBX": 5, "PV2": 3, "NTE": 3}[fields[0]]])
    written = [text for text in texts if text]
    assert len(written) > 500 and all(text.endswith(("text", "carer")) and "Zq" in text for text in written)
