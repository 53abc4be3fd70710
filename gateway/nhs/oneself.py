"""A person who asks about their own record: when nothing is shown online.

What England asks of pages for patients: identity proved (NHS login P9), nobody under 16, no proxy, and no code by which
the practice wants to review the record first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from gateway.fhir.search import Limits
from gateway.nhs import identity
from gateway.nhs.decision import Case, Decision, PatientFact
from gateway.nhs.refusals import NOT_ONLINE

BASIS = "oneself"
LOOKED, CHOICES = "looked", "choices"
ACTS = frozenset({LOOKED, CHOICES})
"""What a person may do of themself."""
ENHANCED_REVIEW = "1364731000000104"
"""SNOMED CT: enhanced review indicated before granting access to own health record."""
ADULT = 16
"""The age from which a person signs in for themself. For a child somebody else would, and may be who harms them."""


def bars(
    patients: Iterable[PatientFact], bodies: Iterable[Mapping[str, Any]], born: str, today: date, *, is_live: bool
) -> Iterator[str]:
    """Why nothing is shown online of the person of these Patients, whose resources ``bodies`` are. ``born`` is the
    birth date that the person's own issuer tells: another one may be another person's number."""
    gathered, births = list(patients), set()
    for resource in bodies:
        if resource["resourceType"] == "Patient":
            births.add(str(resource.get("birthDate", "")))
        if ENHANCED_REVIEW in _codes(resource):
            yield "the practice asks for a review first"
    if all(patient.grade == identity.CLAIMED for patient in gathered):
        yield "the number is not traced"
    if any(patient.deceased for patient in gathered):
        yield "deceased"
    if not births or not all(map(_is_day, births)) or any(_is_child(birth, today) for birth in births):
        yield "under 16, or no birth date"
    if births - {born} if born else is_live:
        yield "another birth date"


def decided(case: Case) -> Decision:
    """The decision about a person's own record, after what depends on the caller alone. All that is refused is refused
    in the same words."""
    facts, trace = case.facts, case.trace
    trace.append("3 own record: the person's own")
    if not facts.patients or len(facts.persons) != 1:
        return _refused(case, "4 identity: nobody here surely has the number")
    if facts.barred:
        return _refused(case, f"5 patient status: {', '.join(facts.barred)}")
    trace += [f"7 role: {rule.reason}" for rule in case.rules]
    return Decision(None, Limits(), trace=tuple(trace), facts=facts, basis=BASIS)


def _refused(case: Case, why: str) -> Decision:
    case.trace.append(f"{why}: refused, {NOT_ONLINE.code}")
    return Decision(NOT_ONLINE, trace=tuple(case.trace), facts=case.facts)


def _codes(value: object) -> Iterator[str]:
    """Every code within a resource."""
    if isinstance(value, Mapping):
        if isinstance(code := value.get("code"), str):
            yield code
        for inner in value.values():
            yield from _codes(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _codes(inner)


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_child(birth: str, today: date) -> bool:
    born = date.fromisoformat(birth)
    return (today.year - born.year) - ((today.month, today.day) < (born.month, born.day)) < ADULT
