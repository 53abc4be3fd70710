"""GP records and social care as users sent them: every case of the corpus, against the facts in ``gp_social.toml``."""

from pathlib import Path
from typing import Any

import pytest

from gateway.fhir import build
from gateway.intake import load
from gateway.nhs.codesets import CodeSets
from gateway.store.database import Store, open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.api.conftest import Api
from tests.cases.corpus import facts
from tests.schema import sqlite_url

pytestmark = pytest.mark.corpora

EXPECTED = facts("gp_social")
"""By the folder of a case: how its deliveries are loaded, and what must hold after the last."""

SUMMARY = "/fhir/Patient/$summary?identifier="


@pytest.fixture
def loaded(tmp_path, shared):
    """Load the deliveries of a case into a sandbox; return the store, each report, and the case's folder."""
    opened: list[Store] = []

    def load_case(case: str) -> tuple[Store, list[dict[str, Any]]]:
        folder, told = shared / "cases" / "gp-social" / case, EXPECTED[case]
        store = open_store(sqlite_url(tmp_path / "gateway.db"), create="sandbox")
        opened.append(store)
        source = sources()[told.get("source", "emis")]
        replacing = set(told.get("replace", ()))
        reports = []
        for path in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "sets"):
            more = {"replace": load.Replace(told.get("confirmed", 0))} if path.name in replacing else {}
            report = load.load(store, source, path, Feed(), code_sets(folder), workers=0, **more)
            reports.append(report.as_dict())
        return store, reports

    yield load_case
    for store in opened:
        store.close()


def code_sets(folder: Path) -> CodeSets:
    """The sandbox's code sets, or those that a case brings."""
    own = folder / "sets"
    return sets.load(sandbox=True, own=own) if own.is_dir() else sets.load(sandbox=True)


def test_every_case_has_its_expectation(shared):
    cases = {path.name for path in (shared / "cases" / "gp-social").iterdir() if path.is_dir()}
    assert cases == set(EXPECTED)


@pytest.mark.parametrize("case", EXPECTED)
def test_a_case_comes_to_what_is_right(loaded, case):
    store, reports = loaded(case)
    told = EXPECTED[case]
    held = current(store)
    for type_, count in told.get("counts", {}).items():
        assert len([each for each in held if each["resourceType"] == type_]) == count, type_
    for fact in told.get("facts", ()):
        type_, path, values = fact
        found = [value for each in held if each["resourceType"] == type_ for value in at(each, path.split("."))]
        assert sorted(map(str, found)) == sorted(map(str, values)), (type_, path)
    for path, value in told.get("report", ()):
        assert next(iter(at(reports[-1], path.split("/"))), None) == value, (path, reports[-1])
    for type_, path in told.get("linked", {}).items():
        found = [value for each in held if each["resourceType"] == type_ for value in at(each, path.split("."))]
        assert found and set(found) <= {f"{each['resourceType']}/{each['id']}" for each in held}
    if not told.get("rejects"):
        assert not reports[-1]["rejects"]
    for state in told.get("publishers", ()):
        assert state in publishers(store)
    for type_, most in told.get("versions", {}).items():
        assert versions(store, type_) <= most, type_


def current(store: Store) -> list[dict[str, Any]]:
    """Every resource that is not deleted."""
    with store.read() as session:
        return [
            build.decode(body)
            for (body,) in session.rows(
                "SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0"
            )
        ]


def publishers(store: Store) -> list[list[str]]:
    with store.read() as session:
        return [list(row) for row in session.rows("SELECT ods, state FROM publisher WHERE ods <> '' ORDER BY code")]


def versions(store: Store, type_: str) -> int:
    """The most versions that a resource of a type has."""
    with store.read() as session:
        held = session.rows("SELECT v.body, h.number FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0")
    return max(number for body, number in held if build.decode(body)["resourceType"] == type_)


def at(value: Any, path: list[str]) -> list[Any]:
    """The values at a path; lists are walked, an extension's name is the end of its url."""
    if isinstance(value, list):
        return [found for each in value for found in at(each, path)]
    if not path:
        return [value]
    if not isinstance(value, dict):
        return []
    if path[0].startswith("@"):
        held = [each for each in value.get("extension", ()) if each["url"].endswith(path[0][1:])]
        return at(held, path[1:])
    return at(value[path[0]], path[1:]) if path[0] in value else []


@pytest.mark.parametrize("case", [case for case, told in EXPECTED.items() if "summary" in told])
def test_a_summary_is_answered(loaded, tmp_path, case):
    store, _ = loaded(case)
    api = Api(store, tmp_path)
    for asked in EXPECTED[case]["summary"]:
        if asked.get("permit"):
            assert api.permit(asked["number"], asked["user"]).status_code < 300
        answer = api.get(SUMMARY + asked["number"], asked["user"])
        assert answer.status_code == asked["status"], answer.text
        for words in asked.get("says", ()):
            assert words in answer.text
        for words in asked.get("says_not", ()):
            assert words not in answer.text
