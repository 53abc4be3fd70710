"""What about identity needs a person's decision: each question once, with the records to compare.

An item's name changes when what it is about changes, so a confirmed one comes back when a record says something else.
``gateway mismatches`` lists the items ``number`` as they lie in the store, whatever was ruled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Any

from gateway.fhir import build
from gateway.fhir.codes import NHS_NUMBER
from gateway.intake import derive
from gateway.nhs import identity, labels, ruling, settled, traced
from gateway.nhs.identifiers import is_synthetic, is_valid, normalise, spaced
from gateway.nhs.identity import Evidence
from gateway.store import identities, proposals, reviewed, rulings, traces
from gateway.store.database import Store
from gateway.store.reviewed import HeldPatient
from gateway.store.session import Session
from gateway.store.traces import TraceRow

KINDS = {
    "number": "several people claim one NHS number",
    "gathering": "records that their source linked disagree",
    "pds": "PDS does not hold the number for this person",
    "superseded": "PDS has replaced the number",
    "restricted": "PDS restricts the person (S-flag)",
    "two-numbers": "one record has, or had, two NHS numbers",
    "test-number": "a number of the test range in a live store",
    "proposal": "two records may be one person",
}
"""Kind of item → what it means, in the order of the list: what can show one person to another's clinician first."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question. ``numbers`` are the NHS numbers that it is about; they are printed only where values are asked
    for."""

    id: str
    kind: str
    why: str
    patients: tuple[int, ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """The open items, the records they are about, and the rulings that wait for a second person."""

    items: tuple[Item, ...]
    held: dict[int, HeldPatient]
    evidence: dict[int, Evidence]
    waiting: tuple[ruling.Ruling, ...]

    def item(self, id_: str) -> Item | None:
        """The item of this name."""
        return next((item for item in self.items if item.id == id_), None)


Question = tuple[str, str, tuple[int, ...], tuple[str, ...]]
"""(kind, why, patients, numbers)"""


def review(store: Store) -> Review:
    """Everything that waits for a decision, in the order of ``KINDS``."""
    with store.read() as session:
        stands = ruling.standing(ruling.Ruling(*row) for row in rulings.every(session))
        past = traces.every(session)
        answers = traces.newest_by_number(past)
        questions = [
            *_shared(session), *_disagreeing(session), *_traced(session, past, answers),
            *_two_numbers(session, answers), *_proposed(session),
        ]  # fmt: skip
        if not store.is_sandbox:
            questions += _test_numbers(session)
        patients = sorted({patient for _, _, patients, _ in questions for patient in patients})
        held, evidence = reviewed.held(session, patients), derive.evidence_of(session, patients)
    named = [_named(store.namespace.bytes, evidence, question) for question in questions]
    is_there = [item for item in named if any(patient in held for patient in item.patients)]
    order = list(KINDS)
    items = sorted({item.id: item for item in is_there if item.id not in stands.confirmed}.values(),
                   key=lambda item: (order.index(item.kind), item.why, item.id))  # fmt: skip
    return Review(tuple(items), held, evidence, stands.waiting)


def _named(key: bytes, evidence: dict[int, Evidence], question: Question) -> Item:
    """An item under a name of its own, made with a key: the numbers cannot be guessed from it."""
    kind, why, patients, numbers = question
    about = [settled.digest(evidence[patient]) if patient in evidence else str(patient) for patient in sorted(patients)]
    name = blake2b(repr((kind, why, about, sorted(numbers))).encode(), digest_size=6, key=key).hexdigest()
    return Item(name, kind, why, tuple(sorted(patients)), numbers)


# The questions


def _shared(session: Session) -> Iterator[Question]:
    """A number that is claimed by records that were not gathered, with all that claim it."""
    shared = reviewed.shared(session)
    claimants: dict[str, set[int]] = {number: set() for number in shared}
    for patient, number, body in identities.claimants(session, list(shared)):
        if identity.decode_evidence(body).claims(number):
            claimants[number].add(patient)
    for number, reasons in shared.items():
        yield "number", "; ".join(reasons), tuple(sorted(claimants[number])), (number,)


def _disagreeing(session: Session) -> Iterator[Question]:
    """Records of one person that contradict each other: their source linked them, and nobody asks a source why."""
    for patients in reviewed.gatherings(session):
        evidence = derive.evidence_of(session, patients)
        pairs = combinations((evidence[patient] for patient in patients if patient in evidence), 2)
        if any(identity.contradicts(first, other) for first, other in pairs):
            yield "gathering", "birth dates or sex of linked records contradict", tuple(patients), ()


def _traced(session: Session, past: Sequence[TraceRow], answers: Sequence[TraceRow]) -> Iterator[Question]:
    """What PDS answered that a person must look at, as long as the record says what was asked; and whom it restricts,
    whatever the record says now. ``answers`` are the newest of all ``past`` traces."""
    for trace in traced.restricting(past):
        yield "restricted", KINDS["restricted"], (trace.patient,), (trace.number or trace.answer,)
    evidence = derive.evidence_of(session, (trace.patient for trace in answers))
    for trace in answers:
        if trace.patient not in evidence or trace.asked != settled.digest(evidence[trace.patient]):
            continue
        outcome = traced.BY_NAME[trace.outcome]
        numbers = tuple(dict.fromkeys(filter(None, (trace.number, trace.answer))))
        if outcome.is_open and trace.number not in evidence[trace.patient].apart:
            kind = {"superseded": "superseded", "likely": "proposal"}.get(outcome.name, "pds")
            yield kind, outcome.meaning, (trace.patient,), numbers


def _two_numbers(session: Session, answers: Iterable[TraceRow]) -> Iterator[Question]:
    """A record that claims two numbers, or claimed another before: unless PDS says that one replaced the other, or it
    is held apart from the other."""
    pairs: dict[int, list[tuple[str, str]]] = {}
    for trace in answers:
        if traced.is_verified(trace.outcome) and trace.number:
            pairs.setdefault(trace.patient, []).append((trace.number, trace.answer))
    numbers: dict[int, set[str]] = {}
    apart: dict[int, tuple[str, ...]] = {}
    for patient, number, body in reviewed.all_claims(session):
        numbers.setdefault(patient, set()).add(number)
        apart[patient] = identity.decode_evidence(body).apart
    for patient, body in reviewed.earlier(session):
        numbers.setdefault(patient, set()).update(_numbers(build.decode(body)))
    for patient, claimed in sorted(numbers.items()):
        claimed -= set(apart.get(patient, ()))
        if len(claimed) > 1 and not identity.are_one(claimed, pairs.get(patient, ())):
            yield "two-numbers", KINDS["two-numbers"], (patient,), tuple(sorted(claimed))


def _test_numbers(session: Session) -> Iterator[Question]:
    for patient, number, _ in reviewed.all_claims(session):
        if is_synthetic(number):
            yield "test-number", KINDS["test-number"], (patient,), (number,)


def _proposed(session: Session) -> Iterator[Question]:
    for _, patient, other, probability, reasons in proposals.every(session):
        yield "proposal", f"probability {probability / 1e6:.3f}: {reasons}", (patient, other), ()


def _numbers(patient: dict[str, Any]) -> set[str]:
    """The valid NHS numbers of a Patient."""
    values = (
        normalise(str(identifier.get("value", "")))
        for identifier in patient.get("identifier", ())
        if identifier.get("system") == NHS_NUMBER
    )
    return {number for number in values if is_valid(number)}


# What a reviewer is shown


def plain(item: Item, open_items: Review, *, values: bool) -> dict[str, Any]:
    """An item as JSON. With ``values`` also what a reviewer compares; a restricted or withheld record never says it."""
    records = [_record(open_items, patient, values=values) for patient in item.patients if patient in open_items.held]
    shown: dict[str, Any] = {"item": item.id, "kind": item.kind, "why": item.why, "records": records}
    is_hidden = any(record.get("hidden") for record in records)
    shown["numbers"] = [spaced(number) for number in item.numbers] if values and not is_hidden else len(item.numbers)
    return shown


def _record(open_items: Review, patient: int, *, values: bool) -> dict[str, Any]:
    held, evidence = open_items.held[patient], open_items.evidence.get(patient)
    shown: dict[str, Any] = {
        "patient": held.id, "source": held.source, "publisher": held.publisher,
        "grade": evidence.best if evidence else identity.CLAIMED,
    }  # fmt: skip
    if not values:
        return shown
    if held.labels & labels.HIDDEN_ALWAYS:
        return {**shown, "hidden": True}
    body = build.decode(held.body)
    names = [" ".join([*name.get("given", ()), str(name.get("family", ""))]).strip() for name in body.get("name", ())]
    return {
        **shown, "names": names, "birthDate": body.get("birthDate", ""), "gender": body.get("gender", ""),
        "postcodes": [address.get("postalCode", "") for address in body.get("address", ())],
        "nhsNumbers": [spaced(number) for number in sorted(_numbers(body))],
        "heldApart": len(evidence.apart) if evidence else 0,
    }  # fmt: skip
