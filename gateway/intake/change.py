"""One change that a contributor asks for, and the resource that its criteria name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from gateway.errors import Conflict, Invalid, NotAllowed, NotFound, Stale, TooLarge, Unprocessable, Unsupported
from gateway.fhir import build, params, plan
from gateway.fhir.issues import Issue
from gateway.fhir.matching import clauses
from gateway.fhir.parse import parse
from gateway.fhir.search import Allow, Limits, PatientKey, Query, Whose
from gateway.intake.ownership import Owner
from gateway.store import find, identities
from gateway.store.hashes import id_hash
from gateway.store.mapped import Name
from gateway.store.resources import Stored
from mappings.fhir.references import referring, target

FOUND = "found"
"""The act of a create whose resource is there already."""
PLAIN = (Invalid, Unsupported, TooLarge, NotFound, NotAllowed, Stale, Conflict)
"""Failures that are no more than their words."""
AT_ONCE = 20
"""Resources that are read at once to find the one that criteria match."""
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Change:
    """One change that is asked for: to create, update or delete the resource of a type and id. ``expected`` is the
    version that must be current. ``criteria`` are what to look for among the contributor's own: what a create does
    not make again, what an update or delete is of, in the place of an id. ``patch`` are operations on what stands.
    ``full_url`` is what the rest of a transaction calls it, ``place`` where it stands in the request."""

    act: str
    type: str
    id: str = ""
    resource: dict[str, Any] | None = None
    expected: int | None = None
    criteria: Pairs | None = None
    patch: tuple[dict[str, Any], ...] | None = None
    full_url: str = ""
    place: str = ""

    @property
    def name(self) -> Name:
        return self.type, self.id


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Tell what is wrong with one change of several with its place in the request."""
    try:
        yield
    except Unprocessable as fault:
        if not place:
            raise
        raise Unprocessable([within(place, issue) for issue in fault.issues]) from None
    except PLAIN as fault:
        if not place or str(fault).startswith(place):
            raise
        raise type(fault)(f"{place}: {fault}") from None


def within(place: str, issue: Issue) -> Issue:
    """An issue of a resource as one of the Bundle that holds it."""
    if issue.location.startswith(place):
        return issue
    _, dot, path = issue.location.partition(".")
    return replace(issue, location=f"{place}.resource{dot}{path}")


def by_criteria(owner: Owner, change: Change) -> Change:
    """https://hl7.org/fhir/R4/http.html#cond-update

    The change with the id of the one resource that its criteria match. Raises ``Stale`` where they match several,
    ``NotFound`` where a delete or a patch matches none, ``Invalid`` where what is sent has another id."""
    matches = matched(owner, change.type, change.criteria or ())
    if len(matches) > 1:
        raise Stale(f"{change.type}: the criteria match several")
    sent_id = str((change.resource or {}).get("id", ""))
    match change.act, bool(matches):
        case "create", True:
            return replace(change, act=FOUND, id=matches[0].id)
        case "create", False:
            return change
        case "update", False if change.patch is None:
            return replace(change, id=sent_id)
        case _, False:
            raise NotFound(change.type)
    if change.act == "update" and sent_id and sent_id != matches[0].id:
        raise Invalid(f"{change.type}.id: not the id of what the criteria match")
    return replace(change, id=matches[0].id)


def referred(owner: Owner, change: Change, names: Mapping[str, str]) -> Change:
    """https://hl7.org/fhir/R4/http.html#trules

    The change with its references to others of the request, which ``names`` calls by their addresses there, and its
    conditional references by id. One to a directory that matches nothing here stays: it names by identifier. Raises
    ``Stale`` for one that does not match one resource."""
    if change.resource is None:
        return change

    def to(reference: str) -> str:
        if reference in names:
            return names[reference]
        type_, mark, query = reference.partition("?")
        if not mark or type_ not in params.SEARCHABLE:
            return reference
        matches = matched(owner, type_, tuple(parse_qsl(query, keep_blank_values=True)))
        if not matches and type_ in params.DIRECTORY_TYPES:
            return reference
        if len(matches) != 1:
            raise Stale(f"{change.type}: a conditional reference that does not match one resource")
        return f"{type_}/{matches[0].id}"

    return replace(change, resource=referring(change.resource, to))


def matched(owner: Owner, resource_type: str, criteria: Pairs) -> list[Stored]:
    """At most two of the contributor's own resources that the criteria match, to the letter. Raises ``Invalid`` for
    criteria that would look through all of them or are none, ``TooLarge`` where too much would have to be read."""
    query = _query(resource_type, criteria)
    allow = Allow(frozenset({resource_type}), frozenset({owner.publisher.key}))
    limits = Limits((allow,), _whose(owner, query))
    left = plan.left(query)
    tests = [clauses.test(params.searchable(resource_type)[clause.param], clause) for clause in left]
    cost = sum(len(clause.values) for clause in left)
    matches: list[Stored] = []
    for found in _found(owner, query, limits):
        owner.look(cost)
        resource = build.decode(found.body) if tests else {}
        if all(test(resource) for test in tests):
            matches.append(found)
        if len(matches) > 1:
            break
    return matches


def _query(resource_type: str, criteria: Pairs) -> Query:
    """The search that criteria are. What else a search may say (how it is answered, what is seen by other resources or
    of labels) is no criterion: it would be passed over, or tell of what the contributor may not read."""
    is_control = any(name.startswith("_") and name not in ("_id", "_lastUpdated") for name, _ in criteria)
    query = Query(resource_type) if is_control else parse(resource_type, [*criteria, ("_count", str(AT_ONCE))])
    if is_control or any(clause.kind == "chain" for clause in query.clauses):
        raise Invalid("criteria: search parameters of the resource itself")
    indexed = {clause.param for clause in plan.narrowed(query).clauses}
    is_narrow = query.number is not None or query.patients or indexed & {"identifier", "_id"}
    if not criteria or not is_narrow:
        raise Invalid("criteria: an identifier, an id or a patient is needed")
    return query


def _found(owner: Owner, query: Query, limits: Limits) -> Iterator[Stored]:
    """What the index finds of a query, a few at a time."""
    after = None
    while True:
        batch = find.find(owner.session, query, limits, after)
        yield from batch
        if len(batch) <= query.count:
            return
        after = find.position(query, batch[-1])


def _whose(owner: Owner, query: Query) -> frozenset[PatientKey] | Whose:
    """The patients whom criteria name, by id or by NHS number; anybody where they name none."""
    named = frozenset(PatientKey(id_hash(id_)) for id_ in query.patients)
    if query.number is None:
        return named or Whose.ANYBODY
    claiming = {PatientKey(patient) for patient, _, _ in identities.claimants(owner.session, [query.number])}
    return named & claiming if named else frozenset(claiming)


def names_of(changes: Iterable[Change]) -> dict[str, str]:
    """``Type/id`` of each resource of a request by what the request calls it: its full address, and for one that has
    no id yet also the end of that address."""
    names = {}
    for change in changes:
        if change.full_url:
            names[change.full_url] = f"{change.type}/{change.id}"
            type_, key = target("/".join(change.full_url.split("/")[-2:]))
            if type_ == change.type and change.act == "create":
                names[f"{type_}/{key}"] = f"{change.type}/{change.id}"
    return names
