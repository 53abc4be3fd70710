"""One change that a contributor asks for, and the resource that its criteria name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Invalid, NotFound, Stale
from gateway.fhir.parse import parse
from gateway.fhir.search import Allow, Limits, PatientKey, Query, Whose
from gateway.intake.ownership import Owner
from gateway.store import find, identities
from gateway.store.hashes import id_hash
from gateway.store.mapped import Name
from gateway.store.resources import Stored

FOUND = "found"
"""The act of a create whose resource is there already."""
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Change:
    """One change that is asked for: to create, update or delete the resource of a type and id. ``expected`` is the
    version that must be current. ``criteria`` are what to look for among the contributor's own: what a create does
    not make again, what an update or delete is of, in the place of an id. ``patch`` are operations on what stands."""

    act: str
    type: str
    id: str = ""
    resource: dict[str, Any] | None = None
    expected: int | None = None
    criteria: Pairs | None = None
    patch: tuple[dict[str, Any], ...] | None = None

    @property
    def name(self) -> Name:
        return self.type, self.id


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


def matched(owner: Owner, resource_type: str, criteria: Pairs) -> list[Stored]:
    """At most two of the contributor's own resources that the criteria match. Raises ``Invalid`` for criteria that
    would look through all of them."""
    query = parse(resource_type, [*criteria, ("_count", "1")])
    is_narrow = query.number or query.patients or {clause.param for clause in query.clauses} & {"identifier", "_id"}
    if not criteria or not is_narrow:
        raise Invalid("criteria: an identifier, an id or a patient is needed")
    allow = Allow(frozenset({resource_type}), frozenset({owner.publisher.key}))
    return find.find(owner.session, query, Limits((allow,), _whose(owner, query)))


def _whose(owner: Owner, query: Query) -> frozenset[PatientKey] | Whose:
    """The patients whom criteria name, by id or by NHS number; anybody where they name none."""
    named = frozenset(PatientKey(id_hash(id_)) for id_ in query.patients)
    if query.number is None:
        return named or Whose.ANYBODY
    claiming = {PatientKey(patient) for patient, _, _ in identities.claimants(owner.session, [query.number])}
    return named & claiming if named else frozenset(claiming)
