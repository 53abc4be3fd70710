"""A consultation to Encounter."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Group, Look, Row, Values
from mappings.emis.codes import code_of, coded
from mappings.emis.delivery import organisation
from mappings.emis.entry import clinician, subject
from mappings.emis.values import entered, guid, identifier, is_true, partial
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN, tagged

PERFORMER = {"coding": [{"system": HL7 + "v3-ParticipationType", "code": "PPRF"}]}
STATUS = {"true": "finished", "1": "finished", "false": "in-progress", "0": "in-progress"}


def to_encounter(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Encounter. A consultation whose completeness is not said is of unknown status."""
    row = next(iter(group.of("CareRecord_Consultation")), None)
    if row is None:
        return []
    values = row.values
    _, ambiguous = entered(values)
    person, booked = clinician(values, look), values["AppointmentSlotGuid"]
    built = resource(
        "Encounter",
        look.id("Encounter", row.key),
        UK_CORE + "UKCore-Encounter",
        ("R",) if is_true(values["IsConfidential"]) else (),
        identifier=[identifier(row.key)],
        status=STATUS.get(values["Complete"].lower(), "unknown"),
        class_=class_of(values),
        type=types(row, look),
        subject=subject(values, look),
        appointment=[look.reference("Appointment", f"{row.patient}|{guid(booked)}")] if booked else [],
        participant=[{"type": [PERFORMER], "individual": person}] if person else [],
        period={"start": partial(values, "EffectiveDate")},
        serviceProvider=organisation(guid(values["OrganisationGuid"]), row, look),
    )
    return [tagged(built, ambiguous)]


def class_of(values: Values) -> dict[str, Any]:
    """Return the class that the consultation's source means, marked as unknown where the table does not know it."""
    for words in (values["ConsultationSourceTerm"], values["ConsultationType"]):
        if code := coded("consultation", words, target="class"):
            return {"system": HL7 + "v3-ActCode", "code": code}
    return UNKNOWN


def types(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the kind of consultation as coded, and the words of its source and type."""
    values = row.values
    texts = [values["ConsultationSourceTerm"].strip(), values["ConsultationType"].strip()]
    if not values["ConsultationSourceCodeId"]:
        return [{"text": text} for text in dict.fromkeys(texts) if text]
    try:
        concept = code_of(row, look, "ConsultationSourceCodeId").concept
    except Invalid:
        concept = {}  # the text is present; the group is mapped again when the code arrives
    return [{**concept, "text": texts[0] or concept.get("text", "")}, *([{"text": texts[1]}] if texts[1] else [])]
