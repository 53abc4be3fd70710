"""An appointment (SRAppointment) to Appointment. The book around it (rotas and their empty slots) is not read: it says
nothing of a patient."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Group, Look, Row, Values
from mappings.emis.appointment import CHANNEL
from mappings.emis.values import is_true
from mappings.tpp.delivery import reference_id
from mappings.tpp.entry import identifier, name, security, subject
from mappings.tpp.lists import coded, word
from mappings.tpp.tables import APPOINTMENT, CENTRAL, REFERRAL_IN
from mappings.tpp.times import is_doubtful, when
from mappings.vocabulary import HL7, UK_CORE, UK_CORE_EXTENSION, tagged

FOLLOW_UP = {"coding": [{"system": HL7 + "v2-0276", "code": "FOLLOWUP", "display": "A follow up visit from a previous appointment"}]}  # fmt: skip
TIMES = ("DateStart", "DateEnd", "DateAppointmentBooked", "DatePatientArrival", "DatePatientSeen")


def to_appointment(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Appointment. Raises ``Invalid`` naming the column of a time that it lacks; a cancellation waits for
    none."""
    row = next(iter(group.of(APPOINTMENT)), None)
    if row is None:
        return []
    values, referral = row.values, reference_id(row.values, "IDReferralIn")
    said = word(row, "AppointmentStatus", look)
    became = status(row, said, look)
    if became == "cancelled":
        values = readable(values, look)
        row = replace(row, values=values)
    start, end = times(values, became)
    texts = [f"Status of the appointment: {said}"] if said else []
    built = resource(
        "Appointment",
        look.id("Appointment", name(row)),
        UK_CORE + "UKCore-Appointment",
        security(row),
        extension=channel(values),
        identifier=[identifier(row)],
        status=became,
        serviceType=[{"text": word(row, "RotaType", look)}],
        appointmentType=FOLLOW_UP if is_true(values["FollowUpAppointment"].strip()) else {},
        start=start,
        end=end,
        created=when(values, "DateAppointmentBooked"),
        comment="; ".join(texts),
        basedOn=[look.reference("ServiceRequest", f"{REFERRAL_IN}|{referral}")] if referral else [],
        participant=participants(row, look),
    )
    return [tagged(built, is_doubtful(values, *TIMES))]


def status(row: Row, said: str, look: Look) -> str:
    """Return what became of an appointment. A day on which it was cancelled counts whatever the word says; a word that
    no table knows is counted, and says nothing but that it was booked."""
    values = row.values
    if values["DateAppointmentCancelled"].strip():
        return "cancelled"
    known = next((coded("appointment_status", part, "status") for part in beginnings(said)), "")
    if said and not known:
        look.unlisted(APPOINTMENT, "AppointmentStatus", said)
    if known:
        return known
    return "arrived" if values["DatePatientArrival"].strip() or values["DatePatientSeen"].strip() else "booked"


def beginnings(said: str) -> list[str]:
    """Return the beginnings of a word that a row of the table has, the longest first: "Cancelled by Patient" is one of
    "Cancelled"."""
    parts = said.split()
    texts = [" ".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return [text for text in texts if coded("appointment_status", text, "status")]


def readable(values: Values, look: Look) -> Values:
    """Return what a cancelled appointment says, without the times that cannot be read."""
    kept = Values(values)
    for column in TIMES:
        try:
            when(values, column)
        except Invalid:
            look.warn(column, "a time of a cancelled appointment that cannot be read")
            del kept[column]
    return kept


def times(values: Values, became: str) -> tuple[str, str]:
    """Return start and end, the end being the start where nobody says it. One that was cancelled may have neither.
    Raises ``Invalid`` naming the column of the start where any other lacks it."""
    end = when(values, "DateEnd")
    if became == "cancelled" and "T" not in when(values, "DateStart"):
        return "", ""
    start = instant(values, "DateStart")
    return start, end if "T" in end else start


def instant(values: Values, column: str) -> str:
    """Return a time with its day. Raises ``Invalid`` naming the column where one of the two is missing: SystmOne writes
    midnight where it knows no time."""
    moment = when(values, column)
    if "T" not in moment:
        raise Invalid(f"column {column}")
    return moment


def participants(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the patient, with when they were seen or, for want of it, came; and the clinician in their role, else by
    themselves."""
    values = row.values
    seen = when(values, "DatePatientSeen") or when(values, "DatePatientArrival")
    patient = {"actor": subject(row, look), "status": "accepted", "period": {"start": seen}}
    role, person = reference_id(values, "IDProfileClinician"), reference_id(values, "IDClinician")
    actor: dict[str, Any] = {}
    if role and role != "0":
        actor = look.reference("PractitionerRole", role, CENTRAL)
    elif person and person != "0":
        actor = look.reference("Practitioner", person, CENTRAL)
    return [patient, *([{"actor": actor, "status": "accepted"}] if actor else [])]


def channel(values: Values) -> list[dict[str, Any]]:
    """Return that it is by telephone; nothing says how any other is held."""
    coding = [{"system": CHANNEL, "code": "Telephone", "display": "Telephone"}]
    value = {"coding": coding} if is_true(values["TelephoneAppointment"].strip()) else {}
    return [{"url": UK_CORE_EXTENSION + "DeliveryChannel", "valueCodeableConcept": value}] if value else []
