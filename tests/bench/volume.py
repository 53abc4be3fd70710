"""Deliveries of any size for benchmarks: plausible observation rows, cheap to make, in patient order or shuffled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from gateway.synth import places
from gateway.synth.codes import CODES
from gateway.synth.draw import stream
from gateway.synth.emis import around, rows
from gateway.synth.emis.extract import Extract, file_name
from gateway.synth.people import people
from gateway.synth.truth import Practice, Seen
from mappings.emis.columns import TABLES

TABLE = "CareRecord_Observation"
EACH = 200
"""Observations of one patient."""

PATTERN = (
    ("hba1c", 0, "mmol/mol", (38, 92), 0),
    ("blood pressure", 0, "", None, 0),
    ("diastolic", 1, "mmHg", (62, 98), 0),
    ("systolic", 2, "mmHg", (104, 176), 0),
    ("haemoglobin", 0, "g/L", (102, 160), 0),
    ("potassium", 0, "mmol/L", (35, 54), 1),
    ("weight", 0, "kg", (520, 1040), 1),
    ("never smoked", 0, "", None, 0),
    ("influenza", 0, "", None, 0),
    ("cholesterol", 0, "mmol/L", (31, 69), 1),
)
"""Ten rows that repeat: code, how many rows back the parent is, unit, range of whole steps, decimal places."""


def write_volume(
    folder: Path,
    observations: int,
    today: date,
    seed: int = 1,
    shuffled: bool = False,
    extract_time: datetime | None = None,
    each: int = EACH,
) -> dict[str, int]:
    """Write a delivery of ``observations`` observation rows, ``each`` a patient (a multiple of ten), and return how
    many rows each table got.

    ``shuffled`` puts the observations in an order drawn from ``seed``; but for their ProcessingId they are the same
    rows.
    """
    when = extract_time or datetime.combine(today, datetime.min.time()) + timedelta(hours=1)
    practice = places.practices(1)
    with Extract(folder, when) as extract:
        extract.put_all(around.reference_rows())
        extract.put_all(around.organisation_rows(practice, when))
        for person in people(-(-observations // each), seed, today, practices=practice):
            held = person.gp or Seen(
                str(100_000 + person.number), person.nhs_number, person.birth, person.given, person.family
            )
            patient = rows.patient(replace(person, gp=held, death=None))
            extract.put("Admin_Patient", {**patient, "PatientGuid": f"{{{_patient(person.number - 1)}}}"})
    order: range | list[int] = range(observations)
    if shuffled:
        order = list(order)
        stream(seed, 0, "volume").shuffle(order)
    line = liner(practice[0], today, each)
    path = folder / file_name(TABLE, when, 1)
    with path.open("a", encoding="utf-8", newline="") as file:
        file.writelines(line(index, number) for number, index in enumerate(order, 1))
    return {**extract.written, TABLE: observations}


def liner(practice: Practice, today: date, each: int = EACH) -> Callable[[int, int], str]:
    """Return what makes the line of observation ``index`` with a ProcessingId. All that is alike is put together
    once."""
    dates = [f"{today - timedelta(days=1 + place * 17 % 3000)}" for place in range(each)]
    templates = [template(practice, *row[:3]) for row in PATTERN]

    def line(index: int, number: int) -> str:
        person, place = divmod(index, each)
        turn = place % len(PATTERN)
        _, back, _, span, places_after = PATTERN[turn]
        value = parent = ""
        if span:
            whole = span[0] + index * 7919 % (span[1] - span[0])
            value = f"{whole // 10}.{whole % 10}" if places_after else str(whole)
        if back:
            parent = f"{{{_observation(index - back)}}}"
        # a battery of ten shares its day, so that children have their parent's
        return templates[turn] % (
            _observation(index),
            _patient(person),
            dates[place // 10],
            dates[place // 10],
            parent,
            value,
            number,
        )

    return line


def template(practice: Practice, code: str, back: int, unit: str) -> str:
    """Return the line of one kind of row, with places for the seven values that differ from row to row."""
    user = rows.user_guid(practice, 0)
    known = {
        "ObservationGuid": "{%s}",
        "PatientGuid": "{%s}",
        "OrganisationGuid": rows.organisation_guid(practice),
        "EffectiveDate": "%s",
        "EffectiveDatePrecision": "YMD",
        "EnteredDate": "%s",
        "EnteredTime": "12:00:00",
        "ClinicianUserInRoleGuid": user,
        "EnteredByUserInRoleGuid": user,
        "ParentObservationGuid": "%s",
        "CodeId": str(CODES[code].id),
        "Value": "%s",
        "NumericUnit": unit,
        "ObservationType": CODES[code].kind,
        "Abnormal": rows.NO,
        "Deleted": rows.NO,
        "IsConfidential": rows.NO,
        "ProcessingId": "%s",
    }
    return '"' + '","'.join(known.get(column, "") for column in TABLES[TABLE]) + '"\r\n'


def _patient(number: int) -> str:
    return f"0BE7C4A1-0000-4000-8000-{number:012X}"


def _observation(number: int) -> str:
    return f"0B5E8A7E-0000-4000-8000-{number:012X}"
