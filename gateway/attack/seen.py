"""What a recipient sees in a release: people by pseudonym, the facts of each, what happened to them and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Refused

MOST_PEOPLE = 50_000
"""People looked at: those of the first parts. They leave in a random order, so they are a random sample, in which more
are alone than among all: a larger release is no worse than its figures."""
DATES = (
    "effectiveDateTime", "effectivePeriod", "onsetDateTime", "onsetPeriod", "occurrenceDateTime", "occurrencePeriod",
    "performedDateTime", "performedPeriod", "period", "authoredOn", "recordedDate", "date", "issued", "start",
)  # fmt: skip
"""Where a resource says when it was; the first it has counts."""
CODES = ("code", "medicationCodeableConcept", "vaccineCode", "type", "category")
_ETHNICITY = "EthnicCategory"
Event = tuple[str, str, str]
"""(resource type, code, date) as they were written."""


@dataclass(slots=True)
class Person:
    """Facts by name, "" for none (``born sex district ethnicity died patients``), and events."""

    facts: dict[str, str]
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """A release: its people in the order of its files, and whether these are all. One without Patients tells no facts
    (``has_facts``): its people go by the references that its resources have to them."""

    people: dict[str, Person]
    is_whole: bool
    has_facts: bool = True


def read(folder: Path, most: int = MOST_PEOPLE) -> Seen:
    """Read the NDJSON files of a release. Raises ``Refused`` for a folder without any, or a line that is none."""
    has_facts = any(folder.glob("Patient.*.ndjson"))
    parts = sorted({path.name.split(".")[1] for path in folder.glob("Patient.*.ndjson" if has_facts else "*.*.ndjson")})
    if not parts:
        raise Refused("the folder holds no release")
    people: dict[str, Person] = {}
    for number, part in enumerate(parts):
        if len(people) >= most:
            return Seen(people, is_whole=not parts[number:], has_facts=has_facts)
        if has_facts:
            _read_part(folder, part, people)
        else:
            _read_subjects(folder, part, people)
    return Seen(people, is_whole=True, has_facts=has_facts)


def _read_part(folder: Path, part: str, people: dict[str, Person]) -> None:
    """Add the people of a part: a person is in one part, with everything of theirs."""
    person_of: dict[str, Person] = {}
    for patient in _lines(folder / f"Patient.{part}.ndjson"):
        name = (patient.get("identifier") or [{}])[0].get("value") or patient["id"]
        person = people.setdefault(name, Person({"patients": "0"}))
        person_of[f"Patient/{patient['id']}"] = person
        _add_facts(person.facts, patient)
    for path in sorted(folder.glob(f"*.{part}.ndjson")):
        if not path.name.startswith("Patient."):
            for resource in _lines(path):
                owner = person_of.get(_subject(resource))
                if owner is not None:
                    owner.events.append(_event(resource))


def _read_subjects(folder: Path, part: str, people: dict[str, Person]) -> None:
    """Add the people of a part without Patients, by the references to them."""
    for path in sorted(folder.glob(f"*.{part}.ndjson")):
        for resource in _lines(path):
            if (subject := _subject(resource)).startswith("Patient/"):
                people.setdefault(subject, Person({})).events.append(_event(resource))


def _event(resource: Mapping[str, Any]) -> Event:
    return resource["resourceType"], _code(resource), _date(resource)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decode(line)
            except (msgspec.MsgspecError, ValueError):
                raise Refused(f"{path.name}: line {number}: not a JSON object") from None


def _add_facts(facts: dict[str, str], patient: Mapping[str, Any]) -> None:
    facts_told = {
        "born": patient.get("birthDate", "") or _decade(patient) or _masked(patient, "birthDate"),
        "sex": patient.get("gender", "") or _masked(patient, "gender"),
        "district": "".join(
            address.get("postalCode", "") or _masked(address, "postalCode") for address in patient.get("address", ())
        ),
        "ethnicity": "".join(
            _code(extension, ("valueCodeableConcept",)) or "masked"
            for extension in patient.get("extension", ())
            if extension.get("url", "").endswith(_ETHNICITY)
        ),
        "died": patient.get("deceasedDateTime", "")
        or ("yes" if patient.get("deceasedBoolean") else _masked(patient, "deceasedDateTime")),
        "patients": str(int(facts["patients"]) + 1),
    }
    facts.update({name: value for name, value in facts_told.items() if value})


def _masked(element: Mapping[str, Any], name: str) -> str:
    """Whether something says that it was left out is told apart from whether there was anything."""
    return "masked" if f"_{name}" in element else ""


def _decade(patient: Mapping[str, Any]) -> str:
    """The decade that a release tells where it tells no year of birth."""
    extensions = patient.get("_birthDate", {}).get("extension", ())
    return next(
        (
            str(extension.get("valueCode", ""))
            for extension in extensions
            if extension.get("url", "").endswith("birth-decade")
        ),
        "",
    )


def _subject(resource: Mapping[str, Any]) -> str:
    for name in ("subject", "patient", "beneficiary"):
        reference: str = resource.get(name, {}).get("reference", "")
        if reference:
            return reference
    return ""


def _code(resource: Mapping[str, Any], names: tuple[str, ...] = CODES) -> str:
    for name in names:
        concept = resource.get(name)
        if isinstance(concept, list):
            concept = concept[0] if concept else {}
        if not isinstance(concept, dict):  # the category of an allergy is a code alone
            continue
        for coding in concept.get("coding", ()):
            if coding.get("code"):
                return f"{coding.get('system', '')}|{coding['code']}"
    return ""


def _date(resource: Mapping[str, Any]) -> str:
    for name in DATES:
        value = resource.get(name)
        if isinstance(value, dict):
            value = value.get("start") or value.get("end")
        if isinstance(value, str) and value:
            return value
    return ""
