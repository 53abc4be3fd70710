"""A decision about one person rehearsed for who answers for access: its trace, and nothing of the person."""

from __future__ import annotations

from gateway.nhs import access
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records.deciding import decide
from gateway.records.door import Door, before_lookup
from gateway.records.facts import about_head
from gateway.store import resources


def rehearsed(door: Door, caller: Caller, act: access.Act, patient: str) -> access.Decision:
    """The decision that a caller would meet with an act on the record of the person of one Patient, as the facts are
    now. A Patient that is not there is decided as one of whom nothing is held. The caller of this audits it."""
    is_refused = before_lookup(door, caller, act).refusal is not None
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", patient)
        about = None if is_refused or act.type in DIRECTORY else about_head(head)
        return decide(door, session, caller, act, about)
