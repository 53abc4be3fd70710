"""The columns of every format that is written, read from ``layouts.csv``: our own reading of the public layouts."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Field(NamedTuple):
    """A field of a fixed-width record: ``start`` counts from 0."""

    name: str
    start: int
    length: int


@cache
def tables(name: str) -> dict[str, tuple[str, ...]]:
    """Return the columns of each table of a format (``emis``, ``tpp``, ``cld``, ``ecds``, ``csds``), in the order of
    the file."""
    columns: dict[str, list[str]] = {}
    for row in _rows():
        if row["format"] == name:
            columns.setdefault(row["table"], []).append(row["column"])
    return {table: tuple(names) for table, names in columns.items()}


@cache
def records(name: str) -> dict[str, dict[str, Field]]:
    """Return the fields of each record of a fixed-width format (``cds``), by name. ``(end)`` is its last place."""
    fields: dict[str, dict[str, Field]] = {}
    for row in _rows():
        if row["format"] == name:
            field = Field(row["column"], int(row["start"]) - 1, int(row["length"]))
            fields.setdefault(row["table"], {})[field.name] = field
    return fields


@cache
def _rows() -> list[dict[str, str]]:
    text = files("gateway.synth").joinpath("layouts.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
