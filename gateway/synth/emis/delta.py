"""A second delivery: only what changed since the first, table by table, with the traps that a day-over-day difference
sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from gateway.synth import places, roles
from gateway.synth.emis import around, rows
from gateway.synth.emis.extract import Extract
from gateway.synth.practice import blood_pressure
from gateway.synth.truth import Entry, Person


@dataclass(frozen=True)
class Delta:
    """Which rows changed, by GUID, so that a test can look for what became of them.

    ``child``: a systolic resent alone, with a new ``value``. ``moved``: a patient with another town. ``problem``:
    deleted from the problem list while its observation stays. ``observation``: deleted. ``stopped``: a medicine
    cancelled. ``consultation``: new, with a blood pressure. ``gone``: a deleted patient, who is not one of the fixed
    people.
    """

    child: str = ""
    value: str = ""
    moved: str = ""
    problem: str = ""
    observation: str = ""
    stopped: str = ""
    consultation: str = ""
    gone: str = ""


def write_delta(people: Iterable[Person], folder: Path, extract_time: datetime) -> Delta:
    """Write the delivery after the first: all tables, most of them empty; the code tables whole. Return what changed.

    Looks at the fixed people and the first ordinary one; give it at least eleven people for ``gone``.
    """
    delta = Delta()
    with Extract(folder, extract_time, number=2) as extract:
        extract.put_all(around.reference_rows())
        for person in people:
            if person.number > max(roles.FIXED) and delta.gone:
                break
            delta = change(person, delta, extract, extract_time)
    return delta


def change(person: Person, delta: Delta, extract: Extract, when: datetime) -> Delta:
    """Write what changed about one person and note it."""
    match person.number:
        case roles.DEMO:
            child = next(entry for entry in person.story.entries if entry.code == "systolic")
            value = str(int(child.value) - 10)
            extract.put("CareRecord_Observation", resent(person, replace(child, value=value)))
            new = blood_pressure(
                "delta.bp", (when - timedelta(days=1)).replace(hour=8, minute=30), 134, 82, about="htn"
            )
            extract.put("CareRecord_Consultation", rows.consultation_row(person, new.consultations[0]))
            for entry in new.entries:
                extract.put("CareRecord_Observation", rows.observation(person, entry, new.consultations[0]))
            return replace(
                delta,
                child=rows.item_guid(person, child.key),
                value=value,
                consultation=rows.item_guid(person, "delta.bp"),
            )
        case roles.RESTRICTED:
            town = next(town for town in places.TOWNS if town != person.address.town)
            moved = replace(person, address=replace(person.address, town=town))
            extract.put("Admin_Patient", rows.patient(moved))
            return replace(delta, moved=rows.patient_guid(person))
        case roles.TYPE_1:
            entry = next(entry for entry in person.story.entries if entry.problem)
            extract.put("CareRecord_Problem", deleted(person, "ObservationGuid", entry.key))
            return replace(delta, problem=rows.item_guid(person, entry.key))
        case roles.DISSENT:
            entry = next(entry for entry in person.story.entries if entry.code == "weight")
            extract.put("CareRecord_Observation", deleted(person, "ObservationGuid", entry.key))
            medicine = next(medicine for medicine in person.story.medicines if medicine.repeat)
            extract.put("Prescribing_DrugRecord", rows.drug_record(person, replace(medicine, stopped=when.date())))
            return replace(
                delta, observation=rows.item_guid(person, entry.key), stopped=rows.item_guid(person, medicine.key)
            )
        case number if number > max(roles.FIXED) and person.gp and not delta.gone:
            extract.put("Admin_Patient", {**rows.owner(person), "Deleted": rows.YES})
            return replace(delta, gone=rows.patient_guid(person))
    return delta


def resent(person: Person, entry: Entry) -> rows.Values:
    """Return the row of an entry that changed, in its own consultation."""
    seen = next((seen for seen in person.story.consultations if seen.key == entry.consultation), None)
    return rows.observation(person, entry, seen)


def deleted(person: Person, column: str, key: str) -> rows.Values:
    """Return a deleted row: its keys and the mark, and nothing else."""
    return {**rows.owner(person), column: rows.item_guid(person, key), "Deleted": rows.YES}
