"""What follows from rows follows from their last state alone: labels, persons, who made what, publishers. Any order
ends the same."""

import dataclasses
import itertools
import threading
import uuid
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.fhir import build
from gateway.intake import load
from gateway.intake import take as taking
from gateway.nhs import labels
from gateway.nhs.codesets import SNOMED, CodeSet, CodeSets
from gateway.store import registry
from gateway.store.database import open_store
from gateway.store.numbers import TYPE_NUMBER
from tests.intake.conftest import state
from tests.toy import NOBODY, deliver, resource, row, says, source

SETS = CodeSets((CodeSet("sensitive", {(SNOMED, "secret"): "gender"}, covers=frozenset({SNOMED})),))


def uid(number: int) -> str:
    return f"{number:08d}-0000-5000-8000-000000000000"


def observation(id_: int, code: str = "plain", **elements) -> dict:
    coding = {"system": SNOMED, "code": code}
    return resource(
        "Observation",
        uid(id_),
        status="final",
        code={"coding": [coding]},
        subject={"reference": f"Patient/{uid(1)}"},
        **elements,
    )


def encounter(id_: int, **elements) -> dict:
    class_ = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return resource(
        "Encounter", uid(id_), status="finished", class_=class_, subject={"reference": f"Patient/{uid(1)}"}, **elements
    )


def patient(id_: int = 1, **elements) -> dict:
    return resource("Patient", uid(id_), **elements)


def at(id_: int) -> dict:
    return {"encounter": {"reference": f"Encounter/{uid(id_)}"}}


def heads(store) -> dict[int, tuple[int, int]]:
    """Number of the resource → (labels, deleted)."""
    with store.read() as session:
        return {
            int(id_[:8]): (bits, deleted) for id_, bits, deleted in session.rows("SELECT id, labels, deleted FROM head")
        }


@pytest.mark.hazard("HZ-LOAD-03")
def test_what_was_linked_to_a_sensitive_item_is_shown_again_when_neither_is_what_it_was(store):
    deliver(store, [row("p", patient()), row("e", encounter(2)), row("o", observation(3, "secret", **at(2)))], SETS)
    assert heads(store)[2] == (labels.LINKED, 0) and heads(store)[3] == (labels.SENSITIVE | labels.BLANKED, 0)
    deliver(
        store,
        [row("e", encounter(2, period={"start": "2020-01-01"}), order=2), row("o", observation(3, **at(2)), order=2)],
        SETS,
    )
    assert heads(store)[2] == (0, 0) and heads(store)[3] == (0, 0)


@pytest.mark.parametrize("first", ["flag", "delete"])
def test_a_flag_hides_what_is_deleted_and_shows_it_again_when_it_goes(store, first):
    deliver(store, [row("p", patient()), row("o", observation(3))], SETS)
    flag, delete = row("p", patient(security=["R"]), order=2), row("o", observation(3), order=2, deleted=True)
    for each in (flag, delete) if first == "flag" else (delete, flag):
        deliver(store, [each], SETS)
    assert heads(store) == {1: (labels.RESTRICTED, 0), 3: (labels.RESTRICTED, 1)}
    deliver(store, [row("p", patient(), order=3)], SETS)
    assert heads(store) == {1: (0, 0), 3: (0, 1)}


def test_a_cause_is_told_as_long_as_its_label_stands(store):
    deliver(store, [row("p", patient(security=["R"])), row("o", observation(3))], SETS)
    deliver(store, [row("o", observation(3, effectiveDateTime="2020-01-01"), order=2)], SETS)
    with store.read() as session:
        assert session.rows("SELECT cause FROM label l JOIN head h ON h.key = l.head WHERE h.id = ?", uid(3)) == [
            ("derived: the Patient is restricted",)
        ]


MOVES = {
    "from one group to another": (
        [row("a", observation(3)), row("b")],
        [row("a", order=2), row("b", observation(3), order=2)],
    ),
    "to a group mapped first": (
        [row("z", observation(3)), row("b")],
        [row("z", order=2), row("b", observation(3), order=2)],
    ),
    "to the group of a row deleted before": (
        [row("a", observation(3)), row("a", observation(3), order=2, deleted=True)],
        [row("b", observation(3))],
    ),
}


@pytest.mark.parametrize("at_once", [1, 1500])
@pytest.mark.parametrize("name", MOVES)
def test_a_resource_may_move_to_another_group_and_stays_one_resource(store, monkeypatch, name, at_once):
    monkeypatch.setattr(taking, "GROUPS_AT_ONCE", at_once)
    for step in MOVES[name]:
        for each in step if step[0].key == step[-1].key else [step]:
            report = deliver(store, [each] if not isinstance(each, list) else each, SETS)
            assert not report.rejects, report.places
    assert heads(store)[3] == (0, 0)
    moved = MOVES[name][1][-1]
    deliver(store, [row(moved.key, observation(3, effectiveDateTime="2021-01-01"), order=9)], SETS)
    with store.read() as session:
        assert session.value("SELECT count(*) FROM head WHERE type = ?", TYPE_NUMBER["Observation"]) == 1
        assert not session.rows("SELECT * FROM quarantine")
    assert heads(store)[3] == (0, 0)


def test_two_groups_that_make_the_same_resource_are_a_fault_of_the_mapping(store):
    report = deliver(store, [row("a", observation(3)), row("b", observation(3))], SETS)
    assert report.rejects == {"made twice": 1} and heads(store)[3] == (0, 0)
    both = observation(3, effectiveDateTime="2020-01-01")
    report = deliver(store, [row("a", both, order=2), row("b", both, order=2)], SETS)
    assert report.rejects == {"made twice": 1} and heads(store)[3] == (0, 0)
    report = deliver(
        store,
        [row("c", observation(4)), row("b", observation(4), order=3), row("d", observation(5), observation(5))],
        SETS,
    )
    assert report.rejects == {"made twice": 2} and heads(store)[4] == (0, 0)


def test_a_patient_that_goes_leaves_no_person(store):
    deliver(
        store,
        [row("p", patient(identifier=[{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]))],
        SETS,
    )
    deliver(store, [row("p", order=2)], SETS)
    with store.read() as session:
        assert not session.rows("SELECT * FROM person") and not session.rows("SELECT * FROM claim")


STATEMENTS = (
    says("P1", 10, state="active", name="New Surgery"),
    says("P1", 5, state="withheld", name="Old Surgery", ods="A99001"),
    says("P1", 10, state="withheld", name="Late Surgery"),
)


@pytest.mark.parametrize("said", [STATEMENTS[:2], STATEMENTS], ids=["newer and older", "two at one moment"])
def test_what_is_said_of_a_publisher_ends_the_same_in_any_order(new_store, said):
    ends = []
    for number, order in enumerate(itertools.permutations(said)):
        store = new_store(f"s{number}")
        for each in order:
            deliver(store, [each], SETS)
        ends.append(state(store)["publishers"])
    assert all(end == ends[0] for end in ends), ends
    assert ends[0][0][2] == "A99001" and ends[0][0][4] == ("active" if len(said) == 2 else "withheld")


def test_a_publisher_withdrawn_has_unreleased_parts_of_exports_cut_again(store):
    deliver(store, [says("P1", 1, state="active"), row("o", observation(3))], SETS)
    with store.read() as session:
        before = session.value("SELECT label_seq FROM clock")
    deliver(store, [says("P1", 2, state="withdrawn")], SETS)
    with store.read() as session:
        assert session.value("SELECT label_seq FROM clock") > before


def test_another_mapping_version_maps_groups_again_that_are_no_rows_first(store):
    rows = [row("a", observation(3), groups=("a", "b"))]
    load.load(store, mapping_members(rows, "1"), Path(__file__), NOBODY, SETS, workers=0)
    load.load(store, mapping_members(rows, "2"), Path(__file__), NOBODY, SETS, workers=0)
    with store.read() as session:
        bodies = [
            body
            for (body,) in session.rows(
                "SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.id = ?", uid(9)
            )
        ]
    assert [b'"version 2"' in body for body in bodies] == [True]


def mapping_members(rows, version):
    """A mapping that makes something of a group its row is the second of."""

    def to_fhir(group, look):
        made = build.resource(
            "Observation", uid(9), "https://example.org/profile", status="final", code={"text": f"version {version}"}
        )
        return [made] if group.key == "b" else []

    return dataclasses.replace(source(rows, version=version), to_fhir=to_fhir)


def test_other_code_sets_label_everything_again_at_the_next_delivery(store):
    deliver(store, [row("p", patient()), row("o", observation(3, "later secret"))], SETS)
    assert heads(store)[3] == (0, 0)
    more = CodeSets((CodeSet("sensitive", {(SNOMED, "later secret"): "gender"}, "2", covers=frozenset({SNOMED})),))
    report = deliver(store, [], more)
    assert heads(store)[3] == (labels.SENSITIVE, 0)
    assert not [outcome for _, outcome in report.resources if outcome != "unchanged"]


def test_a_choice_that_other_code_sets_read_otherwise_is_read_otherwise(store):
    sets = [
        CodeSets((CodeSet("sharing", {(SNOMED, "choice"): effect}, version),))
        for version, effect in (("1", "consent"), ("2", "objection"))
    ]
    rows = [row("p", patient()), row("o", observation(3, "choice", effectiveDateTime="2020-01-01"))]
    deliver(store, rows, sets[0])
    deliver(store, [], sets[1])
    with store.read() as session:
        assert session.rows("SELECT name FROM preference") == [("sharing:objection",)]
    assert heads(store)[1] == (labels.OBJECTION, 0)


def test_a_live_store_learns_of_no_publisher_from_another_ones_rows(tmp_path, monkeypatch):
    store = open_store(f"sqlite:///{tmp_path / 'live.db'}", create="live")
    with store.write() as session:
        registry.ensure_publisher(session, "toy", "P1", "gp")
    deliver(store, [says("P1", 1, code="P2", name="Unknown")], SETS)
    monkeypatch.setattr(taking, "ROWS_AT_ONCE", 1)
    with pytest.raises(Refused):
        deliver(store, [row("n", observation(2)), row("o", observation(3), publisher="P2")], SETS)
    with store.read() as session:
        assert not registry.is_known(session, "toy", "P2")
        assert session.value("SELECT count(*) FROM kept") == 1, "nothing of the delivery was kept"
    store.close()


@pytest.mark.hazard("HZ-LOAD-04")
def test_two_loads_of_one_source_take_turns(store, monkeypatch):
    """The second waits for the first: else it would take its rows for those of a load that was cut off."""
    inside, most = [], []
    original = taking.keep

    def keep(*arguments):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.3)
        original(*arguments)
        inside.pop()

    monkeypatch.setattr(taking, "keep", keep)
    reports = []
    threads = [
        threading.Thread(
            target=lambda n=n: reports.append(
                deliver(store, [row(f"o{n}{m}", observation(n * 100 + m)) for m in range(30)], SETS)
            )
        )
        for n in (1, 2, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(reports) == 3
    with store.read() as session:
        assert session.value("SELECT count(*) FROM head WHERE deleted = 0") == 90
        assert not session.rows("SELECT 1 FROM delivery WHERE state <> 'done'") and not session.rows(
            "SELECT 1 FROM touched"
        )


def test_two_sources_at_once_lose_nothing_and_are_never_locked_out(store):
    faults, stop = [], threading.Event()

    def send(name, kind):
        try:
            for part in range(4):
                made = [
                    resource("Patient", uid(n if name == "toy" else 10_000 + n), gender="female") for n in range(60)
                ]
                rows = [row(f"{n}", each, order=part + 1) for n, each in enumerate(made)][part * 15 :]
                deliver(store, rows, SETS, name=name, kind=kind)
        except Exception as fault:
            faults.append(fault)

    def look():
        while not stop.is_set():
            try:
                with store.read() as session:
                    session.rows("SELECT count(*) FROM head JOIN version ON version.key = head.body")
            except Exception as fault:
                faults.append(fault)

    loads = [threading.Thread(target=send, args=about) for about in (("toy", "gp"), ("other", "hospital"))]
    reader = threading.Thread(target=look)
    reader.start()
    for thread in loads:
        thread.start()
    for thread in loads:
        thread.join()
    stop.set()
    reader.join()
    assert not faults
    with store.read() as session:
        assert session.value("SELECT count(*) FROM head WHERE deleted = 0") == 120
        seqs = session.rows(
            "SELECT commit_seq, min(updated), max(updated) FROM version GROUP BY commit_seq ORDER BY commit_seq"
        )
    assert all(earlier[2] < later[1] for earlier, later in zip(seqs, seqs[1:])), "time follows the order of commits"


def test_a_namespace_is_for_a_new_store(tmp_path):
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    made = open_store(url, create="sandbox", namespace=uuid.UUID(int=5))
    made.close()
    open_store(url, create="sandbox", namespace=uuid.UUID(int=5)).close()
    with pytest.raises(Refused):
        open_store(url, create="sandbox", namespace=uuid.UUID(int=6))
