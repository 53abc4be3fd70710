"""Verifies bearer tokens. Nothing of a token reaches ``jose`` before its size, header, issuer and key are checked.

python-jose 3.5 accepts tokens without ``exp`` or ``aud``. So the claims are checked here, and whatever ``jose`` raises
means that the token does not hold. The rules are those of https://www.rfc-editor.org/rfc/rfc8725 (JWT best current
practices).
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from jose import backends, jws

from gateway.errors import Unauthenticated
from gateway.signin.compact import FORBIDDEN_HEADERS, LEEWAY, chosen_key, json_object, parts, seconds_of, text
from gateway.signin.issuers import TYPES, Issuer, Issuers
from gateway.signin.remote_keys import RemoteKeys

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
    header, claims = parts(token)
    issuer = issuers.by_name[text(claims, "iss")]
    algorithm = _header(header, issuer)
    payload = jws.verify(token, _key(header["kid"], algorithm, issuer, issuers), [algorithm])
    claims = json_object(payload)
    _claims(claims, issuer, seconds)
    return claims


def _key(kid: str, algorithm: str, issuer: Issuer, issuers: Issuers[Answer]) -> backends.base.Key:
    """(3) The parsed key, of the set in force."""
    name, jwks = (issuer.iss, kid, algorithm), issuer.keys
    known = issuers.keys.get(name)
    if known is None or known[0] is not jwks:
        issuers.keys.pop(name, None)
        known = issuers.keys[name] = jwks, chosen_key(kid, algorithm, jwks)
    return known[1]


def wanted(token: str, issuers: Issuers[Answer], now: int) -> tuple[RemoteKeys, str] | None:
    """The published keys that should be asked for before a token is verified, and the key id that it names; None for
    most tokens. It does not block, and believes nothing of the token."""
    if not issuers.remote:
        return None
    try:
        if issuers.verified.get(hashlib.sha256(token.encode("ascii")).digest(), now // 1_000_000) is not None:
            return None
        header, claims = parts(token)
        remote, kid = issuers.by_name[text(claims, "iss")].remote, text(header, "kid")
    except Exception:  # the token does not hold, as ``verify`` will say
        return None
    return (remote, kid) if remote and remote.is_wanted(kid) else None


def _header(header: dict[str, Any], issuer: Issuer) -> str:
    """(2) The issuer says which algorithms; the header may not bring a key, nor anything we must understand."""
    if not FORBIDDEN_HEADERS.isdisjoint(header):
        raise ValueError("header")
    if "typ" in header and text(header, "typ").upper() not in TYPES:
        raise ValueError("typ")
    if issuer.typ and text(header, "typ").upper().removeprefix(_MEDIA) != issuer.typ.upper().removeprefix(_MEDIA):
        raise ValueError("typ")
    algorithm = text(header, "alg")
    if algorithm not in issuer.algorithms:
        raise ValueError("alg")
    text(header, "kid")
    return algorithm


def _claims(claims: dict[str, Any], issuer: Issuer, seconds: int) -> None:
    """(4, 5) iss, sub, jti, aud, exp and iat must all be present (a missing one raises ``KeyError``), of the right
    type, for us, and in time."""
    if text(claims, "iss") != issuer.iss or not text(claims, "sub") or not text(claims, "jti"):
        raise ValueError("claims")
    _is_access_token(claims)
    audience = claims["aud"] if type(claims["aud"]) is list else [claims["aud"]]
    if not all(type(name) is str for name in audience) or issuer.audience not in audience:
        raise ValueError("aud")
    expires, issued = seconds_of(claims, "exp"), seconds_of(claims, "iat")
    if expires + LEEWAY <= seconds or issued > seconds + LEEWAY or not 0 < expires - issued <= issuer.longest:
        raise ValueError("time")
    if "nbf" in claims and seconds_of(claims, "nbf") > seconds + LEEWAY:
        raise ValueError("nbf")


def _is_access_token(claims: dict[str, Any]) -> None:
    """An access token that its bearer may use as it is: no ID or logout token, none bound to a key or to another
    client."""
    if not OF_ANOTHER_KIND.keys().isdisjoint(claims):
        raise ValueError("kind")
    for name, values in SAID.items():
        if name in claims and text(claims, name).lower() not in values:
            raise ValueError(name)
    if "azp" in claims and "client_id" in claims and claims["azp"] != claims["client_id"]:
        raise ValueError("azp")
