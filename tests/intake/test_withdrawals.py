"""What a source takes back leaves what is shown, whatever else of its group is at fault."""

import dataclasses

import pytest

from gateway.fhir import build
from gateway.intake.producers import AtHand
from gateway.intake.take import take
from gateway.nhs.codesets import CodeSets
from gateway.store import resources
from mappings import Group, Look
from tests import toy

POTASSIUM = "10000000-0000-5000-8000-00000000000a"
SODIUM = "20000000-0000-5000-8000-00000000000a"
ELSEWHERE = "30000000-0000-5000-8000-00000000000a"


def observation(id_: str, **elements) -> dict:
    return toy.resource("Observation", id_, **{"status": "final", "code": {"text": "K"}, **elements})


def withdrawn(group: Group, look: Look) -> list[dict]:
    """What rows that name a ``withdraws`` take back; a row that says ``senseless`` makes what is not R4 before it."""
    taken_back = [row.values["withdraws"] for row in group.of("T") if row.values["withdraws"]]
    made = [
        build.resource("Observation", id_, "", status="entered-in-error", code={"text": "K"})
        for ids in taken_back
        for id_ in ids.split()
    ]
    senseless = [
        build.resource("Observation", SODIUM, "", status="no such") for row in group.rows if row.values["senseless"]
    ]
    return senseless + made


def deliver(store, *rows, withdrawn=withdrawn):
    source = dataclasses.replace(toy.source(rows), withdrawn=withdrawn)
    return take(store, source, AtHand(rows), toy.NOBODY, CodeSets(), workers=0)


def shown(store) -> dict[str, str]:
    """Id → status of each Observation."""
    with store.read() as session:
        ids = [id_ for (id_,) in session.rows("SELECT id FROM head WHERE deleted = 0 ORDER BY id")]
        held = [resources.head_of(session, "Observation", id_) for id_ in ids]
    return {stored.id: build.decode(stored.body)["status"] for stored in held}


def sent(*rows):
    """A group that holds two results; the rows are added to it."""
    return [toy.row("a", observation(POTASSIUM, valueString="7.9"), observation(SODIUM)), *rows]


@pytest.mark.hazard("HZ-LOAD-70")
@pytest.mark.parametrize("first", [True, False], ids=["first", "beside the fault"])
def test_a_withdrawal_reaches_what_is_shown_although_its_group_is_at_fault(store, first):
    deliver(store, *sent())
    if not first:
        deliver(store, toy.row("b", order=2, groups=("a",), fault="x"))
    report = deliver(store, toy.row("c", order=3, groups=("a",), fault="x", withdraws=POTASSIUM))
    assert report.rejects and report.exit_code == 1
    assert shown(store) == {POTASSIUM: "entered-in-error", SODIUM: "final"}
    with store.read() as session:
        held = resources.head_of(session, "Observation", POTASSIUM)
        assert held.number == 2 and "valueString" not in build.decode(held.body)


def test_a_withdrawal_of_what_the_group_does_not_hold_makes_nothing(store):
    deliver(store, toy.row("other", observation(ELSEWHERE)), *sent())
    deliver(store, toy.row("c", order=3, groups=("a",), fault="x", withdraws=f"{ELSEWHERE} {POTASSIUM[:-1]}b"))
    assert shown(store) == {POTASSIUM: "final", SODIUM: "final", ELSEWHERE: "final"}


def test_a_withdrawal_that_cannot_be_written_hinders_no_other(store):
    deliver(store, *sent())
    deliver(store, toy.row("c", order=3, groups=("a",), fault="x", withdraws=POTASSIUM, senseless="1"))
    assert shown(store) == {POTASSIUM: "entered-in-error", SODIUM: "final"}


def test_withdrawing_twice_makes_one_version_and_a_mended_group_is_itself_again(store):
    deliver(store, *sent())
    for order in (3, 4):
        deliver(store, toy.row("c", order=order, groups=("a",), fault="x", withdraws=POTASSIUM))
    with store.read() as session:
        assert resources.head_of(session, "Observation", POTASSIUM).number == 2
    report = deliver(store, toy.row("c", order=5, groups=("a",)))
    assert not report.rejects and shown(store) == {POTASSIUM: "final", SODIUM: "final"}


@pytest.mark.hazard("HZ-LOAD-70")
def test_what_is_withdrawn_stays_under_the_labels_it_had(store):
    deliver(store, toy.row("a", observation(POTASSIUM, security=["R"])))
    with store.read() as session:
        before = session.row("SELECT own, labels FROM head")
    deliver(store, toy.row("c", order=3, groups=("a",), fault="x", withdraws=POTASSIUM))
    with store.read() as session:
        assert session.row("SELECT own, labels FROM head") == before and before[0]
        assert session.value("SELECT count(*) FROM label") == 1
