"""One person's record as a decision lets it be seen: already permitted and filtered, each resource with who recorded
it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from gateway.fhir import build
from gateway.nhs import access, reasons
from gateway.nhs.codesets import CodeSets

LOCAL = ZoneInfo("Europe/London")
"""The clock of who reads: English wards and practices."""


@dataclass(frozen=True, slots=True)
class Held:
    """One resource with who recorded it. ``kind`` is a name of ``kinds``; ``received`` is when its publisher
    last sent anything. ``whole`` makes its bytes as they are served, with versionId, source and labels: few of a record
    are shown, so that only those are made."""

    resource: dict[str, Any]
    publisher: str
    ods: str
    kind: str
    source: str
    received: datetime
    labels: int = 0
    whole: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)
    reference: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", f"{self.resource['resourceType']}/{self.resource['id']}")

    def served(self) -> bytes:
        """The bytes of the resource as they are served."""
        return self.whole() if self.whole else build.encode(self.resource)


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
    """All that a caller may see of one person. ``patients``: the one whose demographics are shown comes first,
    whichever was asked for; ``subject_id`` is its id. ``registered_at`` are the names of the practices with a regular
    registration that is active now, ``registered`` their codes: mostly one, none for who has left, two where one is not
    ended.

    ``sections`` are the rights to sections that are open here, ``out_of_scope`` those that the role has and this
    sign-in does not cover, ``partly_in_scope`` those that it covers in part. ``withheld``: something is hidden for its
    labels; ``withheld_items`` are the right and the source of each allergy and medicine among it. ``own_only``: only
    what the caller's organisation recorded is here. ``died``: when the person died by the GP's record ("" where that
    does not say when), None for no confirmed death. ``practice_phones``: the telephone numbers of
    ``registered_at``, in its order, "" for none. ``risk_sets`` say which codes stand on the risk card, ``view`` is
    the one of ``access.VIEWS`` that was asked for."""

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
    out_of_scope: frozenset[str] = frozenset()
    partly_in_scope: frozenset[str] = frozenset()
    withheld_items: frozenset[tuple[str, str]] = frozenset()
    own_only: bool = False
    died: str | None = None
    practice_phones: tuple[str, ...] = ()
    risk_sets: CodeSets = CodeSets()
    view: str = access.SHARED

    @cached_property
    def here(self) -> datetime:
        """The moment by the reader's clock."""
        return self.now.astimezone(LOCAL)

    @cached_property
    def today(self) -> date:
        """The day by the reader's clock."""
        return self.here.date()

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

    def tells(self, held: Held, element: str) -> bool:
        """Whether an element of a resource may be told: one that tells of another section follows its right."""
        return element not in reasons.closed(held.resource["resourceType"], held.kind, self.sections)
