"""Files of rows to dictionaries: the header checked, the encoding checked, what is not a row refused by its line.
Nothing clinical."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from gateway.errors import Refused
from mappings import Reject, Values

CHUNK = 1 << 20
NEWLINE = b"\n"


def delivered(path: Path, suffixes: Collection[str] = ()) -> list[Path]:
    """Return the file at ``path``, or a folder's files (of these ``suffixes``) in order of name, hidden ones left out.

    Raises ``Refused`` naming one that cannot be read: a delivery is never taken without one of its files.
    """
    found = [path]
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if (each.is_file() or each.is_symlink()) and not each.is_dir())
        found = [
            each
            for each in found
            if not each.name.startswith(".") and (not suffixes or each.suffix.lower() in suffixes)
        ]
    for file in found:
        try:
            file.open("rb").close()
        except OSError:
            raise Refused(f"{file.name}: cannot be read") from None
    return found


def check_encoding(path: Path, encoding: str = "utf-8") -> None:
    """Read the whole file once and raise ``Refused`` naming the line that is not in ``encoding``, or that holds a NUL
    byte."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise Refused(
                    f"{path.name}: line {lines + error.object[: error.start].count(NEWLINE)}: not {encoding}"
                ) from None
            if not chunk:
                return
            if b"\0" in chunk:
                raise Refused(f"{path.name}: line {lines + chunk[: chunk.index(0)].count(NEWLINE)}: a NUL byte")
            lines += chunk.count(NEWLINE)


def header(
    path: Path, encoding: str = "utf-8", delimiter: str = ",", aliases: Mapping[str, str] | None = None
) -> list[str]:
    """Return the names of the columns, an old name as its ``aliases`` say. Raises ``Refused`` for none, an unreadable
    one or one twice."""
    try:
        with path.open(encoding=_with_mark(encoding), newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter, strict=True), [])
    except (csv.Error, UnicodeDecodeError):
        raise Refused(f"{path.name}: line 1: no header can be read") from None
    names = [(aliases or {}).get(name.strip(), name.strip()) for name in names]
    if not any(names):
        raise Refused(f"{path.name}: line 1: no header")
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"{path.name}: line 1: column {_known(name)} twice")
    return names


def check_header(
    path: Path,
    required: Collection[str],
    encoding: str = "utf-8",
    delimiter: str = ",",
    aliases: Mapping[str, str] | None = None,
) -> None:
    """Raise ``Refused`` naming the first of the ``required`` columns that the file lacks."""
    names = set(header(path, encoding, delimiter, aliases))
    for name in required:
        if name not in names:
            raise Refused(f"{path.name}: column {name} is missing")


def csv_rows(
    path: Path,
    encoding: str = "utf-8",
    delimiter: str = ",",
    aliases: Mapping[str, str] | None = None,
    keep: Collection[str] | None = None,
) -> Iterator[tuple[int, Values] | Reject]:
    """Yield (line, filled columns by name) of each row; a row that is no row is a reject with its line.

    The line is the row's first. ``keep`` names the columns wanted: others are never held. A row of more or fewer
    fields than the header is not guessed at: a shifted column is another value.
    """
    names = header(path, encoding, delimiter, aliases)
    wanted = [name if keep is None or name in keep else "" for name in names]
    width = len(names)
    with path.open(encoding=_with_mark(encoding), newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        next(reader)
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


def _with_mark(encoding: str) -> str:
    """The encoding that passes over the byte order mark some programs put before UTF-8."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _known(name: str) -> str:
    """A column's name as it may be told: a header line that is data must not be."""
    return name if name.isidentifier() else "without a name"
