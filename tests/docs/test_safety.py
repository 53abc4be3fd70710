"""The clinical safety pages are what hazards, cases and lists say. ``--update-golden`` writes them anew."""

import csv
import re

import pytest

from tests.docs import safety, tables
from tests.evidence import ROOT, is_test


@pytest.mark.parametrize("path", safety.PAGES, ids=lambda path: path.stem)
def test_the_tables_of_a_page_are_what_the_tests_say(path, golden):
    golden(path, safety.written(path.read_text(encoding="utf-8")))


def test_every_table_is_on_one_page_and_every_hazard_in_one():
    shown = [mark[1] for path in safety.PAGES for mark in tables.MARK.finditer(path.read_text(encoding="utf-8"))]
    assert sorted(shown) == sorted(safety.TABLES)
    log = (ROOT / "docs/clinical-safety/hazard-log.md").read_text(encoding="utf-8")
    logged = re.findall(r"^\| (HZ-[A-Z0-9]+-\d\d) \|", log, re.M)
    assert sorted(logged) == sorted(row["id"] for rows in safety.hazards().values() for row in rows)


def test_every_statement_has_a_test_that_there_is_or_is_left_to_the_organisation():
    with (ROOT / "tests/evidence.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(None not in row and row["page"] in ("dtac", "dpia") and row["area"] and row["statement"] for row in rows)
    assert [row["test"] for row in rows if row["test"] and not is_test(row["test"])] == []
    assert len({(row["page"], row["statement"]) for row in rows}) == len(rows)


def test_no_page_says_that_a_risk_was_judged_or_signed():
    """Until a person does: then this test and the pages change together."""
    for path in safety.PAGES:
        text = path.read_text(encoding="utf-8")
        assert "unsigned" in text.lower() or path.stem == "README" and "nothing here is signed" in text, path.stem
        assert not re.search(r"\b(acceptably safe|as low as reasonably practicable|approved by|signed by [A-Z])", text)


def test_an_effect_is_proposed_by_the_first_words_that_a_hazard_has():
    assert safety.effect("A prescriber is not told of an allergy").startswith("A medicine or material is given")
    assert safety.effect("A thing of no known words") == "A decision rests on a record that is wrong or incomplete"
    assert safety.effect("Two rows merge").startswith("One person is treated on the record of another")


@pytest.mark.parametrize(
    "hazard",
    ["Access in an emergency or by a claim goes unseen", "A record is opened without permission or against a refusal",
     "Somebody looks out of curiosity and nobody notices", "Somebody is found by where they were treated",
     "A hidden count is had from the total", "A profile lets a name leave"],
)  # fmt: skip
def test_who_sees_what_they_should_not_does_harm_by_a_disclosure(hazard):
    assert safety.effect(hazard) == "Harm, distress or loss of trust by a disclosure"


def test_evidence_that_there_is_not_is_refused():
    with pytest.raises(LookupError):
        safety.linked("tests/docs/test_safety.py::test_nothing")
