"""R4's search expressions, compiled to functions from a resource to the values that they read.

They are a small part of FHIRPath (http://hl7.org/fhirpath/N1): paths, ``|``, ``as``, ``ofType``, ``is``, ``where``,
``exists``, ``first``, ``resolve``, ``extension``, ``[0]``, ``=``, ``!=`` and ``and``. Anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gateway.fhir.r4 import table

Typed = tuple[str, Any]
"""A value with its FHIR type."""
Step = Callable[[list[Typed]], list[Typed]]
_WORD = re.compile(r"\s*('[^']*'|!=|[A-Za-z_$][A-Za-z0-9_]*|[0-9]+|[().|=\[\],])")
_ABSTRACT = frozenset({"Resource", "DomainResource"})


@lru_cache(maxsize=1024)
def compiled(type_: str, text: str) -> Callable[[dict[str, Any]], list[Typed]]:
    """The function that reads what an expression names, of a resource or a part of one of ``type_``. Raises
    ``ValueError`` for an expression that this does not understand.

    >>> compiled("Observation", "(Observation.value as Quantity)")({"valueQuantity": {"value": 1}})
    [('Quantity', {'value': 1})]
    """
    parser = _Parser(type_, text)
    step = parser.all()
    return lambda resource: step([(type_, resource)])


@lru_cache(maxsize=1024)
def elements_of(type_: str, text: str) -> frozenset[str]:
    """The JSON names of the elements of a type that an expression may read of it: those of every word, wherever it
    stands.

    >>> sorted(elements_of("Observation", "(Observation.value as Quantity)"))[:3]
    ['valueBoolean', 'valueCodeableConcept', 'valueDateTime']
    """
    return frozenset(name for word in _words(text) for name, _ in _names(type_, word.strip("'"), ""))


class _Parser:
    """Reads an expression from the loosest operator to the tightest, and answers with the function that it is."""

    def __init__(self, type_: str, text: str):
        self.type, self.text, self.words, self.at = type_, text, _words(text), 0

    def all(self) -> Step:
        step = self._and()
        if self.at != len(self.words):
            raise ValueError(f"expression: {self.text}")
        return step

    def _next(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _take(self, *wanted: str) -> str:
        """The next word, which is one of those wanted where any are; "" where it is none of them."""
        word = self._next()
        if not word or (wanted and word not in wanted):
            return ""
        self.at += 1
        return word

    def _must(self, wanted: str) -> None:
        if not self._take(wanted):
            raise ValueError(f"expression: {self.text}")

    def _and(self) -> Step:
        step = self._equal()
        while self._take("and"):
            step = _both(step, self._equal())
        return step

    def _equal(self) -> Step:
        step = self._union()
        while operator := self._take("=", "!="):
            step = _compared(step, self._union(), is_same=operator == "=")
        return step

    def _union(self) -> Step:
        steps = [self._typed()]
        while self._take("|"):
            steps.append(self._typed())
        return steps[0] if len(steps) == 1 else lambda level: [value for step in steps for value in step(level)]

    def _typed(self) -> Step:
        step = self._path()
        while operator := self._take("as", "is"):
            step = _then(step, (_OfType if operator == "as" else _is_type)(self._take()))
        return step

    def _path(self) -> Step:
        step = self._first()
        while True:
            if self._take("."):
                step = _then(step, self._invoked(self._take()))
            elif self._take("["):
                place = int(self._take())
                step = _then(step, lambda level, place=place: level[place : place + 1])  # type: ignore[misc]
                self._must("]")
            else:
                return step

    def _first(self) -> Step:
        if self._take("("):
            step = self._and()
            self._must(")")
            return step
        word = self._take()
        if word.startswith("'"):
            return _constant("string", word[1:-1])
        if word in ("true", "false"):
            return _constant("boolean", word == "true")
        if word == self.type or word in _ABSTRACT:
            return _Path()
        return self._invoked(word)

    def _invoked(self, name: str) -> Step:
        """A function where the name is called, else the element of that name."""
        if not self._take("("):
            if not re.match(r"[A-Za-z]", name):
                raise ValueError(f"expression: {self.text}")
            return _Element(name)
        step: Step
        match name:
            case "as" | "ofType":
                step = _OfType(self._take())
            case "exists":
                step = _exists
            case "first":
                step = _first
            case "resolve":
                step = _resolved
            case "where":
                step = _where(self._and())
            case "extension":
                step = _extension(self._take().strip("'"))
            case _:
                raise ValueError(f"expression: {self.text}")
        self._must(")")
        return step


def _words(text: str) -> list[str]:
    words, at = [], 0
    while match := _WORD.match(text, at):
        words.append(match[1])
        at = match.end()
    if text[at:].strip():
        raise ValueError(f"expression: {text}")
    return words


@lru_cache(maxsize=4096)
def _names(type_: str, name: str, wanted: str) -> tuple[tuple[str, str], ...]:
    """The (JSON name, type) that an element of a type goes by: one, or one for each type of a choice, or that of the
    type wanted."""
    known = table.types().get(type_)
    for element in known.elements if known else ():
        if element.name == name or element.name == f"{name}[x]":
            return tuple(pair for pair in element.names.items() if wanted in ("", pair[1]))
    return ()


class _Element:
    """The element of a name; of a choice, where ``wanted`` is a type, only that one."""

    __slots__ = ("name", "wanted")

    def __init__(self, name: str, wanted: str = ""):
        self.name, self.wanted = name, wanted

    def __call__(self, level: list[Typed]) -> list[Typed]:
        inner: list[Typed] = []
        for type_, value in level:
            if type(value) is not dict:
                continue
            for written, kind in _names(type_, self.name, self.wanted):
                held = value.get(written)
                if type(held) is list:
                    inner += [(kind, item) for item in held if item is not None]
                elif held is not None:
                    inner.append((kind, held))
        return inner


class _OfType:
    """The values of a type. R4 itself once writes ``DateTime`` for ``dateTime``."""

    __slots__ = ("wanted",)

    def __init__(self, name: str):
        self.wanted = name if name in table.types() else name[:1].lower() + name[1:]

    def __call__(self, level: list[Typed]) -> list[Typed]:
        return [(type_, value) for type_, value in level if type_ == self.wanted]


class _Path:
    """Steps one after the other."""

    __slots__ = ("steps",)

    def __init__(self, *steps: Step):
        self.steps = steps

    def __call__(self, level: list[Typed]) -> list[Typed]:
        for step in self.steps:
            if not level:
                return level
            level = step(level)
        return level


def _then(first: Step, second: Step) -> Step:
    """Both steps, one after the other. A choice and the type wanted of it are read as one element."""
    steps = first.steps if isinstance(first, _Path) else (first,)
    last = steps[-1] if steps else None
    if isinstance(last, _Element) and isinstance(second, _OfType) and not last.wanted:
        return _Path(*steps[:-1], _Element(last.name, second.wanted))
    if second is _exists:  # it asks of nothing, too
        return lambda level: _exists(first(level))
    return _Path(*steps, second)


def _constant(type_: str, value: object) -> Step:
    return lambda _: [(type_, value)]


def _is_type(name: str) -> Step:
    return lambda level: [("boolean", type_ == name) for type_, _ in level]


def _exists(level: list[Typed]) -> list[Typed]:
    return [("boolean", bool(level))]


def _first(level: list[Typed]) -> list[Typed]:
    return level[:1]


def _resolved(level: list[Typed]) -> list[Typed]:
    """What references lead to: the type alone, which is all that R4's expressions ask."""
    return [(target_type(value), None) for _, value in level if type(value) is dict]


def target_type(reference: dict[str, Any]) -> str:
    """The type that a reference says it leads to, or "".

    >>> target_type({"reference": "https://elsewhere.example/fhir/Patient/p"})
    'Patient'
    """
    parts = str(reference.get("reference", "")).split("/_history/")[0].split("/")
    return parts[-2] if len(parts) > 1 else str(reference.get("type", ""))


def _where(criterion: Step) -> Step:
    return lambda level: [value for value in level if any(held is True for _, held in criterion([value]))]


def _extension(url: str) -> Step:
    every = _Element("extension")
    return lambda level: [item for item in every(level) if item[1].get("url") == url]


def _compared(left: Step, right: Step, is_same: bool) -> Step:
    def step(level: list[Typed]) -> list[Typed]:
        sides = [[value for _, value in side(level)] for side in (left, right)]
        return [("boolean", (sides[0] == sides[1]) is is_same)] if all(sides) else []

    return step


def _both(left: Step, right: Step) -> Step:
    def step(level: list[Typed]) -> list[Typed]:
        held = [value for side in (left, right) for _, value in side(level)]
        if False in held:
            return [("boolean", False)]
        return [("boolean", True)] if len(held) > 1 else []

    return step
