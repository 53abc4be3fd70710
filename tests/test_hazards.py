"""``hazards.csv`` and the tests that guard it are one: every hazard has its test, every guarding test its row."""

import ast
import csv
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
COLUMNS = ("id", "hazard", "cause", "control", "test", "residual risk")


def rows() -> list[dict[str, str]]:
    with (TESTS / "hazards.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def guards() -> dict[str, set[str]]:
    """The tests that carry each hazard's id, as ``path::name``."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hazard":
                    for id_ in mark.args:
                        found[id_.value].add(f"{path.relative_to(TESTS.parent).as_posix()}::{node.name}")
    return dict(found)


def test_every_row_is_whole():
    assert tuple(rows()[0]) == COLUMNS
    for row in rows():
        assert None not in row and all(row.values()), f"{row['id']} leaves a column empty"
        assert re.fullmatch(r"HZ-[A-Z0-9]+-\d\d", row["id"])
    ids = [row["id"] for row in rows()]
    assert len(ids) == len(set(ids)), "an id stands twice"


def test_every_guarding_test_has_a_row():
    assert not guards().keys() - {row["id"] for row in rows()}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_every_row_names_a_test_that_carries_its_id(row):
    assert row["test"] in guards().get(row["id"], ()), f"{row['test']} does not exist or does not carry {row['id']}"


def test_there_is_one_list():
    assert not (TESTS / "hazards.d").exists(), "hazards are rows of hazards.csv"
