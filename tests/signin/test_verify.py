"""Tokens: what holds, and every attack we know of that must not."""

import base64
import hashlib
import hmac
import json
from collections import OrderedDict
from types import MappingProxyType

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jws

from gateway.errors import Refused, Unauthenticated
from gateway.signin import issuers as accepted
from gateway.signin.issue import issue, public_jwks
from gateway.signin.issuers import Issuer, Issuers
from gateway.signin.verify import verify

NOW = 1_700_000_000_000_000
SECONDS = NOW // 1_000_000
ISS, AUD = "https://issuer.example", "https://gateway.example/fhir"


def rsa_key(bits=2048):
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


KEY, OTHER_KEY = rsa_key(), rsa_key()
EC_KEY = ec.generate_private_key(ec.SECP384R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
JWKS = public_jwks(KEY)
(PUBLIC,) = JWKS["keys"]
KID = PUBLIC["kid"]
CLAIMS = {"iss": ISS, "sub": "u", "aud": AUD, "iat": SECONDS, "exp": SECONDS + 300, "jti": "j1"}


def issuers(jwks=JWKS, algorithms=("RS256",), longest=3600):
    return Issuers([Issuer(ISS, AUD, algorithms, jwks, longest)], MappingProxyType)


def b64(value):
    text = (
        value
        if isinstance(value, bytes)
        else json.dumps(value).encode()
        if not isinstance(value, str)
        else value.encode()
    )
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(claims=CLAIMS, header=None, key=KEY, algorithm="RS256", drop=()):
    """A token with any header and payload, really signed; text is taken as it is."""
    header = {"typ": "JWT", "alg": algorithm, "kid": KID, **(header or {})} if not isinstance(header, str) else header
    if isinstance(header, dict):
        header = {name: value for name, value in header.items() if name not in drop}
    parts = f"{b64(header)}.{b64(claims)}"
    return f"{parts}.{b64(jwk.construct(key.decode(), algorithm).sign(parts.encode()))}"


def changed(**changes):
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}


def hmac_signed(secret, algorithm="HS256"):
    parts = f"{b64({'typ': 'JWT', 'alg': algorithm, 'kid': KID})}.{b64(CLAIMS)}"
    return f"{parts}.{b64(hmac.new(secret, parts.encode(), hashlib.sha256).digest())}"


def public(encoding):
    return (
        serialization.load_pem_private_key(KEY, None)
        .public_key()
        .public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


PEM, DER = public(serialization.Encoding.PEM), public(serialization.Encoding.DER)
DEEP = "[" * 100_000 + "]" * 100_000


def test_a_token_that_holds_gives_its_claims():
    assert verify(signed(), issuers(), NOW) == CLAIMS


def test_what_the_sandbox_issues_holds_until_it_ends():
    token = issue(KEY, ISS, AUD, {"sub": "u", "nhsid_nrbac_roles": [{"role_code": "R8000"}]}, NOW, 60)
    assert verify(token, issuers(), NOW)["nhsid_nrbac_roles"] == [{"role_code": "R8000"}]
    with pytest.raises(Unauthenticated):
        verify(token, issuers(), NOW + 91_000_000)


def test_an_elliptic_key_holds_too():
    jwks = public_jwks(EC_KEY, "ES384")
    token = issue(EC_KEY, ISS, AUD, {"sub": "u"}, NOW, algorithm="ES384")
    assert verify(token, issuers(jwks, ("ES384",)), NOW)["sub"] == "u"


def test_a_key_is_chosen_among_several_by_its_kid():
    both = {"keys": [*public_jwks(OTHER_KEY)["keys"], PUBLIC]}
    assert verify(signed(), issuers(both), NOW)["sub"] == "u"


ATTACKS = {
    "HS256 with the PEM public key": hmac_signed(PEM),
    "HS256 with the DER public key": hmac_signed(DER),
    "HS256 with the base64 of the DER key": hmac_signed(base64.b64encode(DER)),
    "HS256 with an empty secret": hmac_signed(b""),
    "HS512 named": hmac_signed(PEM, "HS512"),
    "alg none, empty signature": f"{b64({'alg': 'none', 'kid': KID})}.{b64(CLAIMS)}.",
    "alg none, some signature": f"{b64({'alg': 'none', 'kid': KID})}.{b64(CLAIMS)}.AAAA",
    "alg None": f"{b64({'alg': None, 'kid': KID})}.{b64(CLAIMS)}.AAAA",
    "alg nOnE": f"{b64({'alg': 'nOnE', 'kid': KID})}.{b64(CLAIMS)}.AAAA",
    "alg not the issuer's": signed(algorithm="RS384"),
    "alg of another key type": signed(header={"alg": "ES256"}),
    "alg missing": signed(drop=("alg",)),
    "alg a list": signed(header={"alg": ["RS256"]}),
    "crit unknown": signed(header={"crit": ["exp"], "exp": 1}),
    "crit empty": signed(header={"crit": []}),
    "b64 false": signed(header={"b64": False}),
    "jku": signed(header={"jku": "https://evil.example/jwks"}),
    "x5u": signed(header={"x5u": "https://evil.example/cert"}),
    "x5c": signed(header={"x5c": ["AAAA"]}),
    "own key in jwk": signed(header={"jwk": public_jwks(OTHER_KEY)["keys"][0]}, key=OTHER_KEY),
    "zip": signed(header={"zip": "DEF"}),
    "typ of something else": signed(header={"typ": "logout+jwt"}),
    "kid missing": signed(drop=("kid",)),
    "kid of no key": signed(header={"kid": "other"}),
    "kid empty": signed(header={"kid": ""}),
    "kid not text": signed(header={"kid": 1}),
    "kid a path": signed(header={"kid": "../../etc/passwd"}),
    "signed by another key": signed(key=OTHER_KEY),
    "signature of another token": signed().rsplit(".", 1)[0] + "." + signed(changed(jti="j2")).rsplit(".", 1)[1],
    "claims changed after signing": ".".join(
        [signed().split(".")[0], b64(changed(sub="other")), signed().split(".")[2]]
    ),
    "signature cut short": signed()[:-10],
    "signature padded": signed() + "=",
    "exp missing": signed(changed(exp=None)),
    "exp past": signed(changed(exp=SECONDS - 31, iat=SECONDS - 100)),
    "exp text": signed(changed(exp=str(SECONDS + 300))),
    "exp a decimal": signed(changed(exp=SECONDS + 300.5)),
    "exp true": signed(changed(exp=True)),
    "exp far ahead": signed(changed(exp=SECONDS + 10 * 365 * 86400)),
    "exp 1e400": signed(json.dumps(CLAIMS).replace(str(SECONDS + 300), "1e400")),
    "exp Infinity": signed(json.dumps(CLAIMS).replace(str(SECONDS + 300), "Infinity")),
    "exp NaN": signed(json.dumps(CLAIMS).replace(str(SECONDS + 300), "NaN")),
    "exp of 5000 digits": signed(json.dumps(CLAIMS).replace(str(SECONDS + 300), "9" * 5000)),
    "exp before iat": signed(changed(exp=SECONDS + 10, iat=SECONDS + 20)),
    "exp null": signed({**CLAIMS, "exp": None}),
    "iat missing": signed(changed(iat=None)),
    "iat in the future": signed(changed(iat=SECONDS + 60)),
    "iat negative": signed(changed(iat=-1)),
    "iat text": signed(changed(iat=str(SECONDS))),
    "nbf in the future": signed(changed(nbf=SECONDS + 60)),
    "nbf text": signed(changed(nbf="soon")),
    "aud missing": signed(changed(aud=None)),
    "aud another's": signed(changed(aud="https://other.example")),
    "aud starts alike": signed(changed(aud=AUD + "/x")),
    "aud empty list": signed(changed(aud=[])),
    "aud list with a number": signed(changed(aud=[AUD, 1])),
    "aud an object": signed(changed(aud={AUD: 1})),
    "iss missing": signed(changed(iss=None)),
    "iss unknown": signed(changed(iss="https://evil.example")),
    "iss a list": signed(changed(iss=[ISS])),
    "sub missing": signed(changed(sub=None)),
    "sub empty": signed(changed(sub="")),
    "sub not text": signed(changed(sub=7)),
    "jti missing": signed(changed(jti=None)),
    "jti very long": signed(changed(jti="j" * 300)),
    "an ID token": signed(changed(nonce="n", at_hash="h", azp="other")),
    "an ID token by its nonce": signed(changed(nonce="n")),
    "an ID token by the hash of its access token": signed(changed(at_hash="h")),
    "an ID token by the hash of its code": signed(changed(c_hash="h")),
    "an ID token by its own word": signed(changed(typ="ID")),
    "an ID token by its use": signed(changed(token_use="id")),
    "a refresh token": signed(changed(typ="Refresh")),
    "a logout token": signed(changed(events={"http://schemas.openid.net/event/backchannel-logout": {}})),
    "a logout token of no event": signed(changed(events={})),
    "a DPoP proof": signed(changed(htm="GET", htu=AUD)),
    "bound to a certificate": signed(changed(cnf={"x5t#S256": "a"})),
    "bound to a key": signed(changed(cnf={"jkt": "a"})),
    "bound to nothing": signed({**CLAIMS, "cnf": None}),
    "somebody else acts": signed(changed(act={"sub": "other"})),
    "another client's": signed(changed(client_id="one", azp="two")),
    "a claim twice": signed(json.dumps(CLAIMS)[:-1] + ', "sub": "other"}'),
    "a header twice": signed(header=f'{{"alg": "RS256", "kid": "{KID}", "kid": "{KID}"}}'),
    "100k deep header": f"{b64(DEEP)}.{b64(CLAIMS)}.AAAA",
    "header just deep enough": f"{b64('[' * 700)}.{b64(CLAIMS)}.AAAA",
    "deep payload": signed("[" * 5000),
    "header over its bound": signed(header={"extra": "x" * 1000}),
    "token over its bound": signed(changed(extra="x" * 9000)),
    "header not an object": f"{b64([])}.{b64(CLAIMS)}.AAAA",
    "payload not an object": signed("[]"),
    "payload not JSON": signed("not json"),
    "payload not UTF-8": signed(b"\xff\xfe"),
    "two parts": ".".join(signed().split(".")[:2]),
    "four parts": signed() + ".AAAA",
    "five parts (JWE)": "a.b.c.d.e",
    "empty": "",
    "dots": "..",
    "whitespace inside": signed().replace(".", ". "),
    "newline at the end": signed() + "\n",
    "not ASCII": signed() + "é",
    "base64 with slack bits": signed()[:-1] + chr(ord(signed()[-1]) + 1),
    "base64 of the other alphabet": "+/" + signed()[2:],
    "a NUL": signed() + "\0",
}


@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS)
def test_no_attack_holds_and_all_are_answered_alike(token):
    with pytest.raises(Unauthenticated) as refused:
        verify(token, issuers(), NOW)
    assert str(refused.value) == "the token does not hold"
    assert refused.value.__cause__ is None and refused.value.__suppress_context__


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"alg": "RS384"},
        {"kty": "EC"},
        {"key_ops": ["sign"]},
        {"kid": "other"},
        {"n": b64((1 << 1023).to_bytes(128, "big"))},
        {"n": "!!"},
    ],
)
def test_a_key_for_another_use_type_algorithm_or_strength_verifies_nothing(change):
    with pytest.raises(Unauthenticated):
        verify(signed(), issuers({"keys": [{**PUBLIC, **change}]}), NOW)


def test_a_short_rsa_key_verifies_nothing_though_its_signature_is_right():
    weak = rsa_key(1024)
    jwks = public_jwks(weak)
    with pytest.raises(Unauthenticated):
        verify(issue(weak, ISS, AUD, {"sub": "u"}, NOW), issuers(jwks), NOW)


def test_two_keys_of_one_kid_are_no_key():
    with pytest.raises(Unauthenticated):
        verify(signed(), issuers({"keys": [PUBLIC, PUBLIC]}), NOW)


def unpinned(jwks):
    """The same key, without saying what it is for."""
    return {"keys": [{name: value for name, value in jwks["keys"][0].items() if name not in ("alg", "use")}]}


def test_an_algorithm_the_issuer_does_not_name_verifies_nothing_though_its_key_would():
    with pytest.raises(Unauthenticated):
        verify(signed(algorithm="RS384"), issuers(unpinned(JWKS)), NOW)


def test_a_curve_that_is_not_the_algorithms_verifies_nothing():
    jwks = unpinned(public_jwks(EC_KEY, "ES384"))
    token = signed(header={"kid": jwks["keys"][0]["kid"]}, key=EC_KEY, algorithm="ES256")
    with pytest.raises(Unauthenticated):
        verify(token, issuers(jwks, ("ES256",)), NOW)


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithms": ("HS256",)},
        {"algorithms": ("RS256", "HS256")},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"audience": ""},
        {"iss": ""},
        {"typ": "logout+jwt"},
        {"jwks": {}},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": ["x"]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"jwks": {"keys": [{**PUBLIC, "d": "AAAA"}]}},
    ],
)
def test_an_issuer_that_could_not_be_verified_safely_is_refused_at_start(settings):
    with pytest.raises(Refused):
        Issuer(**{"iss": ISS, "audience": AUD, "algorithms": ("RS256",), "jwks": JWKS, **settings})


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_issuer_of_rfc_9068_is_believed_by_that_type_only(typ):
    pinned = Issuers([Issuer(ISS, AUD, ("RS256",), JWKS, typ="at+jwt")], MappingProxyType)
    assert verify(signed(header={"typ": typ}), pinned, NOW)["sub"] == "u"
    for other in (signed(), signed(header={"typ": "application/jwt"}), signed(drop=("typ",))):
        with pytest.raises(Unauthenticated):
            verify(other, pinned, NOW)


@pytest.mark.parametrize("claims", [{"typ": "Bearer"}, {"token_use": "access"}, {"client_id": "one", "azp": "one"}])
def test_what_says_that_it_is_an_access_token_holds(claims):
    assert verify(signed(changed(**claims)), issuers(), NOW)["sub"] == "u"


def test_another_issuers_key_does_not_sign_for_this_one():
    other = Issuer("https://other.example", AUD, ("RS256",), public_jwks(OTHER_KEY))
    both = Issuers([Issuer(ISS, AUD, ("RS256",), JWKS), other], dict)
    with pytest.raises(Unauthenticated):
        verify(signed(header={"kid": other.jwks["keys"][0]["kid"]}, key=OTHER_KEY), both, NOW)


def test_a_verified_token_is_remembered_for_a_minute_and_not_beyond_its_end(monkeypatch):
    known = issuers()
    token = signed(changed(exp=SECONDS + 40))
    asked = []
    monkeypatch.setattr(jws, "verify", lambda *args, real=jws.verify: asked.append(1) or real(*args))
    for later in (0, 1, 39):
        verify(token, known, NOW + later * 1_000_000)
    assert len(asked) == 1
    with pytest.raises(Unauthenticated):
        verify(token, known, NOW + 71_000_000)
    long = signed()
    for later in (0, 59, 61):
        verify(long, known, NOW + later * 1_000_000)
    assert len(asked) == 4, "each token once, again after its end, again after a minute"


def test_what_is_remembered_is_bounded_and_cannot_be_changed_by_who_asks(monkeypatch):
    monkeypatch.setattr(accepted, "CACHE_SIZE", 4)
    known = issuers()
    for number in range(12):
        verify(signed(changed(jti=f"j{number}")), known, NOW)
    assert len(known.verified) == 4
    token = signed()
    with pytest.raises(TypeError):
        verify(token, known, NOW)["sub"] = "other"
    assert verify(token, known, NOW)["sub"] == "u"


def test_a_full_cache_forgets_the_token_remembered_longest_ago_and_looks_at_no_other(monkeypatch):
    """Also where one of the others has ended: to look for those would take longer at each token."""
    monkeypatch.setattr(accepted, "CACHE_SIZE", 3)
    verified = accepted.Verified()
    for name, until in ((b"a", 30), (b"b", 10), (b"c", 30), (b"a", 40), (b"d", 40)):
        verified.remember(name, until, name, 0)
    assert [verified.get(name, 5) for name in (b"a", b"b", b"c", b"d")] == [b"a", None, b"c", b"d"]
    monkeypatch.setattr(verified, "_answers", Unwalked(verified._answers))
    verified.remember(b"e", 40, b"e", 20)
    assert (len(verified), verified.get(b"c", 5)) == (3, None)


class Unwalked(OrderedDict):
    """A dictionary that nobody may walk through."""

    def items(self):
        raise AssertionError("the whole cache is walked through")

    __iter__ = keys = values = items


def test_a_token_that_does_not_hold_is_not_remembered():
    known = issuers()
    with pytest.raises(Unauthenticated):
        verify(signed(key=OTHER_KEY), known, NOW)
    assert not known.verified


def test_a_key_is_read_once_and_only_for_the_algorithm_it_is_for(monkeypatch):
    read, construct = [], jwk.construct
    monkeypatch.setattr(jwk, "construct", lambda *arguments: read.append(1) or construct(*arguments))
    known = issuers(algorithms=("RS256", "RS384"))
    for number in range(3):
        assert verify(TOKENS[number], known, NOW)["jti"] == f"k{number}"
    assert len(read) == 1
    with pytest.raises(Unauthenticated):
        verify(OTHER_ALGORITHM, known, NOW)


TOKENS = [signed(changed(jti=f"k{number}")) for number in range(3)]
OTHER_ALGORITHM = signed(changed(jti="k9"), algorithm="RS384")


def test_two_issuers_of_one_name_are_refused():
    with pytest.raises(Refused):
        Issuers([Issuer(ISS, AUD, ("RS256",), JWKS), Issuer(ISS, AUD + "/other", ("RS256",), JWKS)], dict)
