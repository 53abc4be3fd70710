"""What the writers write, the sources read: every file is theirs, and no row is rejected."""

import csv
from datetime import date, datetime
from pathlib import Path

import pytest

from gateway.synth import emis, world
from gateway.synth.people import people
from mappings import Reject, sources
from tests.bench.volume import write_volume
from tests.mappings.harness import read_all

TODAY = date(2026, 11, 24)
MAPPINGS = Path(__file__).parents[2] / "mappings"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return world.write(tmp_path_factory.mktemp("world"), 120, 1, TODAY)


def read(name: str, path: Path):
    """Return (rows, rejects) of everything that the source finds at ``path``."""
    found = read_all(sources()[name], path)
    return [row for row in found if not isinstance(row, Reject)], [row for row in found if isinstance(row, Reject)]


@pytest.mark.parametrize("name", ["emis", "hl7v2", "cld"])
def test_a_source_reads_all_that_was_written_for_it(made, name):
    rows, rejects = read(name, made.path(name))
    assert rejects == []
    assert len(rows) >= made.written[name]


@pytest.mark.parametrize("kind", ["delta", "volume"])
def test_the_practice_source_reads_a_delta_and_a_volume(tmp_path, kind):
    if kind == "delta":
        emis.write_delta(people(20, 1, TODAY), tmp_path, datetime(2026, 11, 25, 1))
    else:
        write_volume(tmp_path, 500, TODAY)
    rows, rejects = read("emis", tmp_path)
    assert rows and rejects == []


def test_the_councils_words_are_those_of_the_specification(made):
    with (MAPPINGS / "cld" / "codes_values.csv").open(encoding="utf-8", newline="") as file:
        lists = csv.DictReader(line for line in file if not line.startswith("#"))
        known = {(row["list"], row["value"].casefold()) for row in lists}
    for path in made.path("cld").iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for column in {name for name, _ in known} & row.keys():
                    assert not row[column] or (column, row[column].casefold()) in known, column
