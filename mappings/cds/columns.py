"""The columns of every format of the source: where they stand, what item of ours they are, or why nothing is made of
them. Each format is a table ``columns_<name>.csv``; an item has one name in all of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mappings.readers.fixed_width import Field
from mappings.vocabulary import code_table

REASONS = {
    "pay": "who pays, under which agreement, and how the activity is counted: commissioning",
    "measure": "a measure of waiting, booking or counting; the record of care says the same without it",
    "age": "an age, which follows from the birth date",
    "area": "a place or organisation that SUS derives from the postcode or the practice",
    "group": "a group for payment that SUS works out from the codes",
    "ward": "what kind of ward it is: hours, security, age, sex and intensity, which FHIR's Encounter has no place for",
    "format": "how the file is laid out; the columns beside it say what is there",
    "carer": "whether a carer supports the patient: UK Core's Patient has no place for it",
    "detained": "detention under the Mental Health Act needs a mapping that a clinician and a lawyer sign first",
    "birth": "maternity details whose codes no cited source maps to a clinical code; the diagnoses and procedures stay",
    "other": "the identity of somebody else, a mother or a baby: it is not kept at all",
    "operation": "whether there was an operation: the procedures beside it say so",
    "local": "a code of the provider's own without its words",
    "admission": "present on admission: nobody was admitted here",
    "arrival": "how the patient came: UK Core's extension for it is retired",
    "incident": "a broad class of incident, coarser than the diagnosis",
    "place": "the exact place of an injury, which would be personal data without a use here",
    "social": "a need for information or housing, which UK Core has no profile for in an attendance",
    "critical": "days, levels and activities of critical care, which are counted for payment",
    "undated": "a time without its date: an attendance may go on over midnight",
    "derived": "worked out by SUS from other columns of the row",
}
"""Why nothing is made of a column, by the key in its table."""

FIXED = {"inpatient": "Inpatient", "outpatient": "Outpatient", "emergency": "Emergency"}
"""The formats of one fixed-width line a record, with the table of their rows."""
SUS = {"sus_apc": "Inpatient", "sus_op": "Outpatient", "sus_ae": "Emergency"}
"""The formats of CSV as SUS gives it back, with the table of their rows."""
FORMATS = (*FIXED, "lines", "ecds", *SUS)
SHIFT = 37
"""How much further right line 01 of a record of several lines has the columns of ``columns_shared.csv``."""


class Column(NamedTuple):
    """One column: its name in the format, our item, the key of its reason; ``start`` (from 1), ``length`` and ``line``
    of fixed width. A column that repeats has its number in name and item."""

    name: str
    item: str
    reason: str
    start: int = 0
    length: int = 0
    line: str = ""

    @property
    def kept_as(self) -> str:
        """The name under which a row keeps it: our item, else the column's own."""
        return self.item or self.name


@lru_cache
def columns(name: str) -> tuple[Column, ...]:
    """Return the columns of a format in their order, each repetition by itself."""
    if name in FIXED:
        return (*_table("shared"), *_table(name))
    if name == "lines":
        shared = tuple(column._replace(start=column.start + SHIFT, line="01") for column in _table("shared"))
        return (*shared, *_table(name))
    return _table(name)


def _table(name: str) -> tuple[Column, ...]:
    expanded: list[Column] = []
    group: list[dict[str, str]] = []
    for row in (*code_table(__package__, f"columns_{name}"), None):
        if group and (row is None or not _is_of(row, group[0])):
            expanded += _repeated(group)
            group = []
        if row is not None and row["times"]:
            group.append(row)
        elif row is not None:
            expanded.append(_column(row))
    return tuple(expanded)


def _is_of(row: dict[str, str], first: dict[str, str]) -> bool:
    """Whether a repeating column stands beside ``first`` in the same group: a plus begins another one."""
    same_line = row.get("line") == first.get("line")
    return same_line and row["times"] == first["times"].lstrip("+") and row["times"] != ""


def _repeated(group: list[dict[str, str]]) -> list[Column]:
    """Return the columns of a group that repeats: all of its first turn, then all of its second…"""
    stride = sum(int(row.get("length") or 0) for row in group)
    return [_column(row, turn, stride) for turn in range(int(group[0]["times"])) for row in group]


def _column(row: dict[str, str], turn: int = 0, stride: int = 0) -> Column:
    number = str(turn + 1)
    return Column(
        row["name"].replace("{n}", number),
        row["item"].replace("{n}", number),
        row["reason"],
        int(row.get("start") or 0) + turn * stride,
        int(row.get("length") or 0),
        row.get("line") or "",
    )


@lru_cache
def layout(name: str, line: str = "") -> tuple[Field, ...]:
    """Return where the columns of a format (or of one of its lines) stand; those of somebody else are not read."""
    return tuple(
        Field(column.kept_as, column.start, column.length)
        for column in columns(name)
        if column.line == line and column.reason != "other"
    )


@lru_cache
def length(name: str, line: str = "") -> int:
    """Return how many characters a line of the format has."""
    return max(column.start + column.length - 1 for column in columns(name) if column.line == line)


def reason(table: str, column: str) -> str:
    """Return why a column of a format (``lines 02``, ``sus_apc``) is mapped to nothing, "" for one that is mapped."""
    return _reasons(table.partition(" ")[0]).get(column, "")


@lru_cache
def _reasons(name: str) -> dict[str, str]:
    return {column.name: REASONS[column.reason] for column in columns(name) if column.reason}


@lru_cache
def fields(name: str, line: str = "") -> tuple[Field, ...]:
    """Return where every column of a format (or of one of its lines) stands, by the name that the format gives it."""
    return tuple(Field(column.name, column.start, column.length) for column in columns(name) if column.line == line)
