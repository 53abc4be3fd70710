"""A delivery: which format each file has, and its records with their items by name.

CDS 6-2 in one line of fixed width a record, or in several; emergency care (type 011) delimited by pipes; CSV as SUS
gives it back. ``README.md`` says where each layout is published.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from gateway.errors import Refused
from mappings import Feed, Reject, Row, Values
from mappings.cds.columns import FIXED, SUS, columns, fields, layout, length
from mappings.cds.lines import records
from mappings.cds.record import is_version, row
from mappings.cds.replaced import Replacements
from mappings.readers.cells import Cell, csv_cells, fixed_cells
from mappings.readers.csv import csv_rows
from mappings.readers.files import HEAD, File, delivered, without_watch
from mappings.readers.fixed_width import fixed_width_rows

TYPE_OF = {"1": "inpatient", "2": "inpatient", "020": "outpatient", "021": "outpatient", "010": "emergency"}
"""The format of a record of one line, by its type or the beginning of it."""
SAYS = {
    "sus_apc": "hospitalproviderspellnumber",
    "sus_op": "attendedordidnotattend",
    "sus_ae": "aeattendancenumber",
    "ecds": "emergencycarechiefcomplaint",
}
"""The column by which a header is known, folded."""
PSEUDONYMS = ("pseudo", "tokenperson", "encrypted", "studyid", "hesid")
"""What the name of a column holds where an extract was pseudonymised."""
PIPE = "|"


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files in the order of their names, each with its format as its ``title``.

    Raises ``Refused`` for a file of another format, of CDS-XML, or of an extract without identities.
    """
    files = delivered(path, encodings=encodings(feed))
    if not files:
        raise Refused("the delivery: no files")
    return [dataclasses.replace(file, title=form(file)) for file in files]


def encodings(feed: Feed) -> tuple[str, ...]:
    """Return the encodings a file may have."""
    return ("utf-8", "cp1252") if feed.encoding == "utf-8" else (feed.encoding,)


def form(file: File) -> str:
    """Return the format of a file, by its first line. Raises ``Refused`` for none."""
    line = first_line(file)
    if line.lstrip().startswith("<"):
        raise Refused(f"{file.shown}: CDS-XML is not read: its schema is not public")
    if line[:2] == "01" and is_version(line[37:43]):
        return "lines"
    if is_version(line[:6]):
        return _fixed(file, line[6:9])
    if line.count(PIPE) + 1 == len(columns("ecds")):
        return "ecds"
    return _of_header(file, line)


def first_line(file: File) -> str:
    """Return the beginning of the first line; what is no Latin letter in it does not matter here."""
    with without_watch(file).open(HEAD) as stream:
        line = stream.readline(1 << 16)
    return line.removeprefix(b"\xef\xbb\xbf").decode("latin-1").rstrip("\r\n")


def _fixed(file: File, type_: str) -> str:
    name = TYPE_OF.get(type_[:1]) or TYPE_OF.get(type_)
    if name is None:
        raise Refused(f"{file.shown}: line 1: column CDSRecordType: no layout of this type is public")
    return name


def _of_header(file: File, line: str) -> str:
    names = {folded(name) for name in split(line)}
    if any(mark in name for name in names for mark in PSEUDONYMS):
        raise Refused(f"{file.shown}: a pseudonymised extract: it says of nobody whose record it is")
    for name, column in SAYS.items():
        if column in names:
            if not names & {"nhsnumber", "localpatientidentifier", "localpatientid"}:
                raise Refused(f"{file.shown}: an extract without identities: no column says whose record it is")
            return name
    raise Refused(f"{file.shown}: line 1: no record of CDS 6-2 and no header of a SUS or emergency care extract")


def delimiter(line: str) -> str:
    return PIPE if PIPE in line else ","


def split(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter(line)), [])


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return a column's name without case, spaces and punctuation: extracts differ in them."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def named(form_: str, header: list[str]) -> list[str]:
    """Return what we call each column of a header, "" for one that we do not know. Columns that repeat follow the one
    before them in our table by their place, whatever the file calls them."""
    known = {folded(column.name): number for number, column in enumerate(columns(form_))}
    every, answer, number = columns(form_), [""] * len(header), -1
    for place, name in enumerate(header):
        next_one = every[number + 1] if 0 <= number + 1 < len(every) else None
        listed = known.get(folded(name))
        if listed is not None:
            number = listed
        elif number >= 0 and next_one and form_ in SUS and is_repeated(next_one.name):
            number += 1
        else:
            continue
        answer[place] = every[number].kept_as if every[number].reason != "other" else ""
    return answer


REPETITION = re.compile(r"(?<!\d)([2-9]|[1-9]\d)$")
"""The number at the end of a column that is no first one of those that repeat."""


def is_repeated(name: str) -> bool:
    """Whether a column of our tables is one of those that repeat, which extracts name in ways that are not
    published."""
    return bool(re.search(r" \d+$", name))


def unread(file: File) -> list[str]:
    """Return the columns of a CSV file that no mapping knows, with the table of its rows. A file of fixed width, or one
    without a header, has none."""
    if file.title not in SUS and file.title != "ecds" or not has_header(file):
        return []
    header = split(first_line(file))
    table = SUS.get(file.title, "Emergency")
    own = {folded(column.name) for column in columns(file.title)}
    names = named(file.title, header)
    return [f"{table} {name}" for name, ours in zip(header, names) if name and not ours and folded(name) not in own]


def has_header(file: File) -> bool:
    """Whether the first line names the columns."""
    return file.title in SUS or "cdstypecode" in map(folded, split(first_line(file)))


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://www.datadictionary.nhs.uk/data_sets/cds_v6-2.html

    Yield the rows of one file, and at its end what it replaces whole (bulk replacement)."""
    replacements = Replacements()
    for item in sent(file, feed):
        answer = item if isinstance(item, Reject) else row(file.title, item[0], item[1], feed)
        replacements.see(answer)
        yield answer
    yield from replacements.rows()


def sent(file: File, feed: Feed) -> Iterator[tuple[int, Values] | Reject]:
    """Yield (line, items) of each record of a file that ``check`` returned."""
    if file.title in FIXED:
        return fixed_width_rows(file, layout(file.title), length(file.title))
    if file.title == "lines":
        return records(file, bool(feed.settings.get("trimmed")))
    line = first_line(file)
    header = split(line)
    is_named = has_header(file)
    names = named(file.title, header) if is_named else [column.kept_as for column in columns(file.title)]
    keep = frozenset(names) - {""}
    return csv_rows(file, delimiter(line), keep=keep, names=names, has_header=is_named)


def _cells(file: File) -> Iterator[Cell]:
    """Yield the cells of a file: those of a record of several lines by the kind of the line."""
    form_ = file.title
    if form_ in FIXED:
        return fixed_cells(file, file.encoding, lambda line: (form_, fields(form_)))
    if form_ == "lines":
        return fixed_cells(file, file.encoding, lambda line: (f"lines {line[:2]}", fields(form_, line[:2])))
    names = () if has_header(file) else tuple(column.name for column in columns(form_))
    return csv_cells(file, form_, file.encoding, delimiter(first_line(file)), names)


def cells(file: File, feed: Feed) -> Iterator[Cell]:
    """Yield the cells of a sample file. Of columns that repeat, the first stands for the others."""
    return (cell for cell in _cells(file) if not REPETITION.search(cell.column))
