"""The sandbox's own issuer: it signs tokens for the named, invented users of a sandbox store."""

from __future__ import annotations

from gateway.nhs.sandbox import claims
from gateway.signin.issue import issue, public_jwks
from gateway.signin.issuers import Issuer

ISSUER, AUDIENCE = "urn:nhs-record-gateway:sandbox", "nhs-record-gateway"
MINUTES = 60


def issuer(private_pem: bytes) -> Issuer:
    """The sandbox's issuer, with the public half of its key."""
    return Issuer(ISSUER, AUDIENCE, ("RS256",), public_jwks(private_pem))


def token(private_pem: bytes, user: str, project: str, now: int) -> str:
    """A token for one of the sandbox's named users, valid for an hour from ``now`` (µs UTC); ``project`` binds a system
    client to a project. Raises ``Refused`` for a name that there is not."""
    return issue(private_pem, ISSUER, AUDIENCE, claims(user, project), now, seconds=MINUTES * 60)
