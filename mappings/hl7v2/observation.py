"""OBX to Observation, and which of two values for the same thing counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.fhir.build import resource
from mappings import Look
from mappings.hl7v2 import codes, times, values
from mappings.hl7v2.message import Segment
from mappings.vocabulary import ABSENT_REASON, HL7, UK_CORE

LAB = UK_CORE + "UKCore-Observation-Lab"
OTHER = UK_CORE + "UKCore-Observation"

UNSETTLED = {"registered", "preliminary", "unknown"}
CHANGES = {"corrected", "amended", "cancelled", "entered-in-error"}
WITHOUT_VALUE = {
    "registered": "temp-unknown",
    "preliminary": "temp-unknown",
    "cancelled": "not-performed",
    "entered-in-error": "error",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One result of one message: its OBX (several lines of a text are one result), comments, and the OBR and specimen
    it came under."""

    segments: tuple[Segment, ...]
    obr: Segment
    specimen: str = ""
    notes: tuple[str, ...] = ()
    status: str = ""
    also: tuple[str, ...] = ()

    @property
    def obx(self) -> Segment:
        return self.segments[0]

    @property
    def sent(self) -> tuple[tuple[str, str], ...]:
        """The value as sent, to tell whether two are the same."""
        return tuple((segment[5].strip(), segment[6].strip()) for segment in self.segments)


def status_of(obx: Segment) -> str:
    """Return the Observation status of OBX-11, ``unknown`` where it says nothing we know."""
    return codes.target("result_status", obx.text(11)) or "unknown"


def accept(held: Result | None, new: Result) -> Result:
    """Return which of two results of the same test is in force.

    A preliminary never replaces a final, whatever their order. A final is replaced only by one that says it corrects,
    cancels or deletes: another final value that does not say so is shown beside the first, for a person to judge.
    ``U`` makes the value held final.
    """
    if held is None:
        return new
    if new.obx.text(11) == "U" and not new.obx[5]:
        return replace(held, status="final") if held.status in UNSETTLED else held
    if new.status in CHANGES or held.status in UNSETTLED:
        return new
    if new.status in UNSETTLED or new.sent == held.sent:
        return held
    if held.status in ("cancelled", "entered-in-error"):
        return new
    return replace(held, also=(*held.also, unmarked(new)))


def unmarked(new: Result) -> str:
    """Return the note on another final value, in words."""
    words = " ".join(f"{segment.whole(5)} {segment.whole(6)}".strip() for segment in new.segments)
    return f"Another final value was sent later and not marked as a correction: {words}"


def observation(
    result: Result,
    key: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    is_lab: bool,
    publisher: str,
    look: Look,
) -> dict[str, Any]:
    """Return the Observation. A result entered in error keeps no value; a cancelled one only what the cancelling
    message says."""
    obx, zone = result.obx, look.feed.zone
    found = {} if result.status == "entered-in-error" else values.value(list(result.segments), look, publisher)
    if obx.text(2) == "ED":
        found = {}  # a document that could not be read: those that can are in the report
    time = obx.text(14) or result.obr.text(7)
    made = resource(
        "Observation",
        look.id("Observation", key),
        LAB if is_lab else OTHER,
        status=result.status,
        category=[{"coding": [{"system": HL7 + "observation-category", "code": "laboratory"}]}] if is_lab else [],
        code=codes.required(obx, 3, look, publisher),
        subject=subject,
        encounter=encounter,
        effectiveDateTime=times.fhir(time, zone),
        performer=[{"type": "Organization", "display": producer}]
        if (producer := obx.text(23) or codes.text_of(obx, 15))
        else [],
        **found,
        dataAbsentReason=absent(result, found),
        interpretation=values.interpretations(obx) if found else [],
        note=[{"text": text} for text in (*result.notes, *result.also)],
        specimen={"display": result.specimen},
        referenceRange=values.reference_range(obx) if found else [],
    )
    return times.flagged(made, zone, time, obx.whole(5).strip() if "valueDateTime" in found else "")


def absent(result: Result, found: dict[str, Any]) -> dict[str, Any]:
    """Return why there is no value, where there is none."""
    if found:
        return {}
    code = "not-asked" if result.obx.text(11) == "N" else WITHOUT_VALUE.get(result.status, "unknown")
    return {"coding": [{"system": ABSENT_REASON, "code": code}]}
