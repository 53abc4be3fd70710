"""A compact JWS, read strictly: nothing of it reaches ``jose`` before its size, shape, header and key are checked.

python-jose 3.5 accepts an unknown ``crit``, any key of a set, and raises RecursionError and OverflowError. The rules
are those of https://www.rfc-editor.org/rfc/rfc8725 (JWT best current practices).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from jose import backends, jwk

from gateway.signin.issuers import KEY_TYPES, LEAST_RSA_BITS

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

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, claims) of a compact JWS, neither believed yet. Size and shape come before anything is decoded. Raises
    ``ValueError``."""
    match = _TOKEN.fullmatch(token) if len(token) <= TOKEN_LIMIT else None
    if match is None or len(match[1]) > HEADER_LIMIT:
        raise ValueError("shape")
    _decoded(match[3])
    return json_object(_decoded(match[1])), json_object(_decoded(match[2]))


def _decoded(part: str) -> bytes:
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise ValueError("base64")
    return decoded


def json_object(content: bytes) -> dict[str, Any]:
    """A JSON object, each name once, no NaN or Infinity."""
    value = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
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


def chosen_key(kid: str, algorithm: str, jwks: Mapping[str, Any]) -> backends.base.Key:
    """Exactly one key of a JWKS, by kid, type, use and algorithm, strong enough, as an object and never as bytes.

    Raises ``ValueError``, or what reading the members of a damaged key raises.
    """
    (public,) = [
        key
        for key in jwks["keys"]
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


def seconds_of(claims: dict[str, Any], name: str) -> int:
    """A claim that is a time in whole seconds. Raises ``KeyError`` or ``ValueError``."""
    value = claims[name]
    if type(value) is not int or not 0 < value < 2**40:
        raise ValueError(name)
    return value


def text(values: dict[str, Any], name: str) -> str:
    """A member that is a text of bounded length, not empty. Raises ``KeyError`` or ``ValueError``."""
    value = values[name]
    if type(value) is not str or not 0 < len(value) <= TEXT_LIMIT:
        raise ValueError(name)
    return value
