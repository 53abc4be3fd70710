"""What an issuer may vouch for, as its table says it, and how surely people must have signed in."""

import json

import pytest

from gateway.errors import Refused, Unauthenticated
from gateway.nhs import sandbox
from gateway.nhs.roles import caller_from_claims
from gateway.signin import callers, issuers, vouching
from gateway.signin.issue import issue, new_key, public_jwks
from gateway.signin.verify import verify
from gateway.signin.vouching import Vouches

ISS, AUDIENCE, NOW = "https://issuer.example", "gateway", 1_700_000_000_000_000
GREEN = sandbox.claims("dr-green")
KEY = new_key()
BOUND = Vouches(organisations=frozenset({"A99001"}), acr=frozenset({"AAL2_ANY"}), scopes=vouching.OPTIONAL)


@pytest.fixture
def table(tmp_path) -> dict:
    (tmp_path / "jwks.json").write_text(json.dumps(public_jwks(KEY)))
    return {"iss": ISS, "audience": AUDIENCE, "algorithms": ["RS256"], "jwks": str(tmp_path / "jwks.json")}


def test_a_table_that_names_nobody_vouches_for_nobody(table):
    (issuer,) = issuers.from_tables({"one": table})
    assert issuer.vouches == Vouches()
    token = issue(KEY, ISS, AUDIENCE, {**GREEN, "acr": "AAL3_ANY", "scope": "user/*.rs"}, NOW)
    with pytest.raises(Unauthenticated):
        verify(token, callers.known([issuer]), NOW)


def test_a_table_says_whom_its_issuer_vouches_for(table):
    more = {"organisations": ["A99001"], "acr": ["AAL2_ANY"], "scopes": "optional", "typ": "at+jwt", "longest": 300}
    (issuer,) = issuers.from_tables({"one": {**table, **more}})
    assert (issuer.vouches, issuer.typ, issuer.longest) == (BOUND, "at+jwt", 300)


@pytest.mark.parametrize(
    "change",
    [
        {"organisations": "A99001"}, {"organisations": [""]}, {"operators": [1]}, {"projects": {"falls": "x"}}, {"acr": [None]},
        {"acr": ["AAL1_USERPASS"]}, {"acr": ["AAL1_OR_AAL2"]}, {"acr": ["0"]}, {"scopes": "none"}, {"organisation": ["A99001"]},
        {"Organisations": ["A99001"]}, {"typ": "JOSE"}, {"typ": 1},
    ],
)  # fmt: skip
def test_a_key_that_is_misspelt_or_of_another_kind_is_refused_at_start(table, change):
    with pytest.raises(Refused):
        issuers.from_tables({"one": {**table, **change}})


def admits(vouches: Vouches | None, user: str = "dr-green", **changes) -> bool:
    claims = {name: value for name, value in {**sandbox.claims(user), **changes}.items() if value != "absent"}
    try:
        vouching.require(vouches, caller_from_claims(claims), claims)
    except Unauthenticated:
        return False
    return True


WEAK = [
    {"acr": "AAL1_USERPASS"}, {"acr": "AAL1_OR_AAL2"}, {"acr": "aal1"}, {"acr": "loa-1"}, {"acr": "0"}, {"acr": "1"}, {"acr": "pwd"}, {"acr": "urn:x:aal:1"}, {"acr": "AAL=1"},
    {"acr": "https://refeds.org/profile/sfa"}, {"acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"}, {"acr": "AAL:2 or AAL:1"},
    {"acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"}, {"acr": 3}, {"acr": None}, {"acr": ["AAL3_ANY"]},
    {"authentication_assurance_level": 1}, {"authentication_assurance_level": "1"}, {"authentication_assurance_level": True},
    {"authentication_assurance_level": None}, {"authentication_assurance_level": "high"}, {"id_assurance_level": "0"}, {"id_assurance_level": 1},
    {"acr": "AAL3_ANY", "id_assurance_level": "0"}, {"amr": ["pwd"]}, {"amr": "pwd"}, {"amr": ["pwd", "pin"]},
]  # fmt: skip
STRONG = [
    {}, {"acr": "urn:x:aal:2"}, {"acr": "https://refeds.org/profile/mfa"}, {"acr": "AAL2_ANY"}, {"acr": "AAL3_ANY"}, {"acr": "AAL2_OR_AAL3_ANY"}, {"acr": "AAL3_ANY", "id_assurance_level": "3"},
    {"authentication_assurance_level": 3}, {"authentication_assurance_level": "2"}, {"amr": ["pwd", "otp"]}, {"amr": ["N3_SMARTCARD"]},
]  # fmt: skip


@pytest.mark.hazard("HZ-ACCESS-22")
@pytest.mark.parametrize("claims", WEAK, ids=str)
def test_a_weak_sign_in_is_nobody_for_every_issuer(claims):
    assert not admits(None, **claims)
    assert not admits(BOUND, **{"acr": "AAL2_ANY", **claims})


@pytest.mark.parametrize("claims", STRONG, ids=str)
def test_a_sign_in_that_is_strong_enough_is_somebody_for_the_sandbox(claims):
    assert admits(None, **claims)


def test_only_the_listed_classes_and_methods_hold_for_an_issuer_that_lists_them():
    assert admits(BOUND, acr="AAL2_ANY") and not admits(BOUND) and not admits(BOUND, acr="AAL3_ANY")
    carded = Vouches(BOUND.organisations, acr=BOUND.acr, amr=frozenset({"N3_SMARTCARD"}), scopes=vouching.OPTIONAL)
    assert admits(carded, acr="AAL2_ANY", amr=["N3_SMARTCARD"]) and admits(carded, acr="AAL2_ANY", amr="N3_SMARTCARD")
    for methods in ([], ["otp"], "absent", {"N3_SMARTCARD": 1}, None):
        assert not admits(carded, acr="AAL2_ANY", amr=methods)


def test_a_client_is_bound_by_its_project_and_has_no_sign_in():
    bound = Vouches(projects=frozenset({"falls"}))
    assert admits(bound, "researcher", project="falls") and not admits(bound, "researcher", project="demo")
    assert not admits(BOUND, "researcher", project="falls") and admits(None, "researcher", project="anything")


def test_a_token_without_a_claim_of_scopes_needs_an_issuer_that_may_leave_it_out():
    strict = Vouches(BOUND.organisations, acr=BOUND.acr)
    assert admits(BOUND, acr="AAL2_ANY") and not admits(strict, acr="AAL2_ANY")
    assert admits(strict, acr="AAL2_ANY", scope="openid"), "which opens nothing"
