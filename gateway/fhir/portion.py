"""Which part of one person's record is asked for: by type, by time of change, by clinical date, in pages.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import Invalid, Unsupported
from gateway.fhir import dates, params
from gateway.fhir.parse import known

MOST = 1000
"""Entries on a page at most, and where no count is asked for."""
LASTING = frozenset(
    {"AllergyIntolerance", "Condition", "MedicationRequest", "Flag", "Consent", "FamilyMemberHistory", "RelatedPerson"}
)
"""Types of which the date says when something began or was written down, and that may hold ever since: ``start`` cuts
none of them, because a list without an old allergy or a repeat medicine would read as whole."""
NAMES = ("_since", "_type", "_count", "start", "end", "_cursor")
_COUNT = re.compile(r"[1-9][0-9]{0,5}\Z", re.ASCII)
_CURSOR = re.compile(r"[A-Za-z0-9_\-=]{1,2000}\Z")


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of a record. ``types`` are those asked for (None: all), ``since`` the moment of change, ``start`` and
    ``end`` the bounds of clinical dates, half-open (all µs UTC). ``parameters`` are those of its links."""

    types: frozenset[str] | None = None
    since: int | None = None
    start: int | None = None
    end: int | None = None
    count: int = MOST
    cursor: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    def has(self, resource_type: str) -> bool:
        """Whether a type is asked for."""
        return self.types is None or resource_type in self.types

    def is_since(self, updated: int) -> bool:
        """Whether a change is of this moment or later."""
        return self.since is None or updated >= self.since


def portion(pairs: Sequence[tuple[str, str]], *more: str) -> Portion:
    """The part that the parameters ask for; ``more`` are names that somebody else reads. Raises ``Unsupported`` or
    ``Invalid`` by name."""
    known(pairs, *NAMES, *more)
    values = {name: value for name, value in pairs if name != "_type"}
    if sum(name in NAMES and name != "_type" for name, _ in pairs) > len(values.keys() & set(NAMES)):
        raise Invalid("parameters: each of _since, _count, start and end once")
    since, (start, end) = _bound(values, "_since", 0), between(pairs)
    return Portion(
        _types([value for name, value in pairs if name == "_type"]),
        None if since is None else -(-since // 1000) * 1000,  # a change is the millisecond that it is served with
        start,
        end,
        _count(values.get("_count")),
        _cursor(values.get("_cursor")),
        tuple((name, value) for name, value in pairs if name != "_cursor"),
    )


def between(pairs: Sequence[tuple[str, str]]) -> tuple[int | None, int | None]:
    """The bounds that ``start`` and ``end`` set (µs UTC, half-open), None where there is none."""
    values = dict(pairs)
    return _bound(values, "start", 0), _bound(values, "end", 1)


def _types(values: Sequence[str]) -> frozenset[str] | None:
    """The types named; None where none is. One that is not served is refused: nothing would say that it is missing."""
    if not values:
        return None
    types = frozenset(name for value in values for name in value.split(","))
    if not types <= set(params.SEARCHABLE):
        raise Unsupported("parameter _type: a type that is not served")
    return types


def _bound(values: dict[str, str], name: str, end: int) -> int | None:
    if name not in values:
        return None
    try:
        return dates.interval(values[name].replace(" ", "+"))[end]
    except Invalid:
        raise Invalid(f"parameter {name}") from None


def _count(text: str | None) -> int:
    if text is None:
        return MOST
    if not _COUNT.match(text):
        raise Invalid("parameter _count")
    return min(int(text), MOST)


def _cursor(text: str | None) -> str | None:
    if text is not None and not _CURSOR.match(text):
        raise Invalid("parameter _cursor")
    return text
