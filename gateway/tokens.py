"""The only home of ``jose``: bearer tokens are verified here, behind a fence, and the sandbox's are issued here.

python-jose 3.5 accepts an unknown ``crit``, any key of a set, tokens without ``exp`` or ``aud``, and lets
RecursionError and OverflowError escape. So nothing of a token reaches it before its size, its header, its issuer and
its one key are settled, no claim is left to it, and whatever it raises is "the token does not hold".
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import backends, jwk, jws

from gateway.errors import Refused, Unauthenticated

if (
    backends.RSAKey.__module__ != "jose.backends.cryptography_backend"
    or backends.ECKey.__module__ != "jose.backends.cryptography_backend"
):
    raise RuntimeError("python-jose must use the cryptography package, not its own arithmetic")

TOKEN_LIMIT, HEADER_LIMIT, TEXT_LIMIT = 8192, 1024, 256
LEEWAY = 30
"""Seconds two clocks may differ."""
CACHED = 60
"""Seconds a verified token is taken on trust at most."""
CACHE_SIZE = 10_000

KEY_TYPES = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES256": "EC", "ES384": "EC"}
"""The algorithms we know, with the only type of key each may meet. No ``none``, and nothing symmetric that a key could
be confused with."""
CURVES = {"ES256": "P-256", "ES384": "P-384"}
LEAST_RSA_BITS = 2048
FORBIDDEN_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc", "b64"})
"""A token does not say where its key is, nor what else to understand."""
TYPES = frozenset({"JWT", "AT+JWT", "APPLICATION/AT+JWT"})

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True)
class Issuer:
    """Whose tokens we take: its name, the audience they must be for, its algorithms and public keys (a JWKS), and how
    long one may live at most in seconds. Raises ``Refused`` for anything that could not be verified safely."""

    iss: str
    audience: str
    algorithms: Sequence[str]
    jwks: Mapping
    longest: int = 3600

    def __post_init__(self) -> None:
        if not self.iss or not self.audience or not self.algorithms:
            raise Refused("issuer: iss, audience and algorithms are needed")
        if unknown := set(self.algorithms) - set(KEY_TYPES):
            raise Refused(f"issuer: algorithm not taken: {', '.join(sorted(unknown))}")
        keys = self.jwks.get("keys") if isinstance(self.jwks, Mapping) else None
        if not isinstance(keys, (list, tuple)) or not keys or not all(isinstance(key, Mapping) for key in keys):
            raise Refused("issuer: jwks has no keys")
        if any({"d", "k", "p", "q"} & set(key) for key in keys):
            raise Refused("issuer: jwks holds a private or secret key")


@dataclass
class Issuers:
    """The issuers in force, each name once, with their keys as read and the memory of tokens verified in the last
    minute. ``read`` makes of verified claims what ``verify`` answers; it is asked once a token, so it makes what
    cannot be changed."""

    issuers: Iterable[Issuer]
    read: Callable[[dict[str, Any]], Any] = MappingProxyType
    _by_name: dict[str, Issuer] = field(init=False, repr=False)
    _keys: dict[tuple[str, str, str], backends.base.Key] = field(default_factory=dict, init=False, repr=False)
    _verified: dict[bytes, tuple[int, Any]] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        issuers = list(self.issuers)
        self._by_name = {issuer.iss: issuer for issuer in issuers}
        if len(self._by_name) < len(issuers):
            raise Refused("issuers: one name, two issuers")


def verify(token: str, issuers: Issuers, now: int) -> Any:
    """Return what ``issuers.read`` makes of the claims of a bearer token. ``now`` is µs UTC, as every clock of the
    house. Raises ``Unauthenticated``, always the same."""
    seconds = now // 1_000_000
    try:
        key = hashlib.sha256(token.encode("ascii")).digest()
        known = issuers._verified.get(key)
        if known is not None and known[0] > seconds:
            return known[1]
        claims = _verified(token, issuers, seconds)
        read = issuers.read(claims)
        _remember(issuers, key, min(claims["exp"], seconds + CACHED), read, seconds)
        return read
    except Exception:
        # Whatever goes wrong in reading what a stranger sent is a token that does not hold: jose lets RecursionError
        # and OverflowError out.
        raise Unauthenticated("the token does not hold") from None


def _remember(issuers: Issuers, key: bytes, until: int, read: Any, seconds: int) -> None:
    with issuers._lock:
        verified = issuers._verified
        if len(verified) >= CACHE_SIZE:
            for stale in [each for each, (end, _) in verified.items() if end <= seconds] or list(verified)[
                : CACHE_SIZE // 2
            ]:
                del verified[stale]
        verified[key] = (until, read)


def _verified(token: str, issuers: Issuers, seconds: int) -> dict[str, Any]:
    header, claims = _parts(token)
    issuer = issuers._by_name[_text(claims, "iss")]
    algorithm = _header(header, issuer)
    name = (issuer.iss, header["kid"], algorithm)
    if name not in issuers._keys:
        issuers._keys[name] = _key(header["kid"], algorithm, issuer)
    payload = jws.verify(token, issuers._keys[name], [algorithm])
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
    found = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    if type(found) is not dict:
        raise ValueError("object")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _no_constant(_name: str) -> None:
    raise ValueError("not a number")


def _header(header: dict[str, Any], issuer: Issuer) -> str:
    """(2) The issuer says which algorithms; the header may not bring a key, nor anything we must understand."""
    if not FORBIDDEN_HEADERS.isdisjoint(header):
        raise ValueError("header")
    if "typ" in header and _text(header, "typ").upper() not in TYPES:
        raise ValueError("typ")
    algorithm = _text(header, "alg")
    if algorithm not in issuer.algorithms:
        raise ValueError("alg")
    _text(header, "kid")
    return algorithm


def _key(kid: str, algorithm: str, issuer: Issuer) -> backends.base.Key:
    """(3) Exactly one key, by kid, type, use and algorithm, strong enough, as an object and never as bytes."""
    (found,) = [
        key
        for key in issuer.jwks["keys"]
        if key.get("kid") == kid
        and key.get("kty") == KEY_TYPES[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and "verify" in key.get("key_ops", ("verify",))
    ]
    if found["kty"] == "RSA" and int.from_bytes(_decoded(found["n"]), "big").bit_length() < LEAST_RSA_BITS:
        raise ValueError("key size")
    if found["kty"] == "EC" and found.get("crv") != CURVES[algorithm]:
        raise ValueError("curve")
    return jwk.construct(dict(found), algorithm)


def _claims(claims: dict[str, Any], issuer: Issuer, seconds: int) -> None:
    """(4, 5) iss, sub, jti, aud, exp and iat must all be there (what is not raises), of the right type, for us, and in
    time."""
    if _text(claims, "iss") != issuer.iss or not _text(claims, "sub") or not _text(claims, "jti"):
        raise ValueError("claims")
    audience = claims["aud"] if type(claims["aud"]) is list else [claims["aud"]]
    if not all(type(each) is str for each in audience) or issuer.audience not in audience:
        raise ValueError("aud")
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if expires + LEEWAY <= seconds or issued > seconds + LEEWAY or not 0 < expires - issued <= issuer.longest:
        raise ValueError("time")
    if "nbf" in claims and _seconds(claims, "nbf") > seconds + LEEWAY:
        raise ValueError("nbf")


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


# Issuing: the sandbox's own tokens. Whether this store may is for the caller to refuse.


def new_key() -> bytes:
    """A new private RSA key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=LEAST_RSA_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_jwks(private_pem: bytes, algorithm: str = "RS256") -> dict[str, Any]:
    """The JWKS of a private key: what others verify with."""
    private = serialization.load_pem_private_key(private_pem, None)
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


def issue(
    private_pem: bytes,
    iss: str,
    audience: str,
    claims: Mapping,
    now: int,
    seconds: int = 3600,
    algorithm: str = "RS256",
) -> str:
    """A signed token with these claims, valid for ``seconds`` from ``now`` (µs UTC)."""
    issued = now // 1_000_000
    kid = public_jwks(private_pem, algorithm)["keys"][0]["kid"]
    body = {**claims, "iss": iss, "aud": audience, "iat": issued, "exp": issued + seconds}
    body.setdefault("jti", hashlib.sha256(json.dumps([body, now], sort_keys=True).encode()).hexdigest()[:32])
    return jws.sign(body, private_pem.decode(), headers={"kid": kid}, algorithm=algorithm)
