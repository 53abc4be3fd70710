"""Why somebody may view a record: permission as it is recorded, and what is a relationship with the patient now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import DAY, interval
from gateway.nhs import identity, kinds

ATTENDING = {
    "Encounter": ("in-progress", "arrived", "triaged", "onleave"),
    "ServiceRequest": ("active",),
    "EpisodeOfCare": ("active",),
}
"""Type → the statuses in which a resource of an organisation may be a relationship with it. ``kinds`` says for which
kinds of publisher, and for how long."""


NO_ACT = frozenset({"proposal", "plan", "option"})
"""The intents of a request that asks nobody to do anything yet: a recall in a diary is no care that is being given, and
is never ended when the patient leaves."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Why somebody may view: ``least_reason`` is the shortest reason text taken, ``longest`` the hours it may last at
    most."""

    title: str
    least_reason: int
    longest: int


BASES = {
    "permission": Basis("the patient was asked and agreed this time", 0, 24),
    "permission-extended": Basis("the patient agreed for a stated time", 10, 24 * 90),
}
"""What may be recorded as permission to view. The emergency and legal bases come with alerts, and are not in this
version."""


def is_current(kind: str, resource: dict[str, Any], stored: int, received: int, now: int) -> bool:
    """Whether an open resource of a publisher of this kind is a relationship with its patient now.

    It must be of a type that is one for the kind, in an open status, begun and not ended, and not older than
    ``kinds.RELATIONSHIP_DAYS`` allows: an end that was never sent must not keep a record open. The age counts from the
    last date that the resource speaks of, such as a move to another ward, or where it has none from when the store
    last took it up (``stored``). ``received`` is when the publisher last sent anything. Times are µs UTC.
    """
    type_ = resource["resourceType"]
    if type_ not in kinds.of(kind).attends or resource.get("status") not in ATTENDING[type_]:
        return False
    if type_ == "ServiceRequest" and resource.get("intent") in NO_ACT:
        return False
    if has_ended(resource, now) or not kinds.is_recent(kind, received, now):
        return False
    begun = [begin for begin in _dates(resource) if begin <= now + DAY]
    if not begun:
        is_to_come = any(True for _ in _dates(resource))
        return not is_to_come and _is_within(kinds.UNDATED_DAYS, stored, now)
    return _is_within(kinds.open_days(kind, type_, _class(resource)), max(begun), now)


def is_current_registration(episode: dict[str, Any], stored: int, now: int) -> bool:
    """Whether a registration that is not regular (a temporary resident, or one who is immediately necessary, an
    emergency or private) is a relationship now: as long as ``kinds.REGISTRATION_DAYS`` allows from its beginning. A
    registration that was never ended must not keep a record open."""
    days = kinds.registered_days(identity.registration_codes(episode))
    if days == 0 or has_ended(episode, now):
        return False
    if (start := _first(episode.get("period"), "start")) is None:
        return days is None or _is_within(kinds.UNDATED_DAYS, stored, now)
    return start[0] <= now + DAY and _is_within(days, start[0], now)


def has_ended(resource: dict[str, Any], now: int) -> bool:
    """Whether the period of a resource is over, whatever its status says."""
    end = _first(resource.get("period"), "end")
    return end is not None and end[1] <= now


def _is_within(days: int | None, since: int, now: int) -> bool:
    return days is None or now - since <= days * DAY


def _class(resource: dict[str, Any]) -> str:
    code: str = (resource.get("class") or {}).get("code", "")
    return code


def _dates(resource: dict[str, Any]) -> Iterator[int]:
    """When a resource says that something of it began."""
    periods = [resource.get("period"), *(place.get("period") for place in resource.get("location", ()))]
    begins = [_first(period, "start") for period in periods]
    begins += [_first(resource, name) for name in ("authoredOn", "occurrenceDateTime")]
    yield from (begin[0] for begin in begins if begin is not None)


def _first(element: dict[str, Any] | None, name: str) -> tuple[int, int] | None:
    """The interval of a date, or None where there is none that can be read."""
    try:
        return interval(element[name]) if element and name in element else None
    except Invalid:
        return None
