"""Registered systems for tests: their keys, and the assertions that they sign."""

import itertools
from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws

from gateway.signin import registration
from gateway.signin.issue import new_key, public_jwks
from gateway.signin.registration import Client
from gateway.store.database import Store

_numbers = itertools.count()
KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def ec_key() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@lru_cache
def _signer(key: bytes, algorithm: str):
    """A key as read: to read one costs more than to sign with it."""
    return jwk.construct(key.decode(), algorithm)


class System:
    """A system with a key of its own, which signs assertions for one endpoint."""

    def __init__(self, id_: str, key: bytes, algorithm: str = "RS384"):
        self.id, self.key, self.algorithm = id_, key, algorithm
        self.jwks = public_jwks(key, algorithm)
        self.kid = self.jwks["keys"][0]["kid"]

    def register(self, store: Store, **changed: object) -> None:
        fields = {"name": "", "organisation": "8A999", "publishers": (), "projects": ("demo",),
                  "scopes": frozenset({"system/*.rs"}), "keys": self.jwks, "keys_at": "", "is_active": True}  # fmt: skip
        registration.add(store, Client(self.id, **{**fields, **changed}), "me")

    def claims(self, endpoint: str, now: int, **changed: object) -> dict:
        """The claims of an assertion at ``now`` seconds; None takes a claim away."""
        claims = {"iss": self.id, "sub": self.id, "aud": endpoint, "iat": now, "exp": now + 240,
                  "jti": f"{self.id}-{next(_numbers)}", **changed}  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: dict, header: dict | None = None, key: bytes = b"", algorithm: str = "") -> str:
        headers = {"typ": "JWT", "kid": self.kid, **(header or {})}
        algorithm = algorithm or self.algorithm
        return jws.sign(claims, _signer(key or self.key, algorithm), headers=headers, algorithm=algorithm)

    def form(self, assertion: str, **changed: str) -> dict[str, str]:
        form = {"grant_type": "client_credentials", "client_assertion_type": KIND, "client_assertion": assertion,
                "scope": "system/*.rs", **changed}  # fmt: skip
        return {name: value for name, value in form.items() if value}


SHARED_KEY, OTHER_KEY = new_key(), new_key()
