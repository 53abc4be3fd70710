"""CSV files to dictionaries: the header checked, a row that is no row refused by its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator

from gateway.errors import Refused
from mappings import Reject, Values
from mappings.readers.files import HEAD, File, Survey, with_mark

LONGEST = 1 << 16
"""Bytes of a header at most."""
Rename = Callable[[str], str]
"""From a column's name in a file to ours."""


def same(name: str) -> str:
    """A column is called what the file calls it."""
    return name


def header(file: File, delimiter: str = ",", rename: Rename = same) -> list[str]:
    """Return the names of the columns, each as ``rename`` has it. Only the beginning of the file is read.

    Raises ``Refused`` for a header that is missing, cannot be read or names a column twice.
    """
    survey = Survey(file)
    with file.open(HEAD) as stream:
        head = stream.readline(LONGEST)
    survey.see(head.rstrip(b"\r\n") + b"\n")
    text = io.StringIO(head.decode(with_mark(survey.file.encoding)), newline="")
    return _names(file, csv.reader(text, delimiter=delimiter, strict=True), rename)


def _names(file: File, reader: Iterator[list[str]], rename: Rename) -> list[str]:
    try:
        names = [rename(name.strip()) for name in next(reader, [])]
    except (csv.Error, UnicodeDecodeError):
        raise Refused(f"{file.name}: line 1: no header can be read") from None
    if not any(names):
        raise Refused(f"{file.name}: line 1: no header")
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"{file.name}: line 1: column {_shown(name)} twice")
    return names


def check_header(file: File, required: Collection[str], delimiter: str = ",", rename: Rename = same) -> None:
    """Raise ``Refused`` naming the first of the ``required`` columns that the file lacks."""
    names = set(header(file, delimiter, rename))
    for name in required:
        if name not in names:
            raise Refused(f"{file.name}: column {name} is missing")


def csv_rows(
    file: File, delimiter: str = ",", rename: Rename = same, keep: Collection[str] | None = None
) -> Iterator[tuple[int, Values] | Reject]:
    """Yield (line, filled columns by name) of each row; a row that is no row is a reject with its line.

    The line is the row's first. ``keep`` names the columns wanted: others are never held. A row of more or fewer
    fields than the header is not guessed at: a shifted column is another value.
    """
    with file.text() as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        names = _names(file, reader, rename)
        wanted = [name if keep is None or name in keep else "" for name in names]
        width = len(names)
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error:
                yield Reject(f"line {line}", "quoting")
                continue
            if fields is None:
                return
            if len(fields) == width:
                yield line, Values([pair for pair in zip(wanted, fields) if pair[1] and pair[0]])
            elif fields:
                yield Reject(f"line {line}", "number of fields")


def _shown(name: str) -> str:
    """A column's name as it may be shown: a header line that is data must not be."""
    return name if name.isidentifier() else "without a name"
