"""SPM, else OBR-15, to UK Core Specimen: what was taken, from where, when, and whether it was fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.fhir.build import resource
from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import Repetition, Segment
from mappings.hl7v2.orders import Order
from mappings.vocabulary import UK_CORE

PROFILE = UK_CORE + "UKCore-Specimen"
REJECTED = 21
"""SPM-21: why the laboratory rejected the specimen."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One specimen of an order: its key within the order number, its segment (an SPM or the OBR), words, comments."""

    key: str
    segment: Segment
    words: str
    notes: tuple[str, ...] = ()


def specimens_of(order: Order) -> tuple[Taken, ...]:
    """Return the specimens of an order: its SPM, else what OBR-15 says."""
    specimens = [
        Taken(
            number_of(item.segment) or words_of(item.segment, 4),
            item.segment,
            words_of(item.segment, 4, 8),
            tuple(item.notes),
        )
        for item in order.specimens
    ]
    if not specimens and order.obr[15]:
        specimens = [Taken(words_of(order.obr, 15), order.obr, words_of(order.obr, 15))]
    return tuple(item for item in specimens if item.key)


def number_of(spm: Segment) -> str:
    """Return the laboratory's number of a specimen (SPM-2.2), else the requester's (SPM-2.1)."""
    return spm.text(2, 2, 1) or spm.text(2, 1, 1)


def words_of(segment: Segment, *fields: int) -> str:
    """Return the words of coded fields, each once: of a CE its text, of an SPS (OBR-15) all of its components."""
    parts: dict[str, None] = {}
    for field in fields:
        for repetition in segment.repetitions(field):
            shown = (
                [repetition.text(9) or repetition.text(2) or repetition.text(5) or repetition.text(1)]
                if segment.name == "SPM"
                else [repetition.text(component, part) for component in range(1, 7) for part in (1, 2)]
            )
            parts.update(dict.fromkeys(words for words in shown if words))
    return ", ".join(parts)


def specimen(taken: Taken, key: str, subject: dict[str, Any], publisher: str, look: Look) -> dict[str, Any]:
    """Return the Specimen. One that the laboratory rejected (SPM-21) is unsatisfactory, with its reason."""
    segment, zone = taken.segment, look.feed.zone
    if segment.name == "OBR":
        return resource(
            "Specimen",
            look.id("Specimen", key),
            PROFILE,
            type=source_type(segment, taken.words, publisher, look),
            subject=subject,
            receivedTime=times.fhir(times.of(segment, 14), zone),
            note=[{"text": text} for text in taken.notes],
        )
    rejected, number = words_of(segment, REJECTED), number_of(segment)
    said = [words_of(segment, 5), words_of(segment, 6), segment.whole(14).strip(), words_of(segment, 24)]
    start, end = times.of(segment, 17), times.of(segment, 17, 2)
    built = resource(
        "Specimen",
        look.id("Specimen", key),
        PROFILE,
        identifier=[{"system": codes.identifiers_of(publisher, segment.text(2, 2, 2), "Specimen"), "value": number}]
        if number
        else [],
        status="unsatisfactory" if rejected else "",
        type=coded(segment, 4, publisher, look),
        subject=subject,
        receivedTime=times.fhir(times.of(segment, 18), zone),
        collection={
            **when(times.fhir(start, zone), times.fhir(end, zone)),
            "method": coded(segment, 7, publisher, look),
            "bodySite": coded(segment, 8, publisher, look),
        },
        note=[
            {"text": text} for text in (*([f"Rejected: {rejected}"] if rejected else []), *said, *taken.notes) if text
        ],
    )
    return times.flagged(built, zone, start, times.of(segment, 18))


def when(start: str, end: str) -> dict[str, Any]:
    if end and end > start:
        return {"collectedPeriod": {"start": start, "end": end}}
    return {"collectedDateTime": start}


def coded(segment: Segment, field: int, publisher: str, look: Look) -> dict[str, Any]:
    return next((codes.codeable(item, look, publisher) for item in segment.repetitions(field)), {})


def source_type(obr: Segment, words: str, publisher: str, look: Look) -> dict[str, Any]:
    """Return OBR-15 as a concept: component 1 is a CWE with subcomponents, or senders write the field as a CE."""
    field = next(iter(obr.repetitions(15)))
    first, encoding = field.raw.split(field.encoding.component)[0], field.encoding
    if encoding.subcomponent in first:
        field = Repetition(first.replace(encoding.subcomponent, encoding.component), encoding)
    concept = codes.codeable(field, look, publisher)
    is_code = bool(field.text(2)) and " " not in field.text(1)
    return {"coding": concept.get("coding", []) if is_code else [], "text": words}
