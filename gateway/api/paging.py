"""Pages of a history: ``_since``, ``_count``, and a next link where versions are left.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    """What was asked of a history: since when (µs UTC), how many versions, and before which one."""

    since: int | None
    count: int
    before: int | None
    parameters: tuple[tuple[str, str], ...]

    def is_since(self, updated: int) -> bool:
        """Whether a version is of this moment or later, to the millisecond that it is served with."""
        return self.since is None or updated // 1000 * 1000 >= self.since

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
    known(pairs, "_since", "_count", CURSOR, *subset.NAMES)
    values = dict(pairs)
    for name in ("_count", CURSOR):
        if name in values and not _NUMBER.match(values[name]):
            raise Invalid(f"parameter {name}")
    count = min(int(values.get("_count", MOST_COUNT)), MOST_COUNT)
    before = int(values[CURSOR]) if CURSOR in values else None
    kept = tuple((name, str(count) if name == "_count" else value) for name, value in pairs if name != CURSOR)
    return Page(_since(values.get("_since")), count, before, kept)


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return dates.interval(text.replace(" ", "+"))[0]
    except Invalid:
        raise Invalid("parameter _since") from None
