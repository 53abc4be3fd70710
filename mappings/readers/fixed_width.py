"""Files of fixed width to dictionaries: each line is cut by a layout. A line of another length is refused by number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mappings import Reject, Values
from mappings.readers.files import File

LONGEST = 1 << 16
"""Characters of a line at most; what is longer is not held."""


class Field(NamedTuple):
    """One column: ``start`` counts from 1, as specifications do."""

    name: str
    start: int
    length: int


def width(layout: Sequence[Field]) -> int:
    """Return how long a line of this layout is."""
    return max(field.start + field.length - 1 for field in layout)


def fixed_width_rows(file: File, layout: Sequence[Field], length: int = 0) -> Iterator[tuple[int, Values] | Reject]:
    """Yield (line, filled columns by name) of each line, spaces at the ends of a column left out.

    A line that is not as long as the layout is a reject: a shifted column is another value. Empty lines are passed
    over. ``length`` is that of a line whose last columns are not wanted.
    """
    wanted = [(field.name, field.start - 1, field.start - 1 + field.length) for field in layout]
    length = length or width(layout)
    with file.text(newline=None) as text:
        number = 0
        while line := text.readline(LONGEST):
            number += 1
            content = line.rstrip("\n")
            if len(content) == length:
                yield number, Values({name: cell for name, a, b in wanted if (cell := content[a:b].strip())})
            elif content:
                yield Reject(f"line {number}", "length")
            while line and not line.endswith("\n"):  # too long: the rest of it belongs to no other line
                line = text.readline(LONGEST)
