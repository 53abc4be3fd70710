"""Loading: any order, any repetition, any restart ends in the same store."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from gateway.errors import Refused
from gateway.fhir import build
from gateway.intake import engine, load
from gateway.intake import take as taking
from gateway.intake.mapping import resource_id
from gateway.intake.producers import AtHand
from gateway.store import resources
from gateway.store.database import open_store
from mappings import Feed, sources
from tests.intake.conftest import NAMESPACE, next_version, state, take
from tests.mappings.harness import read_all

NAMES = ("emis", "hl7v2", "cld", "delta")


@pytest.fixture
def filled(new_store, deliveries, code_sets):
    store = new_store()
    for name in NAMES:
        report = take(store, deliveries, name, code_sets)
        assert not report.rejects, report.as_dict()
    return store


def test_every_delivery_becomes_valid_r4_without_a_fault_of_uk_core(new_store, deliveries, code_sets):
    store = new_store()
    for name in NAMES:
        report = take(store, deliveries, name, code_sets)
        assert not report.rejects and not report.uk_core and report.exit_code == 0
    assert report.people["gathered"] > 20 and report.people["notGathered"] > 0


def test_the_same_delivery_twice_makes_no_new_version(filled, deliveries, code_sets):
    before = state(filled)
    with filled.read() as session:
        versions = session.value("SELECT count(*) FROM version")
    for name in NAMES:
        report = take(filled, deliveries, name, code_sets)
        assert not [outcome for _, outcome in report.resources if outcome != "unchanged"]
    with filled.read() as session:
        assert session.value("SELECT count(*) FROM version") == versions
    assert state(filled) == before


@pytest.mark.parametrize("order", random.Random(7).sample(list(itertools.permutations(NAMES)), 6), ids="-".join)
def test_deliveries_in_any_order_end_in_the_same_store(filled, new_store, deliveries, code_sets, order):
    other = new_store("other")
    for name in order:
        take(other, deliveries, name, code_sets)
    assert state(other) == state(filled)


def test_rows_in_any_order_end_in_the_same_store(filled, new_store, deliveries, code_sets):
    """Every row of every delivery in one shuffled stream, each sent twice."""
    other = new_store("other")
    draw = random.Random(11)
    for name in ("emis", "hl7v2", "cld"):
        source = sources()[name]
        paths = [deliveries.path(name)] + ([deliveries.second] if name == "emis" else [])
        rows = [row for path in paths for row in read_all(source, path)] * 2
        draw.shuffle(rows)
        for start in range(0, len(rows), 700):
            piece = rows[start : start + 700]
            taking.take(other, source, AtHand(piece), Feed(), code_sets, workers=0)
    assert state(other) == state(filled)


def test_both_databases_end_with_the_same_records(filled, deliveries, code_sets, postgres_schema_url):
    other = open_store(postgres_schema_url, create="sandbox", namespace=NAMESPACE)
    for name in NAMES:
        take(other, deliveries, name, code_sets)
    ours, theirs = state(filled), state(other)
    assert {k: sorted(map(repr, v)) for k, v in ours.items()} == {k: sorted(map(repr, v)) for k, v in theirs.items()}
    other.close()


def made(store, resource_type: str, key: str) -> list[dict]:
    """The current resource that a row key of the practice makes."""
    with store.read() as session:
        publishers = [row[0] for row in session.rows("SELECT code FROM publisher WHERE source = 'emis'")]
        ids = [
            resource_id(NAMESPACE.bytes, "emis", publisher, resource_type, key.strip("{}").lower())
            for publisher in publishers
        ]
        heads = [resources.head_of(session, resource_type, id_) for id_ in ids]
    return [build.decode(head.body) for head in heads if head and not head.deleted]


def test_a_delta_with_only_a_child_row_changes_its_parent(filled, deliveries):
    value = deliveries.delta.value.encode()
    with filled.read() as session:
        bodies = [
            row[0]
            for row in session.rows(
                "SELECT v.body FROM version v JOIN head h ON h.body = v.key WHERE h.type = 5 AND v.number = 2"
            )
        ]
    assert [body for body in bodies if b'"component"' in body and b'"value":' + value in body]


@pytest.mark.hazard("HZ-LOAD-01")
def test_a_problem_deleted_without_its_observation_leaves_the_plain_condition(filled, deliveries):
    conditions = made(filled, "Condition", deliveries.delta.problem)
    assert len(conditions) == 1
    assert "problem-list-item" not in json.dumps(conditions[0].get("category", [])), (
        "the problem list entry is gone, the diagnosis is not"
    )


@pytest.mark.hazard("HZ-LOAD-02")
def test_a_deleted_patient_is_withheld_and_not_thrown_away(filled, deliveries):
    with filled.read() as session:
        rows = session.rows(
            "SELECT count(*), sum(CASE WHEN labels & 64 <> 0 THEN 1 ELSE 0 END), sum(deleted) FROM head WHERE "
            "patient IN "
            "(SELECT h.patient FROM head h WHERE h.type = 0 AND h.labels & 64 <> 0)"
        )
    everything, withheld, deleted = rows[0]
    assert everything > 3 and withheld == everything and not deleted


def test_another_mapping_version_maps_everything_again(new_store, deliveries, code_sets):
    store = new_store()
    take(store, deliveries, "cld", code_sets)
    report = load.load(store, next_version(sources()["cld"]), deliveries.path("cld"), Feed(), code_sets, workers=0)
    assert report.rows["new"] == report.rows["changed"] == 0
    outcomes = {outcome for _, outcome in report.resources}
    assert outcomes == {"updated"}


def test_what_cannot_be_mapped_waits_in_quarantine_and_is_mapped_when_its_code_arrives(
    new_store, deliveries, code_sets
):
    store = new_store()
    source = sources()["emis"]
    rows = read_all(source, deliveries.path("emis"))
    late = [row for row in rows if row.table == "Coding_ClinicalCode"]
    early = [row for row in rows if row.table != "Coding_ClinicalCode"]
    for piece in (early, late):
        report = taking.take(store, source, AtHand(piece), Feed(), code_sets, workers=0)
        if piece is early:
            assert report.rejects and report.exit_code == 1
            assert all("CodeId" in place for place in report.places)
    assert not report.rejects
    whole = new_store("whole")
    take(whole, deliveries, "emis", code_sets)
    assert state(store) == state(whole)


def test_a_live_store_takes_only_publishers_it_knows(tmp_path, deliveries, code_sets):
    store = open_store(f"sqlite:///{tmp_path / 'live.db'}", create="live")
    with pytest.raises(Refused):
        take(store, deliveries, "cld", code_sets)
    with store.read() as session:
        assert session.value("SELECT count(*) FROM kept") == 0


KILLED = """
import sys
from pathlib import Path
from gateway.intake import load, take
from gateway.store.database import open_store
from gateway.terminology import sets
from mappings import Feed, sources
take.GROUPS_AT_ONCE = 20
take.ROWS_AT_ONCE = 150
store, source, path = open_store(sys.argv[1]), sources()[sys.argv[2]], Path(sys.argv[3])
load.load(store, source, path, Feed(), sets.load(sandbox=True), workers=0)
"""


@pytest.mark.parametrize("part", [0.4, *(pytest.param(part, marks=pytest.mark.slow) for part in (0.15, 0.6, 0.8))])
def test_a_load_killed_anywhere_and_run_again_loses_nothing_and_does_nothing_twice(
    filled, new_store, deliveries, code_sets, part
):
    store = new_store("killed")
    arguments = [sys.executable, "-c", KILLED, store.url, "emis", str(deliveries.path("emis"))]
    started = time.monotonic()
    whole = new_store("timed")
    subprocess.run([*arguments[:3], whole.url, *arguments[4:]], check=True)
    seconds = time.monotonic() - started
    child = subprocess.Popen(arguments)
    time.sleep(0.6 + (seconds - 0.6) * part)
    child.send_signal(signal.SIGKILL)
    child.wait()
    for name in NAMES:
        take(store, deliveries, name, code_sets)
    assert state(store) == state(filled)
    with store.read() as session:
        assert not session.rows("SELECT 1 FROM delivery WHERE state <> 'done'") and not session.rows(
            "SELECT 1 FROM touched"
        )


@pytest.mark.slow
def test_a_pool_of_processes_writes_what_one_process_writes(filled, new_store, deliveries, code_sets, monkeypatch):
    monkeypatch.setattr(engine, "POOL_FROM", 1)
    other = new_store("pool")
    for name in NAMES:
        take(other, deliveries, name, code_sets, workers=2)
    assert state(other) == state(filled)


def gateway(*words: str, folder) -> subprocess.CompletedProcess:
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.slow
def test_the_operators_verbs_and_exit_codes(tmp_path, deliveries):
    folder = tmp_path / "data"
    assert gateway("load", "cld", str(deliveries.path("cld")), folder=folder).returncode == 2, "no store yet"
    assert gateway("init", "sandbox", folder=folder).returncode == 0
    done = gateway("load", "cld", str(deliveries.path("cld")), "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["new"] > 0
    wrong = gateway("load", "emis", str(deliveries.path("cld")), folder=folder)
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    assert gateway("load", "nobody", "x", folder=folder).returncode == 2
    broken = tmp_path / "broken.hl7"
    broken.write_text("MSH|^~\\&|A|RZZ|B|B|20260101||ADT^A01^ADT_A01|1|P|2.4\rPID|1|", encoding="utf-8")
    rejected = gateway("load", "hl7v2", str(broken), "--json", folder=folder)
    assert rejected.returncode == 1, rejected.stderr
    assert json.loads(rejected.stdout)["rejects"]
