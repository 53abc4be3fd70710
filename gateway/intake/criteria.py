"""What the criteria of a write match: the contributor's own resources as they stand, and others of the same request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from gateway.errors import Invalid
from gateway.fhir import build, params, paths, plan
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.matching import clauses
from gateway.fhir.parse import FORM, parse
from gateway.fhir.search import Allow, Clause, Limits, PatientKey, Query, Whose
from gateway.intake.change import FOUND, Change, Pairs
from gateway.intake.ownership import Owner
from gateway.store import find, identities
from gateway.store.hashes import id_hash
from gateway.store.mapped import Name
from gateway.store.resources import Stored

AT_ONCE = 20
"""Resources that are read at once to find the one that criteria match."""


def matched(owner: Owner, resource_type: str, criteria: Pairs, passed: Collection[Name] = ()) -> list[Stored]:
    """At most two of the contributor's own resources that the criteria match to the letter, but for those ``passed``
    over. Raises ``Invalid`` for criteria that would look through all of them or are none, ``TooLarge`` where too much
    would have to be read."""
    query = asked(resource_type, criteria)
    allow = Allow(frozenset({resource_type}), frozenset({owner.publisher.key}))
    limits = Limits((allow,), _whose(owner, query))
    left = plan.left(query)
    tests = [clauses.test(params.searchable(resource_type)[clause.param], clause) for clause in left]
    cost = sum(len(clause.values) for clause in left)
    matches: list[Stored] = []
    for head in _indexed(owner, query, limits):
        owner.look(cost)
        resource = build.decode(head.body) if tests else {}
        if (head.type, head.id) not in passed and all(test(resource) for test in tests):
            matches.append(head)
        if len(matches) > 1:
            break
    return matches


def asked(resource_type: str, criteria: Pairs) -> Query:
    """The search that criteria are. What else a search may say (how it is answered, what is seen by other resources or
    of labels) is no criterion: it would be passed over, or tell of what the contributor may not read. The form of the
    answer may stand among them, where clients write it at every address."""
    criteria = tuple(pair for pair in criteria if pair[0] not in FORM)
    is_control = any(name.startswith("_") and name not in ("_id", "_lastUpdated") for name, _ in criteria)
    query = Query(resource_type) if is_control else parse(resource_type, [*criteria, ("_count", str(AT_ONCE))])
    if is_control or query.listed or any(clause.kind == "chain" for clause in query.clauses):
        raise Invalid("criteria: search parameters of the resource itself")
    indexed = {clause.param for clause in plan.narrowed(query).clauses}
    is_narrow = query.number is not None or query.patients or indexed & {"identifier", "_id"}
    if not criteria or not is_narrow:
        raise Invalid("criteria: an identifier, an id or a patient is needed")
    return query


def _indexed(owner: Owner, query: Query, limits: Limits) -> Iterator[Stored]:
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


class Sent:
    """The resources that one request creates or updates, to be asked whether criteria match them."""

    def __init__(self, owner: Owner, changes: Iterable[Change]):
        self._owner = owner
        self._of_type: dict[str, list[Change]] = {}
        self._identified: dict[tuple[str, str], list[Change]] = {}
        for change in changes:
            if change.resource is None or change.act == FOUND:
                continue
            self._of_type.setdefault(change.type, []).append(change)
            for value in {_spaceless(item.get("value")) for item in _identifiers(change.resource)}:
                self._identified.setdefault((change.type, value), []).append(change)

    def matching(self, resource_type: str, criteria: Pairs) -> list[Change]:
        """The changes whose resources the criteria match."""
        query = asked(resource_type, criteria)
        return [change for change in self._near(query) if self._matches(query, change)]

    def _near(self, query: Query) -> list[Change]:
        """The changes that may match: by identifier, where the criteria name one."""
        codes = [code for clause in query.clauses if _names(clause) for _, code in clause.values]
        codes += [query.number] if query.type == "Patient" and query.number is not None else []
        if not codes:
            return self._of_type.get(query.type, [])
        near = {id(change): change for code in codes for change in self._by_value(query.type, code)}
        return list(near.values())

    def _by_value(self, resource_type: str, code: str | None) -> list[Change]:
        if code is None:
            return self._of_type.get(resource_type, [])
        return self._identified.get((resource_type, _spaceless(code)), [])

    def _matches(self, query: Query, change: Change) -> bool:
        resource: dict[str, Any] = change.resource or {}
        self._owner.look(1 + sum(len(clause.values) for clause in query.clauses))
        return self._is_of(query, change) and all(_is_met(clause, change, resource) for clause in query.clauses)

    def _is_of(self, query: Query, change: Change) -> bool:
        """Whether a resource is of the person whom criteria name, if they do."""
        if query.number is None and not query.patients:
            return True
        ids = {change.id} if query.type == "Patient" else _subjects(change)
        if query.patients and not ids & set(query.patients):
            return False
        return query.number is None or any(self._has_number(id_, query.number) for id_ in ids)

    def _has_number(self, id_: str, number: str) -> bool:
        here = self._by_value("Patient", number)
        if any(change.id == id_ and _claims(change, number) for change in here):
            return True
        return id_hash(id_) in {patient for patient, _, _ in identities.claimants(self._owner.session, [number])}


def _names(clause: Clause) -> bool:
    return clause.param == "identifier" and clause.kind == "token" and not clause.modifier


def _is_met(clause: Clause, change: Change, resource: dict[str, Any]) -> bool:
    if clause.kind == "id":
        return change.id in clause.values
    if clause.param == "_lastUpdated":
        return False  # it was never stored
    return clauses.test(params.searchable(change.type)[clause.param], clause)(resource)


def _identifiers(resource: dict[str, Any]) -> list[dict[str, Any]]:
    items = resource.get("identifier", ())
    return [item for item in (items if isinstance(items, list) else [items]) if isinstance(item, dict)]


def _claims(change: Change, number: str) -> bool:
    items = _identifiers(change.resource or {})
    return any(item.get("system") == NHS_NUMBER and _spaceless(item.get("value")) == number for item in items)


def _spaceless(value: object) -> str:
    return str(value or "").replace(" ", "")


def _subjects(change: Change) -> set[str]:
    element = params.subject(change.type)
    references = paths.references(change.resource or {}, paths.path(element)) if element else []
    return {reference.rpartition("/")[2] for reference in references if reference.startswith("Patient/")}
