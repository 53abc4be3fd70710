"""Cuts one part of an export: each person's resources as they were, pseudonymised, one file a type.

A worker of a pool imports this module and nothing that imports SQLModel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gateway import log, records
from gateway.export import crowding, part_files
from gateway.export.chosen import Choice
from gateway.fhir.dates import moment
from gateway.nhs.pseudonym import Pseudonymiser, order_key, place
from gateway.store.database import open_store

Outcome = dict[str, Any]
"""What came of a part, as it is kept with the job: its files, its counts, and the people it was cut of, as a digest."""


@dataclass(frozen=True)
class Part:
    """What a worker needs to cut one part; it opens the rest itself."""

    url: str
    job: str
    pins: dict[str, Any]
    number: int
    out: str
    claim: int
    key: bytes = field(repr=False)
    decision: str = ""
    """The hash of the decision about few people (``crowding``); "" where nobody is counted."""
    revision: int = 0
    types: tuple[str, ...] = ()
    """Where the part was released before: how often the release was changed with this time, and the types of which the
    part had a file, which it keeps, also an empty one: a name that vanished would tell who had the only such row."""


def cut(part: Part) -> tuple[int, Outcome]:
    """Cut one part into files that have no name yet; see ``part_files.place``. Returns the part's number and what came
    of it."""
    pins = part.pins
    decision = crowding.of(part)
    year = moment(pins["started"]).year
    pseudonymiser = Pseudonymiser(pins["profile"], pins["setting"], part.key, year, decision.common)
    files: dict[str, part_files.PartFile] = {}
    types, approved = frozenset(pins["types"]), frozenset(pins["approved"]["types"])
    choice = Choice(pins.get("filters", ()), pins.get("elements", ()), pins["started"])
    persons, order = 0, order_key(part.key, revised(pins["release"], part.revision))
    store = open_store(part.url)
    try:
        with store.read() as session:
            now = records.today(session, part.job, part.number, pins)
            by_name = partial(place, order) if part.revision else None
            for person in records.stream(session, part.job, part.number, pins, by_name):
                lines = pseudonymiser.person(
                    person.person, _ordered(order, person.resources), types, approved, person.lives
                )
                is_in = False
                for resource_type, leaving in decision.coarsened(lines):
                    line = choice.line(resource_type, leaving)
                    if line is None:
                        continue
                    is_in = True
                    if resource_type not in files:
                        files[resource_type] = _file(part, resource_type)
                    files[resource_type].write(line, person.person)
                persons += is_in
            files.update({name: _file(part, name) for name in part.types if name not in files})
            closed = [files[name].close() for name in sorted(files)]
    finally:
        for file in files.values():
            file.abandon()
        store.close()
    log.event("export.part", part=part.number, resources=sum(file["count"] for file in closed))
    return part.number, {
        "decision": part.decision,
        "state": now.state,
        "revision": part.revision,
        "files": closed,
        "persons": persons,
        "dropped": dict(sorted(pseudonymiser.dropped.items())),
        "dropped_people": dict(sorted(pseudonymiser.dropped_people.items())),
        "kept": dict(sorted(pseudonymiser.kept.items())),
    }


def revised(release: str, revision: int) -> str:
    """What names the order of a release whose parts were cut again: an unchanged row in its former place would tell
    which row is gone."""
    return f"{release} {revision}" if revision else release


def _file(part: Part, resource_type: str) -> part_files.PartFile:
    return part_files.PartFile(Path(part.out), resource_type, part.number, part.claim)


def _ordered(key: bytes, resources: Sequence[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
    """The resources of a person in the order of this release: that of the source, which is by its own ids, could be
    matched with another release."""
    return sorted(resources, key=lambda resource: place(key, f"{resource[0]}/{resource[1]}"))
