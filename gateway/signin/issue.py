"""Signing: new keys, their public halves, and the tokens that the gateway issues itself.

Whether a store may issue tokens is for the caller to decide.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jose import backends, jwk, jws, jwt

from gateway.errors import Refused
from gateway.signin.issuers import LEAST_RSA_BITS

OF_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384"}
KEPT = 16
"""Keys that are kept as read: to read an RSA key proves its primes, which costs more than fifty signatures."""


def new_key() -> bytes:
    """A new private RSA key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=LEAST_RSA_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_jwks(private_pem: bytes, algorithm: str = "RS256") -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc7517

    The JWKS of a private key: what others verify with. Raises ``Refused`` for a key that cannot be read or is of
    another type.
    """
    return copy.deepcopy(_public_jwks(private_pem, algorithm))


@lru_cache(maxsize=KEPT)
def _public_jwks(private_pem: bytes, algorithm: str) -> dict[str, Any]:
    private = _private(private_pem)
    if not isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise Refused("the key is neither RSA nor EC")
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    numbers = {
        name: value
        for name, value in jwk.construct(public.decode(), algorithm).to_dict().items()
        if isinstance(value, str)
    }
    return {"keys": [{**numbers, "alg": algorithm, "use": "sig", "kid": hashlib.sha256(public).hexdigest()[:32]}]}


@lru_cache(maxsize=KEPT)
def _private(private_pem: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(private_pem, None)
    except (ValueError, TypeError):
        raise Refused("the key is not a private key in PEM") from None


@lru_cache(maxsize=KEPT)
def _signer(private_pem: bytes, algorithm: str) -> backends.base.Key:
    return jwk.construct(private_pem.decode(), algorithm)


def algorithm_of(private_pem: bytes) -> str:
    """The algorithm that a private key signs with. Raises ``Refused`` for a key of another kind, or too weak."""
    private = _private(private_pem)
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= LEAST_RSA_BITS:
        return "RS256"
    curve = private.curve.name if isinstance(private, ec.EllipticCurvePrivateKey) else ""
    if curve not in OF_CURVES:
        raise Refused("the key is neither RSA of 2048 bits nor EC on P-256 or P-384")
    return OF_CURVES[curve]


def issue(
    private_pem: bytes,
    iss: str,
    audience: str,
    claims: Mapping[str, object],
    now: int,
    seconds: int = 3600,
    algorithm: str = "RS256",
    typ: str = "JWT",
) -> str:
    """https://www.rfc-editor.org/rfc/rfc7519

    A signed token with these claims, valid for ``seconds`` from ``now`` (µs UTC). ``typ`` is the type that its header
    names.
    """
    issued = now // 1_000_000
    kid = _public_jwks(private_pem, algorithm)["keys"][0]["kid"]
    body = {**claims, "iss": iss, "aud": audience, "iat": issued, "exp": issued + seconds}
    body.setdefault("jti", hashlib.sha256(json.dumps([body, now], sort_keys=True).encode()).hexdigest()[:32])
    token: str = jws.sign(
        body, _signer(private_pem, algorithm), headers={"kid": kid, "typ": typ}, algorithm=algorithm
    )  # fmt: skip
    return token


def number_of(token: str) -> str:
    """The ``jti`` of a token that was issued here: the audit names a token by it, and never holds one."""
    number: str = jwt.get_unverified_claims(token)["jti"]
    return number
