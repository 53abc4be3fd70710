"""An event (SREvent) to Encounter."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.codes import coded as emis_coded
from mappings.emis.encounter import PERFORMER
from mappings.emis.values import is_true
from mappings.tpp.delivery import reference_id
from mappings.tpp.entry import clinician, identifier, organisation, security, subject
from mappings.tpp.lists import coded, word
from mappings.tpp.tables import EVENT, OPTION, REFERRAL_IN
from mappings.tpp.times import is_doubtful, when
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN, tagged


def to_event(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Encounter. One that is incomplete goes on; where nothing is said of that, its status is unknown."""
    row = next(iter(group.of(EVENT)), None)
    if row is None:
        return []
    values = row.values
    person, referral = clinician(values, look), reference_id(values, "IDReferralIn")
    texts = [word(row, "ContactMethod", look, OPTION), word(row, "ContactEventLocation", look, OPTION)]
    branch = reference_id(values, "IDBranch")
    provider = values["IDOrganisationDoneAt"].strip() or values["IDOrganisation"].strip() or row.publisher
    built = resource(
        "Encounter",
        look.id("Encounter", row.key),
        UK_CORE + "UKCore-Encounter",
        security(row),
        identifier=[identifier(row)],
        status=status(row),
        class_=class_of(row, texts, look),
        type=types(row, texts),
        subject=subject(row, look),
        basedOn=[look.reference("ServiceRequest", f"{REFERRAL_IN}|{referral}")] if referral else [],
        participant=[{"type": [PERFORMER], "individual": person}] if person else [],
        period={"start": when(values, "DateEvent")},
        location=[{"location": look.reference("Location", branch)}] if branch else [],
        serviceProvider=organisation(provider, look),
    )
    return [tagged(built, is_doubtful(values, "DateEvent"))]


def status(row: Row) -> str:
    """Return the status. An incomplete event that is not a clinical one is a letter or note somebody still has to file:
    an open encounter would make the unit one that attends to the patient."""
    said = row.values["EventIncomplete"].strip()
    if is_true(said):
        return "in-progress" if is_true(row.values["ClinicalEvent"].strip()) else "unknown"
    return "finished" if said else "unknown"


def class_of(row: Row, texts: list[str], look: Look) -> dict[str, Any]:
    """Return the class that the words of an event mean, marked as unknown where no table knows them: units choose them
    themselves."""
    for column, text in zip(("ContactMethod", "ContactEventLocation"), texts):
        if code := coded("contact", text, "class") or emis_coded("consultation", text, target="class"):
            return {"system": HL7 + "v3-ActCode", "code": code}
        if text:
            look.unlisted(EVENT, column, text)
    return UNKNOWN


def types(row: Row, texts: list[str]) -> list[dict[str, Any]]:
    """Return what kind of event it is, in words. An administrative one may be no contact at all."""
    said = row.values["ClinicalEvent"].strip()
    kind = ("Clinical" if is_true(said) else "Administrative") if said else ""
    return [{"text": text} for text in dict.fromkeys((kind, *texts)) if text]
