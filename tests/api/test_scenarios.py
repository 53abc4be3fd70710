"""A tester loads a scenario pack over the API of a sandbox, and of a sandbox alone."""

import pytest

from gateway.api import app
from gateway.errors import NotFound
from gateway.intake import load, scenario, take
from gateway.nhs import identifiers, roles, sandbox
from gateway.records import open_door
from gateway.store.database import open_store
from gateway.synth.packs import PACKS
from mappings import sources

NUMBERS = {fixed.role: identifiers.synthetic(number - 1) for number, fixed in PACKS["privacy"].items()}
PRACTICES = ("dr-green", "dr-other")
"""Users of the two practices of whom a pack's people are."""


def test_a_tester_chooses_a_pack_and_its_people_are_there_for_those_who_treat_them(ward):
    for user, body, status in (
        ("dr-green", {"pack": "privacy"}, 403),
        ("tester", {"pack": "none"}, 400),
        ("tester", {"pack": "privacy", "seed": 2}, 400),
        ("tester", [], 400),
    ):
        assert ward.ask("POST", "/sandbox/pack", user, json=body).status_code == status, body
    answers = [ward.ask("POST", "/sandbox/pack", "tester", json={"pack": "privacy"}) for _ in range(2)]
    assert {(answer.status_code, answer.json()["issue"][0]["details"]["text"]) for answer in answers} == {
        (200, "people: 10")
    }
    statuses = {
        role: {ward.get("/fhir/Patient/$summary", user, identifier=NUMBERS[role]).status_code for user in PRACTICES}
        for role in ("open", "restricted")
    }
    assert 200 in statuses["open"] and statuses["restricted"] == {403}
    packs = [event for event in ward.audit() if event["act"] == "pack"]
    assert [(event["outcome"], event.get("count")) for event in packs] == [("begun", None), ("done", 10)] * 2


def test_a_pack_waits_for_no_operator_and_says_what_was_not_taken(ward, monkeypatch):
    def load_pack():
        return ward.ask("POST", "/sandbox/pack", "tester", json={"pack": "privacy"})

    monkeypatch.setattr(ward.store, "patience", 0.1)
    with take.alone(ward.store, sources()["tpp"]):
        assert load_pack().status_code == 503
    (last,) = [event for event in ward.audit() if event["act"] == "pack"][-1:]
    assert last["outcome"] == "begun", "who loaded what there is of it is in the audit"
    real = load.load

    def refusing(*args, **named):
        report = real(*args, **named)
        report.reject("line 1", "column")
        return report

    monkeypatch.setattr(load, "load", refusing)
    issues = load_pack().json()["issue"]
    assert [(issue["severity"], issue["details"]["text"][:9]) for issue in issues] == [
        ("information", "people: 1"), ("warning", "not taken")
    ]  # fmt: skip


def test_there_are_no_packs_outside_of_a_sandbox(tmp_path):
    assert not {route.path for route in app.routes(is_sandbox=False)} & {"/sandbox/pack", "/fhir/$reset"}
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="live")
    with pytest.raises(NotFound):
        scenario.load_pack(open_door(store, None), roles.caller_from_claims(sandbox.claims("tester")), "demo", "r")
    store.close()
