"""Measures what the EMIS mapping makes of lists of terms: which share of each kind lands in the right FHIR type.

    python -m tests.mappings.measure_terms FOLDER [PATTERN] [--show KIND[:CATEGORY]]

``FOLDER`` holds CSV files with the columns ``kind, read, snomed, term, category``. The lists are public and are not
part of this repository; the README of the source names those that were used. ``kind`` says what a term is (``allergy``,
``diagnosis``, ``procedure``; other kinds are only counted). A term is mapped under its own category, or where the list
has none under each category that such terms are met in. ``--show`` prints the terms of a kind that went wrong.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from csv import DictReader
from pathlib import Path
from typing import NamedTuple

from mappings import Feed, Group, Row, Values
from mappings.emis import SOURCE
from mappings.emis.entry import NEGATIVE, entry
from tests.mappings.harness import DictLook

CONDITIONS, ALLERGIES = "Conditions, operations and procedures", "Allergy and adverse drug reactions"
RIGHT = {"allergy": "AllergyIntolerance", "diagnosis": "Condition", "procedure": "Procedure"}
CATEGORIES = {"allergy": (ALLERGIES, CONDITIONS, "Unset", ""), "": (CONDITIONS, "Unset", "")}
AGREEMENT = "a"


class Term(NamedTuple):
    """A line of a list."""

    kind: str
    read: str
    snomed: str
    term: str
    category: str


class Outcome(NamedTuple):
    """What a term became: the FHIR types, and whether its words deny it or put it off."""

    types: tuple[str, ...]
    sense: str


def terms(folder: Path, pattern: str) -> Iterator[Term]:
    for path in sorted(folder.glob(pattern)):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (Term(**row) for row in DictReader(file))


def outcome(term: Term, category: str) -> Outcome:
    """Map an observation of the term as the engine does."""
    code = Values(
        CodeId="1",
        Term=term.term,
        ReadTermId=term.read,
        SnomedCTConceptId=term.snomed,
        EmisCodeCategoryDescription=category,
    )
    said = Values(ObservationGuid="o", PatientGuid="p", OrganisationGuid="g", CodeId="1", EffectiveDate="2024-03-11",
                  EffectiveDatePrecision="YMD", EnteredDate="2024-03-11", EnteredTime="09:30:00")  # fmt: skip
    rows = (
        Row("Coding_ClinicalCode", "1", AGREEMENT, 1, code),
        Row("CareRecord_Observation", "o", "g", 1, said, "p", ("obs:o",), directory=AGREEMENT),
    )
    kept = {(row.publisher, row.table, row.key): row for row in rows}
    look = DictLook(SOURCE, kept, "g", Feed())
    resources = SOURCE.to_fhir(Group("obs:o", "g", rows[1:]), look)
    return Outcome(tuple(sorted({resource["resourceType"] for resource in resources})), entry(rows[1], look).sense)


def categories(term: Term) -> tuple[str, ...]:
    """The categories to map a term under."""
    return (term.category,) if term.category else CATEGORIES.get(term.kind, CATEGORIES[""])


def main(arguments: list[str]) -> None:
    show = arguments.pop(arguments.index("--show") + 1) if "--show" in arguments else ""
    arguments = [argument for argument in arguments if argument != "--show"]
    folder, pattern = Path(arguments[0]), arguments[1] if len(arguments) > 1 else "*.csv"
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for term in terms(folder, pattern):
        for category in categories(term):
            result = outcome(term, category)
            place = (term.kind, f"own: {term.category}" if term.category else category or "no category")
            is_right = RIGHT.get(term.kind, "") in result.types
            is_denied = result.sense in NEGATIVE or result.sense == "nil"
            counts[place]["all"] += 1
            counts[place]["right"] += is_right
            counts[place]["denied or planned"] += is_denied
            counts[place]["+".join(result.types)] += 1
            if show and f"{place[0]}:{place[1]}".startswith(show) and (not is_right or is_denied):
                print(f"{'+'.join(result.types)} {result.sense or '-'} | {term.read} | {term.snomed} | {term.term}")
    for (kind, category), count in sorted(counts.items()):
        print(report(kind, category, count))


def report(kind: str, category: str, count: Counter[str]) -> str:
    """One line: how many, which share is right, how many are denied or planned, and the types."""
    types = ", ".join(
        f"{name} {n}" for name, n in count.most_common() if name not in ("all", "right", "denied or planned")
    )
    share = f"{100 * count['right'] / count['all']:6.2f} %" if kind in RIGHT else "       -"
    place, denied = f"{kind:12.12} {category:44.44}", count["denied or planned"]
    return f"{place} {count['all']:6} {share} denied or planned {denied:4}  {types}"


if __name__ == "__main__":
    main(sys.argv[1:])
