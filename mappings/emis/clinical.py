"""Immunisations, procedures, family history and specimens: what was done, or not done, and what is said of others."""

from __future__ import annotations

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Look
from mappings.emis.codes import HL7
from mappings.emis.entry import NOT_DONE, Entry, clinician, encounter, problem, subject
from mappings.emis.values import UK_CORE, UNKNOWN, day, entered, tagged

VACCINATION = UK_CORE + "Extension-UKCore-VaccinationProcedure"
UNNAMED = {"system": HL7 + "v3-NullFlavor", "code": "UNK"}
"""The code names an act of vaccination and no product: the vaccine is unknown, its text what the clinician saw."""
REASONS = {"declined": {"system": HL7 + "v3-ActReason", "code": "PATOBJ"}, "contraindicated": {"system": HL7 + "v3-ActReason", "code": "MEDPREC"}}


def immunisation(made: Entry, look: Look) -> dict:
    """Return the Immunization. Declined, contraindicated or not given is ``not-done`` with its reason, never ``completed``."""
    values, details = made.values, made.said.details
    not_done = made.sense in NOT_DONE or made.sense in ("absent", "suspected", "uncertain")
    when = made.effective
    _, ambiguous = entered(values)
    built = resource(
        "Immunization",
        look.id("Immunization", made.key),
        UK_CORE + "UKCore-Immunization",
        made.security,
        extension=[{"url": VACCINATION, "valueCodeableConcept": made.code.concept}],
        status="not-done" if not_done else "completed",
        statusReason=why(made) if not_done else {},
        vaccineCode={"coding": [UNNAMED], "text": made.code.text},
        patient=subject(values, look),
        encounter=encounter(values, look),
        **({"occurrenceDateTime": when} if when else {"_occurrenceDateTime": UNKNOWN}),
        recorded=made.recorded,
        manufacturer={"display": details.get("manufacturer", "")},
        lotNumber=details.get("batch", ""),
        expirationDate=expiry(details.get("expiry", "")),
        performer=[{"actor": found}] if (found := clinician(values, look)) and not not_done else [],
        note=[*made.notes, *expiry_note(details.get("expiry", ""))],
        reasonReference=problem(values, look),
    )
    return tagged(built, ambiguous)


def why(made: Entry) -> dict:
    """Return the reason it was not done: the code where there is one for it, always the words."""
    reason = REASONS.get(made.sense)
    words = made.code.text if made.in_words else made.said.words
    return {"coding": [reason] if reason else [], "text": words}


def expiry(text: str) -> str:
    """Return an expiry date that is written as a date, "" for any other."""
    try:
        return day({"expiry": text[:10]}, "expiry") if text else ""
    except Invalid:
        return ""


def expiry_note(text: str) -> list[dict]:
    return [{"text": f"Expiry date: {text}"}] if text and not expiry(text) else []


def procedure(made: Entry, look: Look) -> dict:
    """Return the Procedure: completed, ``not-done`` with its reason, or of unknown status where it is only suspected."""
    values = made.values
    not_done = made.sense in NOT_DONE or made.sense == "absent"
    _, ambiguous = entered(values)
    built = resource(
        "Procedure",
        look.id("Procedure", made.key),
        UK_CORE + "UKCore-Procedure",
        made.security,
        status="not-done" if not_done else "unknown" if made.sense in ("suspected", "uncertain") else "completed",
        statusReason=why(made) if not_done else {},
        code=made.code.concept,
        subject=subject(values, look),
        encounter=encounter(values, look),
        performedDateTime=made.effective,
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        performer=[{"actor": found}] if (found := clinician(values, look)) and not not_done else [],
        reasonReference=problem(values, look),
        bodySite=[{"text": site}] if (site := made.said.details.get("site")) else [],
        note=made.notes,
    )
    return tagged(built, ambiguous)


def family_history(made: Entry, look: Look) -> dict:
    """Return the FamilyMemberHistory: of a relative, never of the patient. Who it is, only as far as a qualifier says."""
    values = made.values
    relative = made.said.details.get("relationship", "")
    family = {"coding": [{"system": HL7 + "v3-RoleCode", "code": "FAMMEMB"}], "text": relative or "Family member"}
    return resource(
        "FamilyMemberHistory",
        look.id("FamilyMemberHistory", made.key),
        UK_CORE + "UKCore-FamilyMemberHistory",
        made.security,
        status="completed",
        patient=subject(values, look),
        date=made.effective,
        relationship=family,
        condition=[{"code": made.code.concept, "note": made.notes}],
    )


def specimen(made: Entry, look: Look) -> dict:
    """Return the Specimen."""
    values = made.values
    return resource(
        "Specimen",
        look.id("Specimen", made.key),
        UK_CORE + "UKCore-Specimen",
        made.security,
        type=made.code.concept,
        subject=subject(values, look),
        collection={"collector": clinician(values, look), "collectedDateTime": made.effective},
        note=made.notes,
    )
