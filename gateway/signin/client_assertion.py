"""Verifies by which key a registered system says who it is: ``private_key_jwt``, once each.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html and
https://www.rfc-editor.org/rfc/rfc7523 are the rules.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jose import jws

from gateway import egress
from gateway.errors import GatewayError
from gateway.signin.compact import FORBIDDEN_HEADERS, LEEWAY, chosen_key, json_object, parts, seconds_of, text
from gateway.signin.registration import ALGORITHMS, Client
from gateway.signin.remote_keys import KeysUnavailable, RemoteKeys

LONGEST = 300
"""Seconds that an assertion may live at most."""
TYPES = frozenset({"JWT", "CLIENT-AUTHENTICATION+JWT"})
FETCHED = 1000
"""Sets of keys by address that are kept at most."""


class NotProven(GatewayError):
    """An assertion does not prove who sent it. ``client`` is the registered client that it names, "" for none."""

    def __init__(self, message: str, client: str = ""):
        super().__init__(message)
        self.client = client


@dataclass(frozen=True, slots=True)
class Proof:
    """A client that proved who it is; ``digest`` stands for the one use of its assertion until ``until`` (µs UTC)."""

    client: Client
    digest: str
    until: int
    kid: str


class KeySets:
    """The keys of clients: inline, or at an address and kept. ``is_near`` lets an address be on this machine."""

    def __init__(self, is_near: bool, ask: Callable[..., egress.Document] = egress.document):
        self._is_near, self._ask = is_near, ask
        self._remote: OrderedDict[str, RemoteKeys] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, client: Client, kid: str) -> Mapping[str, Any]:
        """The JWKS of a client, asked for again where it lacks a key. Raises ``KeysUnavailable`` where its address has
        none."""
        if client.keys is not None:
            return client.keys
        with self._lock:
            if client.keys_at not in self._remote:
                address = client.keys_at
                self._remote[address] = RemoteKeys(lambda: self._ask(address, is_near=self._is_near), is_strict=True)
                if len(self._remote) > FETCHED:
                    self._remote.popitem(last=False)
            remote = self._remote[client.keys_at]
            self._remote.move_to_end(client.keys_at)
        remote.refresh(kid)
        return remote.jwks


def verified(
    assertion: str, known: Callable[[str], Client | None], keys: KeySets, endpoint: str, seconds: int
) -> Proof:
    """The client that an assertion proves, with an ``aud`` of exactly ``endpoint``, at ``seconds`` UTC.

    Raises ``NotProven``: before the signature is verified always with the same words, after it with the name of the
    claim. An id is no secret: how long it takes tells which there are. Raises ``KeysUnavailable`` where a client's
    address of keys does not answer.
    """
    client = None
    try:
        header, said = parts(assertion)
        client = known(text(said, "sub"))
        if client is None or not client.is_active or said.get("iss") != client.id:
            raise ValueError("client")
        algorithm, kid = _header(header, client), text(header, "kid")
        payload = jws.verify(assertion, chosen_key(kid, algorithm, keys.of(client, kid)), [algorithm])
        claims = json_object(payload)
    except KeysUnavailable:
        raise
    except Exception:  # jose raises kinds that it does not document
        raise NotProven("client_assertion: it does not hold", client.id if client else "") from None
    try:
        until = _claims(claims, client.id, endpoint, seconds)
        number = text(claims, "jti")
    except (KeyError, ValueError) as error:
        name = error.args[0] if error.args and error.args[0] in CLAIMS else "claims"
        raise NotProven(f"client_assertion: {name}", client.id) from None
    digest = hashlib.sha256(f"{client.id}\n{number}".encode()).hexdigest()
    return Proof(client, digest, until * 1_000_000, kid)


def _header(header: dict[str, Any], client: Client) -> str:
    """The algorithm. A ``jku`` may stand there where it is the address that the client registered; it is never
    followed."""
    if "jku" in header and (not client.keys_at or header["jku"] != client.keys_at):
        raise ValueError("jku")
    if not (FORBIDDEN_HEADERS - {"jku"}).isdisjoint(header):
        raise ValueError("header")
    if "typ" in header and text(header, "typ").upper() not in TYPES:
        raise ValueError("typ")
    algorithm = text(header, "alg")
    if algorithm not in ALGORITHMS:
        raise ValueError("alg")
    return algorithm


CLAIMS = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti"})


def _claims(claims: dict[str, Any], client: str, endpoint: str, seconds: int) -> int:
    """When the assertion ends, with the leeway of clocks. Raises ``ValueError`` or ``KeyError`` with the name of the
    claim that is not right."""
    for name in ("iss", "sub"):
        if claims.get(name) != client:
            raise ValueError(name)
    if claims["aud"] not in (endpoint, [endpoint]):
        raise ValueError("aud")
    expires = seconds_of(claims, "exp")
    if not seconds - LEEWAY < expires <= seconds + LONGEST + LEEWAY:
        raise ValueError("exp")
    if "iat" in claims:
        issued = seconds_of(claims, "iat")
        if issued > seconds + LEEWAY or not 0 < expires - issued <= LONGEST:
            raise ValueError("iat")
    if "nbf" in claims and seconds_of(claims, "nbf") > seconds + LEEWAY:
        raise ValueError("nbf")
    return expires + LEEWAY
