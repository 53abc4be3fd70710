"""What is decided of a request: one decision, or where a search names nobody, one for each person it may be about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from gateway.fhir.search import Clause, Limits, PatientKey, Query, Whose
from gateway.nhs import access
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records.door import Door
from gateway.records.facts import About, about_query, candidates, facts_about
from gateway.store.limits import passes
from gateway.store.resources import Stored
from gateway.store.session import Session


@dataclass(frozen=True, slots=True)
class Decided:
    """A search as it was decided: the decision, the query that it is of, and where people were decided about one by
    one, each one's own decision."""

    decision: access.Decision
    query: Query
    by_patient: Mapping[PatientKey, access.Decision] = field(default_factory=dict)
    whole: Limits = Limits()
    """The limits on everything of the person, where ``decision`` is narrowed to one record of several."""

    def of(self, match: Stored) -> access.Decision:
        """The decision about the person whom a match is about."""
        return self.by_patient.get(PatientKey(match.patient), self.decision)

    def of_person(self, patient: int) -> access.Decision:
        """The decision about the person of a Patient, not narrowed to that one record."""
        return self.by_patient.get(PatientKey(patient)) or replace(self.decision, limits=self.whole)


def decide(door: Door, session: Session, caller: Caller, act: access.Act, about: About | None) -> access.Decision:
    """The decision about one person, or about the directory where ``about`` is None."""
    return access.decide(caller, act, facts_about(door, session, caller, about))


def is_shown(head: Stored | None, decision: access.Decision) -> TypeGuard[Stored]:
    """Whether the current version of an id is shown to the caller of a decision about whom it is about."""
    return head is not None and not head.deleted and decision.refusal is None and passes(decision.limits)(head)


def decide_search(door: Door, session: Session, caller: Caller, act: access.Act, query: Query) -> Decided:
    """The decision of a search."""
    about = about_query(session, query)
    if about is None and query.type not in DIRECTORY:
        return _by_person(door, session, caller, act, query)
    decision = decide(door, session, caller, act, about)
    return Decided(replace(decision, limits=_narrowed(decision.limits, about)), query, whole=decision.limits)


def _by_person(door: Door, session: Session, caller: Caller, act: access.Act, query: Query) -> Decided:
    """A search that names nobody is decided person by person, and what matches is found within its own person's
    limits: what one allows shows nothing of another, and somebody else's id beside one's own is as an unknown one."""
    stored = candidates(session, caller, query)
    decisions = {
        patient: decide(door, session, caller, act, About(frozenset({patient})))
        for patient in sorted({PatientKey(resource.patient) for resource in stored})
    }
    within = {patient: passes(decision.limits) for patient, decision in decisions.items() if decision.refusal is None}
    shown = [resource for resource in stored if (test := within.get(PatientKey(resource.patient))) and test(resource)]
    if not shown:
        refused = next(iter(decisions.values()), None) or decide(door, session, caller, act, About())
        return Decided(replace(refused, limits=Limits()), _with_ids(query, ()))
    allowed = [decisions[PatientKey(patient)] for patient in dict.fromkeys(resource.patient for resource in shown)]
    return Decided(merged(allowed), _with_ids(query, tuple(resource.id for resource in shown)), decisions)


def merged(decisions: Sequence[access.Decision]) -> access.Decision:
    """The decisions about several people as one: their facts, limits and traces together."""
    patients = {patient: None for decision in decisions for patient in decision.facts.patients}
    limits = Limits(
        tuple({allow: None for decision in decisions for allow in decision.limits.allow}),
        frozenset(patient.key for patient in patients),
    )
    trace = tuple({line: None for decision in decisions for line in decision.trace})
    return replace(
        decisions[0], limits=limits, facts=replace(decisions[0].facts, patients=tuple(patients)), trace=trace
    )


def _with_ids(query: Query, ids: tuple[str, ...]) -> Query:
    return replace(query, clauses=(*query.clauses, Clause("_id", "id", ids)))


def _narrowed(limits: Limits, about: About | None) -> Limits:
    """``patient=Patient/x`` means that record only; a number means all the gathered ones."""
    if about is None or about.by_number or isinstance(limits.patients, Whose):
        return limits
    return replace(limits, patients=limits.patients & about.asked)
