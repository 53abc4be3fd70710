"""Writes against a plain model, from two threads, beside a load, and cut off by a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.errors import Conflict, Forbidden, NotFound, Stale, Unavailable, Unprocessable
from gateway.fhir import build, params
from gateway.intake import patching, take
from gateway.intake.change import Change
from gateway.intake.write import ACCEPTED, publisher_of, write
from gateway.nhs import roles
from gateway.nhs.codesets import CodeSets
from gateway.nhs.roles import Caller
from gateway.records import open_door
from gateway.store import resources
from gateway.store.database import open_store
from mappings import sources

SETS = CodeSets()
TESTER = Caller("tester", "tester", "8A998", kind="system", scopes=frozenset({"system/*.cud"}))
OTHER = replace(TESTER, user="other", organisation="8A997")
ids = st.sampled_from(["a", "b", "c"])
births = st.integers(1, 3)


@pytest.fixture
def door(store):
    opened = open_door(store, SETS)
    yield opened
    opened.audit.close()


def patient(id_, birth, **more):
    return {"resourceType": "Patient", "id": id_, "multipleBirthInteger": birth, **more}


def put(id_, birth, expected=None):
    return Change("update", "Patient", id_, patient(id_, birth), expected)


def current(door, id_, type_="Patient"):
    """The number of the current version and what it says, (number, None) for a tombstone, None for nothing."""
    with door.store.read() as session:
        head = resources.head_of(session, type_, id_)
    if head is None:
        return None
    return head.number, None if head.deleted else build.decode(head.body).get("multipleBirthInteger")


numbers = count()


class Model(RuleBasedStateMachine):
    """What stands, by id: (version, what it says or None where it is deleted)."""

    door = None

    @initialize()
    def begin(self):
        self.stands: dict[str, tuple[int, int | None]] = {}
        self.run = f"r{next(numbers)}-"

    def after(self, id_, birth):
        number, said = self.stands.get(id_, (0, None))
        return (number, said) if birth == said and number else (number + 1, birth)

    @rule(id_=ids, birth=births, expected=st.sampled_from([None, "right", "wrong"]))
    def update(self, id_, birth, expected):
        number, said = self.stands.get(id_, (0, None))
        version = {None: None, "right": number, "wrong": number + 1}[expected]
        if expected and (expected == "wrong" or said is None):
            with pytest.raises(Stale):
                write(self.door, TESTER, [put(self.run + id_, birth, version)], "r")
        else:
            (done,) = write(self.door, TESTER, [put(self.run + id_, birth, version)], "r")
            self.stands[id_] = self.after(id_, birth)
            assert done.version.version == self.stands[id_][0]
            assert (done.outcome == "created") is (said is None)

    @rule(id_=ids)
    def delete(self, id_):
        change = Change("delete", "Patient", self.run + id_)
        if id_ not in self.stands:
            with pytest.raises(NotFound):
                write(self.door, TESTER, [change], "r")
        else:
            write(self.door, TESTER, [change], "r")
            number, said = self.stands[id_]
            self.stands[id_] = (number + (said is not None), None)

    @rule(births=st.tuples(births, births), is_broken=st.booleans())
    def together(self, births, is_broken):
        changes = [put(self.run + id_, birth) for id_, birth in zip("ab", births)]
        if is_broken:
            changes.append(Change("create", "Patient", "", patient("x", 1, implicitRules="urn:a")))
            with pytest.raises(Unprocessable):
                write(self.door, TESTER, changes, "r")
        else:
            write(self.door, TESTER, changes, "r")
            self.stands |= {id_: self.after(id_, birth) for id_, birth in zip("ab", births)}

    @rule(id_=ids, birth=births)
    def patch(self, id_, birth):
        operations = ({"op": "add", "path": "/multipleBirthInteger", "value": birth},)
        change = Change("update", "Patient", self.run + id_, patch=operations)
        if self.stands.get(id_, (0, None))[1] is None:
            with pytest.raises(NotFound):
                write(self.door, TESTER, [change], "r")
        else:
            write(self.door, TESTER, [change], "r")
            self.stands[id_] = self.after(id_, birth)

    @rule(id_=ids)
    def another_contributor(self, id_):
        if id_ in self.stands:
            with pytest.raises(NotFound):
                write(self.door, OTHER, [put(self.run + id_, 9)], "r")

    @invariant()
    def the_store_is_as_the_model(self):
        for id_ in "abc" if hasattr(self, "run") else "":
            assert current(self.door, self.run + id_) == self.stands.get(id_)


def test_writes_do_what_a_plain_model_does(door):
    model = type("Writes", (Model,), {"door": door})
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.hazard("HZ-WRITE-01")
def test_of_two_who_update_at_once_neither_loses_a_change(door):
    write(door, TESTER, [put("n", 1)], "r")
    faults: list[BaseException] = []

    def add(times):
        while times:
            number, said = current(door, "n")
            try:
                write(door, TESTER, [put("n", said + 1, number)], "r")
                times -= 1
            except Stale:
                pass
            except BaseException as fault:
                faults.append(fault)
                return

    threads = [threading.Thread(target=add, args=(8,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and current(door, "n") == (17, 17)


def test_a_write_waits_for_no_load_and_mixes_with_none(door):
    door.store.patience = 0.05
    with take.alone(door.store, sources()["fhir"]), pytest.raises(Unavailable):
        write(door, TESTER, [put("n", 1)], "r")
    assert current(door, "n") is None
    write(door, TESTER, [put("n", 1)], "r")


def test_the_table_lets_be_written_what_the_source_maps():
    (row,) = [row for row in roles.RULES if row.acts & roles.WRITES]
    opened = {type_ for type_ in params.SEARCHABLE if roles.opens(row, type_)}
    assert opened == ACCEPTED


def test_a_patch_is_made_anew_of_what_changed_meanwhile(door, monkeypatch):
    """A patch is made before the lock; what somebody wrote since is not lost."""
    write(door, TESTER, [put("n", 1)], "r")
    patched, calls = patching.patched, count()

    def interrupted(resource, *asked):
        if next(calls) == 0:
            write(door, TESTER, [Change("update", "Patient", "n", patient("n", 1, gender="other"))], "r")
        return patched(resource, *asked)

    monkeypatch.setattr(patching, "patched", interrupted)
    operations = ({"op": "replace", "path": "/multipleBirthInteger", "value": 2},)
    (done,) = write(door, TESTER, [Change("update", "Patient", "n", patch=operations)], "r")
    assert b'"gender":"other"' in done.version.body and current(door, "n") == (3, 2)


def test_a_patch_is_never_made_while_others_wait(door, monkeypatch):
    write(door, TESTER, [put("n", 1)], "r")
    busy, patched = [], patching.patched

    def watched(*asked):
        with take.alone(door.store, sources()["fhir"], 0.05):
            busy.append(False)
        return patched(*asked)

    monkeypatch.setattr(patching, "patched", watched)
    write(
        door, TESTER, [Change("update", "Patient", "n", patch=({"op": "add", "path": "/active", "value": True},))], "r"
    )
    assert busy == [False]


def test_a_live_store_takes_writes_of_registered_contributors_only(tmp_path, monkeypatch):
    store = open_store(f"sqlite:///{tmp_path / 'live.db'}", create="live")
    door = open_door(store, SETS)
    monkeypatch.setitem(door.__dict__, "missing", ())
    with pytest.raises(Forbidden):
        write(door, TESTER, [put("n", 1)], "r")
    assert current(door, "n") is None
    door.audit.close()
    store.close()


@pytest.mark.parametrize("caller", [
    replace(TESTER, project="p"), replace(TESTER, organisation=""), replace(TESTER, organisation="nowhere"), replace(TESTER, kind="user"),
])  # fmt: skip
def test_a_caller_of_no_publisher_writes_nothing(caller):
    with pytest.raises(Forbidden):
        publisher_of(caller)


def test_an_id_is_of_one_resource_whatever_its_type(door):
    write(door, TESTER, [put("n", 1)], "r")
    organisation = {"resourceType": "Organization", "id": "n", "name": "A"}
    with pytest.raises(Conflict):
        write(door, TESTER, [Change("update", "Organization", "n", organisation)], "r")


TRANSACTIONS = """
import sys
from tests.intake.test_write import SETS, TESTER, Change, open_door, open_store, patient, write
door = open_door(open_store(sys.argv[1]), SETS)
number = int(sys.argv[2])
while True:
    number += 1
    names = [f"{number}-{n}" for n in range(20)]
    write(door, TESTER, [Change("update", "Patient", name, patient(name, 1)) for name in names], "r")
    print("ready", flush=True)
"""


@pytest.mark.slow
@pytest.mark.hazard("HZ-WRITE-03")
def test_a_kill_leaves_all_of_a_transaction_or_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    open_store(url, create="sandbox").close()
    for attempt in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", TRANSACTIONS, url, str(attempt * 10_000)], stdout=subprocess.PIPE
        )
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.13 + attempt * 0.057)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        store = open_store(url)
        with store.read() as session:
            heads, kept, audited, touched = (
                session.value(sql)
                for sql in (
                    "SELECT count(*) FROM head", "SELECT count(*) FROM kept",
                    "SELECT count(*) FROM audit WHERE event LIKE '%\"act\":\"update\"%'", "SELECT count(*) FROM touched",
                )
            )  # fmt: skip
        store.close()
        assert heads and heads % 20 == 0 and heads == kept == audited and touched == 0
