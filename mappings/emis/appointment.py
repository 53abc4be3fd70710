"""The appointment book: a session to Schedule; a slot to Slot, and to an Appointment for each patient it was given to.

EMIS uses a slot again for another patient, and empties it when an appointment is cancelled. It does not say so: what
another row of the same slot replaced was cancelled
(endeavourhealth/Transforms emis/csv/transforms/appointment/SlotPreTransformer.java). An extract of changes has only the
rows that changed, so a row says nothing of another by being newer: an emptied one does, and one that was booked after
the extract that last told of the other.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.dates import LONDON, with_offset
from mappings import Group, Look, Row, Values
from mappings.emis.codes import code_of, coded
from mappings.emis.delivery import PROCESSING_BITS, SINCE, directory
from mappings.emis.tables import SESSION, SESSION_USER, SLOT
from mappings.emis.values import clock, day, guid, identifier, is_true, referred
from mappings.vocabulary import UK_CORE, UK_CORE_CODES, UK_CORE_EXTENSION, UNKNOWN, tagged

CHANNEL = UK_CORE_CODES + "DeliveryChannel"
FINAL = frozenset({"noshow", "arrived", "fulfilled"})
"""What stays as it is when the slot is given to somebody else: who came or did not come did not cancel."""


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
    """Return the Slot as the newest row that stands has it, and an Appointment for each patient who has or had it. A
    slot that was deleted with its patient takes the Appointment with it: it was no cancellation.
    """
    rows = [row for row in group.rows if row.table == SLOT]
    replaced = {row.key for row in rows if any(replaces(other, row) for other in rows if other is not row)}
    now = [row for row in rows if not row.deleted and row.key not in replaced]
    resources = [slot(max(now, key=lambda row: (row.order, row.key)), look)] if now else []
    for row in rows:
        is_gone = row.deleted and (row.key not in replaced or not row.values["AppointmentDate"])
        if row.patient and not is_gone:
            resources.append(appointment(row, row.key in replaced, look))
    return resources


def replaces(other: Row, row: Row) -> bool:
    """Whether a row of the same slot took the place of another. A delete is judged by its own extract: what is said of
    the slot later does not make it a cancellation."""
    if other.patient and not other.values["AppointmentDate"]:
        return False  # a deleted row that never came with values
    began = since(other)
    if not row.deleted:
        return extract(other) > extract(row) and (not began or began > extracted_at(row))
    if other.deleted or extract(other) > extract(row):
        return False
    return extract(other) == extract(row) or bool(booked(row)) and began > booked(row)


def since(row: Row) -> str:
    """Return from when on a slot has been what a row says: empty by its extract, a patient's by the booking; "" where
    nobody says when it was booked."""
    return booked(row) if row.patient else extracted_at(row)


def booked(row: Row) -> str:
    """Return when a row was booked, at the end of its day where no time is given; "" for one that does not say."""
    try:
        on, at = day(row.values, "BookedDate"), clock(row.values, "BookedTime")
    except Invalid:
        return ""
    return f"{on}T{at or '23:59:59'}" if on else ""


def extracted_at(row: Row) -> str:
    """Return the second of the extract that a row is of."""
    return (SINCE + timedelta(seconds=extract(row))).isoformat()


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
    said = status(values, replaced)
    start, end, ambiguous = times_of(values, said, look)
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
        status=said,
        cancelationReason=reason(row, look) if said == "noshow" else {},
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


def times_of(values: Values, said: str, look: Look) -> tuple[str, str, bool]:
    """Return the times of an appointment, none where one that was cancelled lacks them: a cancellation does not wait
    for a time."""
    try:
        return times(values)
    except Invalid:
        if said != "cancelled":
            raise
    look.warn("AppointmentStartTime", "a cancelled appointment without its time")
    return "", "", False


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
