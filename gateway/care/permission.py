"""Permission to view: recorded for an organisation, with its reason, in the transaction that audits it."""

from __future__ import annotations

from gateway.errors import Invalid
from gateway.nhs import access, identifiers
from gateway.nhs.roles import Caller
from gateway.records.door import Door, audited, error, who
from gateway.store import permissions
from gateway.store.changes import record_write

HOUR = 3_600_000_000
"""µs."""
LONGEST_REASON = 500


def permit(door: Door, caller: Caller, number: str, basis: str, reason: str, request_id: str) -> None:
    """Record permission to view for the caller's organisation. The answer is the same for every number, known or not.

    Raises ``Forbidden`` for a caller who may not, ``Invalid`` naming what of the request is not as ``access.BASES``
    asks.
    """
    _require_right(door, caller, request_id)
    _check(number, basis, reason)
    reason = reason.strip()
    with door.store.write() as session:
        until = session.now + access.BASES[basis].longest * HOUR
        permissions.grant(session, number, caller.organisation, caller.user, basis, reason, until)
        stated = {"number": number, "basis": basis, "reason": reason, "request": request_id}
        record_write(session, {"act": "permit", **who(caller), **stated})


def _require_right(door: Door, caller: Caller, request_id: str) -> None:
    act, facts = (
        access.Act("permit"),
        access.Facts.of_nobody(door.store.clock(), not door.store.is_sandbox, door.missing),
    )
    decision = access.decide(caller, act, facts)
    if decision.refusal:
        audited(door, caller, act, decision, "refused", request_id)
        raise error(decision.refusal, "")


def _check(number: str, basis: str, reason: str) -> None:
    if not identifiers.is_valid(number):
        raise Invalid("number")
    if basis not in access.BASES:
        raise Invalid(f"basis: {' or '.join(access.BASES)}")
    if len(reason.strip()) < access.BASES[basis].least_reason or len(reason) > LONGEST_REASON:
        raise Invalid("reason")
