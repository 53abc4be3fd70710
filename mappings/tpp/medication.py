"""Repeat templates to a course and its authorisation, and what was prescribed to an issue; an acute one is a course of
its own.

Whether a medicine is taken now is not decided here: SystmOne sends nothing when an acute course ends, and the summary
reads its dates.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row, Values
from mappings.emis.codes import DEGRADED_MEDICATION
from mappings.emis.entry import Entry
from mappings.emis.medication import (
    BY_ANOTHER,
    COMMUNITY,
    COURSES,
    LAST_ISSUE,
    PRESCRIBER,
    REPEAT,
    REQUEST,
    STATEMENT,
    TAKEN_AT_HOME,
    UNSTATED,
    days,
    repeats,
)
from mappings.emis.values import is_true
from mappings.tpp.codes import drug_concept
from mappings.tpp.delivery import extracted, reference_id
from mappings.tpp.entry import (
    clinician,
    encounter,
    identifier,
    is_elsewhere,
    name,
    notes,
    places,
    recorder,
    security,
    subject,
)
from mappings.tpp.lists import coded, is_listed, word
from mappings.tpp.tables import MEDICATION, TEMPLATE
from mappings.tpp.times import day, is_doubtful, when
from mappings.vocabulary import UK_CORE_CODES, tagged, unit

OTHERS = {
    "IsHospitalMedication": "Hospital medication",
    "IsDentalMedication": "Dental medication",
    "IsOtherMedication": "Other medication",
}
"""Columns that say that somebody else prescribes or sells the medicine: the practice only records it."""
_QUANTITY = re.compile(r"(\d{1,8}(?:\.\d{1,4})?) ?([A-Za-z](?!\s*\d).*)")


def to_repeat(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the course of a repeat template and its authorisation, with what its issues add."""
    row = next(iter(group.of(TEMPLATE)), None)
    if row is None:
        return []
    issues = [issue for issue in group.of(MEDICATION) if issue.patient == row.patient]
    return [statement(row, issues, look), authorisation(row, look)]


def statement(row: Row, issues: list[Row], look: Look) -> dict[str, Any]:
    values = row.values
    last, is_by_another = last_issue(row, issues), is_prescribed_elsewhere(row, look)
    built = resource(
        "MedicationStatement",
        look.id("MedicationStatement", name(row)),
        STATEMENT,
        security(row),
        extension=[*([{"url": LAST_ISSUE, "valueDateTime": last}] if last else []), *prescriber(is_by_another)],
        identifier=[identifier(row)],
        basedOn=[look.reference("MedicationRequest", name(row))],
        status=status(row),
        category=TAKEN_AT_HOME,
        medicationCodeableConcept=drug_concept(values),
        subject=subject(row, look),
        effectivePeriod={
            "start": day(values, "DateMedicationTemplateStart"),
            "end": day(values, "DateMedicationTemplateEnd"),
        },
        dateAsserted=when(values, "DateEventRecorded"),
        informationSource=clinician(values, look),
        note=[{"text": text} for text in said(row, look)] + places(row),
        dosage=[{"text": values["MedicationDosage"].strip()}],
    )
    return tagged(built, is_doubtful(values, "DateEventRecorded"))


def authorisation(row: Row, look: Look) -> dict[str, Any]:
    values = row.values
    drug_status = status_word(row, look)
    is_dispensed = coded("drug_status", drug_status, "effect") == "repeat-dispensing"
    system, code = COURSES["repeat dispensing" if is_dispensed else "repeat"]
    built = resource(
        "MedicationRequest",
        look.id("MedicationRequest", name(row)),
        REQUEST,
        security(row),
        extension=expiry(values),
        identifier=[identifier(row)],
        status=status(row),
        intent="plan",
        category=[COMMUNITY, *private(coded("drug_status", drug_status, "effect"))],
        medicationCodeableConcept=drug_concept(values),
        subject=subject(row, look),
        encounter=encounter(values, look),
        authoredOn=day(values, "DateMedicationTemplateStart"),
        requester=clinician(values, look),
        recorder=recorder(values, look),
        reportedBoolean=True if is_prescribed_elsewhere(row, look) else None,
        groupIdentifier=identifier(row),
        note=[{"text": text} for text in said(row, look)] + places(row),
        courseOfTherapyType={"coding": [{"system": system, "code": code}], "text": "Repeat"},
        dosageInstruction=[{"text": values["MedicationDosage"].strip()}],
        dispenseRequest={
            "numberOfRepeatsAllowed": repeats(values["MaxIssues"].strip()),
            "quantity": amount(values["MedicationQuantity"].strip()),
            "expectedSupplyDuration": days(re.sub(r" days?$", "", values["CourseLengthPerIssue"].strip())),
        },
        substitution=UNSTATED,
    )
    return tagged(built, is_doubtful(values, "DateEventRecorded"))


def status(row: Row) -> str:
    """Return whether a repeat goes on: SystmOne sends its end when it ends. An end that is still to come ends
    nothing."""
    end = day(row.values, "DateMedicationTemplateEnd")
    return "completed" if end and end <= extracted(row.order) else "active"


def status_word(row: Row, look: Look) -> str:
    """Return the word of DrugStatus: of SRMapping, or of TPP's published numbers."""
    number = row.values["DrugStatus"].strip()
    return coded("drug_status_number", number, "status") or word(row, "DrugStatus", look)


def is_prescribed_elsewhere(row: Row, look: Look) -> bool:
    """Whether another organisation prescribes a medicine: it entered the row, or the status of the template says so."""
    return is_elsewhere(row) or coded("drug_status", status_word(row, look), "effect") == "elsewhere"


def said(row: Row, look: Look) -> list[str]:
    """Return as texts what a template says and no element does."""
    values, drug_status = row.values, status_word(row, look)
    if drug_status and not is_listed("drug_status", drug_status):
        look.unlisted(TEMPLATE, "DrugStatus", drug_status)
    texts = [f"Status of the medicine: {drug_status}"] if drug_status and drug_status.casefold() != "normal" else []
    texts += worded_quantity(values)
    if (length := values["CourseLengthPerIssue"].strip()) and not days(re.sub(r" days?$", "", length)):
        texts.append(f"Course length of an issue: {length}")
    end = day(values, "DateMedicationTemplateEnd")
    if end > extracted(row.order):
        texts.append(f"Ends on {end}")
    return texts


def expiry(values: Values) -> list[dict[str, Any]]:
    """Return until when the template may be issued before somebody reviews it, [] where it does not say."""
    review = day(values, "DateMedicationTemplateReview")
    return (
        [{"url": REPEAT, "extension": [{"url": "authorisationExpiryDate", "valueDateTime": review}]}] if review else []
    )


def last_issue(row: Row, issues: list[Row]) -> str:
    """Return when the unit last issued the medicine, "" for never: not what another organisation entered, nor an issue
    dated after all that is known."""
    known = extracted(max([row.order, *(issue.order for issue in issues)]))
    own = [when(issue.values, "DateMedicationStart") for issue in issues if not is_elsewhere(issue)]
    return max((at for at in own if at and at[:10] <= known), default="")


def to_medication(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what was prescribed: an issue of a repeat; or an acute course with its issue; or, of what another
    organisation gives, the course alone."""
    row = next(iter(group.of(MEDICATION)), None)
    if row is None:
        return []
    if is_repeat(row.values):
        return [issue(row, look)]
    if others(row.values):
        return [acute(row, look)]
    return [acute(row, look), issue(row, look)]


def is_repeat(values: Values) -> bool:
    return is_true(values["IsRepeatMedication"].strip()) or bool(reference_id(values, "IDRepeatTemplate"))


def others(values: Values) -> list[str]:
    """Return the words of the columns that say that somebody else prescribes it."""
    return [text for column, text in OTHERS.items() if is_true(values[column].strip())]


def acute(row: Row, look: Look) -> dict[str, Any]:
    """Return the course. Its end is the expected one and always there; nothing is sent when it has passed. So the
    status is unknown, but for a course that was over when it was recorded."""
    values, other = row.values, others(row.values)
    end = day(values, "DateMedicationEnd")
    is_over = bool(end) and end <= day(values, "DateEventRecorded")
    built = resource(
        "MedicationStatement",
        look.id("MedicationStatement", name(row)),
        STATEMENT,
        security(row),
        extension=prescriber(bool(other) or is_elsewhere(row)),
        identifier=[identifier(row)],
        basedOn=[] if other else [look.reference("MedicationRequest", name(row))],
        status="completed" if is_over else "unknown",
        category=TAKEN_AT_HOME,
        medicationCodeableConcept=drug_concept(values),
        subject=subject(row, look),
        effectivePeriod={"start": day(values, "DateMedicationStart"), "end": end},
        dateAsserted=when(values, "DateEventRecorded"),
        informationSource=clinician(values, look),
        note=[{"text": text} for text in (*other, *supervised(values), *worded_quantity(values))] + places(row),
        dosage=[{"text": values["MedicationDosage"].strip()}],
    )
    return tagged(built, is_doubtful(values, "DateEventRecorded"))


def issue(row: Row, look: Look) -> dict[str, Any]:
    """Return the issue as an order that was made. Completed says that it was issued, and nothing of whether the
    medicine is taken. One dated after the extract is still to come."""
    values, template = row.values, reference_id(row.values, "IDRepeatTemplate")
    start = when(values, "DateMedicationStart") or when(values, "DateEvent")
    plan = f"{TEMPLATE}|{template}" if template else ""
    system, code = COURSES["acute"]
    course_type = {} if is_repeat(values) else {"coding": [{"system": system, "code": code}], "text": "Acute"}
    built = resource(
        "MedicationRequest",
        look.id("MedicationRequest", name(row)),
        REQUEST,
        security(row),
        identifier=[identifier(row)],
        status="active" if start[:10] > extracted(row.order) else "completed",
        intent="order",
        category=[COMMUNITY],
        reportedBoolean=True if is_elsewhere(row) else None,
        medicationCodeableConcept=drug_concept(values),
        subject=subject(row, look),
        encounter=encounter(values, look),
        authoredOn=start,
        requester=clinician(values, look),
        recorder=recorder(values, look),
        basedOn=[look.reference("MedicationRequest", plan)] if plan else [],
        groupIdentifier={**identifier(row), "value": f"{row.publisher}/{TEMPLATE}/{template}"} if template else {},
        note=[{"text": text} for text in (*supervised(values), *worded_quantity(values))] + places(row),
        courseOfTherapyType=course_type,
        dosageInstruction=[{"text": values["MedicationDosage"].strip()}],
        dispenseRequest={
            "quantity": amount(values["MedicationQuantity"].strip()),
            "expectedSupplyDuration": days(length(values)),
        },
        substitution=UNSTATED,
    )
    return tagged(built, is_doubtful(values, "DateEvent", "DateEventRecorded", "DateMedicationStart"))


def length(values: Values) -> str:
    """Return the days from the start of what was prescribed to its end, "" where one of them is missing."""
    start, end = day(values, "DateMedicationStart"), day(values, "DateMedicationEnd")
    span = (date.fromisoformat(end) - date.fromisoformat(start)).days if start and end else 0
    return str(span) if span > 0 else ""


def prescriber(is_by_another: bool) -> list[dict[str, Any]]:
    """Return the extension that says that another organisation prescribes the medicine, [] where the unit does."""
    coding = {"system": UK_CORE_CODES + "MedicationPrescribingOrganizationType", "code": BY_ANOTHER}
    return [{"url": PRESCRIBER, "valueCodeableConcept": {"coding": [coding]}}] if is_by_another else []


def private(effect: str) -> list[dict[str, Any]]:
    return [{"text": "Private prescription"}] if effect == "private" else []


def supervised(values: Values) -> list[str]:
    """Return as texts how a medicine is taken under supervision."""
    texts = ["Supervised"] if is_true(values["IsSupervised"].strip()) else []
    for column, words_before in (("SupervisedDose", "Supervised dose"), ("UnsupervisedDose", "Unsupervised dose")):
        if (amount_of := values[column].strip()) not in ("", "0", "-1"):
            texts.append(f"{words_before}: {amount_of}")
    return texts


def amount(text: str) -> dict[str, Any]:
    """Return a quantity that is a number and a unit, {} for any other: SystmOne's column is free text.

    >>> amount("28 tablets")["unit"], amount("2 x 28 tablets"), amount("28 tablets")["value"]
    ('tablets', {}, Decimal('28'))
    """
    match = _QUANTITY.fullmatch(text)
    return {"value": Decimal(match[1]), **unit(match[2].strip())} if match else {}


def worded_quantity(values: Values) -> list[str]:
    """Return a quantity that is words, for which FHIR has only a note."""
    text = values["MedicationQuantity"].strip()
    return [f"Quantity: {text}"] if text and not amount(text) else []


def coded_medicine(built: Entry, look: Look) -> dict[str, Any]:
    """Return the course of a medicine that stands among the coded entries: somebody recorded it, and nobody prescribed
    it here. Whether it is taken the entry does not say."""
    row, values, concept = built.row, built.values, built.code.concept
    codings = concept["coding"] if built.code.is_coded else [DEGRADED_MEDICATION, *concept["coding"]]
    text = {"text": "Recorded as a coded entry, not as a prescription"}
    course = resource(
        "MedicationStatement",
        look.id("MedicationStatement", name(row)),
        STATEMENT,
        security(row),
        identifier=[identifier(row)],
        status="unknown",
        medicationCodeableConcept={**concept, "coding": codings},
        subject=subject(row, look),
        context=encounter(values, look),
        effectiveDateTime=when(values, "DateEvent"),
        dateAsserted=when(values, "DateEventRecorded"),
        informationSource=clinician(values, look),
        note=[text, *notes(built)],
    )
    return tagged(course, is_doubtful(values, "DateEvent", "DateEventRecorded"))
