"""What a summary is made of: the record of one person as a decision lets it be seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Held:
    """One resource with who recorded it. ``kind`` is gp, hospital or social-care; ``received`` is when its publisher last sent anything."""

    resource: dict
    publisher: str
    ods: str
    kind: str
    source: str
    received: datetime
    labels: int = 0


@dataclass(frozen=True)
class Contribution:
    """How one source stands: ok, none held, not contributed, not for your role, stale, in transit, error."""

    name: str
    ods: str
    kind: str
    state: str
    last_received: datetime | None = None


@dataclass(frozen=True)
class Record:
    """All that a caller may see of one person, already permitted and filtered. The Patient that was asked for comes first."""

    subject_id: str
    patients: tuple[Held, ...]
    resources: tuple[Held, ...]
    contributions: tuple[Contribution, ...]
    sections: frozenset[str]
    withheld: bool
    mismatch: bool
    registered_at: str | None
    caller_name: str
    caller_organisation: str
    now: datetime
