"""Maps immunisations, procedures, family history and specimens."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Look, Values
from mappings.emis.entry import NOT_DONE, Entry, clinician, encounter, filed, problem, subject
from mappings.emis.values import day, entered, identifier
from mappings.emis.words import matches, words
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN, tagged

VACCINATION = UK_CORE + "Extension-UKCore-VaccinationProcedure"
ENCOUNTER = UK_CORE + "Extension-UKCore-AssociatedEncounter"
"""For types that have no encounter: what was said in a confidential consultation is hidden with it."""
REASONS = {
    "declined": {"system": HL7 + "v3-ActReason", "code": "PATOBJ"},
    "contraindicated": {"system": HL7 + "v3-ActReason", "code": "MEDPREC"},
}


def immunisation(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the Immunization. Declined, contraindicated or not given is ``not-done`` with its reason, never
    ``completed``.

    A term that says who else gave it is a report of the practice and not its own act: ``primarySource`` false.
    The code names an act of vaccination and no product: it is the vaccination procedure, and for want of a product the
    vaccine too.
    """
    values, details = entry.values, entry.said.details
    not_done = entry.sense in NOT_DONE or entry.sense in ("absent", "suspected", "uncertain")
    when, person, expires = entry.effective, clinician(values, look), details.get("expiry", "")
    elsewhere = matches("elsewhere", words(entry.code.text))
    recorded, ambiguous = entered(values)
    immunisation = resource(
        "Immunization",
        look.id("Immunization", entry.key),
        UK_CORE + "UKCore-Immunization",
        entry.security,
        is_clean=True,
        identifier=[identifier(entry.key)],
        extension=[{"url": VACCINATION, "valueCodeableConcept": entry.code.concept}],
        status="not-done" if not_done else "completed",
        statusReason=why(entry) if not_done else None,
        vaccineCode=entry.code.concept,
        patient=subject(values, look),
        encounter=encounter(values, look),
        occurrenceDateTime=when,
        _occurrenceDateTime=None if when else UNKNOWN,
        recorded=recorded,
        primarySource=False if elsewhere else None,
        manufacturer={"display": details["manufacturer"]} if details.get("manufacturer") else None,
        lotNumber=details.get("batch"),
        expirationDate=expiry(expires),
        performer=[{"actor": person}] if person and not not_done and not elsewhere else None,
        note=[*entry.notes, *expiry_note(expires)],
        reasonReference=problem(values, look),
    )
    return tagged(immunisation, ambiguous)


def why(entry: Entry) -> dict[str, Any]:
    """Return the reason it was not done: the code where there is one for it, always the words."""
    reason = REASONS.get(entry.sense)
    words = entry.code.text if entry.in_words else entry.said.words
    return {"coding": [reason], "text": words} if reason else {"text": words}


def expiry(text: str) -> str:
    """Return an expiry date that is written as a date, "" for any other."""
    try:
        return day(Values(expiry=text[:10]), "expiry") if text else ""
    except Invalid:
        return ""


def expiry_note(text: str) -> list[dict[str, Any]]:
    return [{"text": f"Expiry date: {text}"}] if text and not expiry(text) else []


def procedure(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the Procedure: completed, ``not-done`` with its reason, or of unknown status where it is only
    suspected."""
    values, person = entry.values, clinician(entry.values, look)
    not_done = entry.sense in NOT_DONE or entry.sense == "absent"
    site = entry.said.details.get("site")
    return resource(
        "Procedure",
        look.id("Procedure", entry.key),
        UK_CORE + "UKCore-Procedure",
        entry.security,
        is_clean=True,
        identifier=[identifier(entry.key)],
        status="not-done" if not_done else "unknown" if entry.sense in ("suspected", "uncertain") else "completed",
        statusReason=why(entry) if not_done else None,
        code=entry.code.concept,
        subject=subject(values, look),
        encounter=encounter(values, look),
        performedDateTime=entry.effective,
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        performer=[{"actor": person}] if person and not not_done else None,
        reasonReference=problem(values, look),
        bodySite=[{"text": site}] if site else None,
        note=entry.notes,
    )


def family_history(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the FamilyMemberHistory: of a relative, never of the patient. Who it is, only as far as a qualifier says;
    what else qualifiers say (how certain it is) FHIR has only a note for."""
    values, said = entry.values, entry.said
    _, ambiguous = entered(values)
    words = (
        [{"text": said.words}]
        if said.words and not (entry.in_words or said.is_mixed) and said.sense != "family"
        else []
    )
    relative = entry.said.details.get("relationship", "")
    family = {"coding": [{"system": HL7 + "v3-RoleCode", "code": "FAMMEMB"}], "text": relative or "Family member"}
    history = resource(
        "FamilyMemberHistory",
        look.id("FamilyMemberHistory", entry.key),
        UK_CORE + "UKCore-FamilyMemberHistory",
        entry.security,
        identifier=[identifier(entry.key)],
        extension=consultation(entry, look),
        status="completed",
        patient=subject(values, look),
        date=entry.effective,
        relationship=family,
        reasonReference=problem(values, look),
        condition=[{"code": entry.code.concept, "note": [*entry.notes, *words]}],
    )
    return tagged(history, ambiguous)


def consultation(entry: Entry, look: Look) -> list[dict[str, Any]]:
    """Return the extension that points at the consultation, [] for none."""
    reference = encounter(entry.values, look)
    return [{"url": ENCOUNTER, "valueReference": reference}] if reference else []


def specimen(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the Specimen."""
    values = entry.values
    _, ambiguous = entered(values)
    taken = resource(
        "Specimen",
        look.id("Specimen", entry.key),
        UK_CORE + "UKCore-Specimen",
        entry.security,
        identifier=[identifier(entry.key)],
        extension=[*consultation(entry, look), *filed(entry, look)],
        type=entry.code.concept,
        subject=subject(values, look),
        collection={"collector": clinician(values, look), "collectedDateTime": entry.effective},
        note=entry.notes,
    )
    return tagged(taken, ambiguous)
