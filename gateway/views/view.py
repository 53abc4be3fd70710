"""A ViewDefinition, judged and compiled to a function from a resource to the rows of a table.

https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html: select, column, forEach, forEachOrNull, repeat,
unionAll, where, constant, collection and ``%rowIndex``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.expression import Typed
from gateway.fhir.r4 import table
from gateway.views import path
from gateway.views.path import NOWHERE, Read, Variables

PERSON = "person"
"""The variable of ours: whose resource it is, by the pseudonym of the person."""
DISTINCT = "urn:nhs-record-gateway:view:one-row-for-each"
"""Extension of ours: of the rows of a release with one value in the column that it names, the one that says most."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ITERATIONS = ("forEach", "forEachOrNull", "repeat")
_DEEPEST = 32
Row = tuple[Any, ...]
_Rows = Callable[[Typed, Variables], list[Row]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its path, its FHIR type ("" where the view says none), whether a value is a list, and the SQL type that
    a tag asks for. ``within`` are the paths whose items the path is read from, outermost first."""

    name: str
    path: str
    kind: str = ""
    is_list: bool = False
    sql_type: str = ""
    description: str = ""
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A view of one resource type. ``distinct`` is the column that has each value once, or ""."""

    name: str
    resource: str
    title: str
    columns: tuple[Column, ...]
    distinct: str
    _constants: Mapping[str, Any]
    _where: tuple[Read, ...]
    _rows: _Rows

    def rows(self, resource: Mapping[str, Any], person: str | None = None) -> list[Row]:
        """The rows of a resource, in the order of the columns; none for one of another type. Raises ``Invalid`` naming
        the column, or ``where``, whose expression does not read what the view says."""
        if resource.get("resourceType") != self.resource:
            return []
        part = (self.resource, resource)
        variables = {**self._constants, "rowIndex": 0, "resource": part, PERSON: person}
        if all(_holds(condition(part, variables)) for condition in self._where):
            return self._rows(part, variables)
        return []


def compiled(definition: object) -> View:
    """The view of a definition. Raises ``Invalid`` naming the part of it that is not as the specification has it."""
    view = _is(definition, dict, "view")
    resource = _text(view, "resource", "view")
    if resource not in table.resource_types():
        raise Invalid("view: resource: not a resource type")
    name = view.get("name", resource.lower())
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid("view: name: letters, digits and underscores")
    constants = _constants(view)
    known = frozenset({*constants, "rowIndex", PERSON})
    columns, rows = _selects(view, known, (), 0)
    if not columns:
        raise Invalid("view: select: without a column")
    _refuse_twice(columns)
    where = tuple(_path(condition, "path", "where", known) for condition in _items(view, "where", "view"))
    distinct = _distinct(view, columns)
    title = view.get("description") or view.get("title") or ""
    return View(name, resource, str(title), columns, distinct, constants, where, rows)


def _distinct(view: Mapping[str, Any], columns: tuple[Column, ...]) -> str:
    for extension in _items(view, "extension", "view"):
        if extension.get("url") == DISTINCT:
            if extension.get("valueString") not in {column.name for column in columns}:
                raise Invalid("view: extension: no such column")
            return str(extension["valueString"])
    return ""


def _constants(view: Mapping[str, Any]) -> dict[str, Any]:
    constants = {}
    for constant in _items(view, "constant", "view"):
        values = [value for name, value in constant.items() if name.startswith("value")]
        if len(values) != 1 or isinstance(values[0], (dict, list)):
            raise Invalid("constant: one plain value each")
        constants[_text(constant, "name", "constant")] = values[0]
    if constants.keys() & {"rowIndex", PERSON, "context", "resource"}:
        raise Invalid("constant: a name that has a meaning already")
    return constants


def _selects(
    definition: Mapping[str, Any], known: frozenset[str], within: tuple[str, ...], depth: int
) -> tuple[tuple[Column, ...], _Rows]:
    """The ``select`` of a view or of another select: each row of each with each row of the others."""
    compiled_parts = [_select(part, known, within, depth) for part in _items(definition, "select", "select")]
    columns = tuple(itertools.chain.from_iterable(columns for columns, _ in compiled_parts))
    return columns, _joined([rows for _, rows in compiled_parts])


def _select(
    select: Mapping[str, Any], known: frozenset[str], within: tuple[str, ...], depth: int
) -> tuple[tuple[Column, ...], _Rows]:
    if depth > _DEEPEST:
        raise Invalid("select: too deep")
    asked = [name for name in _ITERATIONS if name in select]
    if len(asked) > 1:
        raise Invalid("select: one of forEach, forEachOrNull and repeat")
    items, inside = None, within
    if asked:
        items, paths = _iteration(select, asked[0], known)
        inside = (*within, " | ".join(paths))
    own = [_column(column, known, inside) for column in _items(select, "column", "select")]
    parts: list[tuple[tuple[Column, ...], _Rows]] = []
    if own:
        parts.append((tuple(column for column, _ in own), _row([reader for _, reader in own])))
    if "select" in select:
        parts.append(_selects(select, known, inside, depth + 1))
    if "unionAll" in select:
        parts.append(_union([_select(part, known, inside, depth + 1) for part in _items(select, "unionAll", "select")]))
    columns = tuple(itertools.chain.from_iterable(columns for columns, _ in parts))
    rows = _joined([rows for _, rows in parts])
    return columns, rows if items is None else _of_each(items, rows)


def _iteration(
    select: Mapping[str, Any], name: str, known: frozenset[str]
) -> tuple[Callable[[Typed, Variables], list[Typed]], list[str]]:
    """The function that lists the parts which a select makes rows of, and its paths."""
    if name == "repeat":
        texts = _is(select["repeat"], list, "repeat")
        reads = [_path({"path": text}, "path", "repeat", known) for text in texts]
        return lambda part, variables: list(_repeated(part, variables, reads, 0)), texts
    read = _path(select, name, "select", known)
    if name == "forEach":
        return read, [select[name]]
    return lambda part, variables: read(part, variables) or [NOWHERE], [select[name]]


def _repeated(part: Typed, variables: Variables, reads: list[Read], depth: int) -> Iterator[Typed]:
    """The parts that the paths lead to, and from each of these to further ones, in the order of the document."""
    if depth > _DEEPEST:
        raise Invalid("repeat: too deep")
    for read in reads:
        for inner in read(part, variables):
            yield inner
            yield from _repeated(inner, variables, reads, depth + 1)


def _column(
    definition: Mapping[str, Any], known: frozenset[str], within: tuple[str, ...]
) -> tuple[Column, Callable[[Typed, Variables], Any]]:
    name = _text(definition, "name", "column")
    if not NAME.fullmatch(name):
        raise Invalid("column: name: letters, digits and underscores")
    read = _path(definition, "path", f"column {name}", known)
    is_list = definition.get("collection", False) is True
    tags = {tag.get("name"): tag.get("value") for tag in _items(definition, "tag", f"column {name}")}
    kind = str(definition.get("type", "")).rpartition("/")[2]
    column = Column(
        name, definition["path"], kind, is_list, str(tags.get("ansi/type", "")),
        str(definition.get("description", "")), within,
    )  # fmt: skip

    def values(part: Typed, variables: Variables) -> Any:
        try:
            values = [value for _, value in read(part, variables)]
        except Invalid as error:
            raise Invalid(f"column {name}: {error}") from None
        if is_list:
            return values
        if len(values) > 1:
            raise Invalid(f"column {name}: more than one value")
        return values[0] if values else None

    return column, values


def _row(readers: list[Callable[[Typed, Variables], Any]]) -> _Rows:
    return lambda part, variables: [tuple([read(part, variables) for read in readers])]


def _joined(parts: list[_Rows]) -> _Rows:
    """Each row of each part with each row of the others."""
    if len(parts) == 1:
        return parts[0]

    def rows(part: Typed, variables: Variables) -> list[Row]:
        joined: list[Row] = [()]
        for inner in parts:
            added = inner(part, variables)
            joined = [(*row, *more) for row in joined for more in added]
            if not joined:
                break
        return joined

    return rows


def _of_each(items: Callable[[Typed, Variables], list[Typed]], inner: _Rows) -> _Rows:
    def rows(part: Typed, variables: Variables) -> list[Row]:
        return [
            row
            for index, item in enumerate(items(part, variables))
            for row in inner(item, {**variables, "rowIndex": index})
        ]

    return rows


def _union(parts: list[tuple[tuple[Column, ...], _Rows]]) -> tuple[tuple[Column, ...], _Rows]:
    """The rows of each part, one after the other: all have the same columns."""
    columns = parts[0][0]
    if any([_shape(column) for column in other] != [_shape(column) for column in columns] for other, _ in parts):
        raise Invalid("unionAll: the columns differ")
    return columns, lambda part, variables: [row for _, rows in parts for row in rows(part, variables)]


def _shape(column: Column) -> tuple[str, str, bool]:
    return column.name, column.kind, column.is_list


def _holds(values: list[Typed]) -> bool:
    """Whether a condition is met: it says true. One that says nothing is not."""
    if len(values) > 1 or any(not isinstance(value, bool) for _, value in values):
        raise Invalid("where: not a condition")
    return bool(values) and values[0][1] is True


def _refuse_twice(columns: tuple[Column, ...]) -> None:
    names = [column.name.lower() for column in columns]
    if len(set(names)) != len(names):
        raise Invalid("column: a name twice")


def _path(definition: Mapping[str, Any], name: str, place: str, known: frozenset[str]) -> Read:
    try:
        return path.compiled(_text(definition, name, place), known)
    except Invalid as error:
        raise Invalid(f"{place}: {error}") from None


def _text(definition: Mapping[str, Any], name: str, place: str) -> str:
    value = definition.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"{place}: {name}: a text is needed")
    return value


def _items(definition: Mapping[str, Any], name: str, place: str) -> list[dict[str, Any]]:
    """The objects of a list, which may be left out but not empty."""
    items = _is(definition.get(name, [{}]), list, f"{place}: {name}")
    if not items:
        raise Invalid(f"{place}: {name}: an empty list")
    return [_is(item, dict, f"{place}: {name}") for item in items] if name in definition else []


def _is(value: object, kind: type, place: str) -> Any:
    if not isinstance(value, kind):
        raise Invalid(f"{place}: not {'a list' if kind is list else 'an object'}")
    return value
