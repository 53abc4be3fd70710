"""Who a subscriber is at this moment: as its registration says now, not as a token said once."""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import Unauthenticated
from gateway.nhs import sandbox
from gateway.nhs.roles import Caller, caller_from_claims
from gateway.signin import registration, token_endpoint
from gateway.signin.sandbox import ISSUER
from gateway.store import clients
from gateway.store.database import Store
from gateway.store.session import Session


def caller(store: Store, session: Session, issuer: str, client: str, organisation: str) -> Caller | None:
    """The caller that a client of an issuer is now, or None where it is told nothing: it is disabled, unknown, for a
    project, or acts for another organisation than it did. Only who is registered here can be asked about when no token
    is at hand; a sandbox knows its own users too."""
    known = None
    if issuer == token_endpoint.name_of(store):
        known = _registered(session, issuer, client)
    elif issuer == ISSUER and store.is_sandbox:
        known = _of_sandbox(client)
    return known if known and known.organisation == organisation and not known.project else None


def is_known(store: Store, session: Session, asking: Caller) -> bool:
    """Whether a caller can be asked about later."""
    return caller(store, session, asking.issuer, asking.user, asking.organisation) is not None


def _registered(session: Session, issuer: str, id_: str) -> Caller | None:
    row = clients.get(session, id_)
    if row is None:
        return None
    client = registration.of_row(row)
    if not client.is_active or client.projects:
        return None
    return Caller(
        client.id, client.name or client.id, client.organisation, kind="system", scopes=client.scopes, issuer=issuer,
        publishers=frozenset(client.publishers), registered=client.changed,
    )  # fmt: skip


def _of_sandbox(client: str) -> Caller | None:
    claims = sandbox.USERS.get(client, {})
    try:
        known = caller_from_claims({**claims, "iss": ISSUER})
    except Unauthenticated:
        return None
    return replace(known, issuer=ISSUER) if known.kind == "system" else None
