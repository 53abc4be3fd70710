"""Problems: problem lists and the diagnoses of sources that keep no list. A support reason is no diagnosis, and what
is not certain says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.encounters import is_now
from gateway.nhs.summary.sections.rows import (
    Row,
    began,
    clinical_status,
    codes,
    is_before,
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
ON_THE_LIST, OF_A_VISIT = "problem-list-item", "encounter-diagnosis"
MINOR = "minor"
RECENT_DAYS = 30
"""How long a diagnosis of a visit that is not held here counts as of now."""
BY_LIST, ALL = "by list", "all"
"""``kinds.Conditions``. Support reasons belong to the social-care section."""


def active_problems(record: Record) -> list[Row]:
    """The problem lists, and what sources without a list coded of now, but for what is past or refuted; what a practice
    files as minor comes last. A status that is not known is not past."""
    active = [held for held in _listed(record) if not _is_past(held.resource) and not _is_of_past_visit(record, held)]
    minor = {held.reference for held in active if _is_minor(held.resource)}
    return sorted(newest(map(_problem, active)), key=lambda line: not minor.isdisjoint(line.references))


def past_problems(record: Record) -> list[Row]:
    """Problems that are inactive, resolved or in remission, and those that were refuted, as that."""
    return newest(_problem(held) for held in _listed(record) if _is_past(held.resource))


def visit_diagnoses(record: Record) -> list[Row]:
    """What a source without a list recorded for a visit that is over: an episode, which says nothing of today."""
    listed = (held for held in _listed(record) if not _is_past(held.resource) and _is_of_past_visit(record, held))
    return newest(map(_problem, listed))


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


def _is_of_past_visit(record: Record, held: Held) -> bool:
    """Whether a source without a list recorded a Condition for a visit that is not going on now. Of a visit that is not
    held here, or is an error, its age says so; a Condition of no visit is of none."""
    resource = held.resource
    is_of_visit = any(OF_A_VISIT in codes(category) for category in resource.get("category", ()))
    if _keeps_list(held) or not is_of_visit or "encounter" not in resource:
        return False
    visit = record.by_reference.get(resource["encounter"].get("reference", ""))
    if visit is not None and not is_error(visit.resource):
        return not is_now(record, visit)
    return is_before(when(resource), (record.today - timedelta(days=RECENT_DAYS)).isoformat())


def _is_minor(resource: dict[str, Any]) -> bool:
    """Whether the practice files the problem as minor. EMIS says so in the words of a second category."""
    return any(category.get("text", "").casefold().startswith(MINOR) for category in resource.get("category", ()))


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
        "minor" if _is_minor(resource) else "",
        kinds.of(held.kind).diagnosis,
        "status not known" if _keeps_list(held) and not status and _is_on_list(resource) else "",
    )
    return replace(row(held, text(resource.get("code")), when(resource), details, flags), when=began(resource))
