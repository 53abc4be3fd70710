"""THE TABLE of outcomes of a trace: what an answer of PDS says about the number of one record.

A number is verified by number, birth date, names and sex together, as a claimed number is gathered with a sure one
(``identity.disagreement``). A search by demographics proves a number only where it is exact, unique and complete; a
partial or fuzzy match is a proposal for a person to look at.

Sources: NHSDigital/personal-demographics-service-api, specification of ``GET Patient/{id}`` and ``GET Patient``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import identity
from gateway.nhs.identifiers import is_valid, normalise
from gateway.nhs.identity import CLAIMED, Evidence


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome. ``days``: after so many it is asked again. ``is_open``: a person has to look at it."""

    name: str
    days: int
    is_open: bool
    meaning: str


OUTCOMES = (
    Outcome("verified", 90, False, "PDS holds the number for a person of this birth date, name and sex"),
    Outcome("superseded", 90, True, "PDS answers with another number, whose person agrees: both numbers are the record's"),
    Outcome("traced", 90, False, "one exact match by names, birth date, sex and postcode: the number is the record's"),
    Outcome("differs", 30, True, "PDS holds the number for a person who does not agree with the record"),
    Outcome("superseded-differs", 30, True, "PDS answers with another number, whose person does not agree with the record"),
    Outcome("not-found", 30, True, "PDS does not know the number"),
    Outcome("invalidated", 30, True, "PDS has made the number invalid"),
    Outcome("likely", 30, True, "one partial match by demographics: a proposal, which gathers nobody"),
    Outcome("none", 30, False, "no match by demographics"),
    Outcome("many", 30, False, "several match by demographics: PDS does not say who"),
    Outcome("rejected", 7, True, "PDS does not take what this record asks: a number or a name that it finds malformed"),
    Outcome("unreadable", 7, True, "PDS answers with what this gateway cannot read"),
    Outcome("too-little", 30, False, "the record says too little to search by"),
)  # fmt: skip
"""Days are our own numbers, unsigned."""

BY_NAME = {outcome.name: outcome for outcome in OUTCOMES}
VERIFIED = frozenset({"verified", "superseded", "traced"})
"""Outcomes that make the numbers verified for the record."""
ANSWERED = VERIFIED | {"differs", "superseded-differs", "likely"}
"""Outcomes for which PDS gave a person, and with it whether the person is restricted."""
UNKNOWN = frozenset({"rejected", "unreadable"})
"""Outcomes that say nothing of the record. Many of them in a row say that what is asked is not PDS."""
FORMAL = "2"
"""DeathNotificationStatus: notified by the registrar. 1 is informal, U removed."""
_DEATH = "Extension-UKCore-DeathNotificationStatus"


@dataclass(frozen=True, slots=True)
class Known:
    """What PDS holds of a person, as far as it is compared. ``restricted``: any confidentiality but U, or none at all.
    ``died`` is the code of the death notification, "" for none."""

    number: str
    evidence: Evidence
    restricted: bool
    died: str
    digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trace came to: the outcome's name, the number that PDS gave, and who PDS says it is."""

    outcome: str
    number: str = ""
    known: Known | None = None


def is_verified(outcome: str) -> bool:
    """Whether an outcome verifies the numbers of its trace."""
    return outcome in VERIFIED


class Said(Protocol):
    """What is kept of a trace, as far as it says whom PDS restricts."""

    @property
    def patient(self) -> int: ...
    @property
    def number(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def restricted(self) -> int: ...


AnySaid = TypeVar("AnySaid", bound=Said)


def restricting(traces: Iterable[AnySaid]) -> list[AnySaid]:
    """Of traces in the order made those by which PDS restricts a record, by record. It stays so until PDS says
    otherwise of the same number, asked or answered; what verifies nothing takes back nothing that was verified."""
    stands: dict[int, list[AnySaid]] = {}
    for trace in traces:
        if trace.outcome in ANSWERED:
            before = stands.get(trace.patient, ())
            stands[trace.patient] = [former for former in before if not _takes_back(trace, former)]
            if trace.restricted:
                stands[trace.patient].append(trace)
    return [trace for of_record in stands.values() for trace in of_record]


def _takes_back(trace: Said, former: Said) -> bool:
    is_same = trace.number == former.number or trace.answer == former.answer
    is_sure = is_verified(trace.outcome) or not is_verified(former.outcome)
    return is_same and is_sure


def is_dead(died: str) -> bool:
    """Whether a death notification confirms a death: a formal one does, an informal or removed one does not."""
    return died == FORMAL


def known(patient: dict[str, Any]) -> Known | None:
    """Read a Patient of PDS; None where it does not hold together: an id that is no NHS number, or not its
    identifier's, or elements of another shape than FHIR's."""
    try:
        return _known(patient)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _known(patient: dict[str, Any]) -> Known | None:
    number = normalise(str(patient.get("id", "")))
    values = {
        normalise(str(identifier.get("value", "")))
        for identifier in patient.get("identifier", ())
        if identifier.get("system") == NHS_NUMBER
    }
    if not is_valid(number) or values - {number}:
        return None
    identifier = {"system": NHS_NUMBER, "value": number}
    evidence = identity.of_patient({**patient, "id": f"pds:{number}", "identifier": [identifier]})
    evidence = replace(evidence, grades=((number, identity.VERIFIED),), links=(), replaced=False)
    codes = [coding.get("code") for coding in patient.get("meta", {}).get("security", ())]
    compared = (evidence.grades, evidence.born, evidence.sex, evidence.families, evidence.givens, codes)
    return Known(
        number, evidence, codes != ["U"], _died(patient), blake2b(repr(compared).encode(), digest_size=16).hexdigest()
    )


def _died(patient: dict[str, Any]) -> str:
    """The code of the death notification; a date of death without one counts as informal."""
    for extension in patient.get("extension", ()):
        if extension.get("url", "").endswith(_DEATH):
            for part in extension.get("extension", ()):
                for coding in part.get("valueCodeableConcept", {}).get("coding", ()):
                    return str(coding.get("code", ""))
    return "1" if patient.get("deceasedDateTime") else ""


def by_number(record: Evidence, number: str, answer: Known) -> Verdict:
    """Compare a record with the person whom PDS gave for its number."""
    is_other = answer.number != number
    if agrees(record, answer):
        return Verdict("superseded" if is_other else "verified", answer.number, answer)
    return Verdict("superseded-differs" if is_other else "differs", answer.number, answer)


def agrees(record: Evidence, answer: Known) -> bool:
    """Whether a record that claims a number agrees with whom PDS holds for it, as it would with a sure record."""
    claimed = replace(record, numbers=(answer.number,), grades=((answer.number, CLAIMED),), apart=(), joined=())
    return not identity.disagreement(claimed, answer.evidence, answer.number)


def by_search(record: Evidence, answer: Known, score: float) -> Verdict:
    """Compare a record with the one person whom PDS found by demographics. It is traced only by an exact match in
    which surname, given name, birth date, sex and postcode are there and agree."""
    person = answer.evidence
    is_complete = bool(record.born and record.sex and record.families and record.givens and record.postcodes)
    is_exact = score == 1 and record.born == person.born and record.sex == person.sex
    agreeing = all(
        not set(mine).isdisjoint(theirs)
        for mine, theirs in (
            (record.families, person.families),
            (record.givens, person.givens),
            (record.postcodes, person.postcodes),
        )
    )
    if is_complete and is_exact and agreeing and not record.replaced:
        return Verdict("traced", answer.number, answer)
    return Verdict("likely", answer.number, answer)
