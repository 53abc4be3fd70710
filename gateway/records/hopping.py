"""What a search sees beyond its matches, by a reference or of what refers to them: each hop is decided as a read by id
is, and sees no more than that read would show."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from gateway.errors import TooLarge
from gateway.fhir import build, params
from gateway.fhir.expression import compiled
from gateway.fhir.matching import by_reference, clauses
from gateway.fhir.search import Clause, PatientKey, Query, Whose
from gateway.nhs import access
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records.deciding import decide
from gateway.records.door import Door, as_seen, stamped
from gateway.records.facts import About, publishers_now
from gateway.store import find, resources
from gateway.store.limits import passes
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST_READ, MOST_COMPARED = 20_000, 1_000_000
"""Resources that one search reads at most of what no index finds, and what it compares at most in them: each value that
they hold with each that was asked, of each parameter."""
TOO_MUCH = "too much would have to be read: add search parameters"
META = "Resource.meta"
Test = Callable[[Stored, dict[str, Any]], bool]


class Hops:
    """What one caller sees during one search. It remembers what it has decided and read."""

    def __init__(self, door: Door, session: Session, caller: Caller):
        self._door, self._session, self._caller = door, session, caller
        self._decisions: dict[tuple[str, int], access.Decision] = {}
        self._heads: dict[tuple[str, str], Stored | None] = {}
        self._referring: dict[tuple[str, str, Clause, int], frozenset[str]] = {}
        self._read = self._compared = 0
        self._stamp: tuple[dict[str, Any], dict[str, Any]] | None = None

    @cached_property
    def _publishers(self) -> dict[int, PublisherRow]:
        return publishers_now(self._door, self._session)

    def decision(self, type_: str, patient: int) -> access.Decision:
        """The decision about a read by id of a resource of this type about a Patient, or about nobody for 0."""
        key = (type_, 0 if type_ in DIRECTORY else patient)
        if key not in self._decisions:
            about = About(frozenset({PatientKey(patient)} if patient else ()))
            of = None if type_ in DIRECTORY else about
            self._decisions[key] = decide(self._door, self._session, self._caller, access.Act("read", type_), of)
        return self._decisions[key]

    def may_read(self, head: Stored) -> bool:
        """Whether the caller could read a resource by its id."""
        decision = self.decision(head.type, head.patient)
        return decision.refusal is None and not head.deleted and passes(decision.limits)(head)

    def seen(self, head: Stored) -> dict[str, Any]:
        """A resource that may be read, as the caller sees it."""
        return as_seen(head, self.decision(head.type, head.patient))

    def at(self, type_: str, id_: str) -> Stored | None:
        """What lies at a reference, if the caller could read it."""
        if (type_, id_) not in self._heads:
            self.count(1)
            head = resources.head_of(self._session, type_, id_)
            self._heads[type_, id_] = head if head and self.may_read(head) else None
        return self._heads[type_, id_]

    def about(self, type_: str, patient: int, *narrowing: Clause) -> list[Stored]:
        """What the caller could read of a type about a Patient, or of the directory for 0, as far as an index narrows
        it. Raises ``TooLarge``."""
        decision = self.decision(type_, patient)
        if decision.refusal:
            return []
        limits, left = decision.limits, MOST_READ - self._read
        if not isinstance(limits.patients, Whose):
            limits = replace(limits, patients=limits.patients & {PatientKey(patient)})
        stored = find.find(self._session, Query(type_, narrowing, count=max(left, 0)), limits)
        self.count(len(stored))
        return stored

    def count(self, number: int) -> None:
        """Raise ``TooLarge`` when this search has read too much."""
        self._read += number
        if self._read > MOST_READ:
            raise TooLarge(TOO_MUCH)

    def _spender(self, param: str) -> clauses.Spend:
        """What the comparisons of a parameter are told to. It raises ``TooLarge`` by its name when this search has made
        too many."""

        def spend(comparisons: int) -> None:
            self._compared += comparisons
            if self._compared > MOST_COMPARED:
                raise TooLarge(f"parameter {param}: {TOO_MUCH}, or ask for fewer values")

        return spend

    def test(self, type_: str, clause: Clause) -> Test:
        """The test of a resource, as the caller sees it, by one clause."""
        if clause.kind == "id" or (clause.param == "_lastUpdated" and clause.kind == "date" and not clause.modifier):
            return self._by_store(clause)
        if clause.kind == "chain":
            return self._chained(type_, clause)
        if clause.kind == "has":
            return self._referred_to(*clause.values[0])
        definition = params.searchable(type_)[clause.param]
        test = clauses.test(definition, clause, self._spender(clause.param))
        if definition.expression.startswith(META):
            return lambda stored, resource: test(self._stamped(stored, resource))
        return lambda _, resource: test(resource)

    def _by_store(self, clause: Clause) -> Test:
        """The test by what the store keeps beside a resource: no decision changes it."""
        if clause.kind == "id":
            return lambda stored, _: stored.id in clause.values
        return lambda stored, _: any(find.was_updated(stored.updated, *value) for value in clause.values)

    def _stamped(self, stored: Stored, resource: dict[str, Any]) -> dict[str, Any]:
        """A resource with the source and the labels that it is served with. The clauses ask of one resource after the
        other, so the last one is remembered."""
        if self._stamp is None or self._stamp[0] is not resource:
            body = stamped(replace(stored, body=build.encode(resource)), self._publishers).body
            self._stamp = resource, build.decode(body)
        return self._stamp[1]

    def _chained(self, type_: str, clause: Clause) -> Test:
        tests = {target: self.test(target, inner) for target, inner in clause.values}
        answers: dict[tuple[str, str], bool] = {}  # many resources lead to one

        def leads_to_match(target: str, id_: str) -> bool:
            if (target, id_) not in answers:
                head = self.at(target, id_)
                answers[target, id_] = head is not None and tests[target](head, self.seen(head))
            return answers[target, id_]

        return lambda _, resource: any(leads_to_match(*target) for target in led(type_, clause.param, resource, tests))

    def _referred_to(self, source: str, param: str, inner: Clause) -> Test:
        matches = self.test(source, inner)

        def referring(patient: int) -> frozenset[str]:
            """The ``Type/id`` of all that matching resources of the source refer to."""
            names: set[str] = set()
            for head in self.about(source, patient, *((inner,) if inner.kind not in ("chain", "has") else ())):
                resource = self.seen(head)
                if matches(head, resource):
                    names |= {f"{type_}/{id_}" for type_, id_ in led(source, param, resource, params.SEARCHABLE)}
            return frozenset(names)

        def test(stored: Stored, _: dict[str, Any]) -> bool:
            key = (source, param, inner, stored.patient)
            if key not in self._referring:
                self._referring[key] = referring(stored.patient)
            return f"{stored.type}/{stored.id}" in self._referring[key]

        return test


def led(
    type_: str, param: str, resource: dict[str, Any], targets: Collection[str] | Sequence[str]
) -> list[tuple[str, str]]:
    """The (type, id) of what a reference parameter of a resource leads to, here and of these types, each once."""
    values = compiled(type_, params.searchable(type_)[param].expression)(resource)
    parts = [by_reference.written(value).split("/") for value in values]
    return list(dict.fromkeys((part[0], part[1]) for part in parts if len(part) == 2 and part[0] in targets))
