"""Permission to view: recorded for an organisation, with its reason, in the transaction that audits it."""

from __future__ import annotations

from gateway.errors import Invalid
from gateway.nhs import access, identifiers
from gateway.nhs.roles import Caller
from gateway.records.door import Door, audited, error, who
from gateway.store import permissions
from gateway.store.changes import record_write


def permit(door: Door, caller: Caller, number: str, basis: str, reason: str, request: str) -> None:
    """Record permission to view for the caller's organisation. The same answer for every number, known or not.

    Raises ``Forbidden`` for a caller who may not, ``Invalid`` naming what of the request is not as ``access.BASES``
    asks.
    """
    act = access.Act("permit", "")
    decision = access.decide(
        caller, act, access.Facts.of_nobody(door.store.clock(), not door.store.is_sandbox, door.missing)
    )
    if decision.refusal:
        audited(door, caller, act, decision, "refused", request)
        raise error(decision.refusal, "")
    if not identifiers.is_valid(number):
        raise Invalid("number")
    if basis not in access.BASES:
        raise Invalid(f"basis: {' or '.join(access.BASES)}")
    if len(reason.strip()) < access.BASES[basis].least_reason or len(reason) > 500:
        raise Invalid("reason")
    with door.store.write() as session:
        until = session.now + access.BASES[basis].longest * 3_600_000_000
        permissions.grant(session, number, caller.organisation, caller.user, basis, reason.strip(), until)
        record_write(
            session,
            {
                "act": "permit",
                **who(caller),
                "number": number,
                "basis": basis,
                "reason": reason.strip(),
                "request": request,
            },
        )
