"""The files of a world while they are written: a part of each in memory, or whole ones on disk.

A writer asks for a file by its name and writes at its end. So the same writer fills a part that a process makes on its
own, and a folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO


class Files(Protocol):
    """Where writers write."""

    def file(self, name: str, encoding: str = "utf-8") -> TextIO:
        """Return the open file of that name (a relative path with ``/``), new or as it stands."""
        ...


class Parts:
    """Files in memory. ``take`` empties them."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[io.StringIO, str]] = {}

    def file(self, name: str, encoding: str = "utf-8") -> TextIO:
        if name not in self._open:
            self._open[name] = io.StringIO(newline=""), encoding
        return self._open[name][0]

    def take(self) -> dict[str, bytes]:
        """Return what was written since the last call, by name, the empty ones too; the files stay open."""
        parts = {name: file.getvalue().encode(encoding) for name, (file, encoding) in self._open.items()}
        for file, _ in self._open.values():
            file.seek(0)
            file.truncate()
        return parts


class Folder:
    """Files on disk, open until the block ends."""

    def __init__(self, path: Path):
        self._path = path
        self._open: dict[str, TextIO] = {}

    def __enter__(self) -> Folder:
        self._path.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.close()

    def file(self, name: str, encoding: str = "utf-8") -> TextIO:
        if name not in self._open:
            path = self._path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[name] = path.open("w", encoding=encoding, newline="")
        return self._open[name]


class Table:
    """A CSV file of fixed columns. A value for a column that it does not have is a bug here and stops the run."""

    def __init__(self, file: TextIO, columns: tuple[str, ...], **dialect: Any):
        self._columns, self._known = columns, frozenset(columns)
        self._row = csv.writer(file, **{"lineterminator": "\r\n", **dialect}).writerow

    def head(self) -> None:
        self._row(self._columns)

    def put(self, values: Mapping[str, str]) -> None:
        if not values.keys() <= self._known:
            raise KeyError(*(values.keys() - self._known))
        get = values.get
        self._row([get(column, "") for column in self._columns])


def append(folder: Path, parts: Mapping[str, bytes], seen: set[str]) -> None:
    """Put parts at the end of their files. ``seen`` are the names already begun here, and grows."""
    for name, part in parts.items():
        if name not in seen:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if part or name not in seen:
            with (folder / name).open("ab" if name in seen else "wb") as file:
                file.write(part)
        seen.add(name)
