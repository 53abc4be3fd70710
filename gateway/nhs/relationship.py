"""Why somebody may view a record: permission as it is recorded, and what is a relationship with the patient now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import DAY, interval
from gateway.nhs import alerting, identity, kinds

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
    most; ``act`` is what recording it is called in ``roles.RULES``. ``is_asked``: the patient agreed. ``stands_in``: it
    takes the place of a relationship that the system does not know. ``alert`` is the subtype (``alerting.SUBTYPES``) of
    the alert that recording it raises, where there is a relationship and where there is none; "" raises none.
    ``is_stated``: whoever records it may say until when."""

    title: str
    least_reason: int
    longest: int
    act: str = "permit"
    is_asked: bool = False
    stands_in: bool = False
    alert: tuple[str, str] = ("", "")
    is_stated: bool = False


DAY_HOURS = 24
BASES = {
    "permission": Basis("the patient was asked and agreed this time", 0, DAY_HOURS, is_asked=True),
    "permission-extended": Basis("the patient agreed for a stated time", 10, DAY_HOURS * 90, is_asked=True, is_stated=True),
    "self-claimed-lr": Basis("the patient agreed, and is in our care in a way that no system tells", 10, DAY_HOURS * 7,
                             is_asked=True, stands_in=True, alert=("6", "6"), is_stated=True),
    "emergency": Basis("the patient cannot be asked, and it is in their best interests", 10, 12, act="break-glass",
                       stands_in=True, alert=("5", "4")),
    "court-order": Basis("a court ordered it", 10, DAY_HOURS, act="override", stands_in=True, alert=("3", "3")),
    "statute": Basis("a law requires it", 10, DAY_HOURS, act="override", stands_in=True, alert=("2", "2")),
    "public-interest": Basis("it is in the public interest", 10, DAY_HOURS, act="override", stands_in=True, alert=("1", "1")),
}  # fmt: skip
"""THE TABLE of what may be recorded as permission to view: summary-care-record permission values of the national
service. The owner of a registered patient's record needs none of them."""
DENIED = "denied"
ANSWERS = {**BASES, DENIED: Basis("the patient was asked and refused", 0, DAY_HOURS * 90)}
"""What may be recorded: each basis, and that the patient refused, which opens nothing and is kept as long as what it
ends could last."""


def alert_of(basis: str, *, is_related: bool) -> tuple[str, str] | None:
    """The type and subtype of the alert that recording a basis raises, None where it raises none. Type 1 says that the
    relationship was claimed, type 2 that there was one: permission that a patient gave to a claim is always a claim.

    >>> alert_of("emergency", is_related=True), alert_of("emergency", is_related=False)
    (('2', '5'), ('1', '4'))
    """
    related, unrelated = ANSWERS[basis].alert
    if not unrelated:
        return None
    is_claim = not is_related or ANSWERS[basis].is_asked
    return (alerting.CLAIMED, unrelated) if is_claim else (alerting.ACCESSED, related)


Recorded = tuple[str, int, int]
"""(basis, from when, until when): what an organisation recorded of one number. Times are µs UTC."""


def standing(recorded: Iterable[Recorded], now: int) -> list[Recorded]:
    """Of what an organisation recorded of a person, what stands now, the one that lasts longest first.

    A refusal ends every basis that was recorded before it, but a legal one. For a day no emergency counts, which is of
    somebody who cannot be asked; then, or as soon as the patient agrees again, the refusal itself is over.
    """
    known = sorted((row for row in recorded if row[2] > now and row[0] in ANSWERS), key=lambda row: -row[2])
    refused = max((at for basis, at, _ in known if basis == DENIED), default=None)
    if refused is None:
        return known
    agreed = min((at for basis, at, _ in known if ANSWERS[basis].is_asked and at > refused), default=now + 1)
    over = min(agreed, refused + DAY)
    return [row for row in known if ANSWERS[row[0]].act == "override" or _outlives(row, refused, over, now)]


def _outlives(row: Recorded, refused: int, over: int, now: int) -> bool:
    """Whether what was recorded stands beside a refusal that is ``over`` at a time."""
    basis, at, _ = row
    if basis == DENIED:
        return at == refused and over > now
    return at > refused if ANSWERS[basis].is_asked else at >= over


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
