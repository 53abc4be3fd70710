"""One person's record as a decision lets it be seen: already permitted and filtered, each resource with who recorded
it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """One resource with who recorded it. ``kind`` is a name of ``kinds``; ``received`` is when its publisher
    last sent anything."""

    resource: dict[str, Any]
    publisher: str
    ods: str
    kind: str
    source: str
    received: datetime
    labels: int = 0

    @property
    def reference(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"


@dataclass(frozen=True, slots=True)
class Contribution:
    """How one source stands: ok, none held, not contributed, in transit, error; whether it is stale follows from when
    it last sent anything. ``closed`` are rights to sections of which nothing of this source may be shown, by the
    patient's choice: there it contributes nothing."""

    name: str
    ods: str
    kind: str
    state: str
    last_received: datetime | None = None
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Record:
    """All that a caller may see of one person. The Patient that was asked for comes first; ``registered_at`` are the
    names of the practices with a regular registration that is active now, ``registered`` their codes: mostly one, none
    for who has left, two where one is not ended."""

    subject_id: str
    patients: tuple[Held, ...]
    resources: tuple[Held, ...]
    contributions: tuple[Contribution, ...]
    sections: frozenset[str]
    withheld: bool
    mismatch: bool
    registered_at: tuple[str, ...]
    registered: frozenset[str]
    caller_name: str
    caller_organisation: str
    now: datetime

    @cached_property
    def by_type(self) -> dict[str, list[Held]]:
        by_type: dict[str, list[Held]] = {}
        for held in self.resources:
            by_type.setdefault(held.resource["resourceType"], []).append(held)
        return by_type

    @cached_property
    def by_reference(self) -> dict[str, Held]:
        return {held.reference: held for held in self.resources}

    def of(self, *types: str) -> Iterator[Held]:
        """The resources of some types."""
        for type_ in types:
            yield from self.by_type.get(type_, ())
