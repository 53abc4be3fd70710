"""Permission to view, break-glass and a patient's refusal: recorded for an organisation, in the transaction that audits
it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from gateway.care.alarming import alarm
from gateway.errors import Invalid
from gateway.fhir.dates import interval
from gateway.nhs import access, identifiers, relationship
from gateway.nhs.roles import Caller
from gateway.records.door import Door, audited, before_lookup, error, event, refuse_early, who
from gateway.records.facts import about_number, facts_about
from gateway.store import permissions
from gateway.store.changes import record_write

HOUR = 3_600_000_000
"""µs."""
LONGEST_REASON = 500
DAY_ALONE = 10
"""The characters of a date without a time."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody records of a number: the ``basis``, of ``access.ANSWERS``; why; and the last day on which it holds
    (YYYY-MM-DD), where the basis lets them say so."""

    number: str
    basis: str
    reason: str = ""
    until: str = ""

    @property
    def act(self) -> access.Act:
        """What recording it is called in the table of roles; an unknown basis is as permission."""
        answer = access.ANSWERS.get(self.basis)
        return access.Act(answer.act if answer else "permit")


def may_record(door: Door, caller: Caller) -> frozenset[str]:
    """The bases that this caller may record. It depends on the caller alone."""
    acts = {answer.act for answer in access.ANSWERS.values()}
    allowed = {act for act in acts if not before_lookup(door, caller, access.Act(act)).refusal}
    return frozenset(basis for basis, answer in access.ANSWERS.items() if answer.act in allowed)


def checked(door: Door, caller: Caller, statement: Statement, request_id: str) -> int:
    """Until when (µs UTC) a statement would hold: the question that comes before anything is confirmed.

    Raises ``Forbidden`` for a caller who may not, audited, ``Invalid`` naming what of it is not as ``access.ANSWERS``
    asks.
    """
    refuse_early(door, caller, statement.act, request_id)
    return _until(statement, door.store.clock())


def permit(door: Door, caller: Caller, statement: Statement, request_id: str) -> int:
    """Record permission to view, or why it is done without, for the caller's organisation; returns until when it holds
    (µs UTC). The answer is the same for every number, known or not.

    Raises as ``checked`` does, and ``Forbidden`` for an emergency of a patient whose refusal the organisation recorded.
    The alert that the act raises goes to the organisation's privacy officers, and its event names it (type/subtype).
    """
    act = statement.act
    decision = access.decide(caller, act, _of_nobody(door))
    if decision.refusal:
        audited(door, caller, act, decision, "refused", request_id)
        raise error(decision.refusal, "")
    _until(statement, door.store.clock())
    with door.store.read() as session:
        facts = facts_about(door, session, caller, about_number(session, statement.number))
    if facts.refused and act.name == "break-glass":
        _refuse(door, caller, statement, facts, request_id)
    alert = relationship.alert_of(statement.basis, is_related=access.is_related(caller, facts))
    with door.store.write() as session:
        until, reason = _until(statement, session.now), statement.reason.strip()
        permissions.grant(session, statement.number, caller.organisation, caller.user, statement.basis, reason, until)
        stated = {"number": statement.number, "basis": statement.basis, "reason": reason, "until": until}
        raised = {"alert": "/".join(alert)} if alert else {}
        if alert:
            alarm(session, caller, *alert, request_id)
        record_write(session, {"act": act.name, **who(caller), **stated, **raised, "request": request_id})
    return until


def _refuse(door: Door, caller: Caller, statement: Statement, facts: access.Facts, request_id: str) -> NoReturn:
    """Refuse an emergency of who refused, audited with whom it was tried on and why."""
    decision = access.Decision(access.PERMISSION_REFUSED)
    refused = event(caller, statement.act, decision, "refused", request_id)
    patients = sorted(patient.id for patient in facts.patients)
    stated = {"number": statement.number, "basis": statement.basis, "reason": statement.reason.strip()}
    door.audit.record({**refused, "patients": patients, **stated})
    raise error(access.PERMISSION_REFUSED, "")


def _of_nobody(door: Door) -> access.Facts:
    return access.Facts.of_nobody(door.store.clock(), not door.store.is_sandbox, door.missing)


def _until(statement: Statement, now: int) -> int:
    """Until when a statement holds. Raises ``Invalid`` for one that is not as its basis asks."""
    answer = access.ANSWERS.get(statement.basis)
    if not identifiers.is_valid(statement.number):
        raise Invalid("number: 10 digits of which the last one checks the others")
    if answer is None:
        raise Invalid(f"basis: {' or '.join(access.ANSWERS)}")
    if len(statement.reason.strip()) < answer.least_reason or len(statement.reason) > LONGEST_REASON:
        raise Invalid(f"reason: {answer.least_reason} to {LONGEST_REASON} characters")
    most = now + answer.longest * HOUR
    if not statement.until:
        return most
    end = _end_of(statement.until)
    if not answer.is_stated or not now < end <= most + 24 * HOUR:
        raise Invalid(_days(answer))
    return min(end, most)


def _end_of(day: str) -> int:
    """The end of a day in Europe/London (µs UTC), 0 for what is no day."""
    try:
        return interval(day)[1] if len(day) == DAY_ALONE else 0
    except Invalid:
        return 0


def _days(answer: relationship.Basis) -> str:
    """What may be said of an end."""
    if not answer.is_stated:
        return "until: this basis has an end of its own"
    return f"until: a day from today to {answer.longest // 24} days from now"
