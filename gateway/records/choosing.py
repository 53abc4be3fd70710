"""Chooses among all that one person's sources hold of a type, as the caller is shown it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import TooLarge
from gateway.fhir.portion import MOST, Portion
from gateway.nhs import access
from gateway.nhs.roles import Caller
from gateway.records.deciding import decide, is_shown
from gateway.records.door import Door, Found, audited, refuse_early, served, visible
from gateway.records.facts import about_head, publishers_now
from gateway.store import compartment, resources
from gateway.store.compartment import Held
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST_BYTES = 256 * 1024 * 1024
"""Of all the resources that are looked at: about a second's work."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How an operation chooses. ``look`` takes the bytes of a resource and the beginning of its clinical date (µs UTC),
    and gives what is needed of it to choose, or None where it does not fit. ``pick`` gives the places of those to
    answer with, in order. ``shape`` is how the bytes of one are answered."""

    look: Callable[[bytes, int], Any]
    pick: Callable[[Sequence[Any]], list[int]]
    shape: Callable[[bytes], bytes] = bytes


def chosen(
    door: Door,
    caller: Caller,
    resource_type: str,
    patient: str,
    choice: Choice,
    request_id: str,
    names: Sequence[str] = (),
) -> list[Found]:
    """https://hl7.org/fhir/R4/operations.html

    What a choice takes of a type, of the whole person of one Patient. It sees what this caller would be shown: what is
    hidden or blanked decides nothing, so no index may choose instead. A Patient that is not shown has none, as one that
    is not there: else its id would be told to be of a person. Raises ``TooLarge`` rather than to leave anything out.
    """
    act = access.Act("search", resource_type)
    refuse_early(door, caller, act, request_id, names)
    fault: TooLarge | None = None
    seen: list[tuple[Stored, Found]] = []
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", patient)
        decision = decide(door, session, caller, act, about_head(head))
        may_see = is_shown(head, decision)
        try:
            taken = _taken(session, decision, resource_type, choice) if may_see else []
        except TooLarge as unanswered:
            taken, fault = [], unanswered
        publishers = publishers_now(door, session) if taken else {}
        for stored in compartment.read(session, taken):
            shown = served(stored, publishers, decision)
            seen.append((replace(stored, body=b""), replace(shown, body=choice.shape(shown.body))))
    outcome = "refused" if decision.refusal or fault else "ok" if may_see else "not found"
    audited(door, caller, act, decision, outcome, request_id, [stored for stored, _ in seen], names)
    if fault:
        raise fault
    return [shown for _, shown in seen]


def _taken(session: Session, decision: access.Decision, resource_type: str, choice: Choice) -> list[Held]:
    """Those that the choice takes, without their bodies."""
    held = compartment.held(session, decision.limits, Portion(frozenset({resource_type})))
    if sum(item.size for item in held) > MOST_BYTES:
        raise TooLarge("too much would have to be read: search instead")
    looked = []
    for item, stored in zip(held, compartment.read(session, held)):
        look = choice.look(visible(stored, decision).body, stored.low)
        if look is not None:
            looked.append((item, look))
    taken = [looked[place][0] for place in choice.pick([look for _, look in looked])]
    if len(taken) > MOST:
        raise TooLarge("too many match: narrow what is asked for")
    return taken
