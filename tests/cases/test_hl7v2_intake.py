"""The cases of an integration engineer that are about taking messages in: each is loaded into a store, delivery by
delivery, and becomes what ``hl7v2_intake.toml`` says."""

from collections import Counter
from typing import Any

import pytest

from gateway.fhir import build
from gateway.intake import load
from gateway.store import quarantine
from gateway.store.database import Store, open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.cases.corpus import facts
from tests.schema import sqlite_url

pytestmark = pytest.mark.corpora

EXPECTED = facts("hl7v2_intake")
CODE_SETS = sets.load(sandbox=True)


def resources(store: Store) -> list[dict[str, Any]]:
    with store.read() as session:
        sql = "SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0"
        return [build.decode(bytes(body)) for (body,) in session.rows(sql)]


def at(node: Any, path: str) -> str:
    """What stands at a dotted path, as text; "absent" for nothing."""
    for part in path.split("."):
        if isinstance(node, list):
            node = node[int(part)] if int(part) < len(node) else None
        else:
            node = node.get(part) if isinstance(node, dict) else None
    return "absent" if node is None else str(node)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_case_is_taken_in_as_it_should_be(tmp_path, shared, name):
    expected, folder = EXPECTED[name], shared / "cases" / "hl7v2" / name
    store = open_store(sqlite_url(tmp_path / "gateway.db"), create="sandbox")
    try:
        sent = sorted(path for path in folder.iterdir() if path.is_dir())
        reports = [load.load(store, sources()["hl7v2"], path, Feed(), CODE_SETS, workers=0) for path in sent]
        held = resources(store)
        with store.read() as session:
            quarantined = quarantine.waiting(session)
    finally:
        store.close()
    assert [report.exit_code for report in reports] == expected["exits"], [report.places for report in reports]
    assert [dict(report.rejects) for report in reports] == expected.get("rejects", [{}] * len(reports))
    warnings = sum((report.warnings for report in reports), Counter())
    assert {**warnings, **expected.get("warnings", {})} == dict(warnings)
    assert len(quarantined) == expected.get("quarantined", 0)
    counts = Counter(resource["resourceType"] for resource in held)
    assert {**counts, **expected.get("counts", {})} == dict(counts)
    for fact in expected.get("has", ()):
        of_type = [resource for resource in held if resource["resourceType"] == fact["type"]]
        assert any(all(at(resource, path) == value for path, value in fact["is"].items()) for resource in of_type), fact
    patients = [resource for resource in held if resource["resourceType"] == "Patient"]
    if "active" in expected:
        assert sum(patient["active"] for patient in patients) == expected["active"]
    if "dead" in expected:
        dead = [patient for patient in patients if "deceasedDateTime" in patient or patient.get("deceasedBoolean")]
        assert len(dead) == expected["dead"]
