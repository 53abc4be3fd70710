"""Rows written as Parquet: the only home of ``pyarrow``, which is in the extra ``views``.

The same rows give the same bytes: no path, time or name of a machine is written, and row groups have a fixed size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from math import isfinite
from typing import IO, Any

from gateway.errors import Invalid, Refused
from gateway.views.view import Column, Row, View

GROUP_ROWS = 16_384
"""Rows of a row group: as many are held in memory for each table that is written."""
SMALLEST, LARGEST = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Physical:
    """How a column is held: Parquet's name of the type, and the check of a value that says it is of it."""

    name: str
    value: Callable[[Any], Any]


def _text(value: Any) -> str:
    if isinstance(value, (Decimal, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not SMALLEST <= value <= LARGEST:
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError
    number = float(value)
    if not isfinite(number):
        raise TypeError
    return number


def _date(value: Any) -> str:
    """A date as it is known: of a date and time, the date."""
    return _text(value)[:10]


def _exact(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError
    return str(value)


TEXT, WHOLE = Physical("string", _text), Physical("int32", _whole)
TRUTH, DOUBLE = Physical("bool", _truth), Physical("double", _double)
TYPES = {
    "boolean": TRUTH, "integer": WHOLE, "positiveInt": WHOLE, "unsignedInt": WHOLE,
    "decimal": Physical("string", _exact), "date": Physical("string", _date),
    **dict.fromkeys(
        ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary", "dateTime",
         "instant", "time"), TEXT),
}  # fmt: skip
"""FHIR's types. Dates stay text, because most are partial: "2024-03" is no day. Decimals stay text, because their
digits mean something: a tag asks for a double."""
TAGGED = {
    "CHARACTER VARYING": TEXT, "BOOLEAN": TRUTH, "INTEGER": WHOLE, "DOUBLE PRECISION": DOUBLE,
}  # fmt: skip
"""The SQL types that a tag ``ansi/type`` may ask for."""


def physical(column: Column) -> Physical:
    """How a column is held. Raises ``Invalid`` for one without a type, or with one that no table holds."""
    kind = TAGGED.get(column.sql_type.upper()) if column.sql_type else TYPES.get(column.kind)
    if kind is None:
        raise Invalid(f"column {column.name}: a type is needed, and one that is no structure")
    return kind


class TableFile:
    """The file of one table, written a row group at a time."""

    def __init__(self, view: View, file: IO[bytes]):
        if find_spec("pyarrow") is None:
            raise Refused("tables need pyarrow: install the extra `views`")
        import pyarrow
        from pyarrow import parquet

        self._view, self._file, self._pyarrow = view, file, pyarrow
        self._kinds = [physical(column) for column in view.columns]
        fields = []
        for column, kind in zip(view.columns, self._kinds):
            held = pyarrow.type_for_alias(kind.name)
            fields.append(pyarrow.field(column.name, pyarrow.list_(held) if column.is_list else held))
        self._schema = pyarrow.schema(fields)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd", store_schema=False)
        self._waiting: list[Row] = []
        self.rows = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows. Raises ``Invalid`` naming the column that a value is not of the type of."""
        self._waiting += rows
        while len(self._waiting) >= GROUP_ROWS:
            self._write(self._waiting[:GROUP_ROWS])
            self._waiting = self._waiting[GROUP_ROWS:]

    def close(self) -> None:
        """Write what waits and the footer; the file itself stays open."""
        if self._waiting:
            self._write(self._waiting)
        self._waiting = []
        self._writer.close()

    def abandon(self) -> None:
        """Let go of a table that was not closed. Parquet's writer would write its footer whenever it is collected."""
        with suppress(Exception):
            self._writer.close()

    def _write(self, rows: Sequence[Row]) -> None:
        arrays = [
            self._pyarrow.array(
                _values(column, kind, [row[place] for row in rows]), type=self._schema.field(place).type
            )
            for place, (column, kind) in enumerate(zip(self._view.columns, self._kinds))
        ]
        self._writer.write_table(
            self._pyarrow.Table.from_arrays(arrays, schema=self._schema), row_group_size=GROUP_ROWS
        )
        self.rows += len(rows)


def _values(column: Column, kind: Physical, values: list[Any]) -> list[Any]:
    """The values of a column as they are held: what is absent is null, and a list that is empty is an empty list."""
    convert = kind.value
    try:
        if column.is_list:
            return [[convert(item) for item in value] for value in values]
        return [None if value is None else convert(value) for value in values]
    except (TypeError, OverflowError):
        raise Invalid(f"column {column.name}: a value that is no {column.sql_type or column.kind}") from None
