"""The Patients that were gathered for one person, as a document tells of them: one is its subject, the others are
linked and stand beside it in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.fhir import build
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import identifiers
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import shown_date, text
from gateway.summary.banner import SEX, address_line, name_line, phones

HEAD = ("Source", "Name", "Born", "Sex", "Numbers", "Address and phone", "More")


def linked(record: Record, base: str) -> dict[str, Any]:
    """The Patient that the document is about, without its own narrative. It is linked to the others, which are no
    entries: each link is an address of the API, under ``base``."""
    first, *others = record.patients
    whole = build.decode(first.served())
    sent = [_outward(link, base) for link in whole.get("link", ())]
    known = {link.get("other", {}).get("reference") for link in sent}
    more = [
        {"other": {"reference": base + other.reference, "display": f"{other.publisher}'s record"}, "type": "seealso"}
        for other in others
        if base + other.reference not in known
    ]
    patient = {name: value for name, value in whole.items() if name not in ("text", "link")}
    return {**patient, "link": [*sent, *more]} if sent or more else patient


def _outward(link: dict[str, Any], base: str) -> dict[str, Any]:
    """A link that the source sent, as an address: in the document its Patient would be the linked one itself."""
    other = link.get("other", {})
    reference = other.get("reference", "")
    return {**link, "other": {**other, "reference": base + reference}} if reference.startswith("Patient/") else link


def as_held(record: Record) -> list[tuple[str, ...]]:
    """How each source holds the person, a row under ``HEAD``, the best known first and the others by name; no rows
    where only one does."""
    best, *others = [_row(held) for held in record.patients]
    return [best, *sorted(others)] if others else []


def _row(held: Held) -> tuple[str, ...]:
    patient = held.resource
    where = [address_line(patient), *phones(patient)]
    return (
        held.publisher,
        name_line(patient),
        shown_date(patient.get("birthDate", "")),
        SEX.get(patient.get("gender", ""), "Not known"),
        "\n".join(_numbers(patient)),
        "\n".join(line for line in where if line),
        "\n".join(_more(patient)),
    )


def _numbers(patient: dict[str, Any]) -> Iterator[str]:
    for identifier in patient.get("identifier", ()):
        value = identifier.get("value", "")
        if identifier.get("system") == NHS_NUMBER and identifiers.is_valid(value):
            yield f"NHS number {identifiers.spaced(value)}"
        elif value:
            yield f"{text(identifier.get('type'))} {value}".strip()


def _more(patient: dict[str, Any]) -> Iterator[str]:
    """A death, who may be asked, and what to speak."""
    if patient.get("deceasedDateTime") or patient.get("deceasedBoolean") is True:
        yield f"Died: {shown_date(patient.get('deceasedDateTime', ''))}"
    for contact in patient.get("contact", ()):
        yield ", ".join(part for part in (*_relations(contact), _contact_name(contact), *phones(contact)) if part)
    for communication in patient.get("communication", ()):
        if language := text(communication.get("language")):
            yield f"Speaks {language}"


def _relations(contact: dict[str, Any]) -> list[str]:
    return [text(relation) for relation in contact.get("relationship", ())] or ["Contact"]


def _contact_name(contact: dict[str, Any]) -> str:
    return name_line({"name": [contact["name"]]}) if contact.get("name") else ""
