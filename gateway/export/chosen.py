"""What a client chooses of a release: resources by ``_typeFilter``, elements by ``_elements``.

A choice is made among what leaves, after it was pseudonymised. It is never asked of what is held: a filter by name, or
by a day where only months leave, would tell a recipient what the release itself does not.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from gateway.errors import Invalid, TooLarge, Unsupported
from gateway.fhir import build, params, parse
from gateway.fhir.matching import clauses
from gateway.fhir.r4 import table
from gateway.fhir.subset import Subset, subset

MOST_FILTERS = 20
TYPE_FILTER, ELEMENTS = "_typeFilter", "_elements"
_HOPS = ("chain", "has")


@dataclass(frozen=True)
class Wish:
    """What one request chooses, to be pinned: see ``Choice``. ``ignored`` are the names of parameters that a lenient
    client sent and that we do not know."""

    filters: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


NOTHING = Wish()
Test = Callable[[dict[str, Any]], bool]


class Choice:
    """The filters and elements of one request. Without any it keeps every line as it is."""

    def __init__(self, filters: Sequence[str], elements: Sequence[str], now: int):
        """``filters`` are as ``Type?query``, one or more of a type (OR); ``elements`` as ``Type.name`` or ``name``.
        Raises ``Unsupported`` or ``Invalid`` for what cannot be asked for, by name."""
        if len(filters) > MOST_FILTERS:
            raise TooLarge(f"parameter {TYPE_FILTER}")
        self._tests: dict[str, list[list[Test]]] = {}
        for text in filters:
            type_, tests = _filter(text, now)
            self._tests.setdefault(type_, []).append(tests)
        self._subsets = _subsets(elements)

    def line(self, resource_type: str, line: bytes) -> bytes | None:
        """What leaves of a line, or None where no filter of its type keeps it."""
        filters = self._tests.get(resource_type)
        if filters is not None:
            resource = build.decode(line)
            if not any(all(test(resource) for test in tests) for tests in filters):
                return None
        part = self._subsets.get(resource_type)
        return line if part is None else part.part(line, resource_type)


def _filter(text: str, now: int) -> tuple[str, list[Test]]:
    """The type of a filter, and what it tests."""
    type_, _, query = text.partition("?")
    if type_ not in params.SEARCHABLE:
        raise Unsupported(f"parameter {TYPE_FILTER}: of a type that is searched")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        pairs = []
    if not pairs:
        raise Invalid(f"parameter {TYPE_FILTER}: Type?name=value")
    if len(pairs) > parse.MOST_CLAUSES:
        raise TooLarge(f"parameter {TYPE_FILTER}")
    return type_, [_test(type_, name, value, now) for name, value in pairs]


def _test(type_: str, name: str, value: str, now: int) -> Test:
    if name.startswith("_") and name != "_id" or not value:
        raise Unsupported(f"parameter {TYPE_FILTER}: {parse.named(name)}")
    clause = parse.clause(type_, name, value, now)
    if clause.kind in _HOPS:  # another resource may be anywhere in the release
        raise Unsupported(f"parameter {TYPE_FILTER}: {parse.named(name)}")
    return clauses.test(params.searchable(type_)[clause.param], clause)


def _subsets(elements: Sequence[str]) -> Mapping[str, Subset]:
    """Type → the elements of it that are asked for. A name without a type is of every type that has it."""
    named: dict[str, list[str]] = {}
    for text in elements:
        type_, dot, name = text.rpartition(".")
        types = [type_] if dot and type_ in table.resource_types() else [] if dot else _having(name)
        if not types:
            raise Invalid(f"parameter {ELEMENTS}")
        for of in types:
            named.setdefault(of, []).append(name)
    return {type_: _subset(type_, ",".join(names)) for type_, names in named.items()}


def _having(name: str) -> list[str]:
    """The types that have an element."""
    types = []
    for type_ in params.SEARCHABLE:
        with suppress(Invalid):
            _subset(type_, name)
            types.append(type_)
    return types


def _subset(type_: str, names: str) -> Subset:
    return subset(type_, [(ELEMENTS, names)])
