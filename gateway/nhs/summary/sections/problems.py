"""Problems: problem lists and the diagnoses of sources that keep no list. A support reason is no diagnosis, and what
is not certain says so."""

from __future__ import annotations

from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    Row,
    clinical_status,
    codes,
    is_error,
    newest,
    notes,
    row,
    shown_date,
    text,
    when,
)

UNCERTAIN = frozenset({"provisional", "differential", "unconfirmed"})
PAST = frozenset({"inactive", "resolved", "remission"})
ON_THE_LIST = "problem-list-item"
BY_LIST, ALL = "by list", "all"
"""``kinds.Conditions``. Support reasons belong to the social-care section."""


def active_problems(record: Record) -> list[Row]:
    """The problem lists, and what sources without a list coded, but for what is past or refuted. A status that is not
    known is not past."""
    return newest(_problem(held) for held in _listed(record) if not _is_past(held.resource))


def past_problems(record: Record) -> list[Row]:
    """Problems that are inactive, resolved or in remission, and those that were refuted, as that."""
    return newest(_problem(held) for held in _listed(record) if _is_past(held.resource))


def other_diagnoses(record: Record) -> list[Row]:
    """What a source with a problem list coded in consultations and never put on its list: an entry of that day, which
    says nothing of today."""
    conditions = (held for held in _conditions(record) if _keeps_list(held) and not _is_on_list(held.resource))
    return newest(_problem(held) for held in conditions)


def _conditions(record: Record) -> list[Held]:
    return [held for held in record.of("Condition") if not is_error(held.resource)]


def _listed(record: Record) -> list[Held]:
    return [
        held
        for held in _conditions(record)
        if kinds.of(held.kind).conditions == ALL or (_keeps_list(held) and _is_on_list(held.resource))
    ]


def _keeps_list(held: Held) -> bool:
    return kinds.of(held.kind).conditions == BY_LIST


def _is_on_list(resource: dict[str, Any]) -> bool:
    return any(ON_THE_LIST in codes(category) for category in resource.get("category", ()))


def _is_past(resource: dict[str, Any]) -> bool:
    return clinical_status(resource) in PAST or "refuted" in codes(resource.get("verificationStatus"))


def _problem(held: Held) -> Row:
    resource, status = held.resource, clinical_status(held.resource)
    certainty = codes(resource.get("verificationStatus"))
    is_uncertain, is_refuted = bool(certainty & UNCERTAIN), "refuted" in certainty
    severity, ended = text(resource.get("severity")), resource.get("abatementDateTime", "")
    details = (
        f"severity: {severity}" if severity else "",
        f"ended {shown_date(ended)}" if ended else "",
        notes(resource) if is_uncertain or is_refuted else "",
    )
    flags = (
        "RULED OUT" if is_refuted else "not confirmed" if is_uncertain else "",
        "in remission" if status == "remission" else "",
        kinds.of(held.kind).diagnosis,
        "status not known" if _keeps_list(held) and not status and _is_on_list(resource) else "",
    )
    return row(held, text(resource.get("code")), when(resource), details, flags)
