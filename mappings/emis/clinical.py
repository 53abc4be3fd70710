"""Maps immunisations, procedures, family history and specimens."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Look, Values
from mappings.emis.entry import NOT_DONE, Entry, clinician, encounter, filed, problem, subject
from mappings.emis.values import day, entered
from mappings.emis.words import matches, words
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN, tagged

VACCINATION = UK_CORE + "Extension-UKCore-VaccinationProcedure"
ENCOUNTER = UK_CORE + "Extension-UKCore-AssociatedEncounter"
"""For types that have no encounter: what was said in a confidential consultation is hidden with it."""
REASONS = {
    "declined": {"system": HL7 + "v3-ActReason", "code": "PATOBJ"},
    "contraindicated": {"system": HL7 + "v3-ActReason", "code": "MEDPREC"},
}


def immunisation(made: Entry, look: Look) -> dict[str, Any]:
    """Return the Immunization. Declined, contraindicated or not given is ``not-done`` with its reason, never
    ``completed``.

    A term that says who else gave it is a report of the practice and not its own act: ``primarySource`` false.
    The code names an act of vaccination and no product: it is the vaccination procedure, and for want of a product the
    vaccine too.
    """
    values, details = made.values, made.said.details
    not_done = made.sense in NOT_DONE or made.sense in ("absent", "suspected", "uncertain")
    when, person, expires = made.effective, clinician(values, look), details.get("expiry", "")
    elsewhere = matches("elsewhere", words(made.code.text))
    recorded, ambiguous = entered(values)
    immunisation = resource(
        "Immunization",
        look.id("Immunization", made.key),
        UK_CORE + "UKCore-Immunization",
        made.security,
        is_clean=True,
        extension=[{"url": VACCINATION, "valueCodeableConcept": made.code.concept}],
        status="not-done" if not_done else "completed",
        statusReason=why(made) if not_done else None,
        vaccineCode=made.code.concept,
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
        note=[*made.notes, *expiry_note(expires)],
        reasonReference=problem(values, look),
    )
    return tagged(immunisation, ambiguous)


def why(made: Entry) -> dict[str, Any]:
    """Return the reason it was not done: the code where there is one for it, always the words."""
    reason = REASONS.get(made.sense)
    words = made.code.text if made.in_words else made.said.words
    return {"coding": [reason], "text": words} if reason else {"text": words}


def expiry(text: str) -> str:
    """Return an expiry date that is written as a date, "" for any other."""
    try:
        return day(Values(expiry=text[:10]), "expiry") if text else ""
    except Invalid:
        return ""


def expiry_note(text: str) -> list[dict[str, Any]]:
    return [{"text": f"Expiry date: {text}"}] if text and not expiry(text) else []


def procedure(made: Entry, look: Look) -> dict[str, Any]:
    """Return the Procedure: completed, ``not-done`` with its reason, or of unknown status where it is only
    suspected."""
    values, person = made.values, clinician(made.values, look)
    not_done = made.sense in NOT_DONE or made.sense == "absent"
    site = made.said.details.get("site")
    return resource(
        "Procedure",
        look.id("Procedure", made.key),
        UK_CORE + "UKCore-Procedure",
        made.security,
        is_clean=True,
        status="not-done" if not_done else "unknown" if made.sense in ("suspected", "uncertain") else "completed",
        statusReason=why(made) if not_done else None,
        code=made.code.concept,
        subject=subject(values, look),
        encounter=encounter(values, look),
        performedDateTime=made.effective,
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        performer=[{"actor": person}] if person and not not_done else None,
        reasonReference=problem(values, look),
        bodySite=[{"text": site}] if site else None,
        note=made.notes,
    )


def family_history(made: Entry, look: Look) -> dict[str, Any]:
    """Return the FamilyMemberHistory: of a relative, never of the patient. Who it is, only as far as a qualifier says;
    what else qualifiers say (how certain it is) FHIR has only a note for."""
    values, said = made.values, made.said
    _, ambiguous = entered(values)
    words = (
        [{"text": said.words}] if said.words and not (made.in_words or said.is_mixed) and said.sense != "family" else []
    )
    relative = made.said.details.get("relationship", "")
    family = {"coding": [{"system": HL7 + "v3-RoleCode", "code": "FAMMEMB"}], "text": relative or "Family member"}
    history = resource(
        "FamilyMemberHistory",
        look.id("FamilyMemberHistory", made.key),
        UK_CORE + "UKCore-FamilyMemberHistory",
        made.security,
        extension=consultation(made, look),
        status="completed",
        patient=subject(values, look),
        date=made.effective,
        relationship=family,
        reasonReference=problem(values, look),
        condition=[{"code": made.code.concept, "note": [*made.notes, *words]}],
    )
    return tagged(history, ambiguous)


def consultation(made: Entry, look: Look) -> list[dict[str, Any]]:
    """Return the extension that points at the consultation, [] for none."""
    found = encounter(made.values, look)
    return [{"url": ENCOUNTER, "valueReference": found}] if found else []


def specimen(made: Entry, look: Look) -> dict[str, Any]:
    """Return the Specimen."""
    values = made.values
    _, ambiguous = entered(values)
    taken = resource(
        "Specimen",
        look.id("Specimen", made.key),
        UK_CORE + "UKCore-Specimen",
        made.security,
        extension=[*consultation(made, look), *filed(made, look)],
        type=made.code.concept,
        subject=subject(values, look),
        collection={"collector": clinician(values, look), "collectedDateTime": made.effective},
        note=made.notes,
    )
    return tagged(taken, ambiguous)
