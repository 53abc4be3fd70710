"""One delivery: a folder with a file for every table, as EMIS names, quotes and ends them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

from gateway.synth import places
from gateway.synth.draw import guid
from gateway.synth.emis.around import organisation_rows, reference_rows
from gateway.synth.emis.rows import Values, patient_rows
from gateway.synth.layouts import tables
from gateway.synth.outputs import Files, Folder, Table
from gateway.synth.truth import Person, Practice

AGREEMENT = guid("sharing agreement")
TABLES = tables("emis")
EACH = 2_000
"""ProcessingIds that one person's rows may take: so the rows of a person have the same ones in any world."""


class Extract:
    """A delivery in the making. Rows go to their files as they come; nothing is kept, so any number of people fits.

    Every table has its file even when no row came, as in a real delivery. ``where`` is a folder, which is closed with
    the block, or the files of a world, in its folder ``inside``.
    """

    def __init__(self, where: Path | Files, when: datetime, number: int = 1, inside: str = ""):
        self._folder = Folder(where) if isinstance(where, Path) else None
        files: Files = self._folder if self._folder is not None else where  # type: ignore[assignment]
        self._next = 0
        self.written = dict.fromkeys(TABLES, 0)
        self._tables = {}
        if self._folder is not None:
            self._folder.__enter__()
        for table, columns in TABLES.items():
            file = files.file(f"{inside}{file_name(table, when, number)}")
            self._tables[table] = Table(file, columns, quoting=csv.QUOTE_ALL)
        if self._folder is not None:
            self.begin()

    def __enter__(self) -> Extract:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Write the headers."""
        for table in self._tables.values():
            table.head()

    def put(self, table: str, values: Values) -> None:
        """Write one row, with the next ProcessingId."""
        self.written[table] += 1
        self._next += 1
        if table in _WITHOUT_ID:
            self._tables[table].put(values)
        else:
            self._tables[table].put({**values, "ProcessingId": str(self._next)})

    def put_all(self, rows: Iterable[tuple[str, Values]]) -> None:
        for table, values in rows:
            self.put(table, values)

    def put_of(self, person: Person, rows: Iterable[tuple[str, Values]]) -> None:
        """Write rows about a person, with the person's own ProcessingIds."""
        self._next = person.number * EACH
        self.put_all(rows)

    def add(self, person: Person) -> None:
        """Write everything that practices with EMIS hold of a person; nothing for one they do not know."""
        self._next = person.number * EACH
        for record in person.records:
            if record.gp and record.practice.system == "emis":
                self.put_all(patient_rows(record))


_WITHOUT_ID = frozenset(table for table, columns in TABLES.items() if "ProcessingId" not in columns)


def write(
    people: Iterable[Person], folder: Path, extract_time: datetime, practices: Sequence[Practice] = ()
) -> dict[str, int]:
    """Write a bulk delivery of ``people`` into ``folder`` and return how many rows each table got."""
    with Extract(folder, extract_time) as extract:
        extract.put_all(reference_rows())
        extract.put_all(organisation_rows(practices or places.practices(2), extract_time))
        for person in people:
            extract.add(person)
        return extract.written


def file_name(table: str, when: datetime, number: int) -> str:
    """Return EMIS's name for a table's file: process range, schema, table, time, sharing agreement."""
    return f"{number * 2 - 1}-{number * 2}_{table}_{when:%Y%m%d%H%M%S}_{AGREEMENT.strip('{}')}.csv"
