"""THE TABLE of links: how a label spreads by one reference, but never to an allergy or a medicine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.fhir import paths
from gateway.nhs import blanking, labels

KEPT_TYPES = frozenset(
    {
        "AllergyIntolerance",
        "MedicationRequest",
        "MedicationStatement",
        "MedicationDispense",
        "MedicationAdministration",
        "Medication",
    }
)
"""Types that no code set, link or doubt removes, because a missing allergy or medicine can harm. Only the item's own
flag withholds one."""
POINTERS = ("encounter", "context", "text")
BLANKED_TYPES = frozenset(blanking.KEPT)
"""Types that stay when they refer to something hidden. The referring elements are blanked."""


@dataclass(frozen=True, slots=True)
class Link:
    """A reference over which a label spreads. ``referrer`` is what happens to the resource that holds the reference
    when its target is hidden, ``target`` what happens to the target when the holder is: ``remove``, ``course`` or
    ``""``. What may not be removed is blanked instead. ``course``: both are of one course of a medicine, so the holder
    has the target's own flag too; any other target blanks it."""

    type: str
    path: tuple[str, ...]
    referrer: str
    target: str


LINKS = tuple(
    Link(type_, paths.path(path), referrer, target)
    for type_, path, referrer, target in (
        ("Observation", "encounter", "remove", "remove"),
        ("Observation", "basedOn", "remove", "remove"),
        ("Observation", "partOf", "remove", "remove"),
        ("Observation", "hasMember", "remove", "remove"),
        ("Observation", "derivedFrom", "remove", "remove"),
        ("Observation", "specimen", "", "remove"),
        ("Observation", "extension.valueReference", "remove", ""),
        ("Condition", "extension.valueReference", "remove", ""),
        ("DiagnosticReport", "extension.valueReference", "remove", ""),
        ("Condition", "encounter", "remove", "remove"),
        ("Condition", "evidence.detail", "remove", "remove"),
        ("Procedure", "encounter", "remove", "remove"),
        ("Procedure", "basedOn", "remove", "remove"),
        ("Procedure", "reasonReference", "remove", "remove"),
        ("Procedure", "report", "remove", "remove"),
        ("Procedure", "complicationDetail", "remove", "remove"),
        ("DiagnosticReport", "encounter", "remove", "remove"),
        ("DiagnosticReport", "basedOn", "remove", "remove"),
        ("DiagnosticReport", "result", "remove", "remove"),
        ("DiagnosticReport", "specimen", "", "remove"),
        ("ServiceRequest", "encounter", "remove", "remove"),
        ("ServiceRequest", "basedOn", "remove", "remove"),
        ("ServiceRequest", "reasonReference", "remove", "remove"),
        ("ServiceRequest", "specimen", "", "remove"),
        ("Encounter", "reasonReference", "remove", "remove"),
        ("Encounter", "diagnosis.condition", "remove", "remove"),
        ("Encounter", "basedOn", "remove", "remove"),
        ("Encounter", "partOf", "remove", ""),
        ("EpisodeOfCare", "diagnosis.condition", "remove", "remove"),
        ("EpisodeOfCare", "referralRequest", "remove", "remove"),
        ("Immunization", "encounter", "remove", "remove"),
        ("Immunization", "reasonReference", "remove", "remove"),
        ("MedicationRequest", "encounter", "remove", "remove"),
        ("MedicationRequest", "reasonReference", "remove", ""),
        ("MedicationRequest", "supportingInformation", "remove", ""),
        ("MedicationRequest", "basedOn", "course", ""),
        ("MedicationStatement", "context", "remove", "remove"),
        ("MedicationStatement", "reasonReference", "remove", ""),
        ("MedicationStatement", "basedOn", "course", ""),
        ("MedicationStatement", "derivedFrom", "course", ""),
        ("AllergyIntolerance", "encounter", "remove", "remove"),
        ("DocumentReference", "context.encounter", "remove", "remove"),
        ("DocumentReference", "context.related", "remove", ""),
        ("DocumentReference", "relatesTo.target", "remove", "remove"),
        ("Composition", "encounter", "remove", "remove"),
        ("Composition", "section.entry", "remove", ""),
        ("List", "encounter", "remove", "remove"),
        ("List", "entry.item", "remove", ""),
        ("FamilyMemberHistory", "reasonReference", "remove", ""),
        ("FamilyMemberHistory", "extension.valueReference", "remove", "remove"),
        ("Specimen", "extension.valueReference", "remove", ""),
        ("CarePlan", "encounter", "remove", "remove"),
        ("CarePlan", "addresses", "remove", ""),
        ("CarePlan", "activity.reference", "remove", ""),
        ("CareTeam", "encounter", "remove", ""),
        ("CareTeam", "reasonReference", "remove", ""),
        ("ClinicalImpression", "encounter", "remove", "remove"),
        ("ClinicalImpression", "problem", "remove", "remove"),
        ("Appointment", "reasonReference", "remove", ""),
        ("Appointment", "basedOn", "remove", ""),
        ("Task", "encounter", "remove", "remove"),
        ("Task", "focus", "remove", ""),
        ("Task", "basedOn", "remove", ""),
        ("Task", "reasonReference", "remove", ""),
        ("DeviceRequest", "reasonReference", "remove", ""),
        ("DeviceRequest", "encounter", "remove", "remove"),
        ("Communication", "encounter", "remove", "remove"),
        ("Communication", "about", "remove", ""),
        ("QuestionnaireResponse", "encounter", "remove", "remove"),
        ("Flag", "encounter", "remove", ""),
    )
)
"""THE TABLE of references over which a label spreads, one hop. A reference that is not here carries nothing. A
medicine's own flag does not reach its reason: the problem is not the secret, and problems are not hidden for the sake
of a medicine. It reaches every issue and statement of its course, because each names the medicine. An issue's flag does
not reach the authorisation, which has a flag of its own."""
COURSE = "course"

_LINKS_OF: dict[str, tuple[Link, ...]] = {
    type_: tuple(link for link in LINKS if link.type == type_) for type_ in {link.type for link in LINKS}
}


def spread(items: list[tuple[int, dict[str, Any], int]], derived: dict[int, dict[int, str]]) -> None:
    """Add to ``derived`` (key → {bit: cause}) what the items' own labels put on their neighbours."""
    at = {
        f"{resource['resourceType']}/{resource['id']}": (key, resource["resourceType"], own)
        for key, resource, own in items
    }
    courses: dict[int, list[int]] = {}
    for key, resource, own in items:
        type_ = resource["resourceType"]
        for link in _LINKS_OF.get(type_, ()):
            if link.path[0] not in resource:
                continue
            for reference in paths.references(resource, link.path):
                target = at.get(reference)
                if target is None:
                    continue
                other, other_type, other_own = target
                if link.referrer == COURSE and other_type in blanking.MEDICINES:
                    courses.setdefault(other, []).append(key)
                    other_own &= labels.LEGAL
                if link.referrer:
                    _reach(derived[key], type_, other_own, other_type)
                if link.target:
                    _reach(derived[other], other_type, own, type_)
    _flag_courses(courses, {key: own & labels.FLAGGED for key, _, own in items}, derived)
    hidden_encounters = {
        name
        for name, (key, type_, own) in at.items()
        if type_ == "Encounter" and (own & labels.SPREADING or labels.LINKED in derived[key])
    }
    _blank_pointers(items, hidden_encounters, derived)


def _flag_courses(courses: dict[int, list[int]], flags: dict[int, int], derived: dict[int, dict[int, str]]) -> None:
    """Put the flag of a course on what was issued or stated of it, however many steps away. ``courses`` are the keys of
    those that refer to each course."""
    waiting = [key for key in courses if flags[key]]
    for key in waiting:  # grows as it is walked
        for member in courses.get(key, ()):
            added = flags[key] & ~flags[member]
            if added:
                flags[member] |= added
                causes = (bit for bit in (labels.CONFIDENTIAL, labels.NOT_TO_PATIENT) if bit & added)
                derived[member].update(dict.fromkeys(causes, "of a course that its source flagged"))
                waiting.append(member)


def _reach(causes: dict[int, str], type_: str, labelled: int, from_type: str) -> None:
    """Add to ``causes`` the labels that a labelled neighbour puts on a resource of this type."""
    if labelled & labels.LEGAL:
        causes.setdefault(labels.LEGAL, f"linked to a legally excluded {from_type}")
    if labelled & labels.SPREADING:
        bit = labels.BLANKED if type_ in BLANKED_TYPES else labels.LINKED
        causes.setdefault(bit, f"linked to a hidden {from_type}")


def _blank_pointers(
    items: list[tuple[int, dict[str, Any], int]], hidden: set[str], derived: dict[int, dict[int, str]]
) -> None:
    """Label resources that refer to a hidden Encounter as blanked: the reference alone would reveal it."""
    for key, resource, _ in items:
        for element in ("encounter", "context"):
            pointer = resource.get(element)
            if type(pointer) is dict and _leads_to(pointer, hidden):
                derived[key].setdefault(labels.BLANKED, "its Encounter is hidden")


def _leads_to(pointer: dict[str, Any], hidden: set[str]) -> bool:
    """Whether a reference, or a DocumentReference's context that holds several, leads to something hidden."""
    if "encounter" in pointer:
        return not hidden.isdisjoint(paths.references(pointer, ("encounter",)))
    return pointer.get("reference") in hidden


def redact(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a blanked resource as others see it: of an allergy, a medicine or an immunisation what ``blanking`` lists.
    Of other types only the pointer to the hidden Encounter and the narrative go.

    >>> redact({"resourceType": "MedicationRequest", "id": "m", "status": "active", "reasonCode": [{"text": "x"}]})
    {'resourceType': 'MedicationRequest', 'id': 'm', 'status': 'active'}
    """
    type_ = resource["resourceType"]
    if type_ in BLANKED_TYPES:
        return blanking.blank(resource)
    return {name: value for name, value in resource.items() if stays(type_, name)}


def stays(resource_type: str, element: str) -> bool:
    """Whether an element of a type stays when its resource is blanked."""
    if resource_type in BLANKED_TYPES:
        return blanking.stays(resource_type, element)
    return element.removeprefix("_") not in POINTERS
