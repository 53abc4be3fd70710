"""Medicines: acute, current repeat and discontinued repeat. Current only from the registration active now; never
dropped for an issue date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    NOT_CHECKED,
    Row,
    codes,
    day,
    extension,
    is_before,
    is_checkable,
    is_error,
    is_estimated,
    months_before,
    newest,
    notes,
    order,
    row,
    shown_date,
    text,
    when,
)

ACUTE_MONTHS, DISCONTINUED_MONTHS = 12, 6
COMPLETED_DAYS = 28
LAST_KNOWN = "last known at"
NAMELESS = "medicine not named in the data received"
NO_DOSE = "dose not in the data received"
COMPLETED = "completed"
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
    since, rows = months_before(record.today, ACUTE_MONTHS), []
    for course in courses(record):
        old = is_before(course.issued, since) and (not course.ended or is_before(course.ended, since))
        if course.type == "repeat" or (old and course.is_over):
            continue
        rows.append(
            _row(
                record,
                course,
                course.issued,
                (
                    COMPLETED if course.status == "completed" else "",
                    "" if course.type else TYPE_UNKNOWN,
                    "issued before this period" if old else "",
                ),
            )
        )
    return _current_first(record, rows)


def repeat_medicines(record: Record) -> list[Row]:
    """Repeats that have not ended, whenever they were last issued; those of a practice the patient has left are what
    it last knew, and last."""
    repeats = (course for course in courses(record) if course.type == "repeat" and not course.is_over)
    return _current_first(
        record, [_row(record, course, when(course.held.resource), issue=_last_issue(course)) for course in repeats]
    )


def discontinued_medicines(record: Record) -> list[Row]:
    """Repeats that ended in the period, and those whose end nobody dated."""
    since, rows = months_before(record.today, DISCONTINUED_MONTHS), []
    for course in courses(record):
        if course.type == "repeat" and course.is_over and not is_before(course.ended, since):
            flags = ("" if course.ended else "end date unknown", "end date estimated" if course.is_estimated else "")
            rows.append(_row(record, course, course.ended, flags, issue=_last_issue(course)))
    return _current_first(record, rows)


def courses(record: Record) -> list[Course]:
    """Each medicine once: the plans; the issues and statements of a plan that was not sent, each for itself. Nothing
    is collapsed."""
    requests = list(record.of("MedicationRequest"))
    groups = {group for held in requests if held.resource.get("intent") == "plan" and (group := _group(held.resource))}
    known = {held.reference for held in requests}
    last, ends, stated = _last_issues(record, requests), {}, []
    for held in record.of("MedicationStatement"):
        if is_error(held.resource):
            continue
        plans = [name for name in _based_on(held.resource) if name in known]
        period = held.resource.get("effectivePeriod", {})
        issued = extension(held.resource, LAST_ISSUE).get("valueDateTime", "")
        for name in plans:
            ends[name] = (period.get("end", ""), is_estimated(period))
            last[name] = max(last.get(name, ""), issued, key=order)
        if not plans:
            stated.append(
                Course(held, "", held.resource.get("status", ""), issued or when(held.resource), *_end(period))
            )
    planned = []
    for held in requests:
        resource = held.resource
        is_issue = resource.get("intent") != "plan" and (
            _group(resource) in groups or any(name in known for name in _based_on(resource))
        )
        if is_issue or is_error(resource) or resource.get("intent") in NOT_PRESCRIBED:
            continue
        issued = last.get(held.reference, "") or last.get(_group(resource), "")
        type_ = _type(resource)
        if type_ != "repeat":
            issued = issued or when(resource)
        planned.append(Course(held, type_, resource.get("status", ""), issued, *ends.get(held.reference, ("", False))))
    return planned + stated


def _group(resource: dict[str, Any]) -> str:
    """What an authorisation and its issues share: it stays where a pointer between them is withheld. No reference
    looks like it."""
    group = resource.get("groupIdentifier", {})
    return f"{group.get('system', '')}|{group['value']}" if group.get("value") else ""


def _based_on(resource: dict[str, Any]) -> list[str]:
    return [plan["reference"] for plan in resource.get("basedOn", ()) if plan.get("reference")]


def _last_issues(record: Record, requests: list[Held]) -> dict[str, str]:
    """When each plan was last issued, by the plan's reference and by its group. What another organisation supplied
    (``reported``) and an issue that is still to come are none."""
    last: dict[str, str] = {}
    today = record.today.isoformat()
    for request in requests:
        if request.resource.get("intent") == "plan" or is_error(request.resource):
            continue
        if request.resource.get("reportedBoolean") or day(request.resource.get("authoredOn", "")) > today:
            continue
        for name in (*_based_on(request.resource), _group(request.resource)):
            last[name] = max(last.get(name, ""), request.resource.get("authoredOn", ""), key=order)
    last.pop("", None)
    return last


def _end(period: dict[str, Any]) -> tuple[str, bool]:
    return period.get("end", ""), is_estimated(period)


def _type(resource: dict[str, Any]) -> str:
    course_types = codes(resource.get("courseOfTherapyType"))
    return "acute" if "acute" in course_types else "repeat" if course_types & REPEATS else ""


def _last_issue(course: Course) -> str:
    return f"last issued {shown_date(course.issued)}" if course.issued else "last issue not in the data received"


def _row(record: Record, course: Course, at: str, flags: tuple[str, ...] = (), issue: str = "") -> Row:
    held, resource = course.held, course.held.resource
    concept = medicine(record, resource)
    doses = resource.get("dosageInstruction", resource.get("dosage", ()))
    quantity = resource.get("dispenseRequest", {}).get("quantity", {})
    return row(
        held, text(concept, NAMELESS), at,
        (
            "; ".join(dose["text"] for dose in doses if dose.get("text")) or NO_DOSE,
            f"{quantity['value']} {quantity.get('unit', '')}".strip() if "value" in quantity else "",
            issue,
            _reason(record, held),
            notes(resource),
        ),
        (
            "DO NOT GIVE" if resource.get("doNotPerform") is True else "",
            STATUS.get(course.status, ""), *flags, _left(record, held), "" if is_checkable(concept) else NOT_CHECKED,
        ),
    )  # fmt: skip


def medicine(record: Record, resource: dict[str, Any]) -> dict[str, Any] | None:
    """The concept of a medicine: its own, that of the Medication to which it refers, or the name that the reference
    gives; None where nothing names it."""
    if concept := resource.get("medicationCodeableConcept"):
        return dict(concept)
    reference = resource.get("medicationReference", {})
    named = {f"#{inner.get('id')}": inner for inner in resource.get("contained", ())}
    target = reference.get("reference", "")
    held = record.by_reference.get(target)
    substance = named.get(target) or (held.resource if held and not is_error(held.resource) else {})
    return substance.get("code") or ({"text": reference["display"]} if reference.get("display") else None)


def past_courses(record: Record) -> frozenset[str]:
    """The references of the courses that nobody takes now: stopped and cancelled ones, and those sent as completed that
    were surely issued more than ``COMPLETED_DAYS`` ago: some systems send each issue as completed."""
    since = (record.today - timedelta(days=COMPLETED_DAYS)).isoformat()
    return frozenset(
        course.held.reference
        for course in courses(record)
        if course.is_over
        and (course.status != "completed" or is_before(course.issued, since) or is_before(course.ended, since))
    )


def _reason(record: Record, held: Held) -> str:
    """Return the reason for the medicine, if the reader may see it."""
    shown = {
        name: held.resource.get(name, ()) for name in ("reasonCode", "reasonReference") if record.tells(held, name)
    }
    said = [text(reason) for reason in shown.get("reasonCode", ())]
    for reason in shown.get("reasonReference", ()):
        problem = record.by_reference.get(reason.get("reference", ""))
        said.append(text(problem.resource.get("code")) if problem and not is_error(problem.resource) else "")
    words = ", ".join(dict.fromkeys(reason for reason in said if reason))
    return f"for {words}" if words else ""


def _left(record: Record, held: Held) -> str:
    """Return the flag of a practice where the patient is no longer registered ("" elsewhere): its medicines are its
    last known ones."""
    is_registered = kinds.of(held.kind).registers and held.ods in record.registered
    return "" if is_registered else f"{LAST_KNOWN} {held.publisher}"


def _current_first(record: Record, rows: list[Row]) -> list[Row]:
    return sorted(newest(rows), key=lambda shown: any(flag.startswith(LAST_KNOWN) for flag in shown.flags))
