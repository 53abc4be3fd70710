"""The answer key of a synthetic world: who each person truly is, and by which number each source knows them.

A tester compares what a system gathered with it. It is no part of any delivery.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from gateway.synth.emis.rows import patient_guid
from gateway.synth.truth import Person, Seen


class Answers:
    """An open answer key: ``people.ndjson``, one line a person, in the order of their numbers."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "people.ndjson").open("wb")
        self._encode = msgspec.json.Encoder().encode

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, person: Person) -> None:
        self._file.write(self._encode(answer(person)) + b"\n")


def answer(person: Person) -> dict[str, Any]:
    """Return what is true of a person, and how each source holds them: ``publisher``, ``patient`` (the source's own
    number), ``verified`` (whether it says that the NHS number is the person's own), and ``differs``, the names of what
    it has otherwise than the truth."""
    held = {
        "emis": _held(person, person.gp, person.practice.ods, patient_guid(person) if person.gp else ""),
        "hl7v2": _held(person, person.hospital, person.trust.ods, person.hospital.number if person.hospital else ""),
        "cld": _held(person, person.care, person.council.code, person.care.number if person.care else ""),
    }
    return {
        "number": person.number,
        "roles": sorted(person.roles),
        "nhs_number": person.nhs_number,
        "family": person.family,
        "given": person.given,
        "sex": person.sex,
        "birth": person.birth,
        "death": person.death,
        "sources": {source: seen for source, seen in held.items() if seen},
    }


def _held(person: Person, seen: Seen | None, publisher: str, patient: str) -> dict[str, Any]:
    if seen is None:
        return {}
    differs = [
        name for name in ("nhs_number", "birth", "given", "family") if getattr(seen, name) != getattr(person, name)
    ]
    retired = {"retired": seen.retired} if seen.retired else {}
    return {"publisher": publisher, "patient": patient, "verified": seen.verified, "differs": differs, **retired}
