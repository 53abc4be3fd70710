"""CSV files to dictionaries: the header checked, a row that is no row refused by its line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import compress
from typing import TextIO

from gateway.errors import Refused
from mappings import Reject, Values
from mappings.readers.files import HEAD, File, Survey, with_mark

LONGEST_HEADER = 1 << 16
"""Bytes of a header at most."""
LONGEST = 1 << 22
"""Characters of a row at most, whatever lines it has: 4 million. What is longer is not held."""
Rename = Callable[[str], str]
"""From a column's name in a file to ours."""


def same(name: str) -> str:
    """A column is called what the file calls it."""
    return name


def spelt_as(columns: Iterable[str]) -> Rename:
    """Return what calls these columns as we do, whatever their case and the signs between their letters.

    >>> spelt_as(["NHSNumber_Status"])("nhs number status")
    'NHSNumber_Status'
    """
    names = {_folded(name): name for name in columns}
    return lambda name: names.get(_folded(name), name.strip())


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def header(file: File, delimiter: str = ",", rename: Rename = same, known: Collection[str] | None = None) -> list[str]:
    """Return the names of the columns, each as ``rename`` has it. Only the beginning of the file is read.

    ``known`` are the columns of the source: a message shows no other name, which may be a value of a file without a
    header.
    Raises ``Refused`` for a header that is missing, cannot be read or names a column twice.
    """
    survey = Survey(file)
    with file.open(HEAD) as stream:
        head = stream.readline(LONGEST_HEADER)
    survey.see(head.rstrip(b"\r\n") + b"\n")
    text = io.StringIO(head.decode(with_mark(survey.file.encoding)), newline="")
    return _names(file, csv.reader(text, delimiter=delimiter, strict=True), rename, known)


def _names(file: File, reader: Iterator[list[str]], rename: Rename, known: Collection[str] | None) -> list[str]:
    try:
        names = [rename(name.strip()) for name in next(reader, [])]
    except (csv.Error, UnicodeDecodeError, TooLong):
        raise Refused(f"{file.shown}: line 1: no header can be read") from None
    if not any(names):
        raise Refused(f"{file.shown}: line 1: no header")
    numbers: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name in numbers:
            fault = (
                f"column {name} twice" if known and name in known else f"column {number} is named as {numbers[name]}"
            )
            raise Refused(f"{file.shown}: line 1: {fault}")
        numbers[name] = number
    return names


def check_header(file: File, required: Collection[str], delimiter: str = ",", rename: Rename = same) -> None:
    """Raise ``Refused`` naming the first of the ``required`` columns that the file lacks."""
    names = set(header(file, delimiter, rename, required))
    for name in required:
        if name not in names:
            raise Refused(f"{file.shown}: column {name} is missing")


def unknown_columns(file: File, known: Collection[str], rename: Rename = same) -> list[str]:
    """Return the columns of a file that are not among the ``known`` ones. Raises ``Refused`` as ``header`` does."""
    return [name for name in header(file, rename=rename, known=known) if name and name not in known]


def csv_rows(
    file: File,
    delimiter: str = ",",
    rename: Rename = same,
    keep: Collection[str] | None = None,
    names: Sequence[str] = (),
    has_header: bool = True,
) -> Iterator[tuple[int, Values] | Reject]:
    """Yield (line, filled columns by name) of each row; a row that is no row is a reject with its line.

    The line is the row's first. ``keep`` names the columns wanted: others are never held. A row of more or fewer
    fields than the header is not guessed at: a shifted column is another value. No more than ``LONGEST`` characters of
    a row are held. ``names`` are those of the columns by their place, for a file whose header names some of them
    twice, or that has no header.
    """
    with file.text() as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        if not names:
            names = _names(file, reader, rename, keep)
        elif has_header:
            next(reader, None)
        wanted = [name if keep is None or name in keep else "" for name in names]
        width, has_unwanted = len(names), "" in wanted
        while True:
            line = lines.begin_row()
            try:
                fields = next(reader, None)
            except TooLong:
                yield Reject(f"line {line}", "too long")
                continue
            except csv.Error:
                yield Reject(f"line {line}", "quoting")
                continue
            if fields is None:
                return
            if len(fields) == width:
                values = Values(compress(zip(wanted, fields), fields))
                if has_unwanted:
                    values.pop("", None)
                yield line, values
            elif fields:
                yield Reject(f"line {line}", "number of fields")


class TooLong(Exception):
    """A row has more than ``LONGEST`` characters."""


class _Lines:
    """The lines of a text, counted, each of a length that is bounded together with the other lines of its row."""

    def __init__(self, text: TextIO):
        self._readline, self._number, self._room = text.readline, 0, LONGEST

    def begin_row(self) -> int:
        """Return the number of the next line, which begins a row."""
        self._room = LONGEST
        return self._number + 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._readline(LONGEST)
        if not line:
            raise StopIteration
        self._number += 1
        self._room -= len(line)
        if self._room <= 0:
            self._pass_over(line)
            raise TooLong
        return line

    def _pass_over(self, line: str) -> None:
        """Read on to the end of the line."""
        while line and not line.endswith(("\n", "\r")):
            line = self._readline(LONGEST)
