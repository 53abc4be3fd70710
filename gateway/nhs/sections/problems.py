"""Problems: the practice's list and what hospitals coded. A support reason is no diagnosis, and what is not certain
says so."""

from __future__ import annotations

from typing import Any

from gateway.nhs.record import Held, Record
from gateway.nhs.sections.rows import Row, clinical_status, codes, is_error, newest, notes, row, shown_date, text, when

UNCERTAIN = frozenset({"provisional", "differential", "unconfirmed"})
PAST = frozenset({"inactive", "resolved", "remission"})
ON_THE_LIST = "problem-list-item"


def active_problems(record: Record) -> list[Row]:
    """The practice's problem list, and what hospitals coded, but for what is past or refuted. A status that is not
    known is not past."""
    return newest(_problem(each) for each in _listed(record) if not _is_past(each.resource))


def past_problems(record: Record) -> list[Row]:
    """Problems that are inactive, resolved or in remission, and those that were refuted, as that."""
    return newest(_problem(each) for each in _listed(record) if _is_past(each.resource))


def other_diagnoses(record: Record) -> list[Row]:
    """What a practice coded in consultations and never put on its list: an entry of that day, which says nothing of
    today."""
    found = (
        each
        for each in record.of("Condition")
        if each.kind == "gp" and not is_error(each.resource) and not _is_on_list(each.resource)
    )
    return newest(_problem(each) for each in found)


def _listed(record: Record) -> list[Held]:
    return [
        each for each in record.of("Condition")
        if not is_error(each.resource) and (each.kind == "hospital" or (each.kind == "gp" and _is_on_list(each.resource)))
    ]  # fmt: skip


def _is_on_list(resource: dict[str, Any]) -> bool:
    return any(ON_THE_LIST in codes(category) for category in resource.get("category", ()))


def _is_past(resource: dict[str, Any]) -> bool:
    return clinical_status(resource) in PAST or "refuted" in codes(resource.get("verificationStatus"))


def _problem(held: Held) -> Row:
    resource = held.resource
    certainty = codes(resource.get("verificationStatus"))
    uncertain, ended, status = (
        bool(certainty & UNCERTAIN),
        resource.get("abatementDateTime", ""),
        clinical_status(resource),
    )
    severity = text(resource.get("severity"))
    return row(
        held, text(resource.get("code")), when(resource),
        (
            f"severity: {severity}" if severity else "", f"ended {shown_date(ended)}" if ended else "",
            notes(resource) if uncertain or "refuted" in certainty else "",
        ),
        (
            "RULED OUT" if "refuted" in certainty else "not confirmed" if uncertain else "",
            "in remission" if status == "remission" else "",
            "hospital diagnosis" if held.kind == "hospital" else "",
            "status not known" if held.kind == "gp" and not status and _is_on_list(resource) else "",
        ),
    )  # fmt: skip
