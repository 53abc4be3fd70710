"""What a filter tells of stored bytes before it reads them all: that a resource cannot match, and what of it to read.

Both only save work. Whatever passes is tested (``clauses``); a property test holds that nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.fhir import build, params
from gateway.fhir.expression import elements_of
from gateway.fhir.matching import by_composite
from gateway.fhir.r4.defined import Definition
from gateway.fhir.search import Clause

Reader = Callable[[bytes], dict[str, Any]]
May = Callable[[bytes], bool]
META, MISSING = "Resource.meta", "missing"
BY_STORE = ("id", "has")
"""Kinds of clause that read nothing of the resource itself."""
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
"""What JSON writes with an escape only."""
_BOOLEAN = ("true", "false")
"""Codes that a value may be without quotes, and one that is put into what is blanked (``asNeededBoolean``)."""


def may_match(type_: str, all_clauses: Sequence[Clause]) -> May | None:
    """Whether the bytes of a resource may match every clause: it holds one of the values of each that is to be found to
    the letter. Bytes with an escape may hold any: what an escape stands for is not looked at. None where no clause is
    such a one.

    What is taken out of a resource before it is served makes no match, so the bytes may be asked of any.

    >>> may = may_match("Observation", [Clause("method", "token", (("", "x1"),))])
    >>> may(b'{"method":{"coding":[{"code":"x1"}]}}'), may(b'{"note":[{"text":"x1 was seen"}]}')
    (True, False)
    """
    wanted = [words for clause in all_clauses if (words := _words(type_, clause))]
    if not wanted:
        return None

    def may(body: bytes) -> bool:
        for words in wanted:
            if not any(word in body for word in words):
                return b"\\" in body
        return True

    return may


def _words(type_: str, clause: Clause) -> tuple[bytes, ...]:
    """The bytes of which a match holds one, as JSON writes them; none where it may be without any of them."""
    definition = params.searchable(type_).get(clause.param)
    if definition is None or definition.expression.startswith(META):  # the store adds to that
        return ()
    if clause.kind == "token" == definition.kind and not clause.modifier:
        return _all(_token(*value) for value in clause.values)
    if clause.kind == "uri" == definition.kind and not clause.modifier:
        return _all(b'"' + word if (word := _plain(value)) else b"" for value in clause.values)
    if clause.kind == "reference" == definition.kind and clause.modifier not in ("identifier", MISSING):
        return _all(_plain(id_) for _, id_ in clause.values)
    return ()


def _token(system: str | None, code: str | None) -> bytes:
    """A token's code, else its system."""
    word = b"" if code in _BOOLEAN else _plain(code or system)
    return b'"' + word + b'"' if word else b""


def _plain(text: str | None) -> bytes:
    """A text as JSON writes it without an escape; b"" for one that it cannot."""
    return b"" if not text or _ESCAPED.search(text) else text.encode(errors="surrogatepass")


def _all(words: Iterable[bytes]) -> tuple[bytes, ...]:
    """The words, or none of them where one of the values has no word."""
    every = tuple(words)
    return every if all(every) else ()


def reader(type_: str, all_clauses: Iterable[Clause]) -> Reader:
    """The function from stored bytes to what the clauses read of a resource, or to all of it.

    >>> reader("Observation", [Clause("method", "token", (("", "x1"),))])(b'{"id":"a","method":{"text":"b"}}')
    {'method': {'text': 'b'}}
    """
    names: set[str] = set()
    for clause in all_clauses:
        if clause.kind in BY_STORE or (clause.param == "_lastUpdated" and not clause.modifier):
            continue
        definition = params.searchable(type_).get(clause.param)
        if definition is None or definition.expression.startswith(META):
            return build.decode
        names |= _read(definition)
    return build.reader(tuple(sorted(names))) if names else build.decode


def _read(definition: Definition) -> set[str]:
    """The elements of a resource that a parameter may read. The parts of a composite may be read of it itself."""
    parts = by_composite.components(definition) if definition.kind == "composite" else []
    return {
        name for row in (definition, *parts) for name in elements_of(definition.type, row.expression)
    }  # fmt: skip
