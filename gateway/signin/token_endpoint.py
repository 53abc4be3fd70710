"""The gateway's own token endpoint for registered systems: a proof of who asks becomes a token of minutes.

https://hl7.org/fhir/smart-app-launch/backend-services.html is the grant; the tokens are of the form of
https://www.rfc-editor.org/rfc/rfc9068, introspection is https://www.rfc-editor.org/rfc/rfc7662 and revocation
https://www.rfc-editor.org/rfc/rfc7009. A token is bound to one project of its client, and names no scope that the
client was not granted or that no act of a system needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayError, Unauthenticated
from gateway.nhs import roles, scopes
from gateway.nhs.roles import Caller
from gateway.signin import client_assertion, registration
from gateway.signin.assertion import KIND
from gateway.signin.client_assertion import KeySets, NotProven, Proof
from gateway.signin.compact import LEEWAY
from gateway.signin.issue import algorithm_of, issue, number_of, public_jwks
from gateway.signin.issuers import Issuer
from gateway.signin.registration import LEVEL, Client
from gateway.signin.remote_keys import KeysUnavailable
from gateway.signin.vouching import Vouches
from gateway.store import clients
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session

SECONDS = 300
"""Seconds that a token lives: https://hl7.org/fhir/smart-app-launch/backend-services.html asks for five minutes."""
GRANT = "client_credentials"
TYPE = "at+jwt"


class NotGranted(GatewayError):
    """A request that gets no token. ``code`` is of https://www.rfc-editor.org/rfc/rfc6749#section-5.2; the message
    names the place, never a value."""

    def __init__(self, code: str, message: str, client: str = ""):
        super().__init__(message)
        self.code, self.client = code, client


def name_of(store: Store) -> str:
    """The name of a store's own issuer, and the audience of its tokens: those of another store are no good here."""
    return f"urn:nhs-record-gateway:{store.id}"


def issuer(store: Store, key: bytes) -> Issuer:
    """The gateway's own issuer. Raises ``Refused`` for a key that cannot sign."""
    algorithm, name = algorithm_of(key), name_of(store)
    jwks = public_jwks(key, algorithm)
    return Issuer(name, name, (algorithm,), jwks, SECONDS, TYPE, Vouches(registers=True))


class TokenEndpoint:
    """The endpoint of a store. ``key`` signs its tokens; without one it issues none."""

    def __init__(self, store: Store, key: bytes, keys: KeySets | None = None):
        self._store, self._key = store, key
        self._keys = keys or KeySets(is_near=store.is_sandbox)
        self.name = name_of(store)

    @property
    def is_on(self) -> bool:
        """Whether it issues tokens at all."""
        return bool(self._key)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys of its tokens."""
        return public_jwks(self._key, algorithm_of(self._key)) if self._key else {"keys": []}

    def proven(self, form: Mapping[str, str], url: str) -> Proof:
        """The client that a form proves. Raises ``NotGranted`` where it proves none."""
        if not self.is_on:
            raise NotGranted("temporarily_unavailable", "this gateway issues no tokens: GATEWAY_TOKEN_KEY is not set")
        for name in ("client_assertion_type", "client_assertion"):
            if not form.get(name):
                raise NotGranted("invalid_request", f"{name} is needed")
        if form["client_assertion_type"] != KIND:
            raise NotGranted("invalid_request", "client_assertion_type")
        try:
            proof = client_assertion.verified(
                form["client_assertion"], self._known, self._keys, url, self._store.clock() // 1_000_000
            )
        except NotProven as error:
            raise NotGranted("invalid_client", str(error), error.client) from None
        except KeysUnavailable:
            raise NotGranted("temporarily_unavailable", "the client's keys could not be had at its jwks_url") from None
        if form.get("client_id", proof.client.id) != proof.client.id:
            raise NotGranted("invalid_client", "client_id", proof.client.id)
        return proof

    def _known(self, id_: str) -> Client | None:
        with self._store.read() as session:
            row = clients.get(session, id_)
        return registration.of_row(row) if row else None

    def granted(self, proof: Proof, form: Mapping[str, str], about: Mapping[str, str]) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc6749#section-4.4.3

        The answer with a token. The use of the assertion, the token and its audit (``about`` is who asked from where)
        are one transaction. Raises ``NotGranted``.
        """
        client = proof.client
        project = _project(client, form)
        asked = form.get("scope", "").split()
        named = scopes.within(asked, client.scopes, roles.system_acts(), LEVEL)
        if not named:
            raise NotGranted("invalid_scope", "scope: none that is asked for is granted", client.id)
        claims: dict[str, object] = {"sub": client.id, "client_id": client.id, "org_code": client.organisation, "project": project,
                                     "publishers": list(client.publishers), "scope": " ".join(named)}  # fmt: skip
        with self._store.write(is_aside=True) as session:
            claims["registered"] = self._use(session, proof)
            token = issue(self._key, self.name, self.name, claims, session.now, SECONDS, algorithm_of(self._key), TYPE)
            event = {"act": "token.issue", **self._about(client), **about, "project": project, "outcome": "ok",
                     "scopes": named, "kid": proof.kid, "token": number_of(token)}  # fmt: skip
            record_write(session, event)
        return {"access_token": token, "token_type": "bearer", "expires_in": SECONDS, "scope": " ".join(named)}

    def _use(self, session: Session, proof: Proof) -> int:
        """Use up an assertion; return when the registration was last changed (µs UTC). Raises ``NotGranted`` where it
        was used before, or since it was verified has ended or its client was changed: to wait for the writer's turn
        takes seconds."""
        row = clients.get(session, proof.client.id)
        if row is None or registration.of_row(row) != proof.client:
            raise NotGranted("invalid_client", "client_assertion: it does not hold", proof.client.id)
        if proof.until <= session.now:
            raise NotGranted("invalid_client", "client_assertion: exp", proof.client.id)
        if not clients.spend(session, clients.ASSERTION, proof.digest, proof.until):
            raise NotGranted("invalid_client", "client_assertion: jti was used before", proof.client.id)
        return row.changed

    def _about(self, client: Client) -> dict[str, str]:
        return {"issuer": self.name, "user": client.id, "name": client.name, "role": "",
                "organisation": client.organisation}  # fmt: skip

    def require_standing(self, caller: Caller) -> None:
        """Raise ``Unauthenticated`` where a caller's own token was revoked, its client's registration was changed since
        (its keys too, which may have been stolen), or the registry does not say what the token says: a client is kept
        out at once, not when its token ends."""
        with self._store.read() as session:
            row = clients.get(session, caller.user)
            is_revoked = clients.is_spent(session, clients.TOKEN, caller.token)
        if row is None or is_revoked or row.changed != caller.registered:
            raise Unauthenticated("token: revoked")
        client = registration.of_row(row)
        named = caller.scopes or frozenset()
        if (
            not client.is_active
            or client.organisation != caller.organisation
            or caller.project not in (*client.projects, "")
            or not caller.publishers <= set(client.publishers)
            or named != set(scopes.within(named, client.scopes, roles.system_acts(), LEVEL))
        ):
            raise Unauthenticated("token: the registry no longer says so")

    def introspected(self, proof: Proof, caller: Caller | None, until: int) -> dict[str, Any]:
        """https://www.rfc-editor.org/rfc/rfc7662#section-2.2

        What a client learns of a token: of its own that stands, whose it is and what it may; of any other, that it is
        not active. ``until`` is in seconds UTC.
        """
        with self._store.write(is_aside=True) as session:
            self._use(session, proof)
        if caller is None or not self._is_own(caller, proof):
            return {"active": False}
        return {"active": True, "client_id": caller.user, "sub": caller.user, "iss": self.name, "exp": until,
                "scope": " ".join(sorted(caller.scopes or ())), "token_type": "bearer", "jti": caller.token}  # fmt: skip

    def revoke(self, proof: Proof, caller: Caller | None, about: Mapping[str, str]) -> None:
        """https://www.rfc-editor.org/rfc/rfc7009#section-2

        Take back a client's own token. Any other is left as it is, and nobody is told which it was.
        """
        with self._store.write(is_aside=True) as session:
            self._use(session, proof)
            if caller is None or not self._is_own(caller, proof):
                return
            clients.spend(session, clients.TOKEN, caller.token, session.now + (SECONDS + LEEWAY) * 1_000_000)
            event = {
                "act": "token.revoke",
                **self._about(proof.client),
                **about,
                "outcome": "ok",
                "token": caller.token,
            }
            record_write(session, event)

    def _is_own(self, caller: Caller, proof: Proof) -> bool:
        return caller.issuer == self.name and caller.user == proof.client.id


def _project(client: Client, form: Mapping[str, str]) -> str:
    """The project that a token is for: the client's only one, or the one that the form names. "" for a client of none.
    A token is for one, so that no request can be of two."""
    named = form.get("project", "")
    if named and named not in client.projects or not named and len(client.projects) > 1:
        raise NotGranted("invalid_request", "project: one of the client's is to be named", client.id)
    return named or next(iter(client.projects), "")
