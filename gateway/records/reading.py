"""Reads and searches: decide, find within the limits, audit, answer. A read is a search for one id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.errors import GatewayError, Gone, Invalid, NotFound
from gateway.fhir import build, params
from gateway.fhir.bundle import PRIVATE
from gateway.fhir.parse import parse
from gateway.fhir.search import Clause, Limits, Query
from gateway.nhs import access, links
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records.door import (
    Door,
    Found,
    Page,
    Sealed,
    audited,
    before_lookup,
    error,
    event,
    passes,
    refuse_early,
    served,
)
from gateway.records.facts import About, about_head, about_query, candidates, facts_about, publishers_now
from gateway.store import find, resources
from gateway.store.database import Session, id_hash
from gateway.store.resources import Stored

MOST_INCLUDED = 250
CURSOR_SECONDS = 3600


def read(door: Door, caller: Caller, resource_type: str, id_: str, request: str) -> Sealed[list[Found]]:
    """One resource as it is now, sealed until it is audited. Opening raises ``NotFound`` for what is not there or not
    the caller's, ``Gone`` to who may see that it was."""
    return _one(door, caller, access.Act("read", resource_type), id_, request)


def vread(door: Door, caller: Caller, resource_type: str, id_: str, version: int, request: str) -> Found:
    """One version of a resource: the current one to who may read it, older ones to the recording organisation and
    privacy officers."""
    for found in _one(door, caller, access.Act("vread", resource_type), id_, request).open():
        if found.version == version:
            if found.deleted:
                raise Gone(resource_type)
            return found
    raise NotFound(resource_type)


def history(door: Door, caller: Caller, resource_type: str, id_: str, request: str) -> list[Found]:
    """The versions of a resource the caller may see, newest first. Labels are of the resource: what is hidden is
    hidden in every version."""
    return _one(door, caller, access.Act("history", resource_type), id_, request).open()


def _one(door: Door, caller: Caller, act: access.Act, id_: str, request: str) -> Sealed[list[Found]]:
    """The versions of one resource that an act may answer with; the door's one way to an id."""
    early = before_lookup(door, caller, act)
    if early.refusal:
        return Sealed(
            door.audit, event(caller, act, early, "refused", request), _refusal=error(early.refusal, act.type)
        )
    with door.store.read() as session:
        head = resources.head_of(session, act.type, id_)
        decision = _decide(door, session, caller, act, None if act.type in DIRECTORY else about_head(head))
        allowed = decision.refusal is None and head is not None and _is_within(decision.limits, head)
        may_see_past = allowed and bool(decision.limits.history) and head.publisher in decision.limits.history
        publishers = publishers_now(door, session) if allowed else {}
        answer: list[Found] = []
        if allowed and (not head.deleted or may_see_past):
            answer = [served(head, publishers, decision)]
            if act.name != "read" and may_see_past:
                answer = [served(one, publishers, decision) for one in _versions(session, head)]
    outcome = (
        "refused"
        if decision.refusal
        else "not found"
        if not answer
        else "gone"
        if answer[0].deleted and act.name == "read"
        else "ok"
    )
    refusal: GatewayError | None = None
    if decision.refusal and decision.refusal.status != 404:
        refusal = error(decision.refusal, act.type)
    elif not answer:
        refusal = NotFound(act.type)
    elif outcome == "gone":
        refusal = Gone(act.type)
    return Sealed(door.audit, event(caller, act, decision, outcome, request, [head] if answer else []), answer, refusal)


def _versions(session: Session, head: Stored) -> list[Stored]:
    return [
        replace(head, number=number, updated=updated, deleted=deleted, delivery=delivery, body=body)
        for number, updated, deleted, delivery, body in resources.versions_of(session, head.key)
    ]


def _decide(door: Door, session: Session, caller: Caller, act: access.Act, about: About | None) -> access.Decision:
    return access.decide(caller, act, facts_about(door, session, caller, about))


def _is_within(limits: Limits, head: Stored) -> bool:
    patients = None if limits.patients is None else {id_hash(id_) for id_ in limits.patients}
    return passes(head, limits) and (patients is None or head.patient in patients)


def search(door: Door, caller: Caller, query: Query, request: str) -> Page:
    """What a query matches within the decision's limits. Asked by id, a refusal looks like nothing found; by number,
    it is the table's."""
    refuse_early(door, caller, access.Act("search", query.type), request)
    query, after = _resumed(door, caller, query)
    act = access.Act("search", query.type, query.number is not None)
    with door.store.read() as session:
        decision, limits, query = _limits(door, session, caller, act, query)
        if decision.refusal and (act.by_number or decision.refusal.status != 404):
            audited(door, caller, act, decision, "refused", request)
            raise error(decision.refusal, query.type)
        found, included, total, resume = [], [], None, None
        if decision.refusal is None:
            found = find.find(session, query, limits, after)
            if len(found) > query.count:
                resume = _cursor(door, caller, query, find.position(query, found[query.count - 1]))
            found = [one for one in found[: query.count] if not _would_tell(one, query, decision)]
            included = _included(door, session, caller, query, found, limits, decision)
            if query.total and not _asks_of_blanked(query):
                total = find.count(session, query, limits)
        publishers = publishers_now(door, session)
        page = Page(
            [served(one, publishers, decision) for one in found],
            [served(one, publishers, decision) for one in included],
            resume,
            0 if query.total and decision.refusal else total,
        )
    audited(door, caller, act, decision, "refused" if decision.refusal else "ok", request, [*found, *included])
    return page


def _would_tell(one: Stored, query: Query, decision: access.Decision) -> bool:
    """Whether a match rests on an element that is blanked for this caller: answering would tell what it holds."""
    if not decision.blanks(one.publisher, one.labels):
        return False
    asked = {clause.param for clause in query.clauses} & params.of_type(one.type).keys()
    shown = links.redact(build.decode(one.body))
    return any(params.row(one.type, name).paths[one.type].split(".")[0] not in shown for name in asked)


def _asks_of_blanked(query: Query) -> bool:
    """Whether a count could tell what a blanked element holds: then no total is given."""
    return query.type in links.BLANKED_TYPES and any(clause.param == "encounter" for clause in query.clauses)


def _limits(
    door: Door, session: Session, caller: Caller, act: access.Act, query: Query
) -> tuple[access.Decision, Limits, Query]:
    """The decision of a search, its limits, and the query narrowed to what they were decided for."""
    about = about_query(session, query)
    if about is None and query.type not in DIRECTORY:
        return _one_by_one(door, session, caller, act, query)
    decision = _decide(door, session, caller, act, about)
    return decision, _narrowed(decision.limits, about), query


def _one_by_one(
    door: Door, session: Session, caller: Caller, act: access.Act, query: Query
) -> tuple[access.Decision, Limits, Query]:
    """A search that names nobody is decided person by person, and what matches is found within its own person's
    limits: what one allows shows nothing of another, and somebody else's id beside one's own is as an unknown one."""
    found = candidates(session, caller, query)
    decided = {
        patient: _decide(door, session, caller, act, About(frozenset({patient})))
        for patient in sorted({one.patient for one in found})
    }
    shown = [
        one for one in found if decided[one.patient].refusal is None and _is_within(decided[one.patient].limits, one)
    ]
    if not shown:
        refused = _decide(door, session, caller, act, About())
        return (
            next(iter(decided.values()), refused),
            Limits(),
            replace(query, clauses=(*query.clauses, Clause("_id", "id", ()))),
        )
    allowed = [decided[patient] for patient in dict.fromkeys(one.patient for one in shown)]
    facts = replace(
        allowed[0].facts, patients=tuple({patient: None for decision in allowed for patient in decision.facts.patients})
    )
    limits = Limits(
        tuple({allow: None for decision in allowed for allow in decision.limits.allow}),
        frozenset(patient.id for decision in allowed for patient in decision.facts.patients),
    )
    trace = tuple({line: None for decision in allowed for line in decision.trace})
    ids = Clause("_id", "id", tuple(one.id for one in shown))
    return (
        replace(allowed[0], limits=limits, facts=facts, trace=trace),
        limits,
        replace(query, clauses=(*query.clauses, ids)),
    )


def _narrowed(limits: Limits, about: About | None) -> Limits:
    """``patient=Patient/x`` means that record only; a number means all the gathered ones."""
    if about is None or about.by_number or limits.patients is None:
        return limits
    return replace(limits, patients=frozenset(id_ for id_ in limits.patients if id_hash(id_) in about.asked))


def _included(
    door: Door,
    session: Session,
    caller: Caller,
    query: Query,
    found: Sequence[Stored],
    limits: Limits,
    decision: access.Decision,
) -> list[Stored]:
    """What matched resources, as the caller sees them, point at and ``_include`` names, each within the same limits;
    the directory has its own."""
    wanted: dict[tuple[str, str], None] = {}
    for include in query.includes:
        targets = params.includes(query.type)[include.param]
        for one in found:
            resource = build.decode(one.body)
            seen_by_caller = links.redact(resource) if decision.blanks(one.publisher, one.labels) else resource
            for kind, id_ in _pointed(seen_by_caller, query.type, include.param):
                if kind in targets and include.target in ("", kind):
                    wanted[kind, id_] = None
    seen = {(one.type, one.id) for one in found}
    included = []
    for kind, id_ in list(wanted)[:MOST_INCLUDED]:
        head = None if (kind, id_) in seen else resources.head_of(session, kind, id_)
        if head is None or head.deleted:
            continue
        if kind in DIRECTORY:
            directory = _decide(door, session, caller, access.Act("read", kind), None)
            if directory.refusal is None and _is_within(directory.limits, head):
                included.append(head)
        elif _is_within(limits, head) and not decision.blanks(head.publisher, head.labels):
            included.append(head)
    return included


def _pointed(resource: dict[str, Any], resource_type: str, name: str) -> list[tuple[str, str]]:
    path = (
        params.subject(resource_type)
        if name in ("patient", "subject")
        else params.row(resource_type, name).paths[resource_type]
    )
    values: list[Any] = [resource]
    for part in path.split("."):
        values = [
            inner
            for value in values
            for inner in (value.get(part) if isinstance(value.get(part), list) else [value.get(part)])
            if inner
        ]
    return [tuple(value["reference"].split("/", 1)) for value in values if "/" in value.get("reference", "")]


def _cursor(door: Door, caller: Caller, query: Query, at: tuple[int, int]) -> str:
    """Where the next page begins, encrypted and bound to caller and query. It carries the parameters that name a
    person, which no link may."""
    private = [pair for pair in query.parameters if pair[0] in PRIVATE]
    return Fernet(door.cursor_key).encrypt(msgspec.msgpack.encode((at, private, _bound(caller, query)))).decode()


def _resumed(door: Door, caller: Caller, query: Query) -> tuple[Query, tuple[int, int] | None]:
    """The whole query of a next link, and where its page begins. Raises ``Invalid`` for a cursor that is not this
    caller's and this query's."""
    if query.cursor is None:
        return query, None
    try:
        data = Fernet(door.cursor_key).decrypt(query.cursor.encode(), ttl=CURSOR_SECONDS)
    except InvalidToken:
        raise Invalid("parameter _cursor") from None
    at, private, bound = msgspec.msgpack.decode(data, type=tuple[tuple[int, int], list[tuple[str, str]], bytes])
    if bound != _bound(caller, query):
        raise Invalid("parameter _cursor")
    public = [pair for pair in query.parameters if pair[0] not in PRIVATE]
    return parse(query.type, [*public, *private]), at


def _bound(caller: Caller, query: Query) -> bytes:
    shown = sorted(pair for pair in query.parameters if pair[0] not in PRIVATE)
    return hashlib.sha256(repr((caller.user, caller.organisation, caller.role, query.type, shown)).encode()).digest()
