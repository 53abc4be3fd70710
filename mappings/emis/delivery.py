"""A delivery: which files it has, whether it is whole, and its rows with their keys, order and groups."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from gateway.errors import Refused
from mappings import Feed, Look, Reject, Row, Values
from mappings.emis.columns import TABLES as COLUMNS
from mappings.emis.personal import codes as personal_codes
from mappings.emis.tables import (
    AGREEMENT,
    ALIASES,
    CODE,
    MAY_BE_EMPTY,
    OBSERVATION,
    OF_A_REGISTRATION,
    PATIENT,
    PATIENT_AUDIT,
    REGISTRATION,
    TABLES,
    Table,
)
from mappings.emis.values import is_true, referred
from mappings.readers.cells import Cell, csv_cells
from mappings.readers.csv import check_header, csv_rows, unknown_columns
from mappings.readers.files import File, delivered, is_zip, without_watch
from mappings.readers.gzipped import is_gzip
from mappings.vocabulary import by_word

NAME = re.compile(
    r"\d+-\d+_([A-Za-z]+_[A-Za-z]+)_(\d{14})_\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?\.csv"
)
NOT_YET = {
    ".gpg": "encrypted, as EMIS sends it: decrypt it first (gpg --decrypt-files), and load the .csv files without it",
    ".pgp": "encrypted: decrypt it first, and load the .csv files without it",
    ".filepart": "not completely transferred: wait until the transfer ends, or fetch it again",
    ".part": "not completely transferred: wait until the transfer ends, or fetch it again",
    ".tmp": "not completely transferred: wait until the transfer ends, or fetch it again",
    ".crdownload": "not completely transferred: wait until the transfer ends, or fetch it again",
    ".gz": "named as compressed by gzip and is not: fetch it again, or decompress it first",
    ".tgz": "an archive that is not read: unpack it, or give the delivery as one zip",
    ".tar": "an archive that is not read: unpack it, or give the delivery as one zip",
    ".7z": "an archive that is not read: unpack it, or give the delivery as one zip",
    ".zip": "a zip within the delivery: unpack it, or load it alone",
}
"""What to do with files that are of a delivery and cannot be read as they are, by the end of their name."""
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


class Named(NamedTuple):
    """What the name of a file says: when it was extracted, of which table, under which sharing agreement."""

    time: str
    agreement: str
    table: str


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of all extracts at ``path`` in reading order: by extract time, what others look up first.

    Raises ``Refused`` for a file that is not of an extract, an extract that lacks a table (unless the feed's setting
    ``partial`` allows it), or a column missing.
    """
    partial = bool(feed.settings.get("partial"))
    if path.is_file() and not (is_zip(path) or is_gzip(path)) and (advice := not_yet(path.name)):
        raise Refused(f"the delivery: {advice}")
    if path.is_file() and not partial and not is_zip(path):
        raise Refused(
            "the delivery: one file is not a delivery; give its folder or zip, or set partial = true for the feed "
            "(GATEWAY_FEEDS)"
        )
    files = delivered(path, encodings=(feed.encoding,))
    if not files:
        raise Refused("the delivery: no files")
    names = {file: named(file) for file in files}
    files.sort(key=lambda file: (*reading_order(names[file]), file.path, file.member))
    if not partial:
        check_complete([names[file] for file in files])
    codes = {(name.time, name.agreement): file for file, name in names.items() if name.table == CODE}
    files = [
        dataclasses.replace(file, title=name.table.replace("_", " "), beside=codes.get((name.time, name.agreement)))
        for file in files
        if (name := names[file])
    ]
    for file in files:
        check_header(file, COLUMNS[names[file].table], rename=column)
    return files


def not_yet(name: str) -> str:
    """Return what to do with a file that cannot be read as it is, "" for any other."""
    return next((advice for ending, advice in NOT_YET.items() if name.lower().endswith(ending)), "")


def reading_order(name: Named) -> tuple[str, str, int]:
    """Return what files are read by: the time of their extract, then what others look up first."""
    return name.time, name.agreement, READING_ORDER[name.table]


def column(name: str) -> str:
    """Return a column's name as version 8.2 spells it."""
    return ALIASES.get(name, name)


def named(file: File) -> Named:
    """Return what a file's name says. Raises ``Refused`` for a name that EMIS does not give or a table we do not
    know."""
    match = NAME.fullmatch(file.name)
    if match is None:
        raise Refused(f"{file.shown}: {not_yet(file.name) or 'not named as a file of an EMIS extract'}")
    table, time, agreement = match.groups()
    if table not in TABLES:
        raise Refused(f"{file.shown}: table {table} is not known")
    try:
        datetime.strptime(time, "%Y%m%d%H%M%S")
    except ValueError:
        raise Refused(f"{file.shown}: the extract time in its name is no time") from None
    return Named(time, agreement.lower(), table)


def check_complete(files: list[Named]) -> None:
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


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://github.com/NHSISL/Datasets

    Yield the rows of one file; a row without its key, its organisation, its patient or its number is a reject.
    """
    name = named(file)
    table = TABLES[name.table]
    wanted = frozenset((*COLUMNS[name.table], *new_columns(without_watch(file)))) - table.never
    seconds = int((datetime.strptime(name.time, "%Y%m%d%H%M%S") - SINCE).total_seconds()) << PROCESSING_BITS
    is_numbered = "ProcessingId" in wanted
    personal = personal_codes(file.beside) if name.table == OBSERVATION else frozenset()
    for item in csv_rows(file, rename=column, keep=wanted):
        if isinstance(item, Reject):
            yield item
            continue
        line, values = item
        number = values.pop("ProcessingId", "") if is_numbered else str(line)
        if number.isascii() and number.isdigit() and len(number) < 11:
            read_row = row(name, table, values, seconds + int(number), line)
            if personal and values.get("CodeId") in personal and isinstance(read_row, Row):
                read_row = with_patient(read_row)
            yield read_row
            if name.table == PATIENT and isinstance(read_row, Row):
                yield from registrations(read_row)
        else:
            yield Reject(f"line {line}", "column ProcessingId")


def with_patient(entry: Row) -> Row:
    """Return an entry that is mapped with its patient too, unless it is confidential: what is, is not told there."""
    is_told = not is_true(entry.values.get("IsConfidential", "")) and entry.patient
    return replace(entry, groups=(*entry.groups, f"pat:{entry.patient}")) if is_told else entry


def new_columns(file: File) -> list[str]:
    """Return the columns of a newer version: kept with their row, so that a later mapping can read them."""
    return unknown_columns(file, COLUMNS[named(file).table], rename=column)


def unread(file: File) -> list[str]:
    """Return the columns that no mapping knows, with their table."""
    return [f"{named(file).table} {name}" for name in new_columns(file)]


def row(name: Named, table: Table, values: Values, order: int, line: int) -> Row | Reject:
    """Return the row: whose it is, what names it, which groups it belongs to."""
    parts = []
    for column in table.key:
        part = values.get(column, "")
        if not part and column not in MAY_BE_EMPTY and (name.table, column) != ("Appointment_Slot", "PatientGuid"):
            return Reject(f"line {line}", f"column {column}")
        parts.append(referred(part) if column.endswith("Guid") else part)
    if table.agreed:
        parts.append(name.agreement)
    publisher = name.agreement if table.central else referred(values.get("OrganisationGuid", ""))
    if not publisher:
        return Reject(f"line {line}", "column OrganisationGuid")
    deleted = is_true(values.get("Deleted", "")) and not table.agreed
    patient = referred(values.get("PatientGuid", ""))
    if not patient and not deleted and name.table in PERSONAL:
        return Reject(f"line {line}", "column PatientGuid")  # else all such rows would share a patient
    return Row(
        table=name.table,
        key="|".join(parts),
        publisher=publisher,
        order=order,
        values=values,
        patient=patient,
        groups=groups_of(name.table, values),
        deleted=deleted,
        bare=deleted and sum(map(bool, values.values())) <= KEYS_ONLY,
        directory=name.agreement,
        line=line if table.groups else 0,  # code tables are sent whole each day: a row that only moved has not changed
        warnings=warnings(name.table, values),
    )


def groups_of(table: str, values: Values) -> tuple[str, ...]:
    """Return the groups that a row is mapped with: those of its table; of an audit, its item's."""
    if table == PATIENT_AUDIT:
        family = audited_family(values)
        return (f"{family}:{referred(values['ItemGuid'])}",) if family else ()
    return tuple([f"{kind}:{referred(values[column])}" for kind, column in TABLES[table].groups if column in values])


def audited_family(values: Values) -> str:
    """Return the family of groups that the item of an audit is mapped in, "" where no table knows its type."""
    return by_word(__package__, "codes_audit_item", "family").get(values["ItemType"].strip().casefold(), "")


def warnings(table: str, values: Values) -> tuple[tuple[str, str], ...]:
    """Return what is lost of a row: an audit of a type of item that no table knows is kept, and told nowhere."""
    is_lost = table == PATIENT_AUDIT and not audited_family(values)
    return ((f"{PATIENT_AUDIT} ItemType", "a type of item that no table lists"),) if is_lost else ()


def reread(row: Row, feed: Feed) -> list[Row]:
    """Return a kept row in the groups that this version of the mapping maps it with; [] for one that is in any.
    Earlier versions kept diaries, appointments and audits in none."""
    groups = groups_of(row.table, row.values) if not row.groups and row.table in TABLES else ()
    return [replace(row, groups=groups)] if groups else []


def registrations(patient: Row) -> Iterator[Row]:
    """Yield the registration that a row of a patient tells, under its own key: the next one overwrites it."""
    start = patient.values["DateOfRegistration"][:10]
    if start:
        values = Values((name, patient.values[name]) for name in OF_A_REGISTRATION if name in patient.values)
        key = f"{patient.key}|{start}"
        yield replace(patient, table=REGISTRATION, key=key, values=values, deleted=False, bare=False)


def directory(row: Row) -> str:
    """Return the sharing agreement of a row: it publishes the codes, users and organisations that the row names."""
    return row.directory or str(row.values[KEPT_AGREEMENT])


def organisation(guid: str, row: Row, look: Look) -> dict[str, Any]:
    """Return the reference to an organisation that a row names. One that shares is its own, whatever agreement a row
    came under: a practice in two agreements is one Organization. Any other belongs to the agreement's directory."""
    under = directory(row)
    owner = guid if look.row(AGREEMENT, f"{guid}|{under}", guid) else under
    return look.reference("Organization", guid, owner)


def extracted(order: int) -> str:
    """Return the day of the extract an order is of, for what a source says only by a date that has passed."""
    return f"{SINCE + timedelta(seconds=order >> PROCESSING_BITS):%Y-%m-%d}"


def cells(file: File, feed: Feed) -> Iterator[Cell]:
    """Yield the cells of a sample file."""
    return csv_cells(file, named(file).table, file.encoding)
