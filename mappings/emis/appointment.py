"""The appointment book: a session to Schedule; a slot to Slot, and to an Appointment for each patient it was given to.

EMIS uses a slot again for another patient, and empties it when an appointment is cancelled. It does not say so: a slot
that another row of the same slot replaced was cancelled
(endeavourhealth/Transforms emis/csv/transforms/appointment/SlotPreTransformer.java).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.dates import LONDON, with_offset
from mappings import Group, Look, Row, Values
from mappings.emis.codes import code_of, coded
from mappings.emis.delivery import PROCESSING_BITS, directory
from mappings.emis.tables import SESSION, SESSION_USER, SLOT
from mappings.emis.values import clock, day, guid, identifier, is_true, referred
from mappings.vocabulary import UK_CORE, UK_CORE_CODES, UK_CORE_EXTENSION, UNKNOWN, tagged

CHANNEL = UK_CORE_CODES + "DeliveryChannel"
FINAL = frozenset({"noshow"})
"""What stays as it is when the slot is given to somebody else: who did not come did not cancel."""


def to_session(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Schedule. Its description is not taken: staff write into it what they please, names too."""
    row = next(iter(group.of(SESSION)), None)
    if row is None:
        return []
    values = row.values
    start, end = moment(values, "StartDate", "StartTime"), moment(values, "EndDate", "EndTime")
    built = resource(
        "Schedule",
        look.id("Schedule", row.key),
        UK_CORE + "UKCore-Schedule",
        identifier=[identifier(row.key)],
        active=True,
        serviceCategory=[{"text": values["SessionCategoryDisplayName"].strip()}],
        serviceType=[{"text": values["SessionTypeDescription"].strip()}],
        actor=actors(row, look) or [UNKNOWN],
        planningHorizon={"start": start[0], "end": end[0] if end[0] >= start[0] else ""},
    )
    return [tagged(built, start[1] or end[1])]


def actors(session: Row, look: Look) -> list[dict[str, Any]]:
    """Return the users and the place of a session, the same for all of its slots."""
    return look.once(("actors", session.key), lambda: _actors(session, look))


def _actors(session: Row, look: Look) -> list[dict[str, Any]]:
    under = directory(session)
    users = [row for row in look.rows(f"session:{session.key}", under) if row.table == SESSION_USER]
    location = referred(session.values["LocationGuid"])
    return [
        *(look.reference("PractitionerRole", referred(row.values["UserInRoleGuid"])) for row in users),
        *([look.reference("Location", location, under)] if location else []),
    ]


def to_slot(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Slot as its newest row has it, and an Appointment for each patient who has or had it.

    What the last extract that speaks of the slot says is so now; a patient of an earlier one has it no longer. A slot
    that was deleted with its patient takes the Appointment with it: it was no cancellation.
    """
    rows = [row for row in group.rows if row.table == SLOT]
    last = max((extract(row) for row in rows), default=0)
    now = [row for row in rows if extract(row) == last and not row.deleted]
    resources = [slot(max(now, key=lambda row: row.order), look)] if now else []
    for row in rows:
        is_gone = row.deleted and (not now and extract(row) == last or not row.values["AppointmentDate"])
        if row.patient and not is_gone:
            resources.append(appointment(row, row not in now, look))
    return resources


def extract(row: Row) -> int:
    """Return which extract a row is of, later ones being higher."""
    return row.order >> PROCESSING_BITS


def slot(row: Row, look: Look) -> dict[str, Any]:
    """Return the Slot: when it is and whether it is taken, never by whom."""
    values = row.values
    start, end, ambiguous = times(values)
    built = resource(
        "Slot",
        look.id("Slot", key_of(row)),
        UK_CORE + "UKCore-Slot",
        extension=channel(values),
        identifier=[identifier(key_of(row))],
        serviceType=[{"text": values["NationalSlotCategoryName"].strip()}],
        appointmentType={"text": values["SlotType"].strip()},
        schedule=look.reference("Schedule", guid(values["SessionGuid"])),
        status=free_or_busy(row),
        start=start,
        end=end,
    )
    return tagged(built, ambiguous)


def free_or_busy(row: Row) -> str:
    """Return whether a slot is taken; one that a patient of another practice has is taken too."""
    if row.patient or row.values["ExternalPatientGuid"]:
        return "busy"
    return "busy-unavailable" if is_true(row.values["IsBlocked"]) else "free"


def appointment(row: Row, replaced: bool, look: Look) -> dict[str, Any]:
    """Return the Appointment of a slot's patient; ``replaced`` says that the slot was emptied or given to another
    since. What was booked into a private session is confidential."""
    values = row.values
    session = look.row(SESSION, guid(values["SessionGuid"]))
    start, end, ambiguous = times(values)
    created, booked_twice = moment(values, "BookedDate", "BookedTime")
    is_private = session is not None and is_true(session.values["Private"])
    minutes = whole(values, "PlannedDurationInMinutes")
    built = resource(
        "Appointment",
        look.id("Appointment", row.key),
        UK_CORE + "UKCore-Appointment",
        ("R",) if is_private else (),
        extension=channel(values),
        identifier=[identifier(key_of(row))],
        status=status(values, replaced),
        cancelationReason=reason(row, look) if status(values, replaced) == "noshow" else {},
        serviceCategory=[{"text": values["ServiceSetting"].strip()}],
        serviceType=[{"text": values["NationalSlotCategoryName"].strip()}],
        appointmentType={"text": values["SlotType"].strip()},
        start=start,
        end=end,
        minutesDuration=minutes or None,
        slot=[look.reference("Slot", key_of(row))],
        created=created,
        participant=participants(row, session, look),
    )
    return tagged(built, ambiguous or booked_twice)


def status(values: Values, replaced: bool) -> str:
    """Return what became of an appointment: by the row's own marks and times, then by the word of its slot. What is
    past and has neither is still ``booked``: nobody said that the patient came."""
    said = _status(values)
    return "cancelled" if replaced and said not in FINAL else said


def _status(values: Values) -> str:
    if is_true(values["DidNotAttend"]):
        return "noshow"
    if values["LeftTime"]:
        return "fulfilled"
    return coded("slot_status", values["SlotStatus"], target="status") or (
        "arrived" if values["SendInTime"] else "booked"
    )


def reason(row: Row, look: Look) -> dict[str, Any]:
    """Return why the patient did not come, {} while its code has not arrived: then the group is mapped again."""
    if not row.values["DnaReasonCodeId"]:
        return {}
    try:
        return code_of(row, look, "DnaReasonCodeId").concept
    except Invalid:
        return {}


def participants(row: Row, session: Row | None, look: Look) -> list[dict[str, Any]]:
    """Return the patient, with when they were sent in and left, and who and where the session is."""
    values = row.values
    period = {"start": on_the_day(values, "SendInTime"), "end": on_the_day(values, "LeftTime")}
    patient = {"actor": look.reference("Patient", row.patient), "status": "accepted", "period": period}
    others = actors(session, look) if session else []
    return [patient, *({"actor": actor, "status": "accepted"} for actor in others)]


def on_the_day(values: Values, column: str) -> str:
    """Return a time of the day of the appointment, "" for none."""
    time = clock(values, column)
    return with_offset(day(values, "AppointmentDate"), time)[0] if time else ""


def channel(values: Values) -> list[dict[str, Any]]:
    """Return how patient and staff meet, coded where UK Core has the word."""
    words = values["ModeOfContact"].strip()
    code = coded("contact_mode", words)
    coding = [{"system": CHANNEL, "code": code, "display": code}] if code else []
    value = {"coding": coding, "text": words}
    return [{"url": UK_CORE_EXTENSION + "DeliveryChannel", "valueCodeableConcept": value}] if words else []


def times(values: Values) -> tuple[str, str, bool]:
    """Return start and end of a slot as instants, and whether the clock showed the start twice. Raises ``Invalid``
    naming the column that lacks: an appointment at no time would be one at any."""
    for column in ("AppointmentDate", "AppointmentStartTime"):
        if not values[column]:
            raise Invalid(f"column {column}")
    start, ambiguous = moment(values, "AppointmentDate", "AppointmentStartTime")
    return start, later(start, whole(values, "PlannedDurationInMinutes")), ambiguous


def later(start: str, minutes: int) -> str:
    """Return the instant so many minutes after another, in English time."""
    end = datetime.fromisoformat(start).astimezone(UTC) + timedelta(minutes=minutes)
    return end.astimezone(LONDON).isoformat()


def moment(values: Values, date: str, time: str) -> tuple[str, bool]:
    """Return a date and a time of two columns, the date alone where it has no time, and whether the clock showed it
    twice."""
    on, at = day(values, date), clock(values, time)
    return with_offset(on, at) if on and at else (on, False)


def whole(values: Values, column: str) -> int:
    """Return a number of minutes, 0 for none. Raises ``Invalid`` naming the column."""
    text = values[column].strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise Invalid(f"column {column}")
    return int(text)


def key_of(row: Row) -> str:
    """Return the key of a slot, whoever has it."""
    return referred(row.values["SlotGuid"])
