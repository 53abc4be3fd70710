"""The report of a load: counts by kind and place, never a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gateway.fhir.dates import moment

PLACES = 200
"""Places listed at most; all are counted."""


@dataclass
class Report:
    """The load report. ``as_dict`` is what is stored, printed with ``--json`` and kept by the demo.

    ``rejects`` are what was not taken, by reason; ``kept`` how many of them are kept to be replayed, how many are
    not for want of room, and how many have no bytes of their own. ``emptied`` are the rows that replacing would take of tables that would lose most, and the
    patients who would lose everything. ``warnings`` are what was lost of rows that were taken all the same, by field
    and reason. ``concepts`` counts, by the key of a publisher, the main concepts of what was mapped, and ``coded``
    those with a standard code; ``publishers`` names the keys. ``extracted`` is when the source made the delivery
    (µs UTC; 0 where nobody says), ``lag`` the seconds from then until all of it could be seen.
    """

    source: str
    act: str = "load"
    """What the audit calls it."""
    delivery: int = 0
    files: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    resources: Counter[tuple[str, str]] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)
    uk_core: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    replaced: bool | None = None
    labels: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    feed: str = ""
    concepts: Counter[int] = field(default_factory=Counter)
    coded: Counter[int] = field(default_factory=Counter)
    publishers: dict[int, str] = field(default_factory=dict)
    extracted: int = 0
    lag: float | None = None
    seconds: float = 0.0
    state: str = "running"

    def reject(self, place: str, reason: str) -> None:
        """Count something that could not be taken, and say where while there is room."""
        self.rejects[reason] += 1
        if len(self.places) < PLACES:
            self.places.append(f"{place}: {reason}" if not place.endswith(reason) else place)

    def _by_publisher(self) -> dict[str, dict[str, int]]:
        """How many main concepts each publisher's mapped rows had, and how many with a standard code."""
        return {
            code: {"concepts": self.concepts[key], "coded": self.coded[key]}
            for key, code in sorted(self.publishers.items())
        }

    @property
    def exit_code(self) -> int:
        """0 clean, 1 finished with rejects, or where ``--replace`` deleted nothing."""
        return 1 if self.rejects or self.replaced is False else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON: resources as type → outcome → count."""
        resources: dict[str, dict[str, int]] = {}
        for (type_, outcome), count in sorted(self.resources.items()):
            resources.setdefault(type_, {})[outcome] = count
        systems: Counter[str] = Counter()
        for code, count in self.unmapped.items():
            systems[code.partition("|")[0]] += count
        written = sum(count for (_, outcome), count in self.resources.items() if outcome in ("created", "updated"))
        return {
            "source": self.source, "delivery": self.delivery, "state": self.state, "files": self.files,
            "rows": dict(sorted(self.rows.items())), "resources": resources,
            "people": dict(sorted(self.people.items())), "labels": dict(sorted(self.labels.items())),
            "rejects": dict(self.rejects.most_common()), "places": self.places,
            "rejectsKept": self.kept["kept"], "rejectsNotKept": self.kept["not kept"],
            "rejectsWithoutBytes": self.kept["without bytes"],
            "warnings": dict(self.warnings.most_common()),
            "ukCore": dict(self.uk_core.most_common()), "unmappedCodes": dict(systems.most_common(50)),
            "unlistedValues": dict(self.unlisted.most_common(50)),
            "unreadColumns": dict(sorted(self.unread.items())), "absent": dict(sorted(self.absent.items())),
            "replaced": self.replaced, "emptied": dict(sorted(self.emptied.items())),
            "feed": self.feed, "publishers": self._by_publisher(),
            "extracted": moment(self.extracted).isoformat(timespec="seconds") if self.extracted else None,
            "lagSeconds": None if self.lag is None else round(self.lag),
            "seconds": round(self.seconds, 3), "written": written,
        }  # fmt: skip
