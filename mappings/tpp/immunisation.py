"""Vaccinations: a row of SRImmunisation, or a coded entry, to Immunization."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.clinical import REASONS, VACCINATION, why
from mappings.emis.entry import NOT_DONE, Entry
from mappings.emis.sense import sense_of
from mappings.emis.words import matches, words
from mappings.tpp.codes import concept_of
from mappings.tpp.delivery import reference_id
from mappings.tpp.entry import clinician, encounter, name, notes, places, security, subject
from mappings.tpp.lists import is_listed, word
from mappings.tpp.tables import CENTRAL, CONTENT, IMMUNISATION
from mappings.tpp.times import day, is_doubtful, when
from mappings.vocabulary import UK_CORE, UNKNOWN, tagged, unit

PROFILE = UK_CORE + "UKCore-Immunization"
WHEN = ("DateEvent", "DateEventRecorded")
_DOSE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?([A-Za-zµ]{1,20})")
_IS_NOT_DONE = NOT_DONE | {"absent", "planned", "suspected", "uncertain"}
NAMELESS = "Vaccination not named in the data received"


def to_immunisation(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Immunization. A status whose words say that it was declined or not given makes it ``not-done``; one
    whose meaning nobody has published is a note, and counted."""
    row = next(iter(group.of(IMMUNISATION)), None)
    if row is None:
        return []
    values, person = row.values, clinician(row.values, look)
    concept = concept_of(values["ImmsReadCode"].strip(), values["ImmsSNOMEDCode"].strip(), look)
    status = word(row, "VaccinationStatus", look)
    sense = next((sense for text in (status, concept.get("text", "")) if (sense := sense_of(text))), "")
    is_not_done, is_own = sense in _IS_NOT_DONE, not is_given_elsewhere(row, concept)
    if status and not is_not_done and not is_listed("vaccination_status", status):
        look.unlisted(IMMUNISATION, "VaccinationStatus", status)
    immunisation = resource(
        "Immunization",
        look.id("Immunization", name(row)),
        PROFILE,
        security(row),
        extension=[{"url": VACCINATION, "valueCodeableConcept": concept}] if concept else [],
        status="not-done" if is_not_done else "completed",
        statusReason=reason(sense, status or concept.get("text", "")) if is_not_done else None,
        vaccineCode=vaccine(row, concept, look),
        patient=subject(row, look),
        encounter=encounter(values, look),
        occurrenceDateTime=when(values, "DateEvent"),
        _occurrenceDateTime=None if when(values, "DateEvent") else UNKNOWN,
        recorded=when(values, "DateEventRecorded"),
        primarySource=None if is_own else False,
        lotNumber=values["VaccBatchNumber"].strip(),
        expirationDate=day(values, "DateExpiry"),
        site={"text": word(row, "Location", look)},
        route={"text": word(row, "Method", look)},
        doseQuantity=dose(values["Dose"].strip()),
        performer=[{"actor": person}] if person and is_own and not is_not_done else [],
        note=[{"text": text} for text in said(row, status)] + places(row),
        protocolApplied=part(word(row, "VaccPart", look)),
    )
    return [tagged(immunisation, is_doubtful(values, *WHEN))]


def is_given_elsewhere(row: Row, concept: dict[str, Any]) -> bool:
    """Whether another organisation gave it: the row says where it was done, or the words of its code say so."""
    done = row.values["IDOrganisationDoneAt"].strip().upper()
    return bool(done) and done != row.publisher or matches("elsewhere", words(concept.get("text", "")))


def vaccine(row: Row, concept: dict[str, Any], look: Look) -> dict[str, Any]:
    """Return the vaccine: the codes of the act of vaccination, for want of a product, and the name of what it was."""
    content = reference_id(row.values, "IDImmunisationContent")
    entry = look.row(CONTENT, content, CENTRAL) if content else None
    if content and entry is None:
        look.unlisted(IMMUNISATION, "IDImmunisationContent", content)
    written = entry.values["Name"].strip() if entry else ""
    against = entry.values["Content"].strip() if entry else ""
    text = f"{written} ({against})" if written and against and against != written else written or against
    return {**concept, "text": text or concept.get("text", "") or ("" if concept else NAMELESS)}


def reason(sense: str, text: str) -> dict[str, Any]:
    code = REASONS.get(sense)
    return {"coding": [code], "text": text} if code else {"text": text}


def dose(text: str) -> dict[str, Any]:
    """Return a dose that is a number and a unit, {} for any other, which is a note.

    >>> dose("0.5 ml")["value"], dose("half")
    (Decimal('0.5'), {})
    """
    match = _DOSE.fullmatch(text)
    return {"value": Decimal(match[1]), **unit(match[2])} if match else {}


def said(row: Row, status: str) -> list[str]:
    written = row.values["Dose"].strip()
    texts = [f"Dose: {written}"] if written and not dose(written) else []
    return texts + ([f"Vaccination status: {status}"] if status else [])


def part(text: str) -> list[dict[str, Any]]:
    """Return the place of a dose in its course: a number, or words such as Booster."""
    if not text:
        return []
    return [
        {"doseNumberPositiveInt": int(text)}
        if text.isascii() and text.isdigit() and int(text)
        else {"doseNumberString": text}
    ]


def coded_immunisation(built: Entry, look: Look) -> dict[str, Any]:
    """Return the Immunization of a coded entry. Declined, contraindicated or not given is ``not-done`` with its reason,
    never ``completed``."""
    row, values = built.row, built.values
    is_not_done = built.sense in NOT_DONE or built.sense in ("absent", "suspected", "uncertain")
    person, is_own = clinician(values, look), not is_given_elsewhere(row, built.code.concept)
    at = when(values, "DateEvent")
    immunisation = resource(
        "Immunization",
        look.id("Immunization", name(row)),
        PROFILE,
        security(row),
        extension=[{"url": VACCINATION, "valueCodeableConcept": built.code.concept}],
        status="not-done" if is_not_done else "completed",
        statusReason=why(built) if is_not_done else None,
        vaccineCode=built.code.concept,
        patient=subject(row, look),
        encounter=encounter(values, look),
        occurrenceDateTime=at,
        _occurrenceDateTime=None if at else UNKNOWN,
        recorded=when(values, "DateEventRecorded"),
        primarySource=None if is_own else False,
        performer=[{"actor": person}] if person and is_own and not is_not_done else [],
        note=notes(built),
    )
    return tagged(immunisation, is_doubtful(values, *WHEN))
