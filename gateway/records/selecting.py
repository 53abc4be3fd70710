"""The matches of a search: streamed in the store's order through a filter, or sorted in memory, a page at a time.

What the index finds is what a search asks of the store; whether that matches is asked of each resource as this caller
sees it, so that nothing blanked or closed is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from heapq import merge
from itertools import islice
from typing import Any

from gateway.errors import TooLarge
from gateway.fhir import build, params, plan
from gateway.fhir.matching import clauses, sieve
from gateway.fhir.search import Limits, Query
from gateway.nhs import links
from gateway.records.deciding import Decided
from gateway.records.door import as_seen, tells
from gateway.records.hopping import Hops, Test
from gateway.store import find
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST_SORTED = 5000
"""Matches that are sorted in memory at most."""
At = tuple[int, int]


class Selection:
    """The matches of a decided search, of which pages are taken."""

    def __init__(self, session: Session, decided: Decided, hops: Hops):
        self._session, self._decided, self._hops = session, decided, hops
        left = plan.left(decided.query)
        self._left = [hops.test(decided.query.type, clause) for clause in left]
        self._may, self._read = sieve.may_match(decided.query.type, left), sieve.reader(decided.query.type, left)
        self._judged: dict[int, bool] = {}
        self._alike: dict[tuple[int, int, str, int], tuple[bool, frozenset[str]]] = {}
        self._counted = 0
        self._rest: Iterator[Stored] | None = None

    @cached_property
    def _every(self) -> list[Test]:
        return [self._hops.test(self._decided.query.type, clause) for clause in self._decided.query.clauses]

    def page(self, after: At | None) -> tuple[list[Stored], bool]:
        """The matches of the page that begins after a place, and whether another page has any."""
        count = self._decided.query.count
        if not count:
            return [], False
        stream = iter(self._sorted(after)) if self._decided.query.order else self._stream(after)
        matches = list(islice(stream, count + 1))
        if after is None:  # the rest of it is what a total still has to count
            self._counted, self._rest = len(matches), stream
        return matches[:count], len(matches) > count

    def position(self, matches: list[Stored], after: At | None) -> At:
        """The place where a page ends."""
        if self._decided.query.order:
            return (after[0] if after else 0) + len(matches), matches[-1].key
        return find.position(self._decided.query, matches[-1])

    def count(self) -> int:
        """How many match. The index counts, unless what it found may be blanked."""
        query = self._decided.query
        if self._left or _asks_of_blanked(query):
            self._rest = self._rest or self._stream(None)
            self._counted += sum(1 for _ in self._rest)
            return self._counted
        return sum(find.count(self._session, query, limits) for limits in self._parts)

    def has_any(self, limits: Limits) -> bool:
        """Whether anything at all matches within other limits."""
        return next(self._stream(None, limits, size=1), None) is not None

    @property
    def _parts(self) -> tuple[Limits, ...]:
        """The limits within which the matches lie: those of the one decision, or of each part of a list of people."""
        return self._decided.parts or (self._decided.decision.limits,)

    def _stream(self, after: At | None, limits: Limits | None = None, size: int = 0) -> Iterator[Stored]:
        """The matches in the store's order."""
        parts = (limits,) if limits is not None else self._parts
        streams = [self._within(after, part, size) for part in parts]
        if len(streams) == 1:
            return streams[0]
        query = self._decided.query
        return merge(*streams, key=lambda stored: find.position(query, stored), reverse=query.sort[1])

    def _within(self, after: At | None, limits: Limits, size: int) -> Iterator[Stored]:
        """The matches within limits. What would tell of something hidden is left out before a page is cut: else its
        links would speak of it, and pages be shorter than others."""
        query = self._decided.query
        size = size or max(query.count, 50) * (4 if self._left else 1)
        while True:
            batch = self._batch(replace(query, count=size), limits, after)
            if self._left:
                self._hops.count(sum(key not in self._judged for key in batch.keys))
            yield from filter(self._matches, batch.stored)
            if self._left:  # whatever the sieve passed over is known not to match
                for key in batch.keys:
                    self._judged.setdefault(key, False)
            if len(batch.keys) <= size:
                return
            after = batch.last
            size = min(size * 4, MOST_SORTED)

    def _batch(self, query: Query, limits: Limits, after: At | None) -> find.Sifted:
        if self._may:
            return find.sifted(self._session, query, limits, after, self._may)
        batch = find.find(self._session, query, limits, after)
        return find.Sifted([stored.key for stored in batch], batch, find.position(query, batch[-1]) if batch else None)

    def _matches(self, stored: Stored) -> bool:
        """Whether a resource matches as this caller sees it: asked once, though a page, a total and a note want to
        know."""
        if stored.key not in self._judged:
            self._judged[stored.key] = self._judge(stored)
        return self._judged[stored.key]

    def _judge(self, stored: Stored) -> bool:
        """What the index found in a resource that is blanked is asked again. One that is seen as it lies in the store
        is read no further than it must be."""
        is_blanked, closed = self._hidden(stored)
        tests = self._every if is_blanked else self._left
        if not tests:
            return True
        if is_blanked or (closed and tells(stored, closed)):
            resource = as_seen(stored, self._decided.of(stored))
            if self._may and not self._may(build.encode(resource)):
                return False  # what is hidden costs as little as what is not there
        else:
            resource = self._read(stored.body)
        return all(test(stored, resource) for test in tests)

    def _hidden(self, stored: Stored) -> tuple[bool, frozenset[str]]:
        """Whether a resource is blanked, and the elements that are closed: the same for all that are alike."""
        alike = stored.patient, stored.publisher, stored.kind, stored.labels
        if (hidden := self._alike.get(alike)) is None:
            decision = self._decided.of(stored)
            closed = decision.closed(stored.type, stored.publisher, stored.kind)
            hidden = self._alike[alike] = decision.blanks(stored.publisher, stored.labels), closed
        return hidden

    def _sorted(self, after: At | None) -> list[Stored]:
        """The matches in an order that the store does not keep, from a place on. Raises ``TooLarge``."""
        matches: list[Stored] = []
        for match in self._stream(None):
            matches.append(match)
            if len(matches) > MOST_SORTED:
                raise TooLarge("parameter _sort: too many resources match")
        seen = [(match, as_seen(match, self._decided.of(match))) for match in matches]
        for name, is_descending in reversed(self._decided.query.order):
            key = _key(self._decided.query.type, name, is_descending)
            seen.sort(key=lambda pair: key(*pair), reverse=is_descending)
        ordered = [match for match, _ in seen]
        return ordered if after is None else ordered[_resumed(ordered, *after) :]


def _resumed(ordered: list[Stored], offset: int, last: int) -> int:
    """The place after the last one seen; where that is gone, as many as were seen."""
    return next((place + 1 for place, match in enumerate(ordered) if match.key == last), offset)


def _key(type_: str, name: str, is_descending: bool) -> Callable[[Stored, dict[str, Any]], Any]:
    """What a match is sorted by. One without a value comes last in either direction."""
    if name == "_lastUpdated":
        return lambda stored, _: (True, stored.updated)
    main = params.main_date(type_)
    definition = params.searchable(type_)[main.name if name == "date" and main else name]
    value_of = clauses.order(definition, is_descending)

    def key(_: Stored, resource: dict[str, Any]) -> Any:
        value = value_of(resource)
        return (value is None) is not is_descending, () if value is None else value

    return key


def _asks_of_blanked(query: Query) -> bool:
    """Whether a count could tell what a blanked element holds."""
    rows = params.indexed(query.type)
    asked = [rows[clause.param].paths[query.type] for clause in query.clauses if clause.param in rows]
    return not all(links.stays(query.type, path.split(".")[0]) for path in asked)
