"""Another plan of the index: what it would miss is not served until the index is written again, and nothing else is."""

import itertools
from collections.abc import Sequence

import pytest

from gateway.errors import Refused
from gateway.fhir.parse import parse
from gateway.intake import load
from gateway.intake import take as taking
from gateway.nhs.codesets import CodeSets
from gateway.records import require_sets
from gateway.store.database import Store, open_store
from gateway.store.find import ANYBODY, find
from mappings import Row
from tests.index_plans import ADDED_SINCE_0_1, without
from tests.intake.conftest import state
from tests.intake.test_cut_off import cut_off_at
from tests.toy import NOBODY, deliver, resource, row, source

SETS = CodeSets()
PATIENT, HISTORY, SPECIMEN = (f"{number:08d}-0000-5000-8000-000000000000" for number in (1, 2, 3))
ABOUT = {"reference": f"Patient/{PATIENT}"}
ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"


def history(fault: str = "", order: int = 1) -> Row:
    made = resource(
        "FamilyMemberHistory", HISTORY, status="completed", patient=ABOUT, date="2024-03-11",
        relationship={"coding": [{"system": ROLE, "code": "MTH"}]},
    )  # fmt: skip
    return row("h", made, order=order, fault=fault)


ROWS = [
    row("p", resource("Patient", PATIENT, name=[{"family": "Ames"}])),
    history(),
    row("s", resource("Specimen", SPECIMEN, status="available", subject=ABOUT)),
]
QUERIES = [
    ("FamilyMemberHistory", "relationship", f"{ROLE}|MTH"),
    ("FamilyMemberHistory", "date", "2024-03"),
    ("Specimen", "status", "available"),
]


def matches(store: Store) -> list[int]:
    """How many resources each of the queries finds."""
    with store.read() as session:
        queries = [parse(type_, [("patient", PATIENT), (name, value)]) for type_, name, value in QUERIES]
        return [len(find(session, query, ANYBODY)) for query in queries]


def remap(store: Store, rows: Sequence[Row] = (), name: str = "toy") -> None:
    load.remap(store, source(rows, name), NOBODY, SETS, workers=0)


def versions(store: Store) -> list[tuple]:
    with store.read() as session:
        return session.rows("SELECT id, number, updated, commit_seq, seen_seq, body FROM head ORDER BY id")


@pytest.mark.hazard("HZ-ACCESS-15")
def test_a_search_parameter_added_by_an_upgrade_is_served_only_when_older_records_are_found_by_it(store):
    with without(*ADDED_SINCE_0_1):
        for name in ("toy", "ward"):
            deliver(store, ROWS if name == "toy" else [], SETS, name=name)
        require_sets(store, SETS)
    assert matches(store) == [0, 0, 0]
    with pytest.raises(Refused, match="other search parameters: run `gateway remap` for toy, ward$"):
        require_sets(store, SETS)
    remap(store)
    with pytest.raises(Refused, match="for ward$"):
        require_sets(store, SETS)
    remap(store, name="ward")
    require_sets(store, SETS)
    assert matches(store) == [1, 1, 1]


def test_what_is_indexed_again_is_as_if_it_was_loaded_today_and_has_no_new_version(store, tmp_path):
    url, namespace = f"sqlite:///{tmp_path / 'new.db'}", store.namespace
    new = open_store(url, create="sandbox", namespace=namespace)
    deliver(new, ROWS, SETS)
    with without("Patient", *ADDED_SINCE_0_1):
        deliver(store, ROWS, SETS)
    before = versions(store)
    assert state(store) != state(new)
    remap(store)
    assert state(store) == state(new) and versions(store) == before
    with without("Patient", *ADDED_SINCE_0_1):  # entries that no row asks for any more go
        remap(store)
        require_sets(store, SETS)
    assert matches(store) == [0, 0, 0] and versions(store) == before
    new.close()


def test_a_load_or_a_replay_does_not_index_the_rest_again(store):
    with without(*ADDED_SINCE_0_1):
        deliver(store, ROWS, SETS)
    deliver(store, ROWS, SETS)
    load.replay(store, source(ROWS), NOBODY, SETS)
    assert matches(store) == [0, 0, 0]
    with pytest.raises(Refused, match="for toy$"):
        require_sets(store, SETS)
    with without(*ADDED_SINCE_0_1), pytest.raises(Refused, match="for toy$"):  # part of it is by the plan of today
        require_sets(store, SETS)
    remap(store)
    deliver(store, ROWS, SETS)
    require_sets(store, SETS)


def test_what_a_group_at_fault_made_before_is_indexed_again_too(store):
    with without(*ADDED_SINCE_0_1):
        deliver(store, ROWS, SETS)
        deliver(store, [history("date", order=2)], SETS)
    remap(store)
    require_sets(store, SETS)
    assert matches(store) == [1, 1, 1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_remap_that_was_cut_off_is_not_done_and_no_load_ends_it(store, monkeypatch, after):
    monkeypatch.setattr(taking, "GROUPS_AT_ONCE", 1)
    with without(*ADDED_SINCE_0_1):
        deliver(store, ROWS, SETS)
    for number in itertools.count(1):
        before = newest(store)
        with cut_off_at(monkeypatch, number, after):
            remap(store)
        key, state_ = newest(store)
        if key > before[0] and state_ == "done":
            break
        with pytest.raises(Refused):
            require_sets(store, SETS)
        deliver(store, ROWS, SETS)
        with pytest.raises(Refused):
            require_sets(store, SETS)
    require_sets(store, SETS)
    assert matches(store) == [1, 1, 1] and number > 5


def newest(store: Store) -> tuple[int, str]:
    """Key and state of the last delivery."""
    with store.read() as session:
        return session.rows("SELECT key, state FROM delivery ORDER BY key DESC LIMIT 1")[0]
