"""The words of a notification: nothing at all, or a Bundle of the Subscriptions R5 Backport.

https://hl7.org/fhir/uv/subscriptions-backport/notifications.html. It never holds a resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import records
from gateway.fhir import build
from gateway.notify.wish import EMPTY, ID_ONLY, JSON, PING

PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-"
EVENT, HANDSHAKE, STATUS = "event-notification", "handshake", "query-status"


@dataclass(frozen=True, slots=True)
class Change:
    """A change to tell of: its number in the subscription, what changed, and when that was (µs UTC)."""

    number: int
    type: str
    id: str
    updated: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription as its notifications speak of it: where our base is, its state, its topic, how much they hold, how
    many changes there were, and what is wrong."""

    base: str
    id: str
    state: str
    content: str
    topic: str = ""
    events: int = 0
    error: str = ""


def body(standing: Standing, kind: str, message: str, now: int, changes: Sequence[Change] = ()) -> bytes:
    """The body of a notification. ``message`` is its id."""
    if standing.content == PING:
        return b""
    entry = {
        "fullUrl": f"urn:uuid:{message}",
        "resource": status(standing, kind, changes),
        "request": {"method": "GET", "url": f"{standing.base}/Subscription/{standing.id}/$status"},
        "response": {"status": "200"},
    }
    return build.encode({
        "resourceType": "Bundle", "id": message, "meta": {"profile": [f"{PROFILE}notification-r4"]}, "type": "history",
        "timestamp": records.instant(now), "entry": [entry],
    })  # fmt: skip


def media(content: str) -> Mapping[str, str]:
    """The content type of a body."""
    return {} if content == PING else {"Content-Type": JSON}


def status(standing: Standing, kind: str, changes: Sequence[Change] = ()) -> dict[str, Any]:
    """https://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription-status-r4.html

    How a subscription stands, and what changed."""
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{standing.base}/Subscription/{standing.id}"}}
    ]
    if standing.topic and standing.content == ID_ONLY:
        parameters.append({"name": "topic", "valueCanonical": standing.topic})
    parameters += [
        {"name": "status", "valueCode": standing.state},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(standing.events)},
        *(_event(standing, change) for change in changes),
    ]
    if standing.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": standing.error}})
    return {
        "resourceType": "Parameters", "meta": {"profile": [f"{PROFILE}status-r4"]}, "parameter": parameters,
    }  # fmt: skip


def _event(standing: Standing, change: Change) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"name": "event-number", "valueString": str(change.number)}]
    if standing.content != EMPTY:
        parts += [
            {"name": "timestamp", "valueInstant": records.instant(change.updated)},
            {"name": "focus", "valueReference": {"reference": f"{standing.base}/{change.type}/{change.id}"}},
        ]
    return {"name": "notification-event", "part": parts}
