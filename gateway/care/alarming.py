"""Raises the privacy alert of an act, in the transaction of the act."""

from __future__ import annotations

from gateway.nhs import alerting
from gateway.nhs.roles import Caller
from gateway.store import alerts
from gateway.store.alerts import Raised
from gateway.store.session import Session


def alarm(session: Session, caller: Caller, type_: str, subtype: str, request_id: str) -> int:
    """Raise an alert to the privacy officers of the caller's organisation; return its key. It says who and why, and
    nothing of the patient: the ``request`` leads to the event of the audit.

    Raises ``Invalid`` for a type and subtype that do not go together: then the act is not done either.
    """
    alerting.check_pair(type_, subtype)
    raised = Raised(caller.organisation, caller.user, caller.name, caller.role, request_id, type=type_, subtype=subtype)
    return alerts.raise_alert(session, raised, alerting.OPEN)
