"""A decision is told step by step; a version of the table of roles is data, and two are compared by replaying."""

import copy
import json

import pytest

from gateway.errors import Invalid
from gateway.nhs import labels, policy_table, roles
from gateway.nhs.access import Act, decide
from gateway.nhs.replaying import replayed
from gateway.nhs.steps import steps
from tests.nhs.test_access import GREEN, PERSON, USERS, WARD, facts, labelled

SHARED = Act("shared", "Patient", True)
ALLOWED = ["passed"] * 10
TOLD = [
    (GREEN, SHARED, facts(GREEN), ALLOWED),
    (USERS["receptionist"], SHARED, facts(USERS["receptionist"]), ["passed", "refused", *["not reached"] * 7, "passed"]),
    (WARD, SHARED, facts(WARD, permitted=False), [*["passed"] * 4, "refused", *["not reached"] * 4, "passed"]),
    (WARD, SHARED, facts(WARD, labelled(labels.RESTRICTED)), [*["passed"] * 5, "refused", *["not reached"] * 3, "passed"]),
    (WARD, Act("search", "Organization"), facts(WARD, ()), [*["passed"] * 3, *["not asked"] * 4, "passed", "not asked", "passed"]),
]  # fmt: skip


@pytest.mark.parametrize("caller, act, about, outcomes", TOLD)
def test_each_step_is_told_with_its_outcome(caller, act, about, outcomes):
    decision = decide(caller, act, about)
    ten = steps(decision.trace, is_audited=True)
    assert [step.outcome for step in ten] == outcomes
    assert [rule for step in ten[:-1] for rule in step.rules] == [line.partition(" ")[2] for line in decision.trace]
    assert [step.number for step in ten if step.outcome == "refused"] == ([outcomes.index("refused")] if decision.refusal else [])  # fmt: skip


def test_a_store_that_is_not_ready_is_told_too():
    decision = decide(GREEN, SHARED, facts(GREEN, live=True, missing=("legal",)))
    assert [step.number for step in steps(decision.trace, is_audited=False) if step.outcome == "refused"] == [2]
    assert steps(decision.trace, is_audited=False)[9].outcome == "not asked"


# Versions of the table


def event(caller, act: str, type_: str = "Patient") -> dict:
    return {"role": caller.role, "activities": sorted(caller.activities), "act": act, "type": type_, "user": caller.user, "trace": []}  # fmt: skip


EVENTS = [
    *(event(caller, act) for caller in USERS.values() if caller.role for act in ("shared", "summary", "everything", "history")),
    *(event(caller, "search", type_) for caller in USERS.values() if caller.role for type_ in ("Observation", "Procedure", "Patient")),
]  # fmt: skip


def changed(change) -> dict:
    table = copy.deepcopy(policy_table.in_force())
    change(table)
    return policy_table.read(json.dumps(table))


def test_a_version_is_read_as_it_was_printed_and_replays_to_nothing():
    table = policy_table.read(json.dumps(policy_table.in_force()))
    outcome = replayed(EVENTS, table, policy_table.in_force())
    assert table == policy_table.in_force() and (outcome.changes, outcome.alike) == ([], len(EVENTS))


def test_the_replay_opens_what_the_decision_opens():
    """The version as data is no second opinion: it opens each type that the rows in force do, and no other."""
    table = policy_table.in_force()
    every = {type_ for types in roles.SECTION_TYPES.values() for type_ in types} | {"Patient"}
    for caller in USERS.values():
        for act in sorted(roles.RESOURCES - {"everything"}) if caller.role else ():
            for type_ in every:
                rows = [rule for rule in roles.rules_for(caller, act) if roles.opens(rule, type_)]
                seen = policy_table.opened(table, caller.role, caller.activities, act, type_)
                assert (seen.is_allowed, bool(seen.others)) == (bool(rows), any(not rule.own for rule in rows)), (
                    act,
                    type_,
                )


def test_who_would_see_less_and_who_more_is_told():
    def narrower(table):
        (rule,) = (rule for rule in table["rules"] if "R1290" in rule["roles"] and "shared" in rule["acts"])
        rule["sections"].remove("results")

    less = replayed(EVENTS, policy_table.in_force(), changed(narrower)).changes
    assert [(change.role, change.act, change.gains, change.events, len(change.callers)) for change in less] == [
        ("R1290", "shared", [], 1, 1)
    ]
    assert "Observation (others')" in less[0].loses and "Observation (own)" in less[0].loses
    more = replayed(EVENTS, changed(narrower), policy_table.in_force()).changes
    assert more[0].gains == less[0].loses and not more[0].loses


def test_an_act_that_is_taken_away_or_limited_to_ones_own_record_is_told():
    def own_only(table):
        for rule in table["rules"]:
            rule["own"] = True

    def without_history(table):
        for rule in table["rules"]:
            rule["acts"] = [act for act in rule["acts"] if act != "history"]

    own = replayed(EVENTS, policy_table.in_force(), changed(own_only)).changes
    assert own and all(change.loses and all(words.endswith("(others')") for words in change.loses) for change in own)
    gone = replayed(EVENTS, policy_table.in_force(), changed(without_history)).changes
    assert gone and {change.act for change in gone} == {"history"}


def test_events_without_activities_are_counted_and_systems_are_passed_over():
    old = {name: value for name, value in event(GREEN, "shared").items() if name != "activities"}
    outcome = replayed(
        [old, {**event(GREEN, "export"), "role": ""}, {"act": "audit.show"}],
        policy_table.in_force(),
        policy_table.in_force(),
    )
    assert (outcome.unknown, outcome.alike, outcome.changes) == (1, 0, [])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"rules": [{}], "sections": {}, "includes": {}, "version": "1"}', "9990000018"]
)
def test_what_is_no_table_is_refused_without_a_word_of_it(text):
    with pytest.raises(Invalid, match="not a table of roles") as refusal:
        policy_table.read(text)
    assert "999" not in str(refusal.value)


def test_a_table_that_was_changed_has_another_name(monkeypatch):
    name = policy_table.name_in_force()
    policy_table.name_in_force.cache_clear()
    monkeypatch.setattr(roles, "RULES", roles.RULES[:-1])
    assert policy_table.name_in_force() != name
    policy_table.name_in_force.cache_clear()


def test_no_step_says_a_value():
    assert not any(person.id in line for person in PERSON for line in decide(WARD, SHARED, facts(WARD)).trace)
