"""One FHIRPath expression of a view, compiled to a function from a part of a resource to the values that it reads.

Most expressions of views are plain paths. The house's own compiler of search expressions reads them about ten times as
fast as ``fhirpathpy``, which reads all others; a test compares the two on the plain paths of the shipped views
that begin at a resource.
http://hl7.org/fhirpath/N1, https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.fhir import expression
from gateway.fhir.expression import Typed
from gateway.fhir.r4 import table
from gateway.views.boundary import boundary

Variables = Mapping[str, Any]
"""What ``%name`` stands for: the constants of the view, ``rowIndex``, ``person`` and ``resource`` (a part)."""
Read = Callable[[Typed, Variables], list[Typed]]
NOWHERE: Typed = ("", {})
"""The part that ``forEachOrNull`` reads where there is none."""
_NAME, _VALUE = r"[a-z]\w*", r"(?:'[^'\\]*'|true|false)"
_INNER = rf"{_NAME}(?:\.(?:{_NAME}|ofType\(\w+\)))*(?:\.exists\(\))?"
_WHERE = rf"where\({_INNER}(?: ?!?= ?{_VALUE})?\)"
_STEP = rf"(?:{_NAME}(?:\[\d+\])?|ofType\(\w+\)|first\(\)|exists\(\)|{_WHERE}|extension\('[^'\\]*'\))"
_PLAIN = re.compile(rf"{_STEP}(?:\.{_STEP})*(?: ?!?= ?{_VALUE})?")
_KEYED = re.compile(r"(?:(.+)\.)?(getResourceKey|getReferenceKey)\(\s*'?(\w*)'?\s*\)")
_BOUNDED = re.compile(r"(.+)\.(lowBoundary|highBoundary)\(\)")
_PATH = re.compile(r"[\w.%$]+(?:\((?:[^()']|'[^']*')*\)[\w.]*)*")
"""Steps, and functions whose arguments call none."""
_LITERAL = re.compile(r"'([^'\\]*)'|(-?\d+)|(true|false)|(\{\s*\})")
_VARIABLE = re.compile(r"%(\w+)")
_RELATIVE = re.compile(rf"(?:.*/)?([A-Z]\w+)/({table.ID})(?:/_history/.*)?")


@lru_cache(maxsize=1024)
def compiled(text: str, known: frozenset[str]) -> Read:
    """The function of an expression. ``known`` are the variables that it may name. Raises ``Invalid`` for one that is
    no FHIRPath or names another variable. The function raises ``Invalid`` where it cannot be evaluated.

    >>> compiled("name.first().family", frozenset())(("Patient", {"name": [{"family": "A"}, {"family": "B"}]}), {})
    [('string', 'A')]
    """
    text = text.strip().removeprefix("$this.")  # at the root the library does not know it
    if literal := _LITERAL.fullmatch(text):
        return _literal(literal)
    if (variable := _VARIABLE.fullmatch(text)) and variable[1] in known:
        return _variable(variable[1])
    if text == "$this":
        return lambda part, _: [part] if part is not NOWHERE else []
    if (keyed := _KEYED.fullmatch(text)) and _is_whole(keyed[1]):
        return _keyed(compiled(keyed[1], known) if keyed[1] else None, keyed[2], keyed[3])
    if (bounded := _BOUNDED.fullmatch(text)) and _is_whole(bounded[1]):
        return _bounded(compiled(bounded[1], known), bounded[2])
    if is_plain(text):
        return _plain(text)
    return _by_library(text, known)


def is_plain(text: str) -> bool:
    """Whether the house's own compiler reads an expression. It knows no extension of a plain value."""
    return _PLAIN.fullmatch(text) is not None and ".extension" not in text


def _plain(text: str) -> Read:
    def read(part: Typed, variables: Variables) -> list[Typed]:
        try:
            return expression.compiled(part[0], text)(part[1])
        except (AttributeError, TypeError):  # the resource is not R4
            raise Invalid("the expression cannot be evaluated") from None

    return read


def _literal(match: re.Match[str]) -> Read:
    text, number, truth, _ = match.groups()
    if text is not None:
        values: list[Typed] = [("string", text)]
    elif number is not None:
        values = [("integer", int(number))]
    else:
        values = [("boolean", truth == "true")] if truth else []
    return lambda part, variables: values


def _variable(name: str) -> Read:
    def read(part: Typed, variables: Variables) -> list[Typed]:
        value = variables[name]
        return [] if value is None else [(_kind(value), value)]

    return read


def _is_whole(text: str | None) -> bool:
    """Whether an expression is a path: no operator stands outside of its parentheses, and the function after it is of
    all of it."""
    return text is None or _PATH.fullmatch(text) is not None


def _keyed(inner: Read | None, function: str, wanted: str) -> Read:
    """The key of a resource, or of the one that a reference leads to: its id."""

    def read(part: Typed, variables: Variables) -> list[Typed]:
        parts = inner(part, variables) if inner else [part]
        if function == "getResourceKey":
            return [("id", value["id"]) for _, value in parts if type(value) is dict and "id" in value]
        return [("id", key) for _, value in parts if (key := reference_key(value, wanted)) is not None]

    return read


def _bounded(inner: Read, which: str) -> Read:
    return lambda part, variables: [boundary(value, which) for value in inner(part, variables)]


def reference_key(reference: object, wanted: str = "") -> str | None:
    """The id that a literal reference leads to, by type where one is wanted; None for a reference to anything else.

    >>> reference_key({"reference": "Patient/p/_history/2"}, "Patient"), reference_key({"reference": "#a"})
    ('p', None)
    """
    text = reference.get("reference") if isinstance(reference, dict) else None
    match = _RELATIVE.fullmatch(text) if isinstance(text, str) else None
    return match[2] if match and wanted in ("", match[1]) else None


def _kind(value: object) -> str:
    """The FHIR type of a plain value that says none."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "decimal" if isinstance(value, (Decimal, float)) else "string" if isinstance(value, str) else ""


def _by_library(text: str, known: frozenset[str]) -> Read:
    if find_spec("fhirpathpy") is None:
        raise Refused("this view needs fhirpathpy: install the extra `views`")
    from fhirpathpy import compile as compile_path
    from fhirpathpy.engine.invocations import invocation_registry
    from fhirpathpy.engine.nodes import ResourceNode
    from fhirpathpy.models import models

    variables, functions = _names_of(text)
    if unknown := variables - known - {"context", "resource", "ucum"}:
        raise Invalid(f"no such constant: {', '.join(sorted(unknown))}")
    if unknown := functions - invocation_registry.keys() - FUNCTIONS.keys():
        raise Invalid(f"no such function: {', '.join(sorted(unknown))}")
    options = {"returnRawData": True, "userInvocationTable": FUNCTIONS}
    run = compile_path(text, model=models["r4"], options=options)
    inward, outward = _library_names()

    def read(part: Typed, variables: Variables) -> list[Typed]:
        kind, value = part
        node = ResourceNode.create_node(value, inward.get(kind, kind) or None)
        whole = variables.get("resource", part)
        try:
            results = run(node, {**variables, "resource": ResourceNode.create_node(whole[1], whole[0])})
        except Exception:  # of any kind, with the value in its message
            raise Invalid("the expression cannot be evaluated") from None
        return [_typed(result, outward) for result in results if result is not None]

    return read


def _typed(result: Any, outward: Mapping[str, str]) -> Typed:
    """A result of the library with its FHIR type, "" where it has none."""
    if hasattr(result, "data"):
        value, path = result.data, result.path or ""
        return outward.get(path, path), value
    value = result if isinstance(result, (bool, int, str, Decimal, float, dict)) else str(result)
    return _kind(value), value


def _resource_keys(resources: list[Any]) -> list[str]:
    return [resource["id"] for resource in resources if isinstance(resource, dict) and "id" in resource]


def _reference_keys(references: list[Any], wanted: Any = None) -> list[str]:
    keys = (reference_key(reference, wanted.name if wanted else "") for reference in references)
    return [key for key in keys if key is not None]


def _join(texts: list[Any], separator: str = "") -> list[str]:
    """As the conformance cases want it: the text of none is empty. The library has none."""
    return [separator.join(texts)]


FUNCTIONS: dict[str, dict[str, Any]] = {
    "getResourceKey": {"fn": _resource_keys, "arity": {0: []}},
    "getReferenceKey": {"fn": _reference_keys, "arity": {0: [], 1: ["TypeSpecifier"]}},
    "join": {"fn": _join, "arity": {0: [], 1: ["String"]}},
}
"""What the library does not have, or has otherwise."""


def _names_of(text: str) -> tuple[set[str], set[str]]:
    """The variables and the functions that an expression names. Raises ``Invalid`` for what is no FHIRPath: the library
    itself reads what it can of it and leaves out the rest."""
    from antlr4 import CommonTokenStream, InputStream
    from antlr4.error.ErrorListener import ErrorListener
    from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
    from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

    class Strict(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, *_: object) -> None:
            raise Invalid("not FHIRPath")

    lexer = FHIRPathLexer(InputStream(text))
    stream = CommonTokenStream(lexer)
    parser = FHIRPathParser(stream)
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(Strict())
    parser.expression()
    if stream.LA(1) != -1:
        raise Invalid("not FHIRPath")
    words = [token.text for token in stream.tokens if not token.channel]
    pairs = list(zip(words, words[1:]))
    variables = {after.strip("`'") for word, after in pairs if word == "%"}
    return variables, {word for word, after in pairs if after == "(" and word.isidentifier()} - OPERATORS


OPERATORS = frozenset({"and", "or", "xor", "implies", "in", "contains", "is", "as", "div", "mod"})
"""Words that may stand before a parenthesis and call nothing, but for ``contains``, which is a function too."""


@lru_cache(maxsize=1)
def _library_names() -> tuple[dict[str, str], dict[str, str]]:
    """What the library calls the parts of resources that R4's table names (``ObservationComponent`` is
    ``Observation.component``), and the same the other way."""
    inward: dict[str, str] = {}
    waiting = [(kind.name, kind.name) for kind in table.types().values() if kind.is_resource]
    for name, path in waiting:
        for element in table.types()[name].elements:
            for kind in element.names.values():
                if kind.startswith(name) and kind != name and kind in table.types() and kind not in inward:
                    inward[kind] = f"{path}.{element.name}"
                    waiting.append((kind, inward[kind]))
    return inward, {path: kind for kind, path in inward.items()}
