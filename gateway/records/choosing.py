"""Chooses among all that one person's sources hold of a type, as the caller is shown it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.errors import TooLarge
from gateway.fhir import build
from gateway.fhir.portion import MOST, Portion
from gateway.nhs import access
from gateway.nhs.roles import Caller
from gateway.records.deciding import decide, shows
from gateway.records.door import Door, Found, audited, refuse_early, served, visible
from gateway.records.facts import about_head, publishers_now
from gateway.store import compartment, resources

Choice = Callable[[Sequence[tuple[dict[str, Any], int]]], list[int]]
"""Resources with the beginning of their clinical date (µs UTC) → the places of those to answer with, in order."""


def chosen(
    door: Door,
    caller: Caller,
    resource_type: str,
    patient: str,
    choose: Choice,
    request_id: str,
    names: Sequence[str] = (),
) -> list[Found]:
    """https://hl7.org/fhir/R4/operations.html

    What ``choose`` takes of a type, of the whole person of one Patient. It sees what this caller would be shown: what
    is hidden or blanked decides nothing. A Patient that is not shown has none, as one that is not there: else its id
    would be told to be of a person. Raises ``TooLarge`` rather than to leave anything out.
    """
    act = access.Act("search", resource_type)
    refuse_early(door, caller, act, request_id, names)
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", patient)
        decision = decide(door, session, caller, act, about_head(head))
        portion = Portion(frozenset({resource_type}))
        is_shown = shows(decision, head)
        held = compartment.of_person(session, decision.limits, portion) if is_shown else []
        shown = [(build.decode(visible(stored, decision).body), stored.low) for stored in held]
        taken = [held[place] for place in choose(shown)]
        publishers = publishers_now(door, session) if taken else {}
        answer = [served(stored, publishers, decision) for stored in taken[:MOST]]
    is_whole = len(taken) <= MOST
    outcome = "ok" if is_whole and is_shown else "refused" if decision.refusal or not is_whole else "not found"
    audited(door, caller, act, decision, outcome, request_id, taken if is_whole else (), names)
    if not is_whole:
        raise TooLarge("too many match: narrow what is asked for")
    return answer
