"""Traces records at PDS: those whose number is only claimed, and those without one.

What the trace verifies is laid over the record's evidence and gathers it again, in the transaction that keeps the
trace. A query is in the audit before it is sent, with its purpose and without what it asks. Fuzzy matches are kept as
proposals. Whoever died by PDS, or is restricted there, is so here at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gateway.errors import Throttled, Unavailable
from gateway.fhir import build
from gateway.fhir.dates import DAY
from gateway.identity.pds import MOST_LETTERS, Answer, Search
from gateway.intake import derive
from gateway.nhs import identity, settled, traced
from gateway.nhs.codesets import CodeSets
from gateway.nhs.identifiers import is_synthetic
from gateway.nhs.identity import Evidence
from gateway.nhs.traced import Verdict
from gateway.store import labelling, reviewed, traces
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session
from gateway.store.traces import TraceRow

PAGE = 200
"""Records whose ended traces are taken off in one transaction."""
MOST_UNKNOWN = 10
"""So many answers in a row that say nothing of a record end a run: what is asked is hardly PDS."""
PURPOSE = "trace the NHS number of a record that is held"


class Service(Protocol):
    """What answers: PDS, or a fake of it."""

    def by_number(self, number: str, request: str) -> Answer: ...

    def by_demographics(self, search: Search, request: str, *, fuzzy: bool) -> Answer: ...


class Due(NamedTuple):
    """A record to trace: its key, its id, the number it claims ("" for none), what it says as it was sent."""

    patient: int
    id: str
    number: str
    evidence: Evidence
    resource: dict[str, Any]


@dataclass
class Report:
    """How a run went: how many records were due and asked about, how they came out, and why it stopped early."""

    due: int = 0
    asked: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    stopped: str = ""

    def plain(self) -> dict[str, Any]:
        return {"due": self.due, "asked": self.asked, "outcomes": self.outcomes, "stopped": self.stopped}


def due(store: Store, publisher: str = "", *, everyone: bool = False) -> list[Due]:
    """The records to trace, in the order in which they were made: not retired by their source, no number of theirs
    verified or registered unless ``everyone`` is asked about, and no trace of the same evidence in force.

    A live store never asks about a number of the test range, a sandbox about no other.
    """
    with store.read() as session:
        return list(_due(session, publisher, store.clock(), store.is_sandbox, everyone))


def _due(session: Session, publisher: str, now: int, is_sandbox: bool, everyone: bool) -> Iterator[Due]:
    for page in reviewed.pages(session, publisher):
        patients = [patient for patient, _, _ in page]
        evidences = derive.evidence_of(session, patients)
        in_force = {
            (trace.patient, trace.number, trace.asked)
            for trace in traces.newest_by_number(traces.of_patients(session, patients))
            if trace.until > now
        }
        for patient, id_, body in page:
            if patient not in evidences:
                continue
            evidence = settled.as_sent(evidences[patient])
            if evidence.replaced or (evidence.best != identity.CLAIMED and not everyone):
                continue
            compared = settled.digest(evidence)
            for number in [number for number, _ in evidence.grades] or [""]:
                is_askable = not number or is_synthetic(number) == is_sandbox
                if is_askable and (patient, number, compared) not in in_force:
                    yield Due(patient, id_, number, evidence, build.decode(body))


def run(
    store: Store,
    service: Service,
    sets: CodeSets,
    records: Sequence[Due],
    by: str,
    step: Callable[[str, int, int], None] = lambda phase, done, of: None,
) -> Report:
    """Trace records, one a transaction, until all are done or PDS asks to wait; what was done stays. What
    PDS answers about one record never holds up the next.

    Ended traces are taken off first. Raises ``Refused`` where PDS refuses this gateway.
    """
    _end_old(store)
    report, unknown = Report(due=len(records)), 0
    for record in records:
        try:
            verdict = _ask(store, service, record, by)
        except Throttled:
            report.stopped = "PDS asks to wait: run it again later"
            break
        except Unavailable as fault:
            report.stopped = f"{fault}: run it again later"
            break
        _keep(store, sets, record, verdict, by)
        report.asked += 1
        report.outcomes[verdict.outcome] = report.outcomes.get(verdict.outcome, 0) + 1
        step("records", report.asked, report.due)
        unknown = unknown + 1 if verdict.outcome in traced.UNKNOWN else 0
        if unknown == MOST_UNKNOWN:
            report.stopped = f"{unknown} answers in a row were none: see that the address is that of PDS"
            break
    return report


def _end_old(store: Store) -> None:
    """Take off what traces verified that have ended: a record is claimed again until it is traced anew. Who was ended
    before is left alone."""
    with store.read() as session:
        evidences = derive.evidence_of(session, traces.ended(session, store.clock()))
        patients = [patient for patient, evidence in sorted(evidences.items()) if _is_laid_over(evidence)]
    for start in range(0, len(patients), PAGE):
        with store.write() as session:
            derive.regather(session, patients[start : start + PAGE])


def _is_laid_over(evidence: Evidence) -> bool:
    """Whether a record has other grades than its source gave it, or a number that replaced another."""
    return evidence.sent is not None and (evidence.grades != evidence.sent or bool(evidence.paired))


def _ask(store: Store, service: Service, record: Due, by: str) -> Verdict:
    """Ask about one record: by its number, or by demographics, an exact match first."""
    if record.number:
        answer = service.by_number(record.number, _query(store, record, "number", by))
        return _judged(record, answer, lambda known: traced.by_number(record.evidence, record.number, known))
    search = searched(record.resource, record.evidence)
    if search is None:
        return Verdict("too-little")
    verdict = _searched(store, service, record, search, by, fuzzy=False)
    if verdict.outcome == "none":
        verdict = _searched(store, service, record, search, by, fuzzy=True)
    return verdict


def _searched(store: Store, service: Service, record: Due, search: Search, by: str, *, fuzzy: bool) -> Verdict:
    """Search once. What a fuzzy search finds is never exact, whatever its score."""
    request = _query(store, record, "fuzzy" if fuzzy else "demographics", by)
    answer = service.by_demographics(search, request, fuzzy=fuzzy)
    score = 0.0 if fuzzy else answer.score
    return _judged(record, answer, lambda known: traced.by_search(record.evidence, known, score))


def _judged(record: Due, answer: Answer, judge: Callable[[traced.Known], Verdict]) -> Verdict:
    """The verdict on an answer; a Patient that does not hold together is unreadable."""
    if answer.patient is None:
        return Verdict(answer.outcome)
    known = traced.known(answer.patient)
    return judge(known) if known else Verdict("unreadable")


def searched(patient: Mapping[str, Any], evidence: Evidence) -> Search | None:
    """What PDS is searched by, in the record's own spelling; None where it lacks a whole birth date, a surname or a
    given name that says something."""
    named = [name for name in patient.get("name", ()) if name.get("use") != "old"]
    for name in named:
        family, forename = str(name.get("family", "")).strip(), next(iter(name.get("given", ())), "").strip()
        if (
            identity.fold(family) in evidence.families
            and identity.fold(forename.partition(" ")[0]) in evidence.givens
            and evidence.born
        ):
            postcodes = [
                str(address.get("postalCode", ""))
                for address in patient.get("address", ())
                if address.get("use") != "old"
            ]
            return Search(
                family[:MOST_LETTERS],
                forename[:MOST_LETTERS],
                evidence.born,
                evidence.sex,
                next(filter(None, postcodes), ""),
            )
    return None


def _query(store: Store, record: Due, kind: str, by: str) -> str:
    """Put a query into the audit before it is sent: who, why, about which record, by what; never what it says. Returns
    the id under which it is sent."""
    request = str(uuid.uuid4())
    with store.write() as session:
        record_write(
            session,
            {
                "act": "identity.query",
                "by": by,
                "patient": record.id,
                "purpose": PURPOSE,
                "asks": kind,
                "request": request,
            },
        )
    return request


def _keep(store: Store, sets: CodeSets, record: Due, verdict: Verdict, by: str) -> None:
    """Keep a trace, and have it take effect, in one transaction."""
    with store.write() as session:
        known = verdict.known
        is_theirs = known is not None and traced.is_verified(verdict.outcome)
        row = TraceRow(
            key=0, patient=record.patient, number=record.number, answer=verdict.number, outcome=verdict.outcome,
            asked=settled.digest(record.evidence), answered=known.digest if known else "",
            restricted=int(known is not None and known.restricted),
            died=known.died if is_theirs and known else "", at=session.now,
            until=session.now + traced.BY_NAME[verdict.outcome].days * DAY,
        )  # fmt: skip
        was_restricted = bool(labelling.with_labels(session, [record.patient]))
        traces.add(session, row)
        derive.regather(session, [record.patient])
        if row.restricted or was_restricted:
            derive.label(session, [record.patient], sets)
        record_write(
            session,
            {
                "act": "identity.trace", "by": by, "patient": record.id, "outcome": verdict.outcome,
                "restricted": bool(row.restricted), "superseded": verdict.outcome.startswith("superseded"),
            },
        )  # fmt: skip
