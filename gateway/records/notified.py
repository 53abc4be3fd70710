"""Which changed resources a subscriber may be told of: each is decided as a read of its person is, at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway import log
from gateway.errors import Unavailable
from gateway.fhir.search import PatientKey, Query
from gateway.nhs import access
from gateway.nhs.roles import Caller
from gateway.records.deciding import decide, merged
from gateway.records.door import Door, as_seen, before_lookup, event
from gateway.records.facts import About, about_number
from gateway.records.hopping import Hops
from gateway.store import faults, resources
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


def notifiable(door: Door, session: Session, caller: Caller, query: Query, keys: Iterable[int]) -> Notifiable | None:
    """https://hl7.org/fhir/R4/subscription.html

    Those of the resources of these heads that match a subscription's criteria as its subscriber is shown them: what is
    hidden, withheld or blanked matches nothing. A deleted one is shown to the organisation that recorded it, and is
    judged as it last was. To anybody else it is as one that was hidden since, and only one of the two would be told of.
    None where nobody can be decided about, because the caller alone is refused: that says nothing of the resources.
    """
    act = access.Act(ACT, query.type, query.number is not None)
    if before_lookup(door, caller, act).refusal:
        return None
    decisions: dict[int, access.Decision] = {}  # by patient; where the criteria name the person there is one, by 0
    shown: list[Stored] = []
    for head in resources.of_keys(session, keys):
        who = _who(query, head)
        try:
            if who not in decisions:
                decisions[who] = _decision(door, session, caller, act, query, head)
            if _is_told(session, Hops(door, session, caller), query, head, decisions[who]):
                shown.append(head)
        except Exception as error:  # what cannot be judged matches nothing, and holds nothing else back
            if isinstance(error, Unavailable) or faults.is_stores(error):
                raise
            log.event("notify.unjudged", type=query.type, error=type(error).__name__)
    about = dict.fromkeys(_who(query, head) for head in shown)
    return Notifiable(tuple(shown), tuple(decisions[who] for who in about))


def _who(query: Query, head: Stored) -> int:
    return 0 if query.number is not None else head.patient


def _is_told(session: Session, hops: Hops, query: Query, head: Stored, decision: access.Decision) -> bool:
    """Whether a resource may be told of, and matches as its subscriber sees it."""
    if decision.refusal or not passes(decision.limits)(head):
        return False
    if not head.deleted:
        return _matches(hops, query, head, decision)
    if head.publisher not in decision.facts.own:
        return False
    body = resources.last_body(session, head.key)
    return bool(body) and _matches(hops, query, replace(head, body=body), decision)


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
