"""Links between the Patients of one person: seen together, never merged.

Each Patient is a source's own, and a search by ``patient`` finds what that source holds. ``Patient.link`` leads from
one to the others that the caller may see: https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from gateway.fhir import build
from gateway.fhir.search import Limits
from gateway.nhs import access, kinds
from gateway.records.door import Found
from gateway.store.limits import passes
from gateway.store.resources import Stored


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a limit asks of a stored Patient, taken from the facts of the decision."""

    patient: int
    publisher: int
    kind: str
    labels: int
    type: str = "Patient"


def linked(answer: Sequence[Found], decision: access.Decision) -> list[Found]:
    """The answer, with links from each Patient to the others of its person within the decision's limits. A link that
    the source sent is kept."""
    if not any(shown.type == "Patient" and not shown.deleted for shown in answer):
        return list(answer)
    people = sorted(within(decision.facts.patients, decision.limits), key=_order)
    return [_with_links(shown, [fact.id for fact in people]) for shown in answer]


def within(patients: Sequence[access.PatientFact], limits: Limits) -> list[access.PatientFact]:
    """The Patients that limits let through. Nothing is told of any other, not even that it is there."""
    test = passes(limits)
    return [fact for fact in patients if test(cast(Stored, _Seen(fact.key, fact.publisher, fact.kind, fact.labels)))]


def _with_links(shown: Found, ids: Sequence[str]) -> Found:
    others = [f"Patient/{id_}" for id_ in ids if id_ != shown.id]
    if shown.type != "Patient" or shown.deleted or not others:
        return shown
    patient = build.decode(shown.body)
    sent: list[dict[str, Any]] = patient.get("link", [])
    known = {link.get("other", {}).get("reference") for link in sent}
    links = [{"other": {"reference": other}, "type": "seealso"} for other in others if other not in known]
    return replace(shown, body=build.encode({**patient, "link": [*sent, *links]})) if links else shown


def practice_first(id_: str, decision: access.Decision) -> tuple[bool, bool]:
    """The order of a person's Patients: the practice's that they are registered with, other practices', the rest."""
    fact = next((fact for fact in decision.facts.patients if fact.id == id_), None)
    return _order(fact) if fact else (True, True)


def _order(fact: access.PatientFact) -> tuple[bool, bool]:
    return not fact.registered, not kinds.of(fact.kind).registers
