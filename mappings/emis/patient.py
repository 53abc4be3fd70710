"""A patient row and its registration history to Patient and EpisodeOfCare."""

from __future__ import annotations

import re
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import with_offset
from gateway.nhs.identifiers import is_valid, normalise
from mappings import Group, Look, Row, Values
from mappings.emis.audit import provenance
from mappings.emis.codes import coded, label
from mappings.emis.delivery import extracted
from mappings.emis.delivery import organisation as organisation_of
from mappings.emis.demographics import about
from mappings.emis.entry import clinician
from mappings.emis.tables import HISTORY, OBSERVATION, PATIENT, REGISTRATION, REGISTRATION_AUDIT
from mappings.emis.values import address, day, day_before, guid, identifier, is_true
from mappings.vocabulary import (
    CANNOT_BE,
    ESTIMATED,
    LOCAL_NUMBER,
    NUMBER_STATUS,
    NUMBER_VERIFICATION,
    REGISTRATION_TYPE,
    UK_CORE,
    WRONG_NUMBER,
    can_be,
    tagged,
)

GENDERS = {"M": "male", "F": "female", "I": "other", "U": "unknown"}


def to_patient(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient and the registration. A dummy patient makes no resource. A deleted one is kept, ended and
    withheld.

    EMIS deletes the patient's row alone and patients also fall out of scope in time, so what depends on it is withheld
    and not deleted.
    """
    row = next((row for row in group.rows if row.table == PATIENT), None)
    if row is None or is_true(row.values["DummyType"]):
        return []
    count_impossible(row, look)
    count_unlisted(row, look)
    history = [change for change in group.of(HISTORY) if is_dated(change, "HistoryDate", look)]
    registrations = [spell for spell in group.of(REGISTRATION) if is_dated(spell, "DateOfRegistration", look)]
    current = registration(row, since_registration(row, history), look)
    person = patient(row, about(group.of(OBSERVATION), look), look)
    known = [earlier(row, spell, after, look) for spell, after in past(row, registrations)]
    audits = [audit for audit in group.rows if audit.table == REGISTRATION_AUDIT]
    return [
        person,
        current,
        *known,
        *(in_history(row, spell, look) for spell in past_in_history(row, registrations, history, look)),
        *provenance(audits, [person, current], look),
    ]


def is_dated(row: Row, column: str, look: Look) -> bool:
    """Whether a date of what stands beside the patient's row can be read. The Patient does not wait for it."""
    try:
        day(row.values, column)
        day(row.values, "DateofDeactivation")
    except Invalid:
        look.warn(column, "a date that cannot be read")
        return False
    return True


def past(row: Row, registrations: list[Row]) -> list[tuple[Row, Row]]:
    """Return the earlier registrations, each with the one sent after it: those that were ended, and those after
    which one of another type came. One without an end after which the same type came had another date by mistake."""
    now = row.values["DateOfRegistration"][:10]
    spells = [spell for spell in registrations if spell.values["DateOfRegistration"][:10] != now]
    spells.sort(key=lambda spell: spell.order)
    return [
        (spell, after)
        for spell, after in zip(spells, [*spells[1:], row], strict=False)
        if left(spell) or type_of(spell) != type_of(after)
    ]


def since_registration(row: Row, history: list[Row]) -> list[Row]:
    """Return what the history says of the registration that the patient's row tells; what came before is of others."""
    start = day(row.values, "DateOfRegistration")
    return [change for change in history if day(change.values, "HistoryDate") >= start]


def past_in_history(row: Row, registrations: list[Row], history: list[Row], look: Look) -> list[tuple[str, str]]:
    """Return beginning and end of the registrations that only the history tells: one that it says began and ended,
    before the one of the patient's row and apart from every other that is known. One that goes on is never among them:
    whether somebody is registered now is the patient's row to say."""
    starts = sorted(day(spell.values, "DateOfRegistration") for spell in (row, *registrations))
    now = day(row.values, "DateOfRegistration") or extracted(row.order)
    over = []
    for start, end in spells(history):
        if any(start <= known <= end for known in starts if known) or not born(row) <= start:
            continue
        if end > now:
            look.warn("HistoryDate", "a registration that goes on into the one of the patient's row")
        else:
            over.append((start, end))
    return over


def spells(history: list[Row]) -> list[tuple[str, str]]:
    """Return the (first, last) days of the registrations that a history says began and ended, in their order."""
    over, start = [], ""
    for when, status in sorted(statuses(history)):
        if status == "active":
            start = start or when[:10]
        elif status == "finished" and start:
            over.append((start, when[:10]))
            start = ""
    return over


def in_history(row: Row, spell: tuple[str, str], look: Look) -> dict[str, Any]:
    """Return a registration that only the history tells. Of which type it was nobody says, so it is no regular one."""
    return resource(
        "EpisodeOfCare",
        look.id("EpisodeOfCare", f"{row.key}|{spell[0]}"),
        UK_CORE + "UKCore-EpisodeOfCare",
        security(row),
        status="finished",
        patient=look.reference("Patient", row.key),
        managingOrganization=organisation(row, look),
        period={"start": spell[0], "end": spell[1]},
    )


def type_of(spell: Row) -> str:
    return str(spell.values["PatientTypeDescription"]).strip()


def earlier(row: Row, spell: Row, after: Row, look: Look) -> dict[str, Any]:
    """Return an earlier registration. Where no end of it was told, it ended before the next began, for all we know."""
    start, end = day(spell.values, "DateOfRegistration"), left(spell)
    next_start = day(after.values, "DateOfRegistration")
    if not end and start < next_start:
        known = {"end": day_before(next_start), "_end": ESTIMATED}
    else:
        known = {"end": end if end >= start else ""}
    return episode(row, spell, "finished", {"start": start if born(row) <= start else "", **known}, [], look)


def born(row: Row) -> str:
    """Return the birth date, "" where it is none or cannot be."""
    birth = day(row.values, "DateOfBirth")
    return birth if birth <= extracted(row.order) else ""


def died(row: Row) -> str:
    """Return the date of death, "" where it is none or cannot be: before birth, or after the extract. Nobody is dead by
    a date that cannot be."""
    death = day(row.values, "DateOfDeath")
    return death if can_be(death, born(row), extracted(row.order)) else ""


def left(row: Row) -> str:
    """Return the day on which the registration was ended, "" where it goes on. A day after the extract is still to
    come, or stands for none."""
    end = day(row.values, "DateofDeactivation")
    return end if end <= extracted(row.order) else ""


def count_impossible(row: Row, look: Look) -> None:
    """Count the dates of a patient that cannot be. They say nothing of the person."""
    for column, kept in (("DateOfBirth", born(row)), ("DateOfDeath", died(row)), ("DateofDeactivation", left(row))):
        if day(row.values, column) and not kept:
            look.warn(column, CANNOT_BE)


def count_unlisted(row: Row, look: Look) -> None:
    """Count the words of a patient that decide something and that no table knows: a type that is not "Regular" in words
    of its own is no registration, and opens nothing to the practice."""
    kind, sex = row.values["PatientTypeDescription"].strip(), row.values["Sex"].strip()
    if kind and not coded("registration", kind):
        look.unlisted(PATIENT, "PatientTypeDescription", kind)
    if sex and sex.upper() not in GENDERS:
        look.unlisted(PATIENT, "Sex", sex)


def security(row: Row) -> tuple[str, ...]:
    flags = ("R",) if is_true(row.values["SpineSensitive"]) or is_true(row.values["IsConfidential"]) else ()
    return (*flags, "withheld") if row.deleted else flags


def patient(row: Row, of_entries: dict[str, Any], look: Look) -> dict[str, Any]:
    """Return the Patient; ``of_entries`` are the elements that its coded entries tell."""
    values = row.values
    return resource(
        "Patient",
        look.id("Patient", row.key),
        UK_CORE + "UKCore-Patient",
        security(row),
        extension=of_entries["extension"],
        identifier=identifiers(row, look),
        active=not row.deleted,
        name=[name(values)],
        telecom=telecoms(values),
        gender=GENDERS.get(values["Sex"].strip().upper(), ""),
        birthDate=born(row),
        deceasedDateTime=died(row),
        address=[address(values)],
        contact=contacts(values),
        communication=of_entries["communication"],
        generalPractitioner=practitioners(row, look),
        managingOrganization=organisation(row, look),
    )


def identifiers(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the NHS number, the practice's own number and EMIS's. A number whose check digit is wrong is shown as
    sent and identifies nobody; a verification status is written only when the source says one."""
    values = row.values
    numbers: list[dict[str, Any]] = []
    number, said = normalise(values["NhsNumber"]), values["NHSNumberStatus"].strip()
    if is_valid(number):
        verified = {"coding": [{"system": NUMBER_STATUS, "code": said}]} if re.fullmatch(r"0[1-8]", said) else {}
        extension = [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": verified}] if verified else []
        numbers.append({"extension": extension, "system": NHS_NUMBER, "value": number})
    elif any(map(str.isdigit, number)):
        numbers.append({"type": WRONG_NUMBER, "value": number})
    if values["PatientNumber"].strip():
        numbers.append(
            {"system": LOCAL_NUMBER, "value": values["PatientNumber"].strip(), "assigner": organisation(row, look)}
        )
    return [*numbers, identifier(row.key)]


def name(values: Values) -> dict[str, Any]:
    given_names = [values["GivenName"].strip(), *values["MiddleNames"].split()]
    parts = {
        "family": values["Surname"].strip(),
        "given": [given_name for given_name in given_names if given_name],
        "prefix": [values["Title"].strip()],
    }
    return {"use": "official", **parts} if parts["family"] or parts["given"] else {}


def telecoms(values: Values) -> list[dict[str, Any]]:
    columns = (("HomePhone", "phone", "home"), ("MobilePhone", "phone", "mobile"), ("EmailAddress", "email", ""))
    return [
        {"system": system, "value": text, "use": use}
        for column, system, use in columns
        if (text := values[column].strip())
    ]


def contacts(values: Values) -> list[dict[str, Any]]:
    """Return the carer."""
    carer, relation = values["CarerName"].strip(), values["CarerRelation"].strip()
    return [{"relationship": [{"text": relation}], "name": {"text": carer}}] if carer else []


def practitioners(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the usual GP here, and the one elsewhere that EMIS knows by name."""
    values = row.values
    practitioners = [clinician(values, look, "UsualGpUserInRoleGuid")]
    outside = values["ExternalUsualGPOrganisation"]
    reference = organisation_of(guid(outside), row, look) if outside else {}
    practitioners.append({**reference, "display": values["ExternalUsualGP"].strip()})
    return practitioners


def organisation(row: Row, look: Look) -> dict[str, Any]:
    return organisation_of(guid(row.values["OrganisationGuid"]), row, look)


def registration(row: Row, history: list[Row], look: Look) -> dict[str, Any]:
    """Return the registration as an episode, one per date of registration (EMIS keeps only the newest). Finished when
    it was ended, or the patient died or was deleted. A registration before birth or after the extract is a slip of the
    key: its date is left out."""
    values = row.values
    start, end = day(values, "DateOfRegistration"), left(row) or died(row)
    is_possible = born(row) <= start <= extracted(row.order)
    period = {"start": start if is_possible else "", "end": end if end >= start else ""}
    status = "finished" if end or row.deleted else "active"
    current = episode(row, row, status, period, status_history(history), look)
    return tagged(current, any(moment(row.values)[1] for row in history))


def episode(
    row: Row, spell: Row, status: str, period: dict[str, Any], history: list[dict[str, Any]], look: Look
) -> dict[str, Any]:
    """Return a registration of a patient (``row``) as ``spell`` says it."""
    values = spell.values
    return resource(
        "EpisodeOfCare",
        look.id("EpisodeOfCare", f"{row.key}|{day(values, 'DateOfRegistration')}"),
        UK_CORE + "UKCore-EpisodeOfCare",
        security(row),
        status=status,
        statusHistory=history,
        type=registration_type(values["PatientTypeDescription"].strip()),
        patient=look.reference("Patient", row.key),
        managingOrganization=organisation(row, look),
        period=period,
        careManager=clinician(values, look, "UsualGpUserInRoleGuid"),
    )


def registration_type(words: str) -> list[dict[str, Any]]:
    code = coded("registration", words)
    coding = [{"system": REGISTRATION_TYPE, "code": code, "display": label("registration", words)}] if code else []
    return [{"coding": coding, "text": words}]


def status_history(history: list[Row]) -> list[dict[str, Any]]:
    """Return the statuses whose words the table knows, each from its time to the next."""
    changes = sorted(statuses(history))
    ends = [when for when, _ in changes[1:]] + [""]
    return [
        {"status": status, "period": {"start": when, "end": end}}
        for (when, status), end in zip(changes, ends)
        if status
    ]


def statuses(history: list[Row]) -> set[tuple[str, str]]:
    """Return when the status of a registration changed, and what the table knows of the word, "" for nothing."""
    return {
        (moment(row.values)[0], coded("registration_status", row.values["StatusDescription"], target="status"))
        for row in history
    }


def moment(values: Values) -> tuple[str, bool]:
    """Return the time of a change of registration, and whether the clock showed it twice."""
    changed, time = day(values, "HistoryDate"), values["HistoryTime"][:8]
    return with_offset(changed, time) if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", time) else (changed, False)
