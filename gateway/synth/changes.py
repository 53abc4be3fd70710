"""What a practice changes the day after the first delivery: the second one brings it alone.

One change at most to a person, told by the person's key, so that writers and the answer key agree. The traps of a
day-over-day difference: a row deleted by its keys alone, a corrected value whose consultation and parent are not sent
again, something from weeks ago that is entered only now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random

from gateway.synth import tpp
from gateway.synth.draw import digest
from gateway.synth.emis import rows
from gateway.synth.practice import blood_pressure
from gateway.synth.rates import rates
from gateway.synth.truth import Entry, Person, Story

DELETED, CORRECTED, LATE = "entry deleted", "value corrected", "entered late"
CORRECTABLE = frozenset({"weight", "systolic", "hba1c"})


@dataclass(frozen=True, slots=True)
class Change:
    """``entry`` is the one that is deleted, or as corrected; ``story`` is what is entered late."""

    kind: str
    entry: Entry | None = None
    story: Story = Story()


def change_of(person: Person, today: date) -> Change | None:
    """Return what the person's practice changes, None for nothing. Nobody who died or left, and no child."""
    grown = (today - person.birth).days > 18 * 366
    if not person.gp or person.death or not grown or (today - person.registered).days < 60:
        return None
    draw = Random(int(digest(person.key, "change")[:16], 16))
    kinds = {rate.name: draw.random() < rate.rate for rate in rates("change", "england")}
    entries = [entry for entry in person.story.entries if entry.code in CORRECTABLE and entry.value]
    if kinds[DELETED] and (weights := [entry for entry in entries if entry.code == "weight"]):
        return Change(DELETED, weights[0])
    if kinds[CORRECTED] and entries:
        entry = draw.choice(entries)
        return Change(CORRECTED, replace(entry, value=str(int(float(entry.value)) + 1)))
    if kinds[LATE]:
        on = today - timedelta(days=draw.randint(15, 45))
        at = datetime.combine(on, time(draw.randint(9, 16), draw.randint(0, 59)))
        return Change(LATE, story=blood_pressure("late.bp", at, draw.randint(118, 160), draw.randint(70, 95)))
    return None


def emis_rows(person: Person, change: Change) -> rows.Rows:
    """Yield what an EMIS extract says of the change."""
    match change:
        case Change(kind="entry deleted", entry=Entry() as entry):
            key = {"ObservationGuid": rows.item_guid(person, entry.key)}
            yield "CareRecord_Observation", {**rows.owner(person), **key, "Deleted": rows.YES}
        case Change(entry=Entry() as entry):
            seen = next((seen for seen in person.story.consultations if seen.key == entry.consultation), None)
            yield "CareRecord_Observation", rows.observation(person, entry, seen)
        case _:
            (seen,) = change.story.consultations
            yield "CareRecord_Consultation", rows.consultation_row(person, seen)
            for entry in change.story.entries:
                yield "CareRecord_Observation", rows.observation(person, entry, seen)


def tpp_rows(person: Person, change: Change) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what a SystmOne extract says of the change."""
    match change:
        case Change(kind="entry deleted", entry=Entry() as entry):
            key = {"RowIdentifier": tpp.row_id(person.key, f"code:{entry.key}"), **tpp.unit(person)}
            yield "SRCode", {**key, "RemovedData": "1"}
        case Change(entry=Entry() as entry):
            seen = next((seen for seen in person.story.consultations if seen.key == entry.consultation), None)
            yield from tpp.entry_rows(person, entry, seen)
        case _:
            (seen,) = change.story.consultations
            yield "SREvent", tpp.event(person, seen)
            for entry in change.story.entries:
                yield from tpp.entry_rows(person, entry, seen)
