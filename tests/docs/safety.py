"""The tables of the clinical safety pages, made from hazards, golden cases, attacks and the lists of evidence.

What a table proposes nobody has signed: it leaves every judgement of risk to a clinical safety officer.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import cache, partial

from tests.docs.tables import MARK, table
from tests.evidence import ROOT, is_test
from tests.test_hazards import guards

AREAS = {
    "ACCESS": "Who sees which record", "API": "The FHIR API", "CARE": "Care Act assessments", "CDS": "Commissioning Data Sets", "CLD": "Councils' client level data",
    "COMM": "Community services", "DATE": "Dates", "EMIS": "EMIS extracts", "EXPORT": "Secondary use", "FEED": "Feeds and deliveries", "FHIR": "FHIR from contributors",
    "GPC": "GP Connect", "HL7V2": "HL7 v2 messages", "ID": "Identity", "LIST": "Caseloads", "LOAD": "Loading", "SIGNIN": "Sign-in", "SUMMARY": "The record page and document",
    "SYNTH": "Synthetic people", "SYSTEM": "Running the system", "TPP": "TPP extracts", "WRITE": "Writes over the API",
}  # fmt: skip
"""Series of hazards, and what each is about."""
OPEN, UNSIGNED = "for the CSO", "unsigned"
NO_TEST = "no test: for the organisation that deploys it, or not in this version"


def _rows(name: str) -> list[dict[str, str]]:
    with (ROOT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def hazards() -> dict[str, list[dict[str, str]]]:
    """Series → its hazards, in the order of their numbers."""
    series: dict[str, list[dict[str, str]]] = {name: [] for name in AREAS}
    for row in _rows("tests/hazards.csv"):
        series[row["id"].split("-")[1]].append(row)
    return {name: sorted(rows, key=lambda row: row["id"]) for name, rows in series.items()}


def effect(hazard: str) -> str:
    """The effect on a person that is proposed for a hazard: of the first row of ``effects.csv`` whose words it has."""
    return next(row["effect"] for row in _effects() if re.search(row["words"], hazard, re.IGNORECASE))


@cache
def _effects() -> list[dict[str, str]]:
    return _rows("tests/docs/effects.csv")


def linked(test: str) -> str:
    """A test as a link to its file, from a page of docs/clinical-safety. Raises ``LookupError`` where there is none."""
    if not is_test(test):
        raise LookupError(test)
    path, _, name = test.partition("::")
    return f"[{name}](../../{path})"


def hazard_log(series: str) -> str:
    def cells(row: dict[str, str]) -> tuple[str, ...]:
        tests = sorted(guards()[row["id"]], key=lambda test: (test != row["test"], test))
        evidence = ", ".join(linked(test) for test in tests)
        return (row["id"], row["hazard"], row["cause"], effect(row["hazard"]), row["control"], evidence, OPEN, row["residual risk"], OPEN, UNSIGNED)  # fmt: skip

    head = ("Id", "Hazard", "Cause", "Effect (proposed)", "Control", "Evidence", "Initial risk", "What remains, as the developers see it", "Residual risk", "Sign-off")  # fmt: skip
    return table(head, map(cells, hazards()[series]))


def safety_summary() -> str:
    def cells(series: str) -> tuple[object, ...]:
        rows = hazards()[series]
        tests = {test for row in rows for test in guards()[row["id"]]}
        stated = sum(row["residual risk"] != "None known" for row in rows)
        return (f"[{AREAS[series]}](hazard-log.md#{_anchor(AREAS[series])})", len(rows), len(tests), stated)

    lines = [cells(series) for series in sorted(AREAS)]
    total = ("All", *(sum(int(line[place]) for line in lines) for place in (1, 2, 3)))
    head = ("Area", "Hazards", "Tests that guard them", "With a residual risk that is stated")
    return table(head, [*lines, total])


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def effects() -> str:
    counts = Counter(effect(row["hazard"]) for rows in hazards().values() for row in rows)
    return table(("Effect (proposed)", "Hazards"), counts.most_common())


def golden_cases() -> str:
    cases = tomllib.loads((ROOT / "tests/summary/golden_cases/cases.toml").read_text(encoding="utf-8"))
    rows = ((name, case["title"], case["hazard"], case["signed"] or UNSIGNED) for name, case in cases.items())
    return table(("Case", "What is so", "Hazard", "Signed by"), rows)


def acceptance() -> str:
    rows = _rows("tests/acceptance.csv")
    cells = ((row["line"], row["requirement"], row["state"], linked(row["test"]) if row["test"] else row["remark"]) for row in rows)  # fmt: skip
    return table(("Line", "Requirement", "State", "Test, or why it waits"), cells)


def attacks() -> str:
    rows = ((row["id"], row["attack"], row["part"], linked(row["test"])) for row in _rows("tests/attacks.csv"))
    return table(("Id", "Attack", "Part", "Test"), rows)


def evidence(page: str) -> str:
    rows = [row for row in _rows("tests/evidence.csv") if row["page"] == page]
    cells = ((row["area"], row["statement"], linked(row["test"]) if row["test"] else NO_TEST) for row in rows)
    return table(("Area", "Statement", "Evidence"), cells)


TABLES: dict[str, Callable[[], str]] = {
    **{f"hazards-{series.lower()}": partial(hazard_log, series) for series in AREAS},
    "safety-summary": safety_summary,
    "effects": effects,
    "golden-cases": golden_cases,
    "acceptance": acceptance,
    "attacks": attacks,
    "evidence-dtac": partial(evidence, "dtac"),
    "evidence-dpia": partial(evidence, "dpia"),
}
PAGES = sorted((ROOT / "docs/clinical-safety").glob("*.md"))


def written(text: str) -> str:
    """A page with each of its generated tables. Raises ``KeyError`` for a name without a table."""
    return MARK.sub(lambda mark: f"<!-- generated: {mark[1]} -->\n\n{TABLES[mark[1]]()}", text)
