"""Medicines: acute, current repeat and discontinued repeat. Current only from the registration active now; never
dropped for an issue date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    NOT_CHECKED,
    Row,
    codes,
    extension,
    is_before,
    is_checkable,
    is_error,
    is_estimated,
    months_before,
    newest,
    notes,
    row,
    shown_date,
    text,
    when,
)

ACUTE_MONTHS, DISCONTINUED_MONTHS = 12, 6
LAST_KNOWN = "last known at"
NAMELESS = "medicine not named in the data received"
NO_DOSE = "dose not in the data received"
TYPE_UNKNOWN = "type not recorded"
REPEATS = frozenset({"continuous", "continuous-repeating-dispensing", "continuous-repeat-dispensing"})
NOT_PRESCRIBED = frozenset({"proposal", "option"})
ENDED = frozenset({"stopped", "completed", "cancelled"})
STATUS = {
    "stopped": "stopped", "cancelled": "CANCELLED", "on-hold": "ON HOLD", "unknown": "not known whether still taken", "draft": "draft, not signed",
    "intended": "not started", "not-taken": "NOT TAKEN",
}  # fmt: skip
LAST_ISSUE = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationStatementLastIssueDate"


@dataclass(frozen=True, slots=True)
class Course:
    """One medicine as a practice plans it: an authorisation with its issues and its statement, or whichever of them
    was sent alone."""

    held: Held
    type: str
    status: str
    issued: str
    ended: str
    is_estimated: bool

    @property
    def is_over(self) -> bool:
        return self.status in ENDED


def acute_medicines(record: Record) -> list[Row]:
    """Acute courses issued or ended in the period, those still active, and those without a date; a course of no stated
    type too."""
    since, rows = months_before(record.now.date(), ACUTE_MONTHS), []
    for each in courses(record):
        old = is_before(each.issued, since) and (not each.ended or is_before(each.ended, since))
        if each.type == "repeat" or (old and each.is_over):
            continue
        rows.append(
            _row(
                record,
                each,
                each.issued,
                ("" if each.type else TYPE_UNKNOWN, "issued before this period" if old else ""),
            )
        )
    return _current_first(record, rows)


def repeat_medicines(record: Record) -> list[Row]:
    """Repeats that have not ended, whenever they were last issued; those of a practice the patient has left are what
    it last knew, and last."""
    found = (each for each in courses(record) if each.type == "repeat" and not each.is_over)
    return _current_first(
        record, [_row(record, each, when(each.held.resource), issue=_last_issue(each)) for each in found]
    )


def discontinued_medicines(record: Record) -> list[Row]:
    """Repeats that ended in the period, and those whose end nobody dated."""
    since, rows = months_before(record.now.date(), DISCONTINUED_MONTHS), []
    for each in courses(record):
        if each.type == "repeat" and each.is_over and not is_before(each.ended, since):
            flags = ("" if each.ended else "end date unknown", "end date estimated" if each.is_estimated else "")
            rows.append(_row(record, each, each.ended, flags, issue=_last_issue(each)))
    return _current_first(record, rows)


def courses(record: Record) -> list[Course]:
    """Each medicine once: the plans; the issues and statements of a plan that was not sent, each for itself. Nothing
    is collapsed."""
    requests = list(record.of("MedicationRequest"))
    groups = {group for each in requests if each.resource.get("intent") == "plan" and (group := _group(each.resource))}
    known = {each.reference for each in requests}
    last, ends, stated = _last_issues(requests), {}, []
    for each in record.of("MedicationStatement"):
        plans = [name for name in _based_on(each.resource) if name in known]
        period = each.resource.get("effectivePeriod", {})
        for name in plans:
            ends[name] = (period.get("end", ""), is_estimated(period))
            last[name] = max(last.get(name, ""), extension(each.resource, LAST_ISSUE).get("valueDateTime", ""))
        if not plans and not is_error(each.resource):
            issued = extension(each.resource, LAST_ISSUE).get("valueDateTime", "")
            stated.append(
                Course(each, "", each.resource.get("status", ""), issued or when(each.resource), *_end(period))
            )
    made = []
    for each in requests:
        resource = each.resource
        is_issue = resource.get("intent") != "plan" and (
            _group(resource) in groups or any(name in known for name in _based_on(resource))
        )
        if is_issue or is_error(resource) or resource.get("intent") in NOT_PRESCRIBED:
            continue
        issued = last.get(each.reference, "") or last.get(_group(resource), "")
        type_ = _type(resource)
        if type_ != "repeat":
            issued = issued or when(resource)
        made.append(Course(each, type_, resource.get("status", ""), issued, *ends.get(each.reference, ("", False))))
    return made + stated


def _group(resource: dict[str, Any]) -> str:
    """What an authorisation and its issues share: it stays where a pointer between them is withheld. No reference
    looks like it."""
    group = resource.get("groupIdentifier", {})
    return f"{group.get('system', '')}|{group['value']}" if group.get("value") else ""


def _based_on(resource: dict[str, Any]) -> list[str]:
    return [each["reference"] for each in resource.get("basedOn", ()) if each.get("reference")]


def _last_issues(requests: list[Held]) -> dict[str, str]:
    """When each plan was last issued, by the plan's reference and by its group."""
    last: dict[str, str] = {}
    for each in requests:
        if each.resource.get("intent") == "plan" or is_error(each.resource):
            continue
        for name in (*_based_on(each.resource), _group(each.resource)):
            last[name] = max(last.get(name, ""), each.resource.get("authoredOn", ""))
    last.pop("", None)
    return last


def _end(period: dict[str, Any]) -> tuple[str, bool]:
    return period.get("end", ""), is_estimated(period)


def _type(resource: dict[str, Any]) -> str:
    found = codes(resource.get("courseOfTherapyType"))
    return "acute" if "acute" in found else "repeat" if found & REPEATS else ""


def _last_issue(course: Course) -> str:
    return f"last issued {shown_date(course.issued)}" if course.issued else "last issue not in the data received"


def _row(record: Record, course: Course, at: str, flags: tuple[str, ...] = (), issue: str = "") -> Row:
    held, resource = course.held, course.held.resource
    concept = resource.get("medicationCodeableConcept")
    doses = resource.get("dosageInstruction", resource.get("dosage", ()))
    quantity = resource.get("dispenseRequest", {}).get("quantity", {})
    return row(
        held, text(concept, NAMELESS), at,
        (
            "; ".join(each["text"] for each in doses if each.get("text")) or NO_DOSE,
            f"{quantity['value']} {quantity.get('unit', '')}".strip() if "value" in quantity else "",
            issue,
            _reason(record, resource),
            notes(resource),
        ),
        (
            "DO NOT GIVE" if resource.get("doNotPerform") is True else "",
            STATUS.get(course.status, ""), *flags, _left(record, held), "" if is_checkable(concept) else NOT_CHECKED,
        ),
    )  # fmt: skip


def _reason(record: Record, resource: dict[str, Any]) -> str:
    """What it is for, as far as the reader may see that too."""
    said = [text(each) for each in resource.get("reasonCode", ())]
    for each in resource.get("reasonReference", ()):
        found = record.by_reference.get(each.get("reference", ""))
        said.append(text(found.resource.get("code")) if found else "")
    words = ", ".join(dict.fromkeys(each for each in said if each))
    return f"for {words}" if words else ""


def _left(record: Record, held: Held) -> str:
    """A practice the patient is not registered with now: its medicines are what it last knew."""
    is_registered = kinds.of(held.kind).registers and held.ods in record.registered
    return "" if is_registered else f"{LAST_KNOWN} {held.publisher}"


def _current_first(record: Record, rows: list[Row]) -> list[Row]:
    return sorted(newest(rows), key=lambda each: any(flag.startswith(LAST_KNOWN) for flag in each.flags))
