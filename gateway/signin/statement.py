"""Statements of the gateway itself: JSON that it signs and can prove later, as JWS
(https://www.rfc-editor.org/rfc/rfc7515).

What is signed is copied out of the gateway's reach, so anybody with the public key can check it there.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jws

from gateway.errors import Invalid
from gateway.signin.issue import public_jwks

ALGORITHM = "ES256"
LIMIT = 8192
"""Characters of a statement at most: it is checked before anything is decoded."""


def new_signing_key() -> bytes:
    """A new private EC key as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(private_pem: bytes) -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc7517

    The public half as a JWK. Raises ``Refused`` for what is no key.
    """
    key: dict[str, Any] = public_jwks(private_pem, ALGORITHM)["keys"][0]
    return key


def sign(private_pem: bytes, statement: dict[str, Any]) -> str:
    """A statement as one line of text: a compact JWS."""
    kid = public_key(private_pem)["kid"]
    text: str = jws.sign(statement, private_pem.decode(), headers={"kid": kid}, algorithm=ALGORITHM)
    return text


def signed(private_pem: bytes, text: str) -> bytes:
    """The JSON of a statement that this key signed. Raises ``Invalid`` for any other text."""
    try:
        if len(text) > LIMIT:
            raise ValueError("size")
        payload: bytes = jws.verify(text, public_key(private_pem), [ALGORITHM])
    except Exception:  # jose raises kinds that it does not document
        raise Invalid("not signed with the key of this store's audit") from None
    return payload
