"""Drug records to a course (MedicationStatement) and its authorisation (MedicationRequest); each issue to a
MedicationRequest of its own.

Whether a medicine is taken now is not decided here: that depends on the registration active today, and the summary
computes it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.codes import UCUM
from mappings import Group, Look, Row, Values
from mappings.emis.codes import drug_concept
from mappings.emis.delivery import extracted
from mappings.emis.entry import clinician, encounter, problem, subject
from mappings.emis.tables import DRUG, ISSUE
from mappings.emis.values import day, entered, guid, identifier, is_number, is_true, partial, quantity
from mappings.emis.words import first, words
from mappings.vocabulary import ESTIMATED, HL7, UK_CORE, UK_CORE_CODES, UNKNOWN, tagged

REQUEST, STATEMENT = UK_CORE + "UKCore-MedicationRequest", UK_CORE + "UKCore-MedicationStatement"
LAST_ISSUE = UK_CORE + "Extension-UKCore-MedicationStatementLastIssueDate"
PRESCRIBER = UK_CORE + "Extension-UKCore-MedicationPrescribingOrganizationType"
BY_ANOTHER = "prescribed-by-another-organisation"
REPEAT = UK_CORE + "Extension-UKCore-MedicationRepeatInformation"
COURSES = {
    "acute": (HL7 + "medicationrequest-course-of-therapy", "acute"),
    "repeat": (HL7 + "medicationrequest-course-of-therapy", "continuous"),
    "repeat dispensing": (
        UK_CORE_CODES + "MedicationRequestCourseOfTherapy",
        "continuous-repeating-dispensing",
    ),
}
COMMUNITY = {"coding": [{"system": HL7 + "medicationrequest-category", "code": "community"}]}
TAKEN_AT_HOME = {"coding": [{"system": HL7 + "medication-statement-category", "code": "community"}]}
UNSTATED = {"allowedCodeableConcept": UNKNOWN}
"""UK Core asks for ``substitution``; EMIS does not say whether one is allowed, and no answer is invented."""


def to_course(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the course and its authorisation, with what its issues add."""
    key = group.key[5:]
    drug = next((row for row in group.of(DRUG) if row.key == key), None)
    if drug is None:
        return []
    issues = [row for row in group.of(ISSUE) if row.patient == drug.patient]
    return [statement(drug, key, issues, look), authorisation(drug, key, issues, look)]


def statement(drug: Row, key: str, issues: list[Row], look: Look) -> dict[str, Any]:
    values = drug.values
    asserted, ambiguous = entered(values)
    last = last_issue(drug, issues)
    elsewhere = supplied_elsewhere(issues)
    built = resource(
        "MedicationStatement",
        look.id("MedicationStatement", key),
        STATEMENT,
        security(values),
        extension=[*([{"url": LAST_ISSUE, "valueDateTime": last}] if last else []), *prescriber(elsewhere)],
        identifier=[identifier(key)],
        basedOn=[look.reference("MedicationRequest", key)],
        status=status(values),
        category=TAKEN_AT_HOME,
        medicationCodeableConcept=drug_concept(drug, look),
        subject=subject(values, look),
        effectivePeriod={"start": partial(values, "EffectiveDate"), **ended(values, issues)},
        dateAsserted=asserted,
        informationSource=clinician(values, look),
        reasonReference=problem(values, look, "ProblemObservationGuid"),
        note=[{"text": text} for text in (*worded_quantity(values), *elsewhere)],
        dosage=[{"text": values["Dosage"].strip()}],
    )
    return tagged(built, ambiguous)


def authorisation(drug: Row, key: str, issues: list[Row], look: Look) -> dict[str, Any]:
    values = drug.values
    _, ambiguous = entered(values)
    built = resource(
        "MedicationRequest",
        look.id("MedicationRequest", key),
        REQUEST,
        security(values),
        extension=repeat_information(values),
        identifier=[identifier(key)],
        status=status(values),
        intent="plan",
        category=[COMMUNITY],
        medicationCodeableConcept=drug_concept(drug, look),
        subject=subject(values, look),
        authoredOn=partial(values, "EffectiveDate"),
        requester=clinician(values, look),
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        reasonReference=problem(values, look, "ProblemObservationGuid"),
        groupIdentifier=identifier(key),
        note=[{"text": text} for text in (*worded_quantity(values), *supplied_elsewhere(issues))],
        courseOfTherapyType=course_type(values["PrescriptionType"].strip()),
        dosageInstruction=[{"text": values["Dosage"].strip()}],
        dispenseRequest={
            "validityPeriod": {"end": expiry(values)},
            "numberOfRepeatsAllowed": repeats(values["NumberOfIssuesAuthorised"]),
            "quantity": amount(values),
        },
        substitution=UNSTATED,
    )
    return tagged(built, ambiguous)


def to_issue(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the issue as an order that was made. Completed says that it was issued, and nothing of whether the
    medicine is taken. What another organisation supplies is reported; a post-dated issue is still to come."""
    key = group.key[6:]
    row = next((row for row in group.of(ISSUE) if row.key == key), None)
    if row is None:
        return []
    values = row.values
    _, ambiguous = entered(values)
    course = guid(values["DrugRecordGuid"])
    built = resource(
        "MedicationRequest",
        look.id("MedicationRequest", key),
        REQUEST,
        security(values),
        identifier=[identifier(key)],
        status="active" if is_post_dated(row, row.order) else "completed",
        intent="order",
        reportedBoolean=True if is_elsewhere(values) else None,
        category=issue_category(values),
        medicationCodeableConcept=drug_concept(row, look),
        subject=subject(values, look),
        encounter=encounter(values, look),
        authoredOn=partial(values, "EffectiveDate"),
        requester=clinician(values, look),
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        reasonReference=problem(values, look, "ProblemObservationGuid"),
        basedOn=[look.reference("MedicationRequest", course)] if course else [],
        groupIdentifier=identifier(course) if course else {},
        note=issue_notes(values),
        dosageInstruction=[{"text": values["Dosage"].strip(), "patientInstruction": values["PatientMessage"].strip()}],
        dispenseRequest={"quantity": amount(values), "expectedSupplyDuration": days(values["CourseDurationInDays"])},
        substitution=UNSTATED,
    )
    return [tagged(built, ambiguous)]


def security(values: Values) -> tuple[str, ...]:
    return ("R",) if is_true(values["IsConfidential"]) else ()


def status(values: Values) -> str:
    """Return the status as the practice's system says it: an active row's cancellation date means nothing (EMIS)."""
    if is_true(values["IsActive"]):
        return "active"
    if values["CancellationDate"]:
        return "stopped"
    return "completed" if values["IsActive"] else "unknown"


def ended(values: Values, issues: list[Row]) -> dict[str, Any]:
    """Return the end of the period: the cancellation, else the end of the last issue's course, marked as estimated; {}
    while active."""
    if is_true(values["IsActive"]) or not values["IsActive"]:
        return {}
    if values["CancellationDate"]:
        return {"end": day(values, "CancellationDate")}
    ends = [end for row in issues if (end := course_end(row.values))]
    return {"end": max(ends), "_end": ESTIMATED} if ends else {}


def course_end(values: Values) -> str:
    """Return the last day an issue lasts, "" where its date or duration is not exact."""
    start, length = partial(values, "EffectiveDate")[:10], values["CourseDurationInDays"]
    if len(start) != 10 or not length.isdigit() or not 0 < int(length) <= 3660:
        return ""
    try:
        return (date.fromisoformat(start) + timedelta(days=int(length))).isoformat()
    except (ValueError, OverflowError):
        return ""


def course_type(words: str) -> dict[str, Any]:
    """Return acute, continuous or repeat dispensing; other words (Automatic) stay words."""
    system, code = COURSES.get(words.casefold(), ("", ""))
    return {"coding": [{"system": system, "code": code}] if code else [], "text": words}


def repeat_information(values: Values) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    if values["NumberOfIssues"].isdigit():
        nodes.append({"url": "numberOfPrescriptionsIssued", "valueUnsignedInt": int(values["NumberOfIssues"])})
    if end := expiry(values):
        nodes.append({"url": "authorisationExpiryDate", "valueDateTime": end})
    return [{"url": REPEAT, "extension": nodes}] if nodes else []


def expiry(values: Values) -> str:
    """Return the expiry date where it is written as one (the specification shows a spreadsheet's serial number, which
    is not)."""
    try:
        return day(values, "ExpiryDate")
    except Invalid:
        return ""


def repeats(authorised: str) -> int | None:
    """Return the repeats after the first: FHIR counts them without it."""
    return max(0, int(authorised) - 1) if authorised.isascii() and authorised.isdigit() else None


def amount(values: Values) -> dict[str, Any]:
    number = values["Quantity"].strip()
    return quantity(number, values["QuantityUnit"]) if is_number(number) else {}


def days(text: str) -> dict[str, Any]:
    return (
        {"value": int(text), "unit": "days", "system": UCUM, "code": "d"}
        if text.isascii() and text.isdigit() and int(text)
        else {}
    )


def issue_category(values: Values) -> list[dict[str, Any]]:
    categories: list[dict[str, Any]] = [COMMUNITY]
    if is_true(values["IsPrivatelyPrescribed"]):
        categories.append({"text": "Private prescription"})
    if method := values["IssueMethodDescription"].strip():
        categories.append({"text": method})
    return categories


def issue_notes(values: Values) -> list[dict[str, Any]]:
    contraceptive = ["Prescribed as a contraceptive"] if is_true(values["IsPrescribedAsContraceptive"]) else []
    return [{"text": text} for text in (*contraceptive, *worded_quantity(values))]


def worded_quantity(values: Values) -> list[str]:
    """Return a quantity that is words and no number ("2 x 28"), for which FHIR has only a note."""
    number = values["Quantity"].strip()
    return [f"Quantity: {number} {values['QuantityUnit']}".strip()] if number and not is_number(number) else []


def last_issue(drug: Row, issues: list[Row]) -> str:
    """Return when the practice last issued the medicine, "" for never: neither what another organisation supplied nor
    an issue dated after all that is known of the course."""
    known = max([drug.order, *(row.order for row in issues)])
    own = [row for row in issues if not is_elsewhere(row.values) and not is_post_dated(row, known)]
    return max((when for row in own if (when := partial(row.values, "EffectiveDate"))), default="")


def is_post_dated(row: Row, known: int) -> bool:
    """Whether an issue is dated after the extract that ``known`` is an order of."""
    return partial(row.values, "EffectiveDate")[:10] > extracted(known)


def is_elsewhere(values: Values) -> bool:
    """Whether the method of an issue says that another organisation supplies the medicine."""
    return first("issue_method", words(values["IssueMethodDescription"])).get("supply") == "elsewhere"


def supplied_elsewhere(issues: list[Row]) -> list[str]:
    """Return the words that say that another organisation supplied a medicine, [] where the practice did so later."""
    dated = [row for row in issues if "EffectiveDate" in row.values]
    last = max(dated or issues, key=lambda row: (row.values["EffectiveDate"], row.order), default=None)
    if last is None or not is_elsewhere(last.values):
        return []
    return [f"Supplied elsewhere: {last.values['IssueMethodDescription'].strip()}"]


def prescriber(elsewhere: list[str]) -> list[dict[str, Any]]:
    """Return the extension that says that another organisation prescribes the medicine, [] where the practice does."""
    coding = {"system": UK_CORE_CODES + "MedicationPrescribingOrganizationType", "code": BY_ANOTHER}
    return [{"url": PRESCRIBER, "valueCodeableConcept": {"coding": [coding]}}] if elsewhere else []
