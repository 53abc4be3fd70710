"""Which changed resources a subscriber may be told of: each is decided as a read of its person is, at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.fhir.search import PatientKey, Query
from gateway.nhs import access
from gateway.nhs.roles import Caller
from gateway.records.deciding import decide, merged
from gateway.records.door import Door, as_seen, before_lookup, event
from gateway.records.facts import About, about_number
from gateway.records.hopping import Hops
from gateway.store import resources
from gateway.store.hashes import id_hash
from gateway.store.limits import passes
from gateway.store.resources import Stored
from gateway.store.session import Session

ACT = "notify"


@dataclass(frozen=True, slots=True)
class Notifiable:
    """What a subscriber may be told of now, and the decisions about whom it is."""

    shown: tuple[Stored, ...] = ()
    decisions: tuple[access.Decision, ...] = ()

    def event(self, caller: Caller, type_: str, request_id: str, names: Sequence[str]) -> dict[str, object]:
        """The audit event of telling it, written before anything leaves. Only what is shown is told of."""
        decision = merged(self.decisions)
        return event(caller, access.Act(ACT, type_), decision, "ok", request_id, self.shown, names)


def notifiable(door: Door, session: Session, caller: Caller, query: Query, keys: Iterable[int]) -> Notifiable:
    """https://hl7.org/fhir/R4/subscription.html

    Those of the resources of these heads that match a subscription's criteria as its subscriber is shown them: what is
    hidden, withheld or blanked matches nothing. A deleted one is shown to the organisation that recorded it, and is
    judged as it last was. To anybody else it is as one that was hidden since, and only one of the two would be told of.
    """
    act = access.Act(ACT, query.type, query.number is not None)
    if before_lookup(door, caller, act).refusal:
        return Notifiable()
    decisions: dict[int, access.Decision] = {}
    shown: list[Stored] = []
    for head in resources.of_keys(session, keys):
        decision = decisions.get(head.patient)
        if decision is None:
            decision = decisions[head.patient] = _decision(door, session, caller, act, query, head)
        if decision.refusal or not passes(decision.limits)(head):
            continue
        if head.deleted and head.publisher not in decision.facts.own:
            continue
        seen = replace(head, body=resources.last_body(session, head.key)) if head.deleted else head
        if _matches(Hops(door, session, caller), query, seen, decision):  # one for each: they count what they compare
            shown.append(head)
    about = dict.fromkeys(head.patient for head in shown)
    return Notifiable(tuple(shown), tuple(decisions[patient] for patient in about))


def _matches(hops: Hops, query: Query, seen: Stored, decision: access.Decision) -> bool:
    """Whether a resource matches as the subscriber sees it."""
    resource = as_seen(seen, decision)
    return all(hops.test(query.type, clause)(seen, resource) for clause in query.clauses)


def _decision(
    door: Door, session: Session, caller: Caller, act: access.Act, query: Query, head: Stored
) -> access.Decision:
    """The decision about the person of a resource, narrowed to whom the criteria name."""
    if query.number is not None:
        return decide(door, session, caller, act, about_number(session, query.number))
    if query.patients and head.patient not in map(id_hash, query.patients):
        return access.Decision(access.NOT_FOUND)
    return decide(door, session, caller, act, About(frozenset({PatientKey(head.patient)})))
