"""A sample message taken apart into its fields and components, for the mapping document."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mappings.readers.cells import Cell
from mappings.readers.files import File


def message_cells(file: File) -> Iterator[Cell]:
    """Yield each component that is filled in a file of messages with the usual separators: ``PID`` and ``5.1``. A field
    of one component is called by its number alone."""
    with file.open() as stream:
        content = stream.read().decode()
    lines = content.splitlines()
    for row, line in enumerate(lines):
        fields = line.split("|")
        shift = 1 if fields[0] == "MSH" else 0
        for place in range(1 + shift, len(fields)):
            for column, start, end in _parts(fields[place], place + shift):
                value = fields[place][start:end]
                if value:
                    yield Cell(fields[0], column, row, value, partial(_with, lines, row, place, start, end))


def _parts(field: str, number: int) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each component of a field, of all its repetitions."""
    is_whole = "^" not in field
    start = 0
    for repetition in field.split("~"):
        at = start
        for component, text in enumerate(repetition.split("^"), 1):
            yield (str(number) if is_whole else f"{number}.{component}"), at, at + len(text)
            at += len(text) + 1
        start += len(repetition) + 1


def _with(lines: list[str], row: int, place: int, start: int, end: int, value: str) -> bytes:
    """The file with another text at a place of a field."""
    fields = lines[row].split("|")
    fields[place] = fields[place][:start] + value + fields[place][end:]
    return "\r".join([*lines[:row], "|".join(fields), *lines[row + 1 :]]).encode() + b"\r"
