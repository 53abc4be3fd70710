"""HL7's reference validator and ours judge R4 resources the same way, but for what is listed here with reasons.

The cases and their recorded outcomes are those of https://github.com/FHIR/fhir-test-cases, folder ``validator``. They
are looked for in the folder that FHIR_TEST_CASES names, else among the corpora. Where they are not, no test is
collected here. ``python -m tests.fhir.test_reference_validator`` prints the table.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from gateway.fhir import model, scrutiny
from tests.conftest import SHARED

FOLDER = Path(os.environ.get("FHIR_TEST_CASES", SHARED / "data" / "fhir-test-cases")) / "validator"
LEAST = 0.95
DEFINED = ("supporting", "supporting5", "packages", "package-map", "profiles", "logical")
SWITCHES = {"examples": False, "allow-comments": True, "validateContains": "IGNORE"}
ELSEWHERE = {
    "tx": "asks a terminology server",
    "tx-advanced": "asks a terminology server",
    "matchetype": "is a pattern for a resource",
    "shc": "is a signed health card",
    "cdshooks": "is no FHIR resource",
    "dsig": "verifies a signature",
}
TERMINOLOGY = re.compile(
    r"Wrong Display Name|not found in the value set|System URI could not be determined|Unknown code|"
    r"None of the cod|CodeSystem is unknown|code system .* could not be found|is not in the value set|UCUM",
    re.DOTALL,
)
"""Faults that a terminology server found."""
FOREIGN = re.compile(r"The extension (?!http://hl7\.org/fhir/StructureDefinition/)\S+ could not be found")
"""An extension that R4 does not define. R4 forbids to refuse a resource for it; the validator asks for its package."""
DISAGREED = {
    "pat-security-good2": "HTML in a string is an error here always, there where security checks are switched on",
    "obs-temp-bad": "a vital sign in SNOMED CT alone, as English records have it, is no error here",
    "encounter-period": "a day and a time within it: which is first cannot be said, and is no error here",
    "bad-markdown-no-html": "HTML in Markdown is a warning here always, there an error by a switch",
    "obs-mz": "a profile is not worked out here",
}


@dataclass(frozen=True)
class Judged:
    name: str
    theirs: bool
    ours: bool


def excluded(case: dict) -> str:
    """By which rule a case says nothing of R4's own rules for JSON; "" for one that does."""
    if not str(case.get("version", "")).startswith("4.0"):
        return "another version of FHIR"
    if not case["file"].endswith(".json"):
        return "not JSON"
    if case.get("use-test") is False:
        return "switched off there"
    if any(name in case for name in DEFINED):
        return "needs definitions that are not R4's own"
    if case.get("module") in ELSEWHERE:
        return ELSEWHERE[case["module"]]
    if any(name in case and case[name] == value for name, value in SWITCHES.items()):
        return "run with a switch that changes what R4 says"
    if "fetcher" in case or "validateReference" in case:
        return "looks for what other servers hold"
    return ""


def recorded(case: dict) -> list[str] | None:
    """The words of the errors that the validator found; None where no outcome is recorded."""
    outcome = case.get("java")
    if isinstance(outcome, str):
        path = FOLDER / "outcomes" / outcome
        outcome = json.loads(path.read_bytes()) if path.is_file() else None
    if outcome is None:
        return None
    errors = [issue["details"]["text"] for issue in outcome.get("issue", ()) if issue["severity"] in ("error", "fatal")]
    return errors or ["counted"] * outcome.get("errorCount", 0)


def is_refused(body: bytes) -> bool:
    """What ``$validate`` says of a resource."""
    if model.check(body, duplicates=True):
        return True
    return any(issue.severity == "error" for issue in scrutiny.scrutinise(json.loads(body)))


@lru_cache(maxsize=1)
def judged() -> tuple[list[Judged], Counter[str]]:
    """Every case judged by both, and how many each rule excludes."""
    cases, rules = [], Counter()
    for case in json.loads((FOLDER / "manifest.json").read_bytes())["test-cases"]:
        rule, errors = excluded(case), recorded(case)
        ours = [words for words in errors or () if not TERMINOLOGY.search(words) and not FOREIGN.search(words)]
        if not rule and errors is None:
            rule = "no recorded outcome"
        if not rule and errors and not ours:
            rule = "found wrong by a terminology server or for a foreign extension alone"
        if rule:
            rules[rule] += 1
        else:
            cases.append(Judged(case["name"], bool(ours), is_refused((FOLDER / case["file"]).read_bytes())))
    return cases, rules


if (FOLDER / "manifest.json").is_file():

    @pytest.mark.corpora
    def test_the_reference_validator_agrees():
        cases, _ = judged()
        agreed = sum(case.theirs == case.ours for case in cases)
        assert len(cases) > 120 and agreed / len(cases) >= LEAST

    @pytest.mark.corpora
    def test_each_disagreement_has_its_reason():
        cases, _ = judged()
        assert {case.name for case in cases if case.theirs != case.ours} == DISAGREED.keys()


if __name__ == "__main__":
    listed, counts = judged()
    same = sum(case.theirs == case.ours for case in listed)
    sys.stdout.write(f"{same} of {len(listed)} judged the same ({same / len(listed):.1%})\n")
    for case in listed:
        if case.theirs != case.ours:
            sys.stdout.write(f"  {case.name}: theirs {case.theirs}, ours {case.ours}: {DISAGREED.get(case.name)}\n")
    sys.stdout.writelines(f"excluded {number}: {rule}\n" for rule, number in counts.most_common())
