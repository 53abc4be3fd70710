"""A file taken apart into the places that hold a value, so that one can be changed and the file read again.

Only the mapping document does so, and with samples: a file is held whole.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from mappings.readers.files import File


@dataclass(frozen=True)
class Cell:
    """One place of a file: its ``table`` and ``column`` (a segment and its field, a type and its element), the
    ``row`` it stands in, what is written there, and ``with_value``: the bytes of the file with another value."""

    table: str
    column: str
    row: int
    value: str
    with_value: Callable[[str], bytes]


def csv_cells(file: File, table: str, encoding: str, delimiter: str = ",") -> Iterator[Cell]:
    """Yield each cell of a CSV file with a header, the empty ones too."""
    with file.text(encoding) as text:
        header, *rows = list(csv.reader(text, delimiter=delimiter))

    def with_value(row: int, column: int, value: str) -> bytes:
        changed = [list(fields) for fields in rows]
        changed[row][column] = value
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([header, *changed])
        return text.getvalue().encode(encoding)

    for row, fields in enumerate(rows):
        for column, value in enumerate(fields):
            yield Cell(table, header[column].strip(), row, value, partial(with_value, row, column))


def json_cells(file: File) -> Iterator[Cell]:
    """Yield each value of the resources of a FHIR JSON file: a Bundle's entries, or the resource itself."""
    with file.open() as stream:
        whole = json.load(stream)
    entries = [entry["resource"] for entry in whole.get("entry", ()) if "resource" in entry]
    for row, resource in enumerate(entries or [whole]):
        for path, holder, key in _leaves(resource, resource["resourceType"]):
            table, _, column = path.partition(".")
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
