"""What led to an alert, in the words of the audit: who did what, when and why, and how it was decided.

It holds no clinical data but the reason that somebody gave.

An officer reads events of their own organisation alone. What they look at is itself an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.errors import NotFound
from gateway.fhir.dates import DAY
from gateway.nhs import access
from gateway.nhs.roles import RESOURCES, ROLES, Caller
from gateway.nhs.steps import Step, steps
from gateway.oversight.triage import ACT, Alert, one_of
from gateway.records import instant
from gateway.records.door import Door, refuse_early, who

VIEWS = RESOURCES | access.VIEWS
"""The acts that are a view of one person's record."""
LOOKED_AT, SAMPLE = 20_000, 5
"""Events of each stream that are looked through, the newest, and the ordinary views that are shown to compare with."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One event as an officer is told of it. ``patients`` are ids of Patients, or the NHS number that was named."""

    at: str
    act: str
    name: str
    role: str
    outcome: str
    basis: str
    reason: str
    patients: tuple[str, ...]
    steps: tuple[Step, ...]


def alert(door: Door, caller: Caller, key: int, request_id: str) -> tuple[Alert, list[Deed]]:
    """An alert of the officer's organisation, with the events that it is about. It is audited, with the patients that
    the events name. Raises ``Forbidden`` for who is no privacy officer, ``NotFound`` for an alert that there is not or
    that is another organisation's."""
    refuse_early(door, caller, ACT, request_id)
    looked = {"act": "audit.look", **who(caller), "alert": key, "request": request_id}
    row = one_of(door.store, key, caller.organisation)
    if row is None or row.row.user == caller.user:  # one about the officer is as one that is not there
        door.audit.record({**looked, "outcome": "not found"})
        raise NotFound("alert")
    events = [event for event in _events(door, caller.organisation) if _is_of(event, row)]
    patients = sorted({id_ for event in events for id_ in event.get("patients", ())})
    numbers = sorted({str(event["number"]) for event in events if event.get("number")})
    bases = sorted({str(event["basis"]) for event in events if event.get("basis")})
    of = {"patients": patients, "numbers": numbers, "basis": " ".join(bases)}
    door.audit.record({**looked, "outcome": "ok", **of})
    return row, [_deed(event) for event in events]


def sample(door: Door, caller: Caller) -> list[Deed]:
    """A few views of the officer's organisation by chance, the same for a day: alerts alone do not show what is usual.
    No patient is named. The queue that they stand beside is what is asked for and audited."""
    views = [event for event in _events(door, caller.organisation) if is_view(event)]
    draw = Random(door.store.clock() // DAY)  # for a choice, and no secret
    return [_deed({**event, "patients": ()}) for event in draw.sample(views, min(SAMPLE, len(views)))]


def _events(door: Door, organisation: str) -> list[dict[str, Any]]:
    streams = (door.audit.events(stream, LOOKED_AT) for stream in ("read", "write"))
    return [event for stream in streams for event in stream if event.get("organisation") == organisation]


def _is_of(event: Mapping[str, Any], alert: Alert) -> bool:
    is_request = (event.get("request"), event.get("user")) == (alert.row.request, alert.row.user)
    return is_request and not event["act"].startswith("audit")


def is_view(event: Mapping[str, Any]) -> bool:
    """Whether an event is a view of one person's record."""
    return event.get("outcome") == "ok" and event["act"] in VIEWS and bool(event.get("patients"))


def _deed(event: Mapping[str, Any]) -> Deed:
    trace = event.get("trace", ())
    return Deed(
        instant(event["at"]), f"{event['act']} {event.get('type', '')}".strip(), event.get("name", ""),
        ROLES.get(event.get("role", ""), event.get("role", "")), event.get("outcome", "done"), event.get("basis", ""),
        event.get("reason", ""), (*event.get("patients", ()), *filter(None, [event.get("number", "")])),
        tuple(steps(trace, is_audited=True)) if trace else (),
    )  # fmt: skip
