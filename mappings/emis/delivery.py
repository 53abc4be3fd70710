"""A delivery: which files it has, whether it is whole, and its rows with their keys, order and groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gateway.errors import Refused
from mappings import Feed, Reject, Row, Values
from mappings.emis.columns import TABLES as COLUMNS
from mappings.emis.tables import ALIASES, MAY_BE_EMPTY, TABLES, Table
from mappings.emis.values import guid, is_true
from mappings.readers import check_encoding, check_header, csv_rows, delivered

NAME = re.compile(
    r"\d+-\d+_([A-Za-z]+_[A-Za-z]+)_(\d{14})_\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?\.csv"
)
SINCE = datetime(2000, 1, 1)
PROCESSING_BITS = 31
"""``ProcessingId`` is a 4-byte integer; the seconds since 2000 before it keep an order under 2**63 until 2136."""
READING_ORDER = {table: number for number, table in enumerate(TABLES)}
KEPT_AGREEMENT = "_agreement"
"""The column in which version 0.1 kept the sharing agreement of a row."""
KEYS_ONLY = 7
"""Most columns that EMIS fills in a deleted row of which it sends no more than the keys."""
PERSONAL = frozenset(table for table, columns in COLUMNS.items() if "PatientGuid" in columns) - {"Appointment_Slot"}
"""Tables whose rows are of a patient. An empty slot is of nobody, and a deleted row may carry its own key alone."""


class File(NamedTuple):
    """What the name of a file says: when it was extracted, of which table, under which sharing agreement."""

    time: str
    agreement: str
    table: str
    path: Path


def check(path: Path, feed: Feed) -> list[Path]:
    """Return the files of all extracts at ``path`` in reading order: by extract time, what others look up first.

    Raises ``Refused`` for a file that is not of an extract, an extract that lacks a table (unless the feed's setting
    ``partial`` allows it), a column missing, an encoding that is not the feed's. Nothing has been kept by then.
    """
    partial = bool(feed.settings.get("partial"))
    if path.is_file() and not partial:
        raise Refused(
            f"{path.name}: one file is not a delivery; give its folder, or set partial = true for the feed "
            f"(GATEWAY_FEEDS)"
        )
    found = delivered(path)
    if not found:
        raise Refused(f"{path.name}: no files")
    files = sorted(
        (named(each) for each in found),
        key=lambda file: (file.time, file.agreement, READING_ORDER[file.table], file.path),
    )
    if not partial:
        check_complete(files)
    for file in files:
        check_encoding(file.path, feed.encoding)
        check_header(file.path, COLUMNS[file.table], feed.encoding, aliases=ALIASES)
    return [file.path for file in files]


def named(path: Path) -> File:
    """Return what a file's name says. Raises ``Refused`` for a name that EMIS does not give or a table we do not
    know."""
    match = NAME.fullmatch(path.name)
    if match is None:
        raise Refused(f"{path.name}: not named as a file of an EMIS extract")
    table, time, agreement = match.groups()
    if table not in TABLES:
        raise Refused(f"{path.name}: table {table} is not known")
    try:
        datetime.strptime(time, "%Y%m%d%H%M%S")
    except ValueError:
        raise Refused(f"{path.name}: the extract time in its name is no time") from None
    return File(time, agreement.lower(), table, path)


def check_complete(files: list[File]) -> None:
    """Raise ``Refused`` naming the first table an extract lacks or has twice."""
    extracts: dict[tuple[str, str], list[str]] = {}
    for file in files:
        extracts.setdefault((file.time, file.agreement), []).append(file.table)
    for (time, _), tables in extracts.items():
        for table in TABLES:
            if tables.count(table) != 1:
                raise Refused(
                    f"{table}: {'missing from' if table not in tables else 'more than once in'} the extract of {time}"
                )


def read(path: Path, feed: Feed) -> Iterator[Row | Reject]:
    """Yield the rows of one file; a row without its key, its organisation, its patient or its number is a reject."""
    file = named(path)
    table = TABLES[file.table]
    wanted = frozenset(COLUMNS[file.table]) - table.never
    seconds = int((datetime.strptime(file.time, "%Y%m%d%H%M%S") - SINCE).total_seconds()) << PROCESSING_BITS
    is_numbered = "ProcessingId" in wanted
    for found in csv_rows(path, feed.encoding, aliases=ALIASES, keep=wanted):
        if isinstance(found, Reject):
            yield found
            continue
        line, values = found
        number = values.pop("ProcessingId", "") if is_numbered else str(line)
        if number.isascii() and number.isdigit() and len(number) < 11:
            yield row(file, table, values, seconds + int(number), line)
        else:
            yield Reject(f"line {line}", "column ProcessingId")


def row(file: File, table: Table, values: Values, order: int, line: int) -> Row | Reject:
    """Return the row: whose it is, what names it, which groups it belongs to."""
    parts = []
    for column in table.key:
        part = values.get(column, "")
        if not part and column not in MAY_BE_EMPTY and (file.table, column) != ("Appointment_Slot", "PatientGuid"):
            return Reject(f"line {line}", f"column {column}")
        parts.append(guid(part) if column.endswith("Guid") else part)
    publisher = file.agreement if table.central else guid(values.get("OrganisationGuid", ""))
    if not publisher:
        return Reject(f"line {line}", "column OrganisationGuid")
    deleted = is_true(values.get("Deleted", "")) and file.table != "Agreements_SharingOrganisation"
    patient = guid(values.get("PatientGuid", ""))
    if not patient and not deleted and file.table in PERSONAL:
        return Reject(f"line {line}", "column PatientGuid")  # a row of nobody would be everybody's who has none
    return Row(
        table=file.table,
        key="|".join(parts),
        publisher=publisher,
        order=order,
        values=values,
        patient=patient,
        groups=tuple([f"{kind}:{guid(values[column])}" for kind, column in table.groups if column in values]),
        deleted=deleted,
        bare=deleted and sum(map(bool, values.values())) <= KEYS_ONLY,
        directory=file.agreement,
        line=line if table.groups else 0,  # code tables are sent whole each day: a row that only moved has not changed
    )


def directory(row: Row) -> str:
    """Return the sharing agreement of a row: it publishes the codes, users and organisations that the row names."""
    return row.directory or str(row.values[KEPT_AGREEMENT])


def extracted(order: int) -> str:
    """Return the day of the extract an order is of, for what a source says only by a date that has passed."""
    return f"{SINCE + timedelta(seconds=order >> PROCESSING_BITS):%Y-%m-%d}"
