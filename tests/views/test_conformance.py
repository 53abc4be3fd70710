"""The conformance cases of SQL on FHIR, each file with how many of its cases pass: all that there are."""

import json
from collections import Counter
from decimal import Decimal

import pytest

from gateway.errors import Invalid
from gateway.views import view

FOLDER = "data/deid/sql-on-fhir"
PASSED = {
    "basic": 11, "collection": 4, "combinations": 6, "constant": 8, "constant_types": 14, "fhirpath": 11, "fhirpath_numbers": 1,
    "fn_boundary": 8, "fn_empty": 1, "fn_extension": 2, "fn_first": 2, "fn_join": 3, "fn_oftype": 2, "fn_reference_keys": 3,
    "foreach": 13, "logic": 3, "repeat": 7, "row_index": 9, "union": 10, "validate": 5, "view_resource": 3, "where": 8,
}  # fmt: skip
"""File → its cases that pass. Files and cases of commit 49fc1ad of FHIR/sql-on-fhir-v2."""
NOT_PASSED: dict[tuple[str, str], str] = {}
"""(file, title) of a case that does not pass → the reason. There is none."""


def outcome(case: dict, resources: list[dict]) -> object:
    """The rows of a case, whatever their order, with the names of the columns; "error" for a view that is refused."""
    try:
        compiled = view.compiled(case["view"])
        names = [column.name for column in compiled.columns]
        rows = [dict(zip(names, row, strict=True)) for resource in resources for row in compiled.rows(resource)]
    except Invalid:
        return "error"
    return counted(rows), case.get("expectColumns") and names


def counted(rows: list[dict]) -> Counter:
    return Counter(json.dumps(row, sort_keys=True, default=float) for row in rows)


@pytest.mark.corpora
def test_every_case_passes_but_those_with_a_reason(shared):
    files = {path.stem: json.loads(path.read_bytes(), parse_float=Decimal) for path in (shared / FOLDER).glob("*.json")}
    passed, not_passed = Counter(), set()
    for name, file in files.items():
        for case in file["tests"]:
            wanted = "error" if case.get("expectError") else (counted(case["expect"]), case.get("expectColumns"))
            if outcome(case, file["resources"]) == wanted:
                passed[name] += 1
            else:
                not_passed.add((name, case["title"]))
    assert not_passed == NOT_PASSED.keys()
    assert passed == PASSED and sum(PASSED.values()) == 134
