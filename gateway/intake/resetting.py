"""Deletes all that a contributor's own publisher holds in a sandbox, so that a tester begins anew."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import records
from gateway.errors import NotFound
from gateway.intake.change import Change
from gateway.intake.write import publisher_of, write
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller
from gateway.records import Door, who
from gateway.store import registry, resources
from gateway.store.changes import record_write
from mappings import WRITTEN

AT_ONCE = 500
"""Deletions in one transaction."""


def reset(door: Door, caller: Caller, request_id: str) -> int:
    """Delete what the caller's publisher holds, Patients last, and return how many resources it was. Run again after
    an interruption, it deletes the rest. Raises ``NotFound`` outside of a sandbox, ``Forbidden`` as a delete does."""
    if not door.store.is_sandbox:
        raise NotFound("operation")
    records.refuse_early(door, caller, Act("delete"), request_id)
    names = _held(door, publisher_of(caller))
    for begin in range(0, len(names), AT_ONCE):
        changes = [Change("delete", type_, id_) for type_, id_ in names[begin : begin + AT_ONCE]]
        write(door, caller, changes, request_id)
    with door.store.write() as session:
        record_write(session, {"act": "reset", **who(caller), "count": len(names), "request": request_id})
    return len(names)


def _held(door: Door, code: str) -> Sequence[tuple[str, str]]:
    """The type and id of each resource of a publisher, Patients last: while anything is of a Patient, it stays."""
    with door.store.read() as session:
        known = registry.publishers(session).values()
        keys = [publisher.key for publisher in known if (publisher.source, publisher.code) == (WRITTEN, code)]
        names = [name for key in keys for name in resources.of_publisher(session, key)]
    return sorted(names, key=lambda name: name[0] == "Patient")
