"""The rows of a practice's extract for one person: (table, values by column)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache

from gateway.synth.codes import CODES, DRUGS
from gateway.synth.draw import guid
from gateway.synth.truth import Consultation, Entry, Medicine, Person, Practice, Problem, Reminder

Values = dict[str, str]
Rows = Iterator[tuple[str, Values]]

REGION = guid("organisation", "region")
NO, YES = "false", "true"
CLINIC = "Clinic"
"""The kind of consultation that the nurse holds."""


def organisation_guid(practice: Practice) -> str:
    return _guid("organisation", practice.ods)


def user_guid(practice: Practice, place: int) -> str:
    """Return the user in role: 0 is the doctor, 1 the nurse."""
    return _guid("user", practice.ods, place)


_guid = lru_cache(maxsize=4096)(guid)


def patient_guid(person: Person) -> str:
    return _guid(person.key, "patient")


def item_guid(person: Person, key: str) -> str:
    """Return the GUID of one entry, consultation or medicine; "" for no key, as a link that is not there."""
    return _guid(person.key, "item", key) if key else ""


def patient_rows(person: Person) -> Rows:
    """Return all that the practice holds of one person."""
    yield "Admin_Patient", patient(person)
    yield from registration(person)
    story = person.story
    for consultation in story.consultations:
        yield "CareRecord_Consultation", consultation_row(person, consultation)
    if story.consultations:
        yield from appointment(person, max(story.consultations, key=lambda seen: seen.at))
    times = {seen.key: seen for seen in story.consultations}
    for entry in story.entries:
        yield "CareRecord_Observation", observation(person, entry, times.get(entry.consultation))
        if entry.problem:
            yield "CareRecord_Problem", problem(person, entry, entry.problem)
            yield "Audit_PatientAudit", audit(person, entry)
        if CODES[entry.code].kind == "Referral":
            yield "CareRecord_ObservationReferral", referral(person, entry)
    for medicine in story.medicines:
        yield "Prescribing_DrugRecord", drug_record(person, medicine)
        for number in range(len(medicine.issues)):
            yield "Prescribing_IssueRecord", issue(person, medicine, number)
    for reminder in story.reminders:
        yield "CareRecord_Diary", diary(person, reminder)


def patient(person: Person) -> Values:
    """Return the Admin_Patient row. EMIS's postcode has seven places, so no space."""
    seen = person.seen("gp")
    death = person.known_death
    return {
        **owner(person),
        "UsualGpUserInRoleGuid": user_guid(person.practice, 0),
        "Sex": seen.sex or person.sex,
        "DateOfBirth": f"{seen.birth}",
        "DateOfDeath": f"{death or ''}",
        "Title": person.title,
        "GivenName": seen.given,
        "MiddleNames": person.middle,
        "Surname": seen.family,
        "DateOfRegistration": f"{person.registered}",
        "NhsNumber": seen.nhs_number,
        "PatientNumber": seen.number,
        "PatientTypeDescription": "Regular",
        "DummyType": NO,
        "HouseNameFlatNumber": person.address.house,
        "NumberAndStreet": person.address.street,
        "Town": person.address.town,
        "County": person.address.county,
        "Postcode": person.address.postcode.replace(" ", ""),
        "CarerName": person.carer,
        "CarerRelation": "Daughter" if person.carer else "",
        "PersonGuid": guid(person.key, "person"),
        "DateofDeactivation": f"{person.left or death or ''}",
        "Deleted": NO,
        "SpineSensitive": YES if person.is_("restricted") else NO,
        "IsConfidential": NO,
        "EmailAddress": person.email,
        "HomePhone": person.home_phone,
        "MobilePhone": person.mobile,
        "ContactComments": person.free("Prefers mornings") if person.carer else "",
    }


def owner(person: Person) -> Values:
    return {"PatientGuid": patient_guid(person), "OrganisationGuid": organisation_guid(person.practice)}


def registration(person: Person) -> Rows:
    day = {"HistoryDate": f"{person.registered}", "HistoryTime": "10:00:00"}
    yield "Admin_PatientHistory", {**owner(person), **day, "StatusDescription": "Registered"}
    if person.left:
        day = {"HistoryDate": f"{person.left}", "HistoryTime": "12:00:00"}
        yield "Admin_PatientHistory", {**owner(person), **day, "StatusDescription": "Deducted"}
    elif death := person.known_death:
        day = {"HistoryDate": f"{death}", "HistoryTime": "18:00:00"}
        yield "Admin_PatientHistory", {**owner(person), **day, "StatusDescription": "Deceased"}
    agreed = {
        "ModifiedDate": f"{person.registered}",
        "ModifiedTime": "10:00:00",
        "UserInRoleGuid": user_guid(person.practice, 1),
    }
    yield "Audit_RegistrationAudit", {**owner(person), **agreed, "ModeType": "Insert"}


def clinicians(person: Person, seen: Consultation | None = None) -> Values:
    who = user_guid(person.practice, 1 if seen and seen.kind == CLINIC else 0)
    return {"ClinicianUserInRoleGuid": who, "EnteredByUserInRoleGuid": who}


def consultation_row(person: Person, seen: Consultation) -> Values:
    return {
        **owner(person),
        **clinicians(person, seen),
        "ConsultationGuid": item_guid(person, seen.key),
        "EffectiveDate": f"{seen.at:%Y-%m-%d}",
        "EffectiveDatePrecision": "YMDT",
        "EnteredDate": f"{seen.at:%Y-%m-%d}",
        "EnteredTime": f"{seen.at:%H:%M:%S}",
        "ConsultationSourceTerm": seen.kind,
        "Complete": YES,
        "Deleted": NO,
        "IsConfidential": YES if seen.confidential else NO,
    }


def observation(person: Person, entry: Entry, seen: Consultation | None = None) -> Values:
    """Return the observation row. What was entered before the person registered came with their record, on the day
    they registered."""
    entered = max(seen.at.date() if seen else entry.at, person.registered)
    return {
        **owner(person),
        **clinicians(person, seen),
        "ObservationGuid": item_guid(person, entry.key),
        "EffectiveDate": f"{entry.at}",
        "EffectiveDatePrecision": entry.precision,
        "EnteredDate": f"{entered}",
        "EnteredTime": f"{seen.at:%H:%M:%S}" if seen else "12:00:00",
        "ParentObservationGuid": item_guid(person, entry.parent),
        "CodeId": str(CODES[entry.code].id),
        "ProblemGuid": item_guid(person, entry.about),
        "ConsultationGuid": item_guid(person, entry.consultation),
        "Value": entry.value,
        "NumericUnit": entry.unit,
        "ObservationType": CODES[entry.code].kind,
        "NumericRangeLow": entry.low,
        "NumericRangeHigh": entry.high,
        "Abnormal": YES if entry.abnormal else NO,
        "Episode": entry.episode,
        "Deleted": NO,
        "IsConfidential": YES if entry.confidential else NO,
    }


def problem(person: Person, entry: Entry, status: Problem) -> Values:
    ended = status.ended
    return {
        **owner(person),
        "ObservationGuid": item_guid(person, entry.key),
        "Deleted": NO,
        "EndDate": f"{ended or ''}",
        "EndDatePrecision": "YMD" if ended else "U",
        "ExpectedDuration": "0",
        "ProblemStatusDescription": "Past Problem" if ended else "Active Problem",
        "SignificanceDescription": "Significant Problem" if status.significant else "Minor Problem",
    }


def audit(person: Person, entry: Entry) -> Values:
    return {
        **owner(person),
        "ItemGuid": item_guid(person, entry.key),
        "ModifiedDate": f"{max(entry.at, person.registered)}",
        "ModifiedTime": "12:00:00",
        "UserInRoleGuid": user_guid(person.practice, 0),
        "ItemType": "Observation",
        "ModeType": "Insert",
    }


def referral(person: Person, entry: Entry) -> Values:
    return {
        **owner(person),
        "ObservationGuid": item_guid(person, entry.key),
        "ReferralTargetOrganisationGuid": REGION,
        "ReferralUrgency": "Routine",
        "ReferralServiceType": "Physiotherapy",
        "ReferralMode": "Written",
        "ReferralUBRN": f"{int(person.key[:9], 16):012d}",
        "TransportRequired": NO,
    }


def drug_record(person: Person, medicine: Medicine) -> Values:
    active = medicine.repeat and not medicine.stopped and not person.death and not person.left
    return {
        **owner(person),
        **clinicians(person),
        "DrugRecordGuid": item_guid(person, medicine.key),
        "EffectiveDate": f"{medicine.start}",
        "EffectiveDatePrecision": "YMD",
        "EnteredDate": f"{max(medicine.start, person.registered)}",
        "EnteredTime": "12:00:00",
        **prescribed(person, medicine),
        "PrescriptionType": "Repeat" if medicine.repeat else "Acute",
        "IsActive": YES if active else NO,
        "CancellationDate": f"{medicine.stopped or ''}",
        "NumberOfIssues": str(len(medicine.issues)),
        "NumberOfIssuesAuthorised": "12" if medicine.repeat else "1",
        "IsConfidential": NO,
        "Deleted": NO,
    }


def prescribed(person: Person, medicine: Medicine) -> Values:
    return {
        "CodeId": str(DRUGS[medicine.drug].id),
        "Dosage": person.free(medicine.dosage),
        "Quantity": medicine.quantity,
        "QuantityUnit": medicine.unit,
        "ProblemObservationGuid": item_guid(person, medicine.about),
    }


def issue(person: Person, medicine: Medicine, number: int) -> Values:
    on = medicine.issues[number]
    return {
        **owner(person),
        **clinicians(person),
        "IssueRecordGuid": item_guid(person, f"{medicine.key}.issue{number}"),
        "DrugRecordGuid": item_guid(person, medicine.key),
        "EffectiveDate": f"{on}",
        "EffectiveDatePrecision": "YMD",
        "EnteredDate": f"{max(on, person.registered)}",
        "EnteredTime": "12:00:00",
        **prescribed(person, medicine),
        "CourseDurationInDays": str(medicine.days),
        "EstimatedNhsCost": "1.23",
        "IsConfidential": NO,
        "PatientMessage": person.free("Please book a review") if number == 0 else "",
        "IsPrescribedAsContraceptive": NO,
        "IsPrivatelyPrescribed": NO,
        "PharmacyText": person.free("Deliver to the house") if number == 0 and person.carer else "",
        "Deleted": NO,
    }


def diary(person: Person, reminder: Reminder) -> Values:
    return {
        **owner(person),
        **clinicians(person),
        "DiaryGuid": item_guid(person, reminder.key),
        "EffectiveDate": f"{reminder.due}",
        "EffectiveDatePrecision": "YMD",
        "EnteredDate": f"{max(reminder.made, person.registered)}",
        "EnteredTime": "12:00:00",
        "CodeId": str(CODES[reminder.code].id),
        "OriginalTerm": person.free(CODES[reminder.code].term),
        "DurationTerm": "12 months",
        "Deleted": NO,
        "IsConfidential": NO,
        "IsActive": YES,
        "IsComplete": NO,
    }


def appointment(person: Person, seen: Consultation) -> Rows:
    """Return the slot that the latest consultation was held in, with its session."""
    session, start = item_guid(person, f"{seen.key}.session"), seen.at
    place = 1 if seen.kind == CLINIC else 0
    yield (
        "Appointment_Session",
        {
            "AppointmentSessionGuid": session,
            "Description": seen.kind,
            "LocationGuid": guid("location", person.practice.ods),
            "SessionTypeDescription": "Timed",
            "SessionCategoryDisplayName": "General",
            "StartDate": f"{start:%Y-%m-%d}",
            "StartTime": "08:00:00",
            "EndDate": f"{start:%Y-%m-%d}",
            "EndTime": "18:30:00",
            "Private": NO,
            "OrganisationGuid": organisation_guid(person.practice),
            "Deleted": NO,
        },
    )
    yield (
        "Appointment_SessionUser",
        {"SessionGuid": session, "UserInRoleGuid": user_guid(person.practice, place), "Deleted": NO},
    )
    yield (
        "Appointment_Slot",
        {
            **owner(person),
            "SlotGuid": item_guid(person, f"{seen.key}.slot"),
            "AppointmentDate": f"{start:%Y-%m-%d}",
            "AppointmentStartTime": f"{start:%H:%M:%S}",
            "PlannedDurationInMinutes": "10",
            "SendInTime": f"{start:%H:%M:%S}",
            "LeftTime": f"{start + timedelta(minutes=9):%H:%M:%S}",
            "DidNotAttend": NO,
            "SessionGuid": session,
            "BookedDate": f"{start - timedelta(days=2):%Y-%m-%d}",
            "BookedTime": "09:00:00",
            "SlotStatus": "Left",
            "IsBookableOnline": NO,
            "ModeOfContact": "Face to face",
            "IsBlocked": NO,
            "Deleted": NO,
        },
    )
