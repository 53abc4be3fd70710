"""Scopes only narrow: what is written oddly opens nothing, and no act is reached by a scope that does not name it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Unauthenticated
from gateway.nhs import access, roles, sandbox, scopes
from gateway.nhs.access import Act, Facts
from gateway.nhs.roles import Caller

GREEN = roles.caller_from_claims(sandbox.claims("dr-green"))
WARD = roles.caller_from_claims(sandbox.claims("dr-ward"))
ADMIN = roles.caller_from_claims(sandbox.claims("admin"))


@pytest.mark.parametrize(
    "named, act, types",
    [
        (None, "read", None),
        ([], "read", set()),
        (["openid", "profile"], "read", set()),
        (["user/Patient.read"], "read", {"Patient"}),
        (["user/Patient.rs"], "search", {"Patient"}),
        (["user/Patient.r"], "search", set()),
        (["user/Patient.s"], "read", set()),
        (["user/Patient.r", "user/Patient.s"], "shared", {"Patient"}),
        (["user/*.r", "user/Patient.s"], "shared", {"Patient"}),
        (["user/*.r", "patient/Patient.s"], "shared", set()),
        (["user/*.cruds"], "read", {"*"}),
        (["user/*.*"], "search", {"*"}),
        (["user/*.write"], "read", set()),
        (["patient/*.rs"], "read", set()),
        (["system/*.rs"], "read", set()),
        (["user/Observation.rs?category=laboratory"], "search", set()),
        (["user/Observation.sr"], "search", set()),
        (["user/Observation."], "read", set()),
        (["user/Observation"], "read", set()),
        (["user/Observation%2f.rs"], "read", set()),
        (["user%2fObservation.rs"], "read", set()),
        (["USER/Observation.rs"], "read", set()),
        (["user/observation.rs"], "read", set()),
        (["user/Observation.RS"], "read", set()),
        (["user/Observation.Read"], "read", set()),
        (["user/NoSuchType.rs"], "read", set()),
        (["user/"], "read", set()),
        (["user/Observation.rs\n"], "read", set()),
        (["openid user/Observation.rs"], "read", set()),
        (["user/Observation.rs user/*.rs"], "read", set()),
        (["user/*.rs"], "no such act", set()),
    ],
)
def test_scopes_only_narrow_and_one_that_cannot_be_read_opens_nothing(named, act, types):
    held = None if named is None else frozenset(named)
    assert scopes.types(held, "user", act) == types


@pytest.mark.parametrize(
    "claims, held",
    [
        ({}, None),
        ({"scope": ""}, set()),
        ({"scope": "openid"}, {"openid"}),
        ({"scope": "user/Patient.rs  user/Task.r"}, {"user/Patient.rs", "user/Task.r"}),
        ({"scope": "openid\tuser/*.rs"}, {"openid\tuser/*.rs"}),
        ({"scope": "openid\u00a0user/*.rs"}, {"openid\u00a0user/*.rs"}),
        ({"scp": ["user/Patient.rs", "openid"]}, {"user/Patient.rs", "openid"}),
        ({"scopes": ["user/Patient.rs"]}, {"user/Patient.rs"}),
        ({"Scope": "user/Patient.rs"}, {"user/Patient.rs"}),
        ({"scope": ["user/Patient.rs"]}, {"user/Patient.rs"}),
        ({"scp": []}, set()),
        ({"scope": "user/Patient.rs", "scp": ["user/Patient.rs"]}, {"user/Patient.rs"}),
    ],
)
def test_scopes_are_read_from_every_claim_that_may_hold_them(claims, held):
    assert scopes.from_claims(claims) == held


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": None},
        {"scope": 1},
        {"scope": {"user/*.rs": True}},
        {"scp": ["user/*.rs", 1]},
        {"scope": "user/*.rs", "scp": ["user/Patient.rs"]},
        {"scope": "user/*.rs", "scopes": []},
        {"scope": "", "Scope": "user/*.rs"},
    ],
)
def test_claims_of_scopes_that_could_mean_two_things_are_nobody(claims):
    with pytest.raises(Unauthenticated):
        roles.caller_from_claims({**sandbox.claims("dr-green"), **claims})


ACTS = [
    *(Act(name, type_) for name in ("read", "vread", "history", "search") for type_ in sorted(roles.types_of(roles.ALL))),
    *(Act(name, "Organization") for name in ("read", "search")),
    Act("summary", "Patient"), Act("shared", "Patient"), Act("everything", "Patient"), Act("permit"), Act("jobs"), Act("audit"), Act("export"), Act("export-admin"),
]  # fmt: skip
GOOD = st.builds(
    "{}/{}.{}".format,
    st.sampled_from(["user", "patient", "system"]),
    st.sampled_from(["*", "Patient", "Observation", "MedicationRequest", "Consent", "AuditEvent", "Organization"]),
    st.sampled_from(["rs", "r", "s", "cruds", "cud", "c", "read", "write", "*"]),
)
ODDITIES = {
    "upper case": str.upper,
    "capital": str.capitalize,
    "swapped case": str.swapcase,
    "percent": lambda scope: scope.replace("/", "%2f"),
    "percent of a letter": lambda scope: scope.replace(".", "%2e"),
    "full-width slash": lambda scope: scope.replace("/", "\uff0f"),
    "Cyrillic letter": lambda scope: scope.replace("e", "\u0435") + "\u0435",
    "backwards": lambda scope: scope[::-1],
    "a query": lambda scope: scope + "?category=laboratory",
    "a fragment": lambda scope: scope + "#",
    "a comma": lambda scope: scope + ",user/*.cruds",
    "a plus": lambda scope: "openid+" + scope,
    "a tab": lambda scope: "openid\t" + scope,
    "a line break": lambda scope: scope + "\n",
    "a no-break space": lambda scope: "openid\u00a0" + scope,
    "a NUL": lambda scope: scope + "\0",
    "quotes": lambda scope: f'"{scope}"',
    "no letters": lambda scope: scope.rpartition(".")[0] + ".",
    "no type": lambda scope: scope.partition("/")[0] + "/.rs",
    "two slashes": lambda scope: scope.replace("/", "//"),
    "two levels": lambda scope: "user/" + scope,
    "repeated letters": lambda scope: scope + scope.rpartition(".")[2],
    "a URL": lambda scope: "https://example.org/scopes/" + scope,
}
ANYTHING = st.text(max_size=40)


def reach(scopes_: frozenset[str] | None, caller: Caller) -> set[tuple[str, str]]:
    """What a caller with these scopes may begin to do."""
    asking = replace(caller, scopes=scopes_)
    return {(act.name, act.type) for act in ACTS if not access.before_lookup(asking, act, Facts.of_nobody(0))}


@settings(deadline=None)
@given(
    st.lists(GOOD, min_size=1, max_size=4),
    st.data(),
    st.sampled_from(sorted(ODDITIES)),
    st.sampled_from([GREEN, ADMIN]),
)
def test_what_may_be_reached_never_grows_when_a_scope_is_made_odd(good, data, oddity, caller):
    number = data.draw(st.integers(0, len(good) - 1))
    odd = [*good[:number], ODDITIES[oddity](good[number]), *good[number + 1 :]]
    assert reach(frozenset(odd), caller) <= reach(frozenset(good), caller)


@settings(deadline=None)
@given(st.lists(st.one_of(GOOD, ANYTHING), max_size=5), st.data())
def test_a_scope_less_never_reaches_more_and_no_scope_reaches_more_than_the_role(named, data):
    fewer = data.draw(st.sets(st.sampled_from(named)) if named else st.just(set()))
    assert reach(frozenset(fewer), GREEN) <= reach(frozenset(named), GREEN) <= reach(None, GREEN)


@settings(deadline=None)
@given(ANYTHING)
def test_text_of_any_kind_reaches_what_a_scope_that_can_be_read_reaches_or_nothing(text):
    held = scopes.from_claims({"scope": text})
    if reach(held, GREEN):
        assert any(scopes._SCOPE.fullmatch(scope) for scope in text.split(" "))


READ_ONLY = ["", "openid", "user/Patient.r", "user/Patient.rs", "user/*.rs", "user/*.read", "patient/Observation.r",
             "patient/*.cruds", "user/Patient.cud", "user/Observation.write", "user/Consent.rs", "user/Consent.ud"]  # fmt: skip


@pytest.mark.hazard("HZ-ACCESS-17")
@pytest.mark.parametrize("scope", READ_ONLY)
def test_a_scope_that_creates_no_consent_records_no_permission(scope):
    asking = replace(WARD, scopes=frozenset(scope.split()))
    assert access.decide(asking, Act("permit"), Facts.of_nobody(0)).refusal is access.NO_SCOPE


@pytest.mark.parametrize(
    "scope", ["user/Consent.c", "user/Consent.cruds", "user/Consent.write", "user/*.cruds", "user/*.*"]
)
def test_a_scope_that_creates_consents_records_permission(scope):
    asking = replace(WARD, scopes=frozenset({scope}))
    assert access.decide(asking, Act("permit"), Facts.of_nobody(0)).refusal is None


@pytest.mark.parametrize("scope, is_covered", [("user/Patient.r", False), ("user/Task.r", False), ("user/*.r", True)])
def test_the_metrics_need_a_scope_on_all_types(scope, is_covered):
    asking = replace(ADMIN, scopes=frozenset({scope}))
    refusal = access.before_lookup(asking, Act("jobs"), Facts.of_nobody(0))
    assert refusal is (None if is_covered else access.NO_SCOPE)


def test_every_act_of_the_role_table_has_its_need_and_every_need_an_act():
    assert {act for rule in roles.RULES for act in rule.acts} == scopes.NEEDS.keys()


def test_a_section_is_covered_only_whole():
    all_medicines = {"MedicationRequest", "MedicationStatement"}
    assert roles.covered(roles.ALL, frozenset({"Patient", "Condition"})) == {"problems"}
    assert roles.covered(roles.ALL, frozenset({"MedicationRequest"})) == frozenset()
    assert roles.covered(roles.ALL, frozenset(all_medicines)) == {"medicines"}
    assert roles.covered(roles.ALL, None) == roles.covered(roles.ALL, frozenset({"*"})) == roles.ALL
