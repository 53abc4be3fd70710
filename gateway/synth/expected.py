"""How many resources of a type a record must become, counted from the truth alone.

Types that the truth tells without knowing how a mapping routes codes. A test compares them with what was loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gateway.synth import cld
from gateway.synth.codes import CODES
from gateway.synth.truth import Person


def of(person: Person) -> Counter[tuple[str, str]]:
    """Return the count of each (source, type) for one record of a person."""
    counts: Counter[tuple[str, str]] = Counter()
    if person.gp:
        counts.update({(person.practice.system, name): count for name, count in _practice(person).items()})
    if person.hospital:
        story = person.story
        counts["hl7v2", "Patient"] += 2 if person.hospital.retired and story.visits else 1
        counts["hl7v2", "Encounter"] += len(story.visits)
        counts["hl7v2", "DiagnosticReport"] += len(story.reports)
    return +counts


COUNCIL = {"Request": "ServiceRequest", "Assessment": "Task", "Review": "Task", "Service": "EpisodeOfCare"}


def of_council(person: Person, periods: Sequence[cld.Period]) -> Counter[tuple[str, str]]:
    """Return the counts of what the council's snapshots tell of a person: an event once, in however many it is."""
    counts: Counter[tuple[str, str]] = Counter({("cld", "Patient"): 1})
    for event in person.story.support:
        if any(cld.is_told(event, person, period) for period in periods):
            counts["cld", COUNCIL[event.kind]] += 1
    return counts


def _practice(person: Person) -> dict[str, int]:
    story = person.story
    kinds = Counter(CODES[entry.code].kind for entry in story.entries)
    if person.practice.system == "tpp":  # a vaccination declined is an entry there, in no table of its own
        kinds["Immunisation"] -= sum(entry.code.endswith(" declined") for entry in story.entries)
    return {
        "Patient": 1,
        "Encounter": len(story.consultations),
        "AllergyIntolerance": kinds["Allergy"],
        "FamilyMemberHistory": kinds["Family History"],
        "Immunization": kinds["Immunisation"],
        "MedicationStatement": len(story.medicines),
    }
