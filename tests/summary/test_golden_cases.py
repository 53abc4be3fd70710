"""The golden cases: what a clinician signs, run as it stands (``tests/summary/golden_cases``)."""

import csv
import tomllib
from pathlib import Path

import pytest

from tests.summary.golden_cases import steps

FOLDER = Path(__file__).parent / "golden_cases"
CASES = tomllib.loads((FOLDER / "cases.toml").read_text(encoding="utf-8"))
HAZARDS = {
    row["id"]
    for row in csv.DictReader((Path(__file__).parents[1] / "hazards.csv").read_text(encoding="utf-8").splitlines())
}


@pytest.mark.parametrize("case", CASES.values(), ids=[f"{name} {case['title']}" for name, case in CASES.items()])
@pytest.mark.hazard("HZ-SUMMARY-05")
@pytest.mark.hazard("HZ-SUMMARY-06")
@pytest.mark.hazard("HZ-SUMMARY-10")
@pytest.mark.hazard("HZ-SUMMARY-11")
@pytest.mark.hazard("HZ-SUMMARY-12")
@pytest.mark.hazard("HZ-SUMMARY-13")
@pytest.mark.hazard("HZ-SUMMARY-15")
@pytest.mark.hazard("HZ-SUMMARY-16")
@pytest.mark.hazard("HZ-SUMMARY-17")
@pytest.mark.hazard("HZ-SUMMARY-19")
@pytest.mark.hazard("HZ-SUMMARY-21")
@pytest.mark.hazard("HZ-SUMMARY-22")
@pytest.mark.hazard("HZ-SUMMARY-28")
@pytest.mark.hazard("HZ-SUMMARY-29")
@pytest.mark.hazard("HZ-SUMMARY-30")
@pytest.mark.hazard("HZ-SUMMARY-33")
@pytest.mark.hazard("HZ-SUMMARY-35")
@pytest.mark.hazard("HZ-SUMMARY-36")
@pytest.mark.hazard("HZ-SUMMARY-45")
@pytest.mark.hazard("HZ-SUMMARY-46")
@pytest.mark.hazard("HZ-SUMMARY-47")
@pytest.mark.hazard("HZ-SUMMARY-48")
@pytest.mark.hazard("HZ-SUMMARY-49")
@pytest.mark.hazard("HZ-SUMMARY-50")
@pytest.mark.hazard("HZ-SUMMARY-51")
def test_a_golden_case_is_so(case):
    shown = steps.told(case["given"], case["when"])
    wrong = [sentence for sentence in case["then"] if not steps.is_so(shown, sentence)]
    assert wrong == []


def test_every_case_names_a_hazard_and_has_a_place_for_a_signature():
    guarded = {mark.args[0] for mark in test_a_golden_case_is_so.pytestmark if mark.name == "hazard"}
    assert {case["hazard"] for case in CASES.values()} == guarded and guarded <= HAZARDS
    assert all(set(case) == {"title", "hazard", "given", "when", "then", "signed"} for case in CASES.values())
    assert len(CASES) >= 40
