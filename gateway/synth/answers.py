"""The answer key of a synthetic world: who each person truly is, and by which number each source knows them.

A tester compares what a system gathered with it. It is no part of any delivery.

``people.ndjson``: who each person is. ``links.ndjson``: every record of every source, and whose it is.
``events.ndjson``: what truly happened, by who recorded it. ``consents.ndjson``: what people said about their data.
``mess.ndjson``: what is wrong where. ``expected.json``: how many resources the records must become.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from gateway.synth import changes, cld, expected, tpp
from gateway.synth.emis.rows import patient_guid
from gateway.synth.outputs import Files
from gateway.synth.truth import Person, Seen

CONSENTS = {"type 1 objection": "type 1 objection", "scr dissent": "dissent from the Summary Care Record"}
"""Entries of a practice by which people say something about their data."""

NAMES = ("people", "links", "events", "consents", "mess")


class Answers:
    """The answer key in the making: a line a fact, in the order of the people's numbers."""

    def __init__(self, files: Files, today: date, with_deltas: bool, inside: str = "truth/"):
        self._today, self._with_deltas = today, with_deltas
        self._periods = cld.periods(today)
        self._files = {name: files.file(f"{inside}{name}.ndjson") for name in NAMES}
        self._encode = msgspec.json.Encoder().encode
        self.expected: Counter[tuple[str, str]] = Counter()

    def add(self, person: Person) -> None:
        if person.care and not is_told_of(person, self._periods):
            person = replace(person, care=None, mess=tuple(mess for mess in person.mess if mess.source != "care"))
        self._put("people", answer(person))
        for link in links(person):
            self._put("links", link)
        for event in events(person):
            self._put("events", event)
        for consent in consents(person):
            self._put("consents", consent)
        for mess in person.mess:
            self._put(
                "mess",
                {"kind": mess.kind, "person": person.number, "source": mess.source, "record": mess.record},
            )
        if self._with_deltas and (change := changes.change_of(person, self._today)):
            number = next(record for _, _, record, _ in known(person))
            self._put(
                "mess", {"kind": f"delta: {change.kind}", "person": person.number, "source": "gp", "record": number}
            )
            self.expected[person.practice.system, "Encounter"] += len(change.story.consultations)
        if person.care:
            self.expected.update(expected.of_council(person, self._periods))
        for record in person.records:
            self.expected.update(expected.of(record))

    def _put(self, name: str, fact: dict[str, Any]) -> None:
        self._files[name].write(self._encode(fact).decode() + "\n")


def is_told_of(person: Person, periods: Sequence[cld.Period]) -> bool:
    """Whether a snapshot of the council has a row of the person."""
    return any(cld.is_told(event, person, period) for event in person.story.support for period in periods)


def answer(person: Person) -> dict[str, Any]:
    """Return what is true of a person, and how each source holds them: ``publisher``, ``patient`` (the source's own
    number), ``verified`` (whether it says that the NHS number is the person's own), and ``differs``, the names of what
    it has otherwise than the truth."""
    held = {source: _held(person, seen, publisher, record) for source, publisher, record, seen in known(person)}
    return {
        "number": person.number,
        "roles": sorted(person.roles),
        "nhs_number": person.nhs_number,
        "former_numbers": person.former_numbers,
        "family": person.family,
        "given": person.given,
        "sex": person.sex,
        "birth": person.birth,
        "death": person.death,
        "sources": held,
    }


def known(person: Person) -> Iterator[tuple[str, str, str, Seen]]:
    """Yield where one record of the person is: source, publisher, the source's own number, and how it is held."""
    if person.gp:
        number = patient_guid(person) if person.practice.system == "emis" else tpp.patient_id(person)
        yield person.practice.system, person.practice.ods, number, person.gp
    if person.hospital:
        yield "hl7v2", person.trust.ods, person.hospital.number, person.hospital
    if person.care:
        yield "cld", person.council.code, person.care.number, person.care


def links(person: Person) -> Iterator[dict[str, Any]]:
    """Yield every record of the person: source, publisher, the source's own number. ``retired`` is a number that was
    made one with the one before it."""
    for record in person.records:
        for source, publisher, number, seen in known(record):
            link = {"person": person.number, "source": source, "publisher": publisher, "record": number}
            yield link
            if seen.retired:
                yield {**link, "record": seen.retired, "retired": True}


def events(person: Person) -> Iterator[dict[str, Any]]:
    """Yield what happened: ``kind``, ``key`` (unique within the person), ``at``, and ``code`` where there is one."""
    story = person.story
    facts: list[tuple[str, str, object, str]] = [
        *(("consultation", seen.key, seen.at, "") for seen in story.consultations),
        *(("entry", entry.key, entry.at, entry.code) for entry in story.entries),
        *(("medicine", medicine.key, medicine.start, medicine.drug) for medicine in story.medicines),
        *(("visit", visit.key, visit.moves[0].at, visit.kind) for visit in story.visits),
        *(("report", report.key, report.taken, report.code) for report in story.reports),
        *(("letter", letter.key, letter.at, letter.kind) for letter in story.letters),
        *(("clinic", clinic.key, clinic.at, clinic.specialty) for clinic in story.clinics),
        *(("community", course.key, course.asked, course.team) for course in story.courses),
        *(("support", f"support{place}", support.start, support.kind) for place, support in enumerate(story.support)),
    ]
    for kind, key, at, code in facts:
        yield {"person": person.number, "kind": kind, "key": key, "at": at, "code": code}


def consents(person: Person) -> Iterator[dict[str, Any]]:
    if person.is_("opted-out"):
        yield {"person": person.number, "said": "national data opt-out"}
    if person.is_("restricted"):
        yield {"person": person.number, "said": "restricted"}
    for entry in person.story.entries:
        if entry.code in CONSENTS:
            yield {"person": person.number, "said": CONSENTS[entry.code], "at": entry.at}


def _held(person: Person, seen: Seen, publisher: str, patient: str) -> dict[str, Any]:
    differs = [
        name for name in ("nhs_number", "birth", "given", "family") if getattr(seen, name) != getattr(person, name)
    ]
    if seen.sex and seen.sex != person.sex:
        differs.append("sex")
    retired = {"retired": seen.retired} if seen.retired else {}
    return {"publisher": publisher, "patient": patient, "verified": seen.verified, "differs": differs, **retired}
