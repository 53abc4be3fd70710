"""The episodes of one hospital provider spell to Encounters: the spell, its episodes and its critical care."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import UCUM
from mappings import Group, Look, Row
from mappings.cds import codes
from mappings.cds.clinical import conditions, procedures
from mappings.cds.people import consultant, place, referrer, service
from mappings.cds.record import INPATIENT, is_withheld, labels, subject
from mappings.cds.replaced import standing
from mappings.cds.values import day, is_doubtful, known, numbered, past, period
from mappings.hl7v2 import codes as shared
from mappings.hl7v2.datatypes import organisation
from mappings.hl7v2.encounter import ACT, PROFILE
from mappings.vocabulary import UK_CORE, tagged

IMP = {"system": ACT, "code": "IMP", "display": "Inpatient"}
ELSEWHERE = {"display": "Birth or delivery outside a hospital spell"}
OUTSIDE = frozenset({"150", "160"})
"""CDS types of births and deliveries at home or elsewhere: nobody was admitted."""
UNFINISHED = frozenset({"170", "180", "190", "200"})
"""CDS types of episodes that go on: their diagnoses are not final."""
GRAM = {"unit": "g", "system": UCUM, "code": "g"}
NOT_KNOWN = 9999
"""Grams that stand for a birth weight nobody knows (NHS Data Dictionary)."""


def to_spell(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Encounters of a ``spell:`` group with their diagnoses and procedures; nothing of records that were
    deleted or replaced."""
    rows = sorted(standing(group, INPATIENT, look), key=in_order)
    if not rows:
        return []
    key = group.key.removeprefix("spell:")
    resources = [spell(rows, key, look)]
    for row in rows:
        resources += episode(row, key, look)
    return resources


def in_order(row: Row) -> tuple[int, str, int, str]:
    """Return the order of episodes in a spell: by number, then start, then what was said last."""
    number = row.values["EpisodeNumber"].strip()
    return int(number) if number.isdigit() else 0, row.values["EpisodeStart"], row.order, row.key


def spell(rows: list[Row], key: str, look: Look) -> dict[str, Any]:
    """Return the Encounter of the whole spell. Admission and discharge are what its last episode says: each episode
    repeats them, and only the last one knows of the discharge."""
    last = rows[-1]
    start = past(last, "SpellStart", look, "SpellStartTime")
    end = past(last, "DischargeDate", look, "DischargeTime")
    is_over = bool(end) or is_outside(last) and last.values["Type"] not in UNFINISHED
    number = last.values["SpellNumber"].strip()
    classification = codes.words("classification", last, "Classification", look)
    built = resource(
        "Encounter",
        look.id("Encounter", f"spell|{key}"),
        PROFILE,
        labels(last),
        extension=method(last, look) if is_over else [],
        identifier=[{"system": shared.identifiers_of(last.publisher, "", "Encounter"), "value": number}]
        if number
        else [],
        status="finished" if is_over else "in-progress",
        class_=ELSEWHERE if is_outside(last) else IMP,
        type=[{"text": classification}] if classification else [],
        subject=subject(last, look),
        participant=referrer(rows[0]),
        period=period(start, end),
        hospitalization={
            "extension": admission(last, look),
            "admitSource": codes.concept("admit_source", last, "AdmissionSource", look),
            "dischargeDisposition": codes.concept("discharge_destination", last, "DischargeDestination", look)
            if is_over
            else {},
        },
        location=stays(rows, is_over, look),
        serviceProvider=organisation(last.publisher),
    )
    times = (("SpellStart", "SpellStartTime"), ("DischargeDate", "DischargeTime"))
    return tagged(built, is_doubtful(last.values, *times) or any(is_doubtful(row.values, *ward_times(row)) for row in rows))  # fmt: skip


def is_outside(row: Row) -> bool:
    return row.values["Type"].strip() in OUTSIDE


def method(row: Row, look: Look) -> list[dict[str, Any]]:
    return codes.extension("DischargeMethod", codes.concept("discharge_method", row, "DischargeMethod", look))


def admission(row: Row, look: Look) -> list[dict[str, Any]]:
    return codes.extension("AdmissionMethod", codes.concept("admission_method", row, "AdmissionMethod", look))


def ward_times(row: Row) -> list[tuple[str, str]]:
    numbers = numbered(row.values, "WardStart")
    return [pair for n in numbers for pair in ((f"WardStart{n}", f"WardStartTime{n}"), (f"WardEnd{n}", f"WardEndTime{n}"))]  # fmt: skip


def stays(rows: list[Row], is_over: bool, look: Look) -> list[dict[str, Any]]:
    """Return the wards of a spell. Where no ward stays are sent, the wards at the start and end of each episode."""
    entries: list[dict[str, Any]] = []
    for row in rows:
        if is_withheld(row.values):
            continue
        wards = [stay(row, n, look) for n in numbered(row.values, "Ward")] or ends(row, look)
        entries += [entry for entry in wards if entry["location"] and entry not in entries]
    for number, entry in enumerate(entries, 1):
        is_last = number == len(entries) and not is_over
        entry["status"] = "active" if is_last and not entry["period"].get("end") else "completed"
    return entries


def stay(row: Row, number: int, look: Look) -> dict[str, Any]:
    start = past(row, f"WardStart{number}", look, f"WardStartTime{number}")
    end = past(row, f"WardEnd{number}", look, f"WardEndTime{number}")
    return {"location": place(row, f"WardSite{number}", f"Ward{number}"), "status": "", "period": period(start, end)}


def ends(row: Row, look: Look) -> list[dict[str, Any]]:
    start = past(row, "EpisodeStart", look, "EpisodeStartTime")
    end = past(row, "EpisodeEnd", look, "EpisodeEndTime")
    first, last = place(row, "StartSite", "StartWard"), place(row, "EndSite", "EndWard")
    if first == last or not last:
        return [{"location": first, "status": "", "period": period(start, end)}]
    return [
        {"location": first, "status": "", "period": {"start": start}},
        {"location": last, "status": "", "period": {"end": end}},
    ]


def episode(row: Row, key: str, look: Look) -> list[dict[str, Any]]:
    """Return the Encounter of a consultant episode, part of the spell, with what was coded in it."""
    name = f"episode|{row.key}"
    encounter, person = look.reference("Encounter", name), subject(row, look)
    start = past(row, "EpisodeStart", look, "EpisodeStartTime")
    end = past(row, "EpisodeEnd", look, "EpisodeEndTime")
    is_final = row.values["Type"].strip() not in UNFINISHED
    resources, references = conditions(
        row, person, encounter, "" if is_final else "provisional", end or known(row), look
    )
    number = row.values["EpisodeNumber"].strip()
    built = resource(
        "Encounter",
        look.id("Encounter", name),
        PROFILE,
        labels(row),
        status="finished" if is_final and end else "in-progress",
        class_=ELSEWHERE if is_outside(row) else IMP,
        type=[{"text": codes.label("cds_type", row.values["Type"].strip())}, {"text": f"Episode {number}{is_last(row)}" if number else ""}],
        serviceType=service(row),
        subject=person,
        participant=consultant(row),
        period=period(start, end),
        diagnosis=references,
        serviceProvider=organisation(row.publisher),
        partOf=look.reference("Encounter", f"spell|{key}"),
    )  # fmt: skip
    doubtful = is_doubtful(row.values, ("EpisodeStart", "EpisodeStartTime"), ("EpisodeEnd", "EpisodeEndTime"))
    operations = procedures(row, person, encounter, look)
    return [tagged(built, doubtful), *resources, *operations, *critical_care(row, name, look), *birth(row, person, encounter, look)]  # fmt: skip


def is_last(row: Row) -> str:
    return ", last of the spell" if row.values["LastEpisode"].strip() == "1" else ""


def critical_care(row: Row, name: str, look: Look) -> list[dict[str, Any]]:
    """Return an Encounter for each period of critical care in an episode; of two of one number and day the first."""
    resources: dict[str, dict[str, Any]] = {}
    for n in numbered(row.values, "CriticalStart"):
        start = past(row, f"CriticalStart{n}", look, f"CriticalStartTime{n}")
        end = past(row, f"CriticalEnd{n}", look, f"CriticalEndTime{n}")
        number, unit = row.values[f"CriticalId{n}"].strip(), row.values[f"CriticalUnit{n}"].strip()
        key = f"critical|{row.key}|{number}|{start[:10]}"
        built = resource(
            "Encounter",
            look.id("Encounter", key),
            PROFILE,
            labels(row),
            identifier=[{"system": shared.local(row.publisher, "CriticalCare", "Id"), "value": number}]
            if number
            else [],
            status="finished" if end else "in-progress",
            class_=IMP,
            type=[{"text": f"Critical care{f', unit function {unit}' if unit else ''}"}],
            subject=subject(row, look),
            period=period(start, end),
            serviceProvider=organisation(row.publisher),
            partOf=look.reference("Encounter", name),
        )
        times = ((f"CriticalStart{n}", f"CriticalStartTime{n}"), (f"CriticalEnd{n}", f"CriticalEndTime{n}"))
        resources.setdefault(key, tagged(built, is_doubtful(row.values, *times)))
    return list(resources.values())


def birth(row: Row, person: dict[str, Any], encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return the birth weight, and whether a baby was born alive, of the baby's own record."""
    grams, alive = row.values["BirthWeight"].strip(), codes.words("birth", row, "LiveOrStill", look)
    answers: list[tuple[str, str, dict[str, Any]]] = []
    if grams.isdigit() and 0 < int(grams) < NOT_KNOWN:
        answers.append(("weight", "Birth weight", {"valueQuantity": {"value": int(grams), **GRAM}}))
    if alive:
        answers.append(("alive", "Live or still birth", {"valueString": alive}))
    return [
        resource(
            "Observation",
            look.id("Observation", f"{row.table}|{row.key}|birth|{name}"),
            UK_CORE + "UKCore-Observation",
            labels(row),
            status="final",
            code={"text": title},
            subject=person,
            encounter=encounter,
            effectiveDateTime=day(row.values, "BirthDate") or past(row, "EpisodeStart", look),
            **value,
        )
        for name, title, value in answers
    ]
