"""Verifies bearer tokens. Nothing of a token reaches ``jose`` before its size, header, issuer and key are checked.

python-jose 3.5 accepts an unknown ``crit``, any key of a set, tokens without ``exp`` or ``aud``, and raises
RecursionError and OverflowError. So the claims are checked here, and whatever ``jose`` raises means that the token does
not hold. The rules are those of https://www.rfc-editor.org/rfc/rfc8725 (JWT best current practices).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any, TypeVar

from jose import backends, jwk, jws

from gateway.errors import Unauthenticated
from gateway.signin.issuers import KEY_TYPES, LEAST_RSA_BITS, TYPES, Issuer, Issuers

if (
    backends.RSAKey.__module__ != "jose.backends.cryptography_backend"
    or backends.ECKey.__module__ != "jose.backends.cryptography_backend"
):
    raise RuntimeError("python-jose must use the cryptography package, not its own arithmetic")

TOKEN_LIMIT, HEADER_LIMIT, TEXT_LIMIT = 8192, 1024, 256
LEEWAY = 30
"""Seconds two clocks may differ."""
CURVES = {"ES256": "P-256", "ES384": "P-384"}
FORBIDDEN_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc", "b64"})
"""A token does not say where its key is, nor what else to understand."""
OF_ANOTHER_KIND = {
    "nonce": "an ID token",
    "at_hash": "an ID token",
    "c_hash": "an ID token",
    "s_hash": "an ID token",
    "events": "a security event, such as a logout token",
    "toe": "a security event",
    "sub_id": "a security event",
    "htm": "a DPoP proof",
    "htu": "a DPoP proof",
    "token_introspection": "an introspection response",
    "cnf": "bound to a key that the sender must prove to hold, and nothing here takes such proof",
    "act": "somebody else acts with it",
    "may_act": "somebody else may act with it",
    "_sd": "claims are disclosed selectively",
    "_sd_alg": "claims are disclosed selectively",
}
"""Claims that an access token for us does not have, and what the token is instead (ASVS 5.0 9.2.2)."""
SAID = {"typ": {"bearer", "at+jwt", "access"}, "token_use": {"access"}, "token_type": {"bearer", "access_token"}}
"""Claims in which some issuers say what a token is, and the values of an access token, in small letters."""

_MEDIA = "APPLICATION/"
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)

Answer = TypeVar("Answer")


def verify(token: str, issuers: Issuers[Answer], now: int) -> Answer:
    """https://www.rfc-editor.org/rfc/rfc6750

    Return the result of ``issuers.read`` for the claims of a bearer token. ``now`` is µs UTC. Raises
    ``Unauthenticated``, always with the same words.
    """
    seconds = now // 1_000_000
    try:
        digest = hashlib.sha256(token.encode("ascii")).digest()
        known = issuers.verified.get(digest, seconds)
        if known is not None:
            return known
        claims = _verified(token, issuers, seconds)
        answer = issuers.read(claims)
        issuers.verified.remember(digest, claims["exp"], answer, seconds)
        return answer
    except Exception:
        # Any failure to read the token makes it invalid: jose raises RecursionError and
        # OverflowError too.
        raise Unauthenticated("the token does not hold") from None


def _verified(token: str, issuers: Issuers[Answer], seconds: int) -> dict[str, Any]:
    header, claims = _parts(token)
    issuer = issuers.by_name[_text(claims, "iss")]
    algorithm = _header(header, issuer)
    name = (issuer.iss, header["kid"], algorithm)
    if name not in issuers.keys:
        issuers.keys[name] = _key(header["kid"], algorithm, issuer)
    payload = jws.verify(token, issuers.keys[name], [algorithm])
    claims = _object(payload)
    _claims(claims, issuer, seconds)
    return claims


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(1) Size and shape before anything is decoded."""
    match = _TOKEN.fullmatch(token) if len(token) <= TOKEN_LIMIT else None
    if match is None or len(match[1]) > HEADER_LIMIT:
        raise ValueError("shape")
    _decoded(match[3])
    return _object(_decoded(match[1])), _object(_decoded(match[2]))


def _decoded(part: str) -> bytes:
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise ValueError("base64")
    return decoded


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object, each name once, no NaN or Infinity."""
    value = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    if type(value) is not dict:
        raise ValueError("object")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice")
    return members


def _no_constant(_name: str) -> None:
    raise ValueError("not a number")


def _header(header: dict[str, Any], issuer: Issuer) -> str:
    """(2) The issuer says which algorithms; the header may not bring a key, nor anything we must understand."""
    if not FORBIDDEN_HEADERS.isdisjoint(header):
        raise ValueError("header")
    if "typ" in header and _text(header, "typ").upper() not in TYPES:
        raise ValueError("typ")
    if issuer.typ and _text(header, "typ").upper().removeprefix(_MEDIA) != issuer.typ.upper().removeprefix(_MEDIA):
        raise ValueError("typ")
    algorithm = _text(header, "alg")
    if algorithm not in issuer.algorithms:
        raise ValueError("alg")
    _text(header, "kid")
    return algorithm


def _key(kid: str, algorithm: str, issuer: Issuer) -> backends.base.Key:
    """(3) Exactly one key, by kid, type, use and algorithm, strong enough, as an object and never as bytes."""
    (public,) = [
        key
        for key in issuer.jwks["keys"]
        if key.get("kid") == kid
        and key.get("kty") == KEY_TYPES[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and "verify" in key.get("key_ops", ("verify",))
    ]
    if public["kty"] == "RSA" and int.from_bytes(_decoded(public["n"]), "big").bit_length() < LEAST_RSA_BITS:
        raise ValueError("key size")
    if public["kty"] == "EC" and public.get("crv") != CURVES[algorithm]:
        raise ValueError("curve")
    return jwk.construct(dict(public), algorithm)


def _claims(claims: dict[str, Any], issuer: Issuer, seconds: int) -> None:
    """(4, 5) iss, sub, jti, aud, exp and iat must all be present (a missing one raises ``KeyError``), of the right
    type, for us, and in time."""
    if _text(claims, "iss") != issuer.iss or not _text(claims, "sub") or not _text(claims, "jti"):
        raise ValueError("claims")
    _is_access_token(claims)
    audience = claims["aud"] if type(claims["aud"]) is list else [claims["aud"]]
    if not all(type(name) is str for name in audience) or issuer.audience not in audience:
        raise ValueError("aud")
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if expires + LEEWAY <= seconds or issued > seconds + LEEWAY or not 0 < expires - issued <= issuer.longest:
        raise ValueError("time")
    if "nbf" in claims and _seconds(claims, "nbf") > seconds + LEEWAY:
        raise ValueError("nbf")


def _is_access_token(claims: dict[str, Any]) -> None:
    """An access token that its bearer may use as it is: no ID or logout token, none bound to a key or to another
    client."""
    if not OF_ANOTHER_KIND.keys().isdisjoint(claims):
        raise ValueError("kind")
    for name, values in SAID.items():
        if name in claims and _text(claims, name).lower() not in values:
            raise ValueError(name)
    if "azp" in claims and "client_id" in claims and claims["azp"] != claims["client_id"]:
        raise ValueError("azp")


def _seconds(claims: dict[str, Any], name: str) -> int:
    value = claims[name]
    if type(value) is not int or not 0 < value < 2**40:
        raise ValueError(name)
    return value


def _text(values: dict[str, Any], name: str) -> str:
    value = values[name]
    if type(value) is not str or not 0 < len(value) <= TEXT_LIMIT:
        raise ValueError(name)
    return value
