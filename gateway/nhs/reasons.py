"""THE TABLE of elements that tell what belongs to another section than their resource does: they follow that section's
right, by read, by search and in the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from gateway.nhs import kinds, roles

PROBLEMS = "problems"

ROWS: Mapping[str, Mapping[str, str]] = {
    "Encounter": dict.fromkeys(("reasonCode", "reasonReference", "diagnosis"), PROBLEMS),
    "EpisodeOfCare": dict.fromkeys(("diagnosis",), PROBLEMS),
    "Appointment": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "MedicationRequest": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "MedicationStatement": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "Immunization": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "Procedure": dict.fromkeys(("reasonCode", "reasonReference", "complication", "complicationDetail"), PROBLEMS),
    "ServiceRequest": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "DeviceRequest": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "Task": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "CarePlan": dict.fromkeys(("addresses",), PROBLEMS),
    "CareTeam": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
    "FamilyMemberHistory": dict.fromkeys(("reasonCode", "reasonReference"), PROBLEMS),
}
"""THE TABLE: type → element → the right to the section that it tells of. A reason for a contact, a medicine or a
procedure is a problem of the patient, in other words. No index may read one of these elements: what it finds would
tell what they hold (a test compares the two tables). A filter reads the resource as its caller sees it."""


def closed(resource_type: str, kind: str, rights: frozenset[str]) -> frozenset[str]:
    """The elements of a type that who has just these rights does not see, in what a publisher of this kind recorded. A
    council's reasons are support reasons, which the right to social care opens too.

    >>> sorted(closed("Encounter", "hospital", frozenset({"encounters"})))
    ['diagnosis', 'reasonCode', 'reasonReference']
    >>> closed("Encounter", "hospital", frozenset({"encounters", "problems"}))
    frozenset()
    """
    return _closed(resource_type, kinds.of(kind).is_social, rights)


@lru_cache(maxsize=4096)
def _closed(resource_type: str, is_social: bool, rights: frozenset[str]) -> frozenset[str]:
    if is_social and kinds.SOCIAL_CARE in rights:
        return frozenset()
    return frozenset(name for name, right in ROWS.get(resource_type, {}).items() if right not in rights)


def without(resource: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A resource without some elements and without the problems it contains. Where it had any, its narrative, which
    may say the same, is gone too.

    >>> without({"resourceType": "Task", "id": "t", "text": {}, "reasonCode": {"text": "x"}}, {"reasonCode"})
    {'resourceType': 'Task', 'id': 't'}
    """
    gone = set(names)
    kept = {name: value for name, value in resource.items() if name.lstrip("_") not in gone}
    types, within = roles.SECTION_TYPES[PROBLEMS], kept.pop("contained", [])
    contained = [item for item in within if item.get("resourceType") not in types]
    if len(kept) + bool(within) == len(resource) and len(contained) == len(within):
        return resource
    kept.pop("text", None)
    return {**kept, "contained": contained} if contained else kept
