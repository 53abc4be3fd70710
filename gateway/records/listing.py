"""The list of people in the care of the caller's organisation: who is on it, and a search that is about all of them.

Each person is decided about as if they alone were named, so nothing is shown on a list that would not be shown without
it, and each of whom something is shown has an audit event of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import NotFound, TooLarge
from gateway.fhir.search import Allow, Limits, PatientKey, Query
from gateway.nhs import access, caseload
from gateway.nhs.roles import Caller
from gateway.records.deciding import Decided, decide, merged
from gateway.records.door import Door, event, refuse_early
from gateway.records.facts import REMEMBERED_FOR, About, own_publishers, publishers_now
from gateway.records.linking import within
from gateway.store import attending
from gateway.store.resources import Stored
from gateway.store.session import Session

TOO_LONG = f"the list is too long: it holds {caseload.MOST_MEMBERS} people at most"
TOO_MUCH_OPEN = "too many visits, services and referrals of the organisation have no end to tell who is in its care now"


@dataclass(frozen=True, slots=True)
class Member:
    """A person on a list: the Patient that stands there for them, and the decision that lets it stand there."""

    id: str
    key: PatientKey
    decision: access.Decision

    @property
    def about(self) -> About:
        """Who is asked about when something of the member is asked."""
        return About(frozenset({self.key}))


def list_id(door: Door, caller: Caller) -> str:
    """The id of the list of the caller's organisation: made of its code, so it is there before anybody is on it."""
    return str(uuid.uuid5(door.store.namespace, f"caseload {caller.organisation}"))


def members(door: Door, session: Session, caller: Caller) -> list[Member]:
    """Everyone on the list of the caller's organisation, by the id of their Patient. Raises ``TooLarge``."""
    by_person: dict[tuple[int, ...], Member] = {}
    asked = 0
    for patient in _with_open_care(door, session, caller):
        decision = decide(door, session, caller, caseload.ACT, About(frozenset({PatientKey(patient)})))
        asked += decision.refusal is None
        if asked > caseload.MOST_ASKED:
            raise TooLarge(TOO_MUCH_OPEN)
        shown = within(caseload.standing(decision), decision.limits)
        for fact in sorted(shown, key=lambda fact: (not fact.registered, fact.id))[:1]:
            by_person.setdefault(decision.facts.persons, Member(fact.id, fact.key, decision))
        if len(by_person) > caseload.MOST_MEMBERS:
            raise TooLarge(TOO_LONG)
    return sorted(by_person.values(), key=lambda member: member.id)


def _with_open_care(door: Door, session: Session, caller: Caller) -> list[int]:
    """The Patients who may be on the list, remembered until the store changes: the facts decide about each of them."""
    now, publishers = door.store.clock(), publishers_now(door, session)
    name = ("open care", session.stamp(), now // REMEMBERED_FOR, caller.organisation)
    own = sorted(own_publishers(publishers, caller))
    patients = door.cache.get(name, lambda: attending.patients(session, own, now, access.ATTENDING))
    if patients is None:
        raise TooLarge(TOO_MUCH_OPEN)
    return sorted(patients)


def caseloads(
    door: Door, caller: Caller, request_id: str, id_: str | None = None, criteria: Sequence[tuple[str, str]] = ()
) -> list[dict[str, Any]]:
    """https://hl7.org/fhir/R4/group.html

    The list of the caller's organisation: the only one that there is for them, whatever its ``id_``; none where it does
    not match the ``criteria`` (name, value). Each member has an audit event where the list is shown or searched by
    member. Raises ``NotFound`` for any other id, which nothing is looked up for, and ``TooLarge``.
    """
    refuse_early(door, caller, caseload.ACT, request_id)
    if id_ is not None and id_ != list_id(door, caller):
        door.audit.record(event(caller, caseload.ACT, _of_nobody(door), "not found", request_id))
        raise NotFound("Group")
    listed, fault = _members_or_fault(door, caller)
    if fault:
        door.audit.record(event(caller, caseload.ACT, _of_nobody(door), "refused", request_id))
        raise fault
    group = caseload.group(list_id(door, caller), caller.organisation, [member.id for member in listed])
    is_match = all(caseload.is_match(group, name, value) for name, value in criteria)
    tells = is_match or any(name == "member" for name, _ in criteria)
    events = [event(caller, caseload.ACT, member.decision, "ok", request_id) for member in listed if tells]
    door.audit.record_all(events or [event(caller, caseload.ACT, _of_nobody(door), "ok", request_id)])
    return [group] if is_match else []


def _members_or_fault(door: Door, caller: Caller) -> tuple[list[Member], TooLarge | None]:
    with door.store.read() as session:
        try:
            return members(door, session, caller), None
        except TooLarge as too_long:
            return [], too_long


def _of_nobody(door: Door) -> access.Decision:
    return access.Decision(None, facts=access.Facts.of_nobody(door.store.clock()))


def decide_listed(door: Door, session: Session, caller: Caller, act: access.Act, query: Query) -> Decided:
    """The decision of a search that is about the people on a list, made for each of them. Any list but the caller's own
    is as an empty one."""
    listed = members(door, session, caller) if query.listed == list_id(door, caller) else []
    decisions = [(member, decide(door, session, caller, act, member.about)) for member in listed]
    allowed = [(member, decision) for member, decision in decisions if decision.refusal is None]
    if not allowed:
        return Decided(decide(door, session, caller, act, About()), query)
    by_patient = {fact.key: decision for _, decision in allowed for fact in decision.facts.patients}
    # The limits of all together would show of one person what is allowed of another: each has their own.
    together = replace(merged([decision for _, decision in allowed]), limits=Limits())
    return Decided(together, query, by_patient, parts=_parts(query, allowed))


def _parts(query: Query, allowed: Sequence[tuple[Member, access.Decision]]) -> tuple[Limits, ...]:
    """The limits of people who are decided about alike, together: a search for each of these, and not for each person.
    Of Patients only those that stand on the list are on it."""
    alike: dict[tuple[Allow, ...], set[PatientKey]] = {}
    for member, decision in allowed:
        keys = {fact.key for fact in decision.facts.patients}
        alike.setdefault(decision.limits.allow, set()).update({member.key} if query.type == "Patient" else keys)
    return tuple(Limits(allow, frozenset(keys)) for allow, keys in alike.items())


def events(
    caller: Caller,
    act: access.Act,
    decided: Decided,
    outcome: str,
    request_id: str,
    stored: Iterable[Stored],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """An audit event for each person of whom something is shown, or counted; one about nobody where nobody is."""
    by_person: dict[int, tuple[access.Decision, list[Stored]]] = {}
    directory: list[Stored] = []
    for resource in stored:
        decision = decided.by_patient.get(PatientKey(resource.patient))
        if decision is None:
            directory.append(resource)
        else:
            by_person.setdefault(id(decision), (decision, []))[1].append(resource)
    if decided.query.total:  # a total speaks of everyone
        for decision in decided.by_patient.values():
            by_person.setdefault(id(decision), (decision, []))
    alone = replace(decided.decision, facts=replace(decided.decision.facts, patients=(), claimants=()))
    about = [(alone, directory)] if directory or not by_person else []
    return [
        event(caller, act, decision, outcome, request_id, resources, names)
        for decision, resources in (*by_person.values(), *about)
    ]
