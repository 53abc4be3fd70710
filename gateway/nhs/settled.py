"""What people ruled and what PDS answered, laid over what a source says of who a record is of.

The source's evidence is kept beside it, so that taking a ruling back, or a trace that ended, gives it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b

from gateway.nhs.identity import VERIFIED, Evidence


def as_sent(evidence: Evidence) -> Evidence:
    """Return the evidence as its source gave it."""
    if evidence.sent is None:
        return evidence
    return replace(
        evidence, numbers=_numbers(evidence, dict(evidence.sent)), grades=evidence.sent, apart=(), joined=(), sent=None,
        paired=(),
    )  # fmt: skip


def settle(
    evidence: Evidence,
    *,
    verified: Iterable[str] = (),
    apart: Iterable[str] = (),
    joined: Iterable[tuple[str, str]] = (),
    traced: Iterable[str] = (),
    paired: Iterable[tuple[str, str]] = (),
) -> Evidence:
    """Return the evidence with the numbers that PDS verified for it, without those it is held apart from.

    What was ``traced`` and no longer holds stays among ``numbers`` and has no grade: it refuses, and gathers nothing.
    ``paired`` are (number, number) of which PDS says that one replaced the other.

    A number it is held apart from stays among ``numbers`` while its source says it, so that whoever holds that number
    is refused as before, and has no grade: nothing is gathered or found over it, whoever verified it. ``joined`` are
    (Patient, number); a join stands only while its number is verified for this record.
    """
    evidence, apart = as_sent(evidence), tuple(sorted(set(apart)))
    grades = {**dict(evidence.grades), **dict.fromkeys(verified, VERIFIED)}
    settled = {number: grade for number, grade in grades.items() if number not in apart}
    others = tuple(sorted({other for other, number in joined if settled.get(number) == VERIFIED}))
    named, pairs = sorted({*grades, *traced}), tuple(sorted(set(paired)))
    if settled == dict(evidence.grades) and named == sorted(grades) and not (apart or others or pairs):
        return evidence
    return replace(
        evidence,
        numbers=_numbers(evidence, named),
        grades=tuple(sorted(settled.items())),
        apart=apart,
        joined=others,
        sent=evidence.grades,
        paired=pairs,
    )


def digest(evidence: Evidence) -> str:
    """A digest of what a trace compares: a trace holds only for a record that still says the same."""
    sent = as_sent(evidence)
    compared = (
        sent.patient,
        [number for number, _ in sent.grades],
        sent.born,
        sent.sex,
        sent.families,
        sent.givens,
        sent.postcodes,
    )
    return blake2b(repr(compared).encode(), digest_size=16).hexdigest()


def _numbers(evidence: Evidence, named: Iterable[str]) -> tuple[str, ...]:
    """The NHS numbers, then the names of Patients that it is linked with."""
    return (*sorted(named), *(name for name in evidence.numbers if name.startswith("patient:")))
