"""AL1 and IAM to AllergyIntolerance. An allergy is never removed because a later message does not repeat it.

IAM (A60; HL7 v2.5 chapter 3) says what to do: ``A`` adds, ``U`` updates, ``X`` changes nothing, ``D`` deletes. What is
deleted stays as entered in error with its reason, and comes back when any message states it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.fhir.build import resource
from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import DELETE, Message, Repetition, Segment
from mappings.vocabulary import ALLERGY_CLINICAL, ALLERGY_VERIFICATION, UK_CORE, UNKNOWN, status

PROFILE = UK_CORE + "UKCore-AllergyIntolerance"
ERROR = "entered-in-error"
UNDONE = "Removed by its sender before, and stated again later"
CHANGED = "Changed by its sender to another substance"
NOT_MET = "an allergy to be removed that nobody stated"


@dataclass(frozen=True)
class Stated:
    """One allergy as it was stated last: its AL1 or IAM, the reactions (IAR) and comments behind it. ``is_removed``: it
    was deleted; ``came_back``: and stated again; ``by_al1``: an AL1 states it too.
    """

    segment: Segment
    reactions: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()
    is_removed: bool = False
    came_back: bool = False
    by_al1: bool = False

    @property
    def is_iam(self) -> bool:
        return self.segment.name == "IAM"

    @property
    def status(self) -> str:
        """The verification status that IAM-17 says, "" for none: AL1 says nothing of verification."""
        if self.is_removed:
            return ERROR
        return codes.target("allergy_status", self.segment.text(17)) if self.is_iam else ""

    @property
    def is_active(self) -> bool:
        return not (self.is_iam and self.segment.text(17).upper() == "I")


def take_allergies(held: dict[str, Stated], message: Message) -> int:
    """Take what a message says of allergies into ``held``, by substance; return how many it deletes that nobody
    stated. Allergies that are not sent again stay."""
    missed = 0
    for said in stated(message):
        substance = said.segment.repetitions(3)
        name = key(substance[0]) if substance and said.segment[3] != DELETE else ""
        if said.is_iam and said.segment.text(6).upper() == "D":
            missed += not remove(held, said, name)
        elif name:
            keep(held, said, name)
    return missed


def stated(message: Message) -> list[Stated]:
    """Return the allergies of a message, each IAM with the IAR and NTE that follow it."""
    allergies_said: list[Stated] = []
    at: Stated | None = None
    for segment in message.segments:
        if segment.name in ("AL1", "IAM"):
            at = Stated(segment)
            allergies_said.append(at)
        elif at is not None and at.is_iam and segment.name == "IAR":
            allergies_said[-1] = at = replace(at, reactions=(*at.reactions, segment))
        elif at is not None and at.is_iam and segment.name == "NTE":
            allergies_said[-1] = at = replace(at, notes=(*at.notes, segment.whole(3).strip()))
        else:
            at = None
    return allergies_said


def keep(held: dict[str, Stated], said: Stated, name: str) -> None:
    """Take what is stated. What another substance was under the same unique number (IAM-7) is taken back, unless an AL1
    stated it too. ``X`` changes nothing that is known."""
    known = held.get(name)
    if said.is_iam and said.segment.text(6).upper() == "X" and known and not known.is_removed:
        return
    if said.is_iam and (number := said.segment[7]):
        for other in [other for other, allergy in held.items() if allergy.is_iam and allergy.segment[7] == number]:
            if other != name and not held[other].by_al1:
                held[other] = replace(held[other], notes=(*held[other].notes, CHANGED), is_removed=True)
    held[name] = replace(
        said,
        came_back=bool(known and (known.is_removed or known.came_back)),
        by_al1=not said.is_iam or bool(known and known.by_al1),
    )


def remove(held: dict[str, Stated], said: Stated, name: str) -> bool:
    """Mark an allergy as removed: the one of the unique number, of the substance, or of its words alone. Returns
    whether there is one."""
    number, words = said.segment[7], said.segment.text(3, 2).casefold()
    candidates = [
        other for other, allergy in held.items() if number and allergy.is_iam and allergy.segment[7] == number
    ]
    candidates += [name] if name in held else []
    if not candidates and words:
        alike = [other for other, allergy in held.items() if allergy.segment.text(3, 2).casefold() == words]
        candidates = alike if len(alike) == 1 else []
    if not candidates:
        return False
    before = held[candidates[0]]
    reason = said.segment.text(8)
    held[candidates[0]] = replace(
        before,
        notes=(*said.notes, f"Removed by its sender: {reason}" if reason else "Removed by its sender"),
        is_removed=True,
    )
    return True


def key(substance: Repetition) -> str:
    """Return the key of the substance: its code with system, else its text."""
    code = substance.text(1).strip()
    return f"{substance.text(3)}|{code}".upper() if code else substance.text(2).strip().casefold()


def allergies(
    held: dict[str, Stated],
    patient: str,
    subject: dict[str, Any],
    security: tuple[str, ...],
    publisher: str,
    look: Look,
) -> list[dict[str, Any]]:
    """Return one AllergyIntolerance for each substance."""
    return [
        allergy(said, f"{patient}|{name}", subject, security, publisher, look) for name, said in sorted(held.items())
    ]


def allergy(
    said: Stated, key: str, subject: dict[str, Any], security: tuple[str, ...], publisher: str, look: Look
) -> dict[str, Any]:
    """Return one AllergyIntolerance: what is removed or erroneous has no clinical status (R4, ait-2)."""
    segment, zone = said.segment, look.feed.zone
    category = codes.target("allergy_category", segment.text(2).strip().upper())
    clinical = "" if said.status == ERROR else "active" if said.is_active else "inactive"
    identified = segment.text(7) if said.is_iam else ""
    system = codes.identifiers_of(publisher, segment.text(7, 2), "AllergyIntolerance")
    onset, reported = times.of(segment, 11 if said.is_iam else 6), times.of(segment, 13) if said.is_iam else ""
    built = resource(
        "AllergyIntolerance",
        look.id("AllergyIntolerance", key),
        PROFILE,
        security,
        identifier=[{"system": system, "value": identified}] if identified else [],
        clinicalStatus=status(ALLERGY_CLINICAL, clinical),
        verificationStatus=status(ALLERGY_VERIFICATION, said.status),
        type=codes.target("allergy_type", segment.text(9)) if said.is_iam else "",
        category=[category] if category else [],
        code=codes.codeable(segment.repetitions(3)[0], look, publisher),
        patient=subject,
        onsetDateTime=times.fhir(onset, zone),
        onsetString=segment.text(12) if said.is_iam and not times.fhir(onset, zone) else "",
        recordedDate=times.fhir(reported, zone),
        note=[{"text": text} for text in notes(said) if text],
        reaction=reactions(said),
    )
    return times.flagged(built, zone, onset, reported)


def notes(said: Stated) -> list[str]:
    """Return what a reader must be told beside the allergy: why it was removed or changed, what kind of reaction it is
    where FHIR has no word for it, who reported it."""
    remarks = [UNDONE] if said.came_back and not said.is_removed else []
    if said.is_iam:
        segment = said.segment
        kind = (
            ""
            if codes.target("allergy_type", segment.text(9))
            else segment.text(9, 2) or codes.label("allergy_type", segment.text(9))
        )
        by = " ".join(part for part in (segment.text(14, 2), segment.text(14, 1)) if part)
        relation = segment.text(15, 2)
        remarks += [f"Kind of reaction: {kind}" if kind else ""]
        remarks += [f"Reported by {by}{f' ({relation})' if relation else ''}" if by else ""]
        remarks += [f"Reason for the change: {segment.text(8)}" if segment.text(8) and not said.is_removed else ""]
        remarks += [f"What was done: {reaction.text(4)}" for reaction in said.reactions if reaction.text(4)]
    return [*remarks, *said.notes]


def reactions(said: Stated) -> list[dict[str, Any]]:
    """Return the reactions in the sender's words, with the severity of the reaction (which is not how dangerous the
    allergy is)."""
    segment = said.segment
    severity = codes.target("allergy_severity", segment.text(4))
    words = [text for field in segment.repetitions(5) if (text := field.text(2) or field.text(1))]
    built: list[dict[str, Any]] = [
        {"manifestation": [{"text": text} for text in words] or [UNKNOWN], "severity": severity}
    ]
    own = [
        {
            "manifestation": [{"text": text}] if (text := reaction.text(1, 2) or reaction.text(1)) else [UNKNOWN],
            "severity": codes.target("allergy_severity", reaction.text(2)),
        }
        for reaction in said.reactions
    ]
    return (built if severity or words else []) + own
