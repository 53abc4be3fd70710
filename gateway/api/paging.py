"""Pages of a history: ``_since``, ``_at``, ``_count``, and a next link where versions are left.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.errors import Invalid
from gateway.fhir import dates, subset
from gateway.fhir.parse import MOST_COUNT, known

_NUMBER = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
CURSOR = "_cursor"
"""The number of the version that the page before ended with: a history is its resource's, so no more is needed."""


@dataclass(frozen=True)
class Page:
    """What was asked of a history: since when (µs UTC), how many versions, before which one, and within which time one
    was the current."""

    since: int | None
    count: int
    before: int | None
    parameters: tuple[tuple[str, str], ...]
    at: tuple[int, int] | None = None

    def is_since(self, updated: int) -> bool:
        """Whether a version is of this moment or later, to the millisecond that it is served with."""
        return self.since is None or updated // 1000 * 1000 >= self.since

    def is_at(self, updated: int, until: int | None) -> bool:
        """Whether a version was the current one at some moment of the time asked for. ``until`` is the moment of the
        next version; None where there is none."""
        if self.at is None:
            return True
        low, high = self.at
        return updated // 1000 * 1000 < high and (until is None or until // 1000 * 1000 > low)

    def cut(self, versions: Sequence[int]) -> tuple[list[int], list[tuple[str, str]]]:
        """The places, in ``versions`` (newest first), of those on this page, and its links as (relation, query)."""
        left = [place for place, version in enumerate(versions) if self.before is None or version < self.before]
        shown = left[: self.count]
        links = [("self", self._query(self.before))]
        if shown and len(left) > len(shown):
            links.append(("next", self._query(versions[shown[-1]])))
        return shown, links

    def _query(self, before: int | None) -> str:
        cursor = [] if before is None else [(CURSOR, str(before))]
        return urlencode([*self.parameters, *cursor])


def read(pairs: Sequence[tuple[str, str]]) -> Page:
    """What the parameters ask for. Raises ``Unsupported`` or ``Invalid`` by name."""
    known(pairs, "_since", "_at", "_count", CURSOR, *subset.NAMES)
    values = dict(pairs)
    for name in ("_count", CURSOR):
        if name in values and not _NUMBER.match(values[name]):
            raise Invalid(f"parameter {name}")
    count = min(int(values.get("_count", MOST_COUNT)), MOST_COUNT)
    before = int(values[CURSOR]) if CURSOR in values else None
    kept = tuple((name, str(count) if name == "_count" else value) for name, value in pairs if name != CURSOR)
    since, at = _time(values, "_since"), _time(values, "_at")
    return Page(since[0] if since else None, count, before, kept, at)


def _time(values: Mapping[str, str], name: str) -> tuple[int, int] | None:
    if name not in values:
        return None
    try:
        return dates.interval(values[name].replace(" ", "+"))
    except Invalid:
        raise Invalid(f"parameter {name}") from None
