"""The caller of verified claims: read in the shape of CIS2, and bound to what the issuer may vouch for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.nhs.roles import Caller, caller_from_claims
from gateway.signin import vouching
from gateway.signin.issuers import Issuer, Issuers


def known(accepted: Iterable[Issuer]) -> Issuers[Caller]:
    """The issuers in force, whose tokens are read as callers."""
    listed = list(accepted)
    vouches = {issuer.iss: issuer.vouches for issuer in listed}

    def read(claims: dict[str, Any]) -> Caller:
        caller = caller_from_claims(claims)
        vouching.require(vouches[caller.issuer], caller, claims)
        return caller

    return Issuers(listed, read)
