"""AL1 to AllergyIntolerance. An allergy is never removed because a later message does not repeat it."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import DELETE, Message, Repetition, Segment
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN

PROFILE = UK_CORE + "UKCore-AllergyIntolerance"


def take_allergies(held: dict[str, Segment], message: Message) -> None:
    """Add the AL1 segments to ``held``, by substance. Allergies that are not sent again stay."""
    for segment in message.all("AL1"):
        substance = segment.repetitions(3)
        if substance and segment[3] != DELETE:
            name = key(substance[0])
            if name:
                held[name] = segment


def key(substance: Repetition) -> str:
    """Return the key of the substance: its code with system, else its text."""
    code = substance.text(1).strip()
    return f"{substance.text(3)}|{code}".upper() if code else substance.text(2).strip().casefold()


def allergies(
    held: dict[str, Segment],
    patient: str,
    subject: dict[str, Any],
    security: tuple[str, ...],
    publisher: str,
    look: Look,
) -> list[dict[str, Any]]:
    """Return one AllergyIntolerance for each substance. AL1 says nothing of verification, so nothing is said."""
    resources = []
    for name, segment in sorted(held.items()):
        substance = segment.repetitions(3)[0]
        kind = segment.text(2).strip().upper()
        category = codes.target("allergy_category", kind)
        built = resource(
            "AllergyIntolerance",
            look.id("AllergyIntolerance", f"{patient}|{name}"),
            PROFILE,
            security,
            clinicalStatus={"coding": [{"system": HL7 + "allergyintolerance-clinical", "code": "active"}]},
            category=[category] if category else [],
            code=codes.codeable(substance, look, publisher),
            patient=subject,
            onsetDateTime=onset(segment, look.feed.zone),
            reaction=reaction(segment),
        )
        resources.append(times.flagged(built, look.feed.zone, times.of(segment, 6)))
    return resources


def onset(segment: Segment, zone: str) -> str:
    """Return AL1-6, the date of identification, where it is a date (the field is withdrawn since 2.4 and holds other
    things too)."""
    return times.fhir(times.of(segment, 6), zone)


def reaction(segment: Segment) -> list[dict[str, Any]]:
    """Return the reactions in the sender's words, with the severity of the reaction (which is not how dangerous the
    allergy is)."""
    severity = codes.target("allergy_severity", segment.text(4))
    words = [field.text(2) or field.text(1) for field in segment.repetitions(5)]
    if not severity and not words:
        return []
    return [{"manifestation": [{"text": text} for text in words if text] or [UNKNOWN], "severity": severity}]
