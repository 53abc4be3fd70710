"""The verdict of another library on every token of the table of attacks, and that nothing holds here which it refuses.

joserfc is given the algorithm, the one key of the token's ``kid`` and the claims that must be there; it knows nothing
of what an access token is for us.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk, jws, jwt

from gateway.errors import Unauthenticated
from gateway.signin.issue import public_jwks
from gateway.signin.verify import verify
from tests.signin.test_verify import ATTACKS, AUD, EC_KEY, ISS, JWKS, NOW, SECONDS, changed, issuers, signed

REGISTRY = jwt.JWTClaimsRegistry(
    now=SECONDS, leeway=30, iss={"essential": True, "value": ISS}, aud={"essential": True, "value": AUD}, sub={"essential": True},
    exp={"essential": True}, iat={"essential": True}, jti={"essential": True},
)  # fmt: skip
OURS_ALONE = {
    "another kind of token, or one that its bearer alone may not use (ASVS 9.2.2)": {
        "an ID token", "an ID token by its nonce", "an ID token by the hash of its access token", "an ID token by the hash of its code",
        "an ID token by its own word", "an ID token by its use", "a refresh token", "a logout token", "a logout token of no event", "a DPoP proof",
        "bound to a certificate", "bound to a key", "bound to nothing", "somebody else acts", "another client's", "typ of something else",
    },
    "a header that brings a key, or asks for something to be understood (RFC 8725 3.5, 3.10)": {"jku", "x5u", "x5c", "crit empty"},
    "JSON in which a name stands twice, which two readers read otherwise (RFC 8725 2.4)": {"a claim twice", "a header twice"},
    "a time that is no whole number or no time of a token": {"exp a decimal", "exp before iat", "exp far ahead", "iat negative"},
    "a bound of ours on the size": {"jti very long", "token over its bound"},
}  # fmt: skip
"""Why a token is refused here that joserfc takes, and which."""
HOLD = {
    "as issued": {}, "audience in a list": {"aud": [AUD]}, "audience among others": {"aud": ["https://other.example", AUD]}, "valid since": {"nbf": SECONDS},
    "ended within the leeway": {"exp": SECONDS - 29, "iat": SECONDS - 300}, "issued by a clock ahead": {"iat": SECONDS + 30},
    "begins within the leeway": {"nbf": SECONDS + 30}, "claims that nobody knows": {"x": {"y": [1, None]}}, "an issuer's word": {"typ": "Bearer"},
}  # fmt: skip


def of_kid(keys):

    def find(token):
        (key,) = [key for key in keys.keys if key.kid == token.headers()["kid"]]
        return key

    return find


KEYS = jwk.KeySet.import_key_set(JWKS)


def holds_there(token: str, keys=KEYS, algorithm: str = "RS256") -> bool:
    try:
        decoded = jwt.decode(token, of_kid(keys), [algorithm], jws.JWSRegistry(algorithms=[algorithm]))
        REGISTRY.validate(decoded.claims)
    except Exception:
        return False
    return True


def holds_here(token: str) -> bool:
    try:
        verify(token, issuers(), NOW)
    except Unauthenticated:
        return False
    return True


def test_the_table_is_long_and_each_difference_is_of_it():
    differences = [name for names in OURS_ALONE.values() for name in names]
    assert len(ATTACKS) >= 100 and len(differences) == len(set(differences)) < len(ATTACKS) / 3
    assert ATTACKS.keys() >= set(differences)


@pytest.mark.parametrize("name", ATTACKS)
def test_joserfc_refuses_each_attack_but_those_that_it_cannot_know(name):
    ours = any(name in names for names in OURS_ALONE.values())
    assert holds_there(ATTACKS[name]) == ours and not holds_here(ATTACKS[name])


@pytest.mark.parametrize("changes", HOLD.values(), ids=HOLD)
def test_what_holds_here_holds_there(changes):
    token = signed(changed(**changes))
    assert holds_here(token) and holds_there(token)


def test_an_elliptic_key_holds_there_too():
    jwks = public_jwks(EC_KEY, "ES384")
    token = signed(header={"kid": jwks["keys"][0]["kid"]}, key=EC_KEY, algorithm="ES384")
    assert holds_there(token, jwk.KeySet.import_key_set(jwks), "ES384") and verify(
        token, issuers(jwks, ("ES384",)), NOW
    )


values = st.none() | st.booleans() | st.integers(-1, 2**41) | st.sampled_from([SECONDS, SECONDS + 300, ISS, AUD, "", [AUD]])  # fmt: skip


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "iat", "exp", "nbf", "jti"]), values, max_size=3))
def test_no_claims_hold_here_that_do_not_hold_there(changes):
    token = signed(changed(**changes))
    assert holds_there(token) or not holds_here(token)


@settings(max_examples=40)
@given(st.integers(0, len(signed()) - 1), st.sampled_from("Aa0_-=. \n~é"), st.booleans())
def test_a_token_that_was_touched_holds_neither_here_nor_there(place, character, is_replaced):
    token = signed()
    touched = token[:place] + character + token[place + is_replaced :]
    assert touched == token or not (holds_here(touched) or holds_there(touched))
