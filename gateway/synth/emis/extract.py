"""One delivery: a folder with a file for every table, as EMIS names, quotes and ends them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway.synth import places
from gateway.synth.draw import guid
from gateway.synth.emis.around import organisation_rows, reference_rows
from gateway.synth.emis.rows import Values, patient_rows
from gateway.synth.truth import Person, Practice
from mappings.emis.columns import TABLES

AGREEMENT = guid("sharing agreement")


class Extract:
    """An open delivery. Rows go to their files as they come, numbered in order; nothing is kept, so any number of
    people fits.

    Every table has its file even when no row came, as in a real delivery.
    """

    def __init__(self, folder: Path, when: datetime, number: int = 1):
        self._folder, self._when, self._number = folder, when, number
        self._open = ExitStack()
        self._writers: dict[str, tuple[Any, tuple[str, ...]]] = {}
        self.written = dict.fromkeys(TABLES, 0)

    def __enter__(self) -> Extract:
        self._folder.mkdir(parents=True, exist_ok=True)
        for table, columns in TABLES.items():
            path = self._folder / file_name(table, self._when, self._number)
            file = self._open.enter_context(path.open("w", encoding="utf-8", newline=""))
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
            writer.writerow(columns)
            self._writers[table] = writer, columns
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def put(self, table: str, values: Values) -> None:
        """Write one row. A value for a column the table does not have is a bug here and stops the run."""
        writer, columns = self._writers[table]
        self.written[table] += 1
        values = {**values, "ProcessingId": str(self.written[table])} if "ProcessingId" in columns else values
        if not values.keys() <= set(columns):
            raise KeyError(table)
        writer.writerow([values.get(column, "") for column in columns])

    def put_all(self, rows: Iterable[tuple[str, Values]]) -> None:
        for table, values in rows:
            self.put(table, values)

    def add(self, person: Person) -> None:
        """Write everything the practice holds of a person; nothing for one it does not know."""
        if person.gp:
            self.put_all(patient_rows(person))


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
