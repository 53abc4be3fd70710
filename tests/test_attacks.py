"""``attacks.csv`` names each known attack on systems like this one and the tests that make it."""

import ast
import csv
from pathlib import Path

import pytest

from tests.evidence import ROOT, is_test

ATTACKS = tuple(f"A{number}" for number in range(1, 29))
WRITES_CSV = ("gateway/synth", "mappings/readers/cells.py", "gateway/views/dictionary.py")
"""Who writes CSV: synthetic suppliers, the dictionary of tables, which escapes what would be a formula, and what
changes a cell of a sample at a time to see what it becomes."""
RUNS_DATA = {"pickle", "marshal", "shelve", "dill", "yaml", "code"}
COMPILES = {"gateway/fhir/quick.py"}
"""Who compiles Python: the quick checks, of a table in the package."""


def rows() -> list[dict[str, str]]:
    with (ROOT / "tests/attacks.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def modules() -> list[Path]:
    return sorted(path for folder in ("gateway", "mappings", "terminology") for path in (ROOT / folder).rglob("*.py"))


def test_every_attack_has_its_rows_and_every_row_is_whole():
    assert list(dict.fromkeys(row["id"] for row in rows())) == list(ATTACKS)
    assert all(None not in row and all(row.values()) for row in rows())
    assert len({(row["id"], row["part"]) for row in rows()}) == len(rows())
    assert len({(row["id"], row["attack"]) for row in rows()}) == len(ATTACKS), "an attack has one name"


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['id']} {row['part']}")
def test_every_attack_is_made_by_a_test_that_there_is(row):
    assert is_test(row["test"]), row["test"]


def test_nothing_that_leaves_is_written_as_csv():
    """A spreadsheet runs what a cell begins with: =, +, -, @. What leaves is JSON, NDJSON, XML or a page."""
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        written = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"writer", "DictWriter", "to_csv", "writerow"}  # fmt: skip
        assert not written or any(path.is_relative_to(ROOT / room) for room in WRITES_CSV), path


def test_nothing_reads_data_as_code():
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        here = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    assert not {alias.name.partition(".")[0] for alias in names} & RUNS_DATA, here
                case ast.ImportFrom(module=str(module)):
                    assert module.partition(".")[0] not in RUNS_DATA, here
                case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" | "__import__")):
                    assert here in COMPILES, f"{here} line {node.lineno}"
