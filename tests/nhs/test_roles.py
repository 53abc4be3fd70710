"""Callers and their rights, before any patient is looked at."""

import pytest

from gateway.errors import Refused, Unauthenticated
from gateway.nhs import roles, sandbox
from gateway.nhs.roles import Caller

ROLE = {"person_roleid": "1", "org_code": "A99001", "role_code": "S8000:G8000:R8000", "activity_codes": ["B0380"]}
OTHER = {"person_roleid": "2", "org_code": "A99002", "role_code": "S8002:G8003:R0001", "activity_codes": ["B0011"]}


def test_only_the_selected_role_counts():
    caller = roles.caller_from_claims({"sub": "u", "nhsid_nrbac_roles": [ROLE, OTHER], "selected_roleid": "2"})
    assert (caller.role, caller.organisation, caller.activities) == ("R0001", "A99002", {"B0011"})


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "u", "nhsid_nrbac_roles": [ROLE, OTHER]},
        {"sub": "u", "nhsid_nrbac_roles": [ROLE, {**OTHER, "person_roleid": "1"}], "selected_roleid": "1"},
        {"sub": "u", "nhsid_nrbac_roles": "R8000"},
        {"sub": "u", "nhsid_nrbac_roles": ["R8000"]},
        {"sub": ["u"]},
        {"client_id": "c", "scope": "system/*.rs user/*.rs"},
        {"sub": "u", "scope": "system/*.rs", "nhsid_nrbac_roles": [ROLE]},
    ],
)
def test_claims_that_could_mean_two_things_are_nobody(claims):
    with pytest.raises(Unauthenticated):
        roles.caller_from_claims(claims)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "u"},
        {"sub": "u", "nhsid_nrbac_roles": []},
        {"sub": "u", "nhsid_nrbac_roles": [ROLE], "selected_roleid": "9"},
    ],
)
def test_a_user_without_a_role_is_a_caller_who_may_nothing(claims):
    caller = roles.caller_from_claims(claims)
    assert not any(roles.rules_for(caller, act) for rule in roles.RULES for act in rule.acts)


def test_activities_include_what_the_hierarchy_says_and_no_more():
    assert roles.expanded({"B8029"}) == {"B8029", "B8028", "B0380", "B0360"}
    assert "B0370" not in roles.expanded({"B8029"})


def test_a_role_without_its_activity_and_an_activity_without_its_role_may_nothing():
    assert not roles.rules_for(Caller("u", "n", "o", "R8000"), "search")
    assert not roles.rules_for(Caller("u", "n", "o", "R8009", frozenset({"B0360", "B0370"})), "search")
    assert not roles.rules_for(Caller("u", "n", "o", "R9999", frozenset(roles.ACTIVITIES)), "search")
    assert roles.rules_for(Caller("u", "n", "o", "R8000", frozenset({"B0360"})), "search")


def test_a_clinical_role_without_b0370_is_shown_no_summary_and_records_no_permission():
    without = Caller("u", "n", "o", "R8000", frozenset(roles.ACTIVITIES) - {"B0370"})
    within = Caller("u", "n", "o", "R8000", frozenset({"B0370"}))
    for act in ("summary", "permit"):
        assert not roles.rules_for(without, act) and roles.rules_for(within, act), act


def test_two_roles_that_are_insufficient_alone_are_not_added_up():
    """The one has the clinical role, the other the activity: together they would open a summary."""
    clinical = {**ROLE, "person_roleid": "1", "role_code": "R8000", "activity_codes": []}
    active = {**OTHER, "person_roleid": "2", "role_code": "R8009", "activity_codes": ["B0370"]}
    for selected in ("1", "2"):
        claims = {"sub": "u", "nhsid_nrbac_roles": [clinical, active], "selected_roleid": selected}
        caller = roles.caller_from_claims(claims)
        assert caller is not None and not roles.rules_for(caller, "summary")


def test_only_a_system_clients_own_scope_opens_the_export():
    assert roles.rules_for(roles.caller_from_claims(sandbox.claims("researcher", "p1")), "export")
    for user in sandbox.USERS:
        if user not in ("researcher", "tester"):
            assert not roles.rules_for(roles.caller_from_claims(sandbox.claims(user)), "export")


NHS_LOGIN = sandbox.claims("patient")


@pytest.mark.parametrize(
    "claims, number",
    [
        (NHS_LOGIN, "9990000018"),
        ({**NHS_LOGIN, "nhs_number": "999 000 0018"}, "9990000018"),
        ({**NHS_LOGIN, "nhs_number": "9990000019"}, ""),
        ({**NHS_LOGIN, "nhs_number": ""}, ""),
        ({**NHS_LOGIN, "identity_proofing_level": "P5"}, None),
        ({**NHS_LOGIN, "vot": "P9.Cp"}, None),
        ({**NHS_LOGIN, "vot": None}, None),
        ({**NHS_LOGIN, "nhs_number": 9990000018}, None),
    ],
)
def test_a_person_is_who_proved_it_and_without_a_valid_number_nobody(claims, number):
    if number is None:
        with pytest.raises(Unauthenticated):
            roles.caller_from_claims(claims)
        return
    caller = roles.caller_from_claims(claims)
    assert (caller.kind, caller.role, caller.organisation, caller.number) == ("citizen", "", "", number)
    assert caller.level == "patient" and [rule.roles for rule in roles.rules_for(caller, "looked")] == [roles.CITIZENS]


@pytest.mark.parametrize("role", ["citizen", "system"])
def test_a_role_code_that_reads_like_another_kind_of_caller_opens_nothing(role):
    held = {"org_code": "A99001", "role_code": f"S8000:G8000:{role}", "activity_codes": [*roles.ACTIVITIES]}
    caller = roles.caller_from_claims({**NHS_LOGIN, "nhsid_nrbac_roles": [held]})
    assert caller.kind == "user" and not caller.number
    assert not any(roles.rules_for(caller, act) for rule in roles.RULES for act in rule.acts)


def test_every_rule_names_what_the_tables_know():
    for rule in roles.RULES:
        assert rule.reason and rule.acts and rule.sections <= set(roles.SECTION_TYPES)
        assert rule.roles <= set(roles.ROLES) | roles.SYSTEM | roles.CITIZENS
        assert rule.activity in roles.ACTIVITIES or rule.scope or rule.roles == roles.CITIZENS


def test_sandbox_users_are_in_cis2s_shape_and_an_unknown_one_is_refused_by_name_of_the_others():
    for user in sandbox.USERS:
        caller = roles.caller_from_claims(sandbox.claims(user))
        assert caller.user and (caller.role in roles.ROLES or user in ("no-role", "researcher", "tester", "patient"))
    with pytest.raises(Refused, match="dr-green"):
        sandbox.claims("nobody")
