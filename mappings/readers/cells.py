"""A file taken apart into the places that hold a value, so that one can be changed and the file read again.

Only the mapping document does so, and with samples: a file is held whole.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mappings.readers.files import File

if TYPE_CHECKING:  # its module reads ``mappings``, which reads this one
    from mappings.readers.fixed_width import Field


@dataclass(frozen=True)
class Cell:
    """One place of a file: its ``table`` and ``column`` (a segment and its field, a type and its element), the
    ``row`` it stands in, what is written there, and ``with_value``: the bytes of the file with another value."""

    table: str
    column: str
    row: int
    value: str
    with_value: Callable[[str], bytes]


def csv_cells(file: File, table: str, encoding: str, delimiter: str = ",", names: Sequence[str] = ()) -> Iterator[Cell]:
    """Yield each cell of a CSV file, the empty ones too. ``names`` are the columns of one without a header."""
    with file.text(encoding) as text:
        rows = list(csv.reader(text, delimiter=delimiter))
    first = [] if names else [rows.pop(0)]
    header = names or first[0]

    def with_value(row: int, column: int, value: str) -> bytes:
        changed = [list(fields) for fields in rows]
        changed[row][column] = value
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([*first, *changed])
        return text.getvalue().encode(encoding)

    for row, fields in enumerate(rows):
        for column, value in enumerate(fields):
            yield Cell(table, header[column].strip(), row, value, partial(with_value, row, column))


def fixed_cells(file: File, encoding: str, layout: Callable[[str], tuple[str, Sequence[Field]]]) -> Iterator[Cell]:
    """Yield each field of a file of fixed width, the empty ones too; ``layout`` says of which table a line is, and
    where its fields stand."""
    with file.text(encoding) as text:
        lines = text.read().splitlines()

    def with_value(row: int, field: Field, value: str) -> bytes:
        line, start = lines[row], field.start - 1
        changed = line[:start] + value.ljust(field.length)[: field.length] + line[start + field.length :]
        return "\r\n".join([*lines[:row], changed, *lines[row + 1 :], ""]).encode(encoding)

    for row, line in enumerate(lines):
        table, fields = layout(line)
        for field in fields:
            value = line[field.start - 1 : field.start - 1 + field.length].strip()
            yield Cell(table, field.name, row, value, partial(with_value, row, field))


def resources(whole: Any) -> list[tuple[str, Any]]:
    """The type and the content of each entry of a Bundle, which may stand in Parameters, or of the resource itself."""
    inner = [item["resource"] for item in whole.get("parameter", ()) if "resource" in item]
    if inner:
        return [part for bundle in inner for part in resources(bundle)]
    entries = [entry["resource"] for entry in whole.get("entry", ()) if "resource" in entry]
    return [(resource["resourceType"], resource) for resource in entries or [whole]]


def json_cells(file: File, parts: Callable[[Any], list[tuple[str, Any]]] = resources) -> Iterator[Cell]:
    """Yield each value of a JSON file; ``parts`` names the tables that it has and what is in each of them."""
    with file.open() as stream:
        whole = json.load(stream)
    for row, (table, part) in enumerate(parts(whole)):
        for path, holder, key in _leaves(part, table):
            column = path.removeprefix(f"{table}.")
            yield Cell(table, column, row, str(holder[key]), partial(_replaced, whole, holder, key))


def _replaced(whole: Any, holder: Any, key: Any, value: str) -> bytes:
    """The file with another value at a place, or without the place for the empty one."""
    before = holder[key]
    try:
        if value == "" and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = type(before)(value) if isinstance(before, int | float) and value.isdigit() else value
        return json.dumps(whole).encode()
    finally:
        holder[key] = before


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the path without places in lists, the holder and the key of each value under a node."""
    places = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(places):
        below = f"{path}.{key}" if isinstance(node, dict) else path
        if isinstance(value, dict | list):
            yield from _leaves(value, below)
        elif key != "resourceType":
            yield below, node, key
