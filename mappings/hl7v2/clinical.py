"""DG1 and PR1 to Condition and Procedure, for a visit or, where a message names none, for the patient."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.datatypes import practitioner
from mappings.hl7v2.message import Message, Repetition, Segment
from mappings.hl7v2.possible import is_after, known_day
from mappings.vocabulary import CANNOT_BE, CONDITION_VERIFICATION, ENCOUNTER_DIAGNOSIS, UK_CORE, protected, status

CONDITION = UK_CORE + "UKCore-Condition"
PROCEDURE = UK_CORE + "UKCore-Procedure"
PERFORMED = {"planned": "preparation", "cancelled": "unknown", "arrived": "unknown"}
"""A PR1 is completed only of a visit that took place; nothing says that the procedure of a cancelled one was done or
not done."""
SCHEMES = {
    "DG1": ("ICD", "http://hl7.org/fhir/sid/icd-10", "ICD-10"),
    "PR1": ("OPCS", "https://fhir.hl7.org.uk/CodeSystem/OPCS-4", "OPCS-4"),
}
"""The scheme that hospitals code diagnoses and procedures in: its name in the table of protected codes, URI, title."""
STATED = frozenset(uri for uri, _ in codes.table("code_system").values())
"""The systems that a sender names in a way we know: their codes are of no other scheme."""


class Coded:
    """The diagnoses and procedures sent so far. A message replaces the earlier entries of each type it sends (HL7:
    snapshot). Types that it does not send stay."""

    def __init__(self) -> None:
        self.diagnoses: dict[str, list[Segment]] = {}
        self.procedures: list[Segment] = []
        self.known = ""

    def take(self, message: Message) -> None:
        sent: dict[str, list[Segment]] = {}
        for segment in message.all("DG1"):
            sent.setdefault(segment.text(6), []).append(segment)
        for kind, segments in sent.items():
            self.diagnoses.pop(kind, None)  # so that the type sent last comes last
            self.diagnoses[kind] = segments
        self.procedures = message.all("PR1") or self.procedures
        self.known = max(self.known, known_day(message))

    def current(self) -> list[tuple[str, Segment]]:
        """Return (key, DG1) of each diagnosis not taken back (DG1-21 ``D``); of one code, the type sent last counts."""
        diagnoses: dict[str, Segment] = {}
        for segments in self.diagnoses.values():
            for segment in segments:
                key = code_key(segment)
                if key and segment.text(21) != "D":
                    diagnoses[key] = segment
        return list(diagnoses.items())

    def resources(
        self,
        owner: str,
        subject: dict[str, Any],
        encounter: dict[str, Any],
        status: str,
        security: tuple[str, ...],
        publisher: str,
        look: Look,
    ) -> list[dict[str, Any]]:
        """Return the Conditions and Procedures, keyed by ``owner`` and code."""
        built = [
            condition(segment, f"{owner}|{key}", subject, encounter, security, publisher, look)
            for key, segment in self.current()
        ]
        seen: dict[str, int] = {}
        for segment in self.procedures:
            key = code_key(segment)
            if not key or segment.text(20) == "D":
                continue
            key = f"{key}|{segment.text(5)}"
            seen[key] = seen.get(key, 0) + 1
            name = f"{owner}|{key}|{seen[key]}"
            done, performed = self.standing(segment, status, look)
            built.append(procedure(segment, name, subject, encounter, done, performed, security, publisher, look))
        return built

    def standing(self, segment: Segment, status: str, look: Look) -> tuple[str, str]:
        """Return the status of a procedure, by that of its visit, and its time. Nobody knows whether one is done that
        is dated after all messages which tell of it: it is planned, or its year is mistyped."""
        done, performed = PERFORMED.get(status, "completed"), times.of(segment, 5)
        if done == "preparation" or not is_after(performed, self.known):
            return done, performed
        look.warn("PR1-5", CANNOT_BE)
        return "unknown", ""

    def references(self, owner: str, look: Look) -> list[dict[str, Any]]:
        """Return Encounter.diagnosis, in the sender's order of importance."""
        entries = []
        for key, segment in self.current():
            rank = segment.text(15)
            entry: dict[str, Any] = {"condition": look.reference("Condition", f"{owner}|{key}")}
            if rank.isascii() and rank.isdigit() and int(rank) > 0:
                entry["rank"] = int(rank)
            entries.append(entry)
        return entries


def code_key(segment: Segment) -> str:
    """Return the key of the diagnosis or procedure: its code, else its text (field 3, else field 4)."""
    return segment.text(3, 1).strip() or (segment.text(3, 2) or segment.text(4)).strip().casefold()


def condition(
    segment: Segment,
    key: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    security: tuple[str, ...],
    publisher: str,
    look: Look,
) -> dict[str, Any]:
    """Return the Condition of a DG1: an encounter diagnosis, confirmed only when its type says final."""
    clinician = next((practitioner(field) for field in segment.repetitions(16)), {})
    condition_resource = resource(
        "Condition",
        look.id("Condition", key),
        CONDITION,
        security,
        verificationStatus=status(CONDITION_VERIFICATION, codes.target("diagnosis_type", segment.text(6))),
        category=[ENCOUNTER_DIAGNOSIS],
        code=code(segment, publisher, look),
        subject=subject,
        encounter=encounter,
        recordedDate=times.fhir(times.of(segment, 5), look.feed.zone),
        recorder=clinician,
    )
    return times.flagged(condition_resource, look.feed.zone, times.of(segment, 5))


def procedure(
    segment: Segment,
    key: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    status: str,
    performed: str,
    security: tuple[str, ...],
    publisher: str,
    look: Look,
) -> dict[str, Any]:
    """Return the Procedure of a PR1, ``performed`` at an HL7 time or ""."""
    clinicians = [practitioner(field) for number in (11, 12) for field in segment.repetitions(number)]
    procedure_resource = resource(
        "Procedure",
        look.id("Procedure", key),
        PROCEDURE,
        security,
        status=status,
        code=code(segment, publisher, look),
        subject=subject,
        encounter=encounter,
        performedDateTime=times.fhir(performed, look.feed.zone),
        performer=[{"actor": clinician} for clinician in clinicians if clinician],
    )
    return times.flagged(procedure_resource, look.feed.zone, performed)


def code(segment: Segment, publisher: str, look: Look) -> dict[str, Any]:
    """Return field 3 as a CodeableConcept; field 2 names the coding system where field 3 does not; neither: the
    sender's own."""
    named = segment.text(2).strip()
    field = next(iter(segment.repetitions(3)), Repetition("", segment.encoding))
    concept = codes.codeable(field, look, publisher, named)
    described = segment.text(4)
    if described or concept.get("text"):
        concept = {**concept, "text": described or concept["text"]}
    return held_back(concept, segment.name)


def held_back(concept: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the concept of a DG1 or PR1 with the words of what is protected, by which it is held back. A code without
    words and without the name of its system may be one, and its words say so."""
    scheme, uri, title = SCHEMES[name]
    for coding in concept.get("coding", ()):
        words = protected(scheme, coding["code"])
        if words and coding["system"] == uri:
            return {**concept, "text": f"{concept['text']}: {words}"}
        if words and coding["system"] not in STATED and concept["text"] == coding["code"]:
            return {**concept, "text": f"{concept['text']} (in {title}: {words})"}
    return concept
