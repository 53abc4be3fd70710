"""``acceptance.csv``: each line of the acceptance list for direct care has its test, or says what waits."""

import csv

import pytest

from tests.evidence import ROOT, is_test

LINES = tuple(str(number) for number in range(1, 13))


def rows() -> list[dict[str, str]]:
    with (ROOT / "tests/acceptance.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_line_has_its_rows():
    assert list(dict.fromkeys(row["line"] for row in rows())) == list(LINES)
    assert len({row["requirement"] for row in rows()}) == len(rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['line']} {row['requirement']}")
def test_a_line_is_met_by_a_test_or_says_why_it_waits(row):
    assert row["state"] in ("met", "waits")
    assert is_test(row["test"]) if row["state"] == "met" else row["remark"] and not row["test"]
