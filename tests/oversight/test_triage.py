"""Privacy alerts: raised with their act or not at all, seen and moved by the organisation's officers alone."""

from dataclasses import replace

import pytest

from gateway.care.alarming import alarm
from gateway.commands import main
from gateway.errors import Forbidden, Invalid, NotFound
from gateway.nhs import alerting, roles, sandbox
from gateway.nhs.codesets import CodeSets
from gateway.oversight import triage
from gateway.records import open_door
from gateway.store import alerts
from gateway.store.alerts import Raised

OFFICER = roles.caller_from_claims(sandbox.claims("privacy-officer"))
GREEN = roles.caller_from_claims(sandbox.claims("dr-green"))
NOTE = "spoke with the ward: seen in an emergency"


@pytest.fixture
def door(store):
    opened = open_door(store, CodeSets({}))
    yield opened
    opened.audit.close()


def raised(store, caller=GREEN, pair=("1", "4")) -> int:
    with store.write() as session:
        return alarm(session, caller, *pair, "request-1")


@pytest.mark.hazard("HZ-ACCESS-45")
@pytest.mark.parametrize("type_", alerting.TYPES)
@pytest.mark.parametrize("subtype", alerting.SUBTYPES)
def test_an_allowed_pair_is_stored_and_any_other_undoes_its_act(sandbox_store, type_, subtype):
    store = sandbox_store
    if (type_, subtype) in alerting.PAIRS:
        raised(store, pair=(type_, subtype))
        assert [(alert.row.type, alert.row.subtype) for alert in triage.every(store)] == [(type_, subtype)]
        return
    with pytest.raises(Invalid), store.write() as session:
        session.run("UPDATE publisher SET state = 'changed'")
        alarm(session, GREEN, type_, subtype, "request-1")
    assert triage.every(store) == []


def test_the_disallowed_pairs_are_those_of_the_reference():
    pairs = {(type_, subtype) for type_ in alerting.TYPES for subtype in alerting.SUBTYPES}
    assert pairs - alerting.PAIRS == {("1", "5"), ("2", "4"), ("2", "6")}


@pytest.mark.hazard("HZ-ACCESS-45")
def test_an_act_that_fails_raises_nothing_and_one_request_id_cannot_silence_a_second_alert(store):
    with pytest.raises(RuntimeError), store.write() as session:
        alarm(session, GREEN, "1", "4", "request-1")
        raise RuntimeError
    assert triage.every(store) == []
    assert raised(store) != raised(store)
    rule = Raised("A99001", "u", "n", "R8000", "r", rule="same-surname")
    with store.write() as session:
        assert len({alerts.raise_alert(session, rule, alerting.OPEN, "seen once") for _ in range(2)}) == 1


@pytest.mark.hazard("HZ-ACCESS-46")
def test_an_officer_sees_and_moves_the_alerts_of_their_own_organisation_alone(store, door):
    own, other = raised(store), raised(store, replace(GREEN, organisation="A99002"))
    assert [alert.row.key for alert in triage.queue(door, OFFICER, "", "r")] == [own]
    triage.move(door, OFFICER, own, alerting.INVESTIGATED, "", "r")
    triage.move(door, OFFICER, own, alerting.CLOSED, f" {NOTE} ", "r")
    (alert,) = triage.queue(door, OFFICER, alerting.CLOSED, "r")
    assert [(step.state, step.by, step.note) for step in alert.steps] == [
        ("open", "", ""), ("under-investigation", OFFICER.user, ""), ("closed", OFFICER.user, NOTE)
    ]  # fmt: skip
    for key in (other, 99):
        with pytest.raises(NotFound, match="^alert$"):
            triage.move(door, OFFICER, key, alerting.CLOSED, NOTE, "r")
    assert triage.every(store, "A99002")[0].row.state == alerting.OPEN
    nowhere = replace(OFFICER, organisation="")
    for caller in (GREEN, nowhere, replace(OFFICER, role="R8000"), replace(OFFICER, activities=frozenset())):
        with pytest.raises(Forbidden):
            triage.queue(door, caller, "", "r")
        with pytest.raises(Forbidden):
            triage.move(door, caller, own, alerting.INVESTIGATED, NOTE, "r")
    acts = [(event["act"], event["outcome"]) for event in door.audit.events("read")]
    assert acts.count(("audit.alerts", "ok")) == 2 and acts.count(("audit", "refused")) == 8
    assert [event["state"] for event in door.audit.events("write")][-2:] == ["under-investigation", "closed"]


MOVES = {
    "to itself": ([], "open", NOTE),
    "closed without a note": ([], "closed", ""),
    "closed with too short a note": ([], "closed", " seen     "),
    "closed to open": (["closed"], "open", NOTE),
    "again without a note": (["closed"], "under-investigation", ""),
    "an NHS number in the note": ([], "closed", "it was about 999 000 0018 of the ward"),
    "one with dashes": ([], "closed", "it was about 999-000-0018 of the ward"),
    "too long a note": ([], "closed", "x" * 1001),
}


@pytest.mark.hazard("HZ-ACCESS-47")
@pytest.mark.parametrize(("before", "state", "note"), MOVES.values(), ids=MOVES)
def test_a_step_that_is_not_allowed_changes_nothing(sandbox_store, before, state, note):
    key = raised(sandbox_store)
    for step in before:
        triage.move_by_hand(sandbox_store, key, step, "operator", NOTE)
    with pytest.raises(Invalid):
        triage.move_by_hand(sandbox_store, key, state, "operator", note)
    (alert,) = triage.every(sandbox_store)
    assert alert.row.state == (before or ["open"])[-1] and len(alert.steps) == 1 + len(before)


@pytest.mark.hazard("HZ-ACCESS-46")
def test_nobody_closes_an_alert_about_themselves(store, door):
    key = raised(store, replace(GREEN, user=OFFICER.user))
    with pytest.raises(Forbidden, match="another privacy officer"):
        triage.move(door, OFFICER, key, alerting.CLOSED, NOTE, "r")


def test_the_command_lists_and_moves_and_tells_of_no_patient(sandbox_store, tmp_path, monkeypatch, capsys):
    key = raised(sandbox_store)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(sandbox_store.path.parent))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    assert main(["alerts", "list"]) == 1
    out = capsys.readouterr().out
    assert "emergency, relationship claimed" in out and "999" not in out.replace(GREEN.user, "")
    assert main(["alerts", "move", str(key), "closed", "--as", "me", "--note", NOTE]) == 0
    assert main(["alerts", "list", "--json", "--organisation", "A99001"]) == 0
    assert '"state": "closed"' in capsys.readouterr().out
