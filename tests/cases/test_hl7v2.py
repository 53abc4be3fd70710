"""The cases of an integration engineer (``../shared/cases/hl7v2``): each becomes what ``hl7v2.toml`` says, in any
order of its messages."""

import base64
import itertools
from collections import Counter
from pathlib import Path

import pytest

from mappings import Feed, Row
from mappings.hl7v2 import SOURCE
from tests.cases.corpus import facts
from tests.mappings.harness_hl7v2 import map_rows

pytestmark = pytest.mark.corpora

EXPECTED = facts("hl7v2")
FEED = Feed()


def rows_of(folder: Path) -> list[Row]:
    deliveries = [folder / name for name in ("input", "load1", "load2") if (folder / name).exists()]
    return [row for delivery in deliveries for file in SOURCE.check(delivery, FEED) for row in SOURCE.read(file, FEED)]


def at(node, path: str):
    """Return what stands at a dotted path, as text; "absent" for nothing."""
    for part in path.split("."):
        node = (
            node[int(part)]
            if part.isdigit() and int(part) < len(node)
            else node.get(part)
            if isinstance(node, dict)
            else None
        )
        if node is None:
            return "absent"
    return str(node)


def holds(resource: dict, fact: dict) -> bool:
    return (
        resource["resourceType"] == fact["type"]
        and all(at(resource, path) == value for path, value in fact.get("is", {}).items())
        and fact.get("words", "") in str(resource)
    )


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_case_becomes_what_is_right_in_any_order_of_its_messages(shared, name):
    rows, expected = rows_of(shared / "cases" / "hl7v2" / name), EXPECTED[name]
    assert all(isinstance(row, Row) for row in rows), "none is turned away"
    for order in itertools.permutations(rows):
        resources = map_rows(order, FEED)
        counts = Counter(each["resourceType"] for each in resources)
        assert {kind: counts[kind] for kind in expected.get("counts", {})} == expected.get("counts", {})
        for fact in expected.get("has", []):
            assert any(holds(each, fact) for each in resources), fact
        forms = [form for each in resources for form in each.get("presentedForm", ())]
        assert len(forms) == expected.get("documents", 0)
        assert all(base64.b64decode(form["data"]).rstrip().endswith(b"%%EOF") for form in forms)
