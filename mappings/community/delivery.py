"""A submission: which month of which provider its files are of, and its rows with their keys, order and groups.

A folder has a CSV for each table of the submission (``CYP001MPI.csv``…), which providers build as an Access database.
The header table says whose it is, of which month, and when it was made. A later month's row of one key replaces an
earlier one's. A submission of the same month that was made later replaces the month.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from gateway.errors import Invalid, Refused
from gateway.nhs.identifiers import is_ods_code
from mappings import Feed, Look, Reject, Row, Values
from mappings.cld.times import iso
from mappings.community.columns import LEFT
from mappings.community.columns import TABLES as COLUMNS
from mappings.community.tables import HEADER, MADE, MANDATORY, PATIENT_ID, PERIOD, REQUIRED, SUBMISSION, TABLES, Table
from mappings.readers.cells import Cell, csv_cells
from mappings.readers.csv import Rename, check_header, csv_rows, spelt_as, unknown_columns
from mappings.readers.files import File, delivered, is_zip, whole
from mappings.vocabulary import without_nhs_number

NAME = re.compile(r"(CYP\d{3})[A-Za-z]{0,40}\.csv", re.IGNORECASE)
_BY_NUMBER = {name[:6]: name for name in (*TABLES, *LEFT)}
READING_ORDER = {table: number for number, table in enumerate(TABLES)}
SINCE = date(2000, 1, 1)
MINUTE_BITS, LINE_BITS = 26, 26
"""Eleven bits of months since 2000, the minutes from the start of the month until the file was made (127 years), and
the line (67 million) keep an order under 2**63."""
_CREATED = re.compile(r"(.{8,10}?)[ T](\d{1,2}:\d\d)(?::\d\d)?(?:\.\d{1,6})?")


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of all submissions at ``path``: by month, then by when they were made, what others look up
    first. The ``title`` of each says its table, provider, month and the minute.

    Raises ``Refused`` for a file that is not of a submission, a submission without one of the mandatory tables, or a
    column that is missing.
    """
    if path.is_file() and not is_zip(path):
        raise Refused("the delivery: one file is not a submission; give its folder or zip")
    folders: dict[str, list[File]] = {}
    for file in delivered(path, encodings=tuple(dict.fromkeys(("utf-8", feed.encoding, "cp1252")))):
        folders.setdefault(file.member.rpartition("/")[0] if file.member else str(file.path.parent), []).append(file)
    if not folders:
        raise Refused("the delivery: no files")
    titled = [file for files in folders.values() for file in _titled(files)]
    titled.sort(key=lambda file: (order_of(file), READING_ORDER.get(table_of(file), len(TABLES)), file.number))
    for file in titled:
        if table_of(file) in TABLES:
            check_header(file, REQUIRED[table_of(file)], rename=rename(table_of(file)))
    return titled


def _titled(files: list[File]) -> list[File]:
    by_table: dict[str, File] = {}
    for file in files:
        match = NAME.fullmatch(file.name)
        if match is None:
            raise Refused(f"{file.shown}: not named as a table of the data set (CYP001MPI.csv)")
        table = _BY_NUMBER.get(match[1].upper())
        if table is None:
            raise Refused(f"{file.shown}: a table that version 1.6 of the data set does not have")
        if by_table.setdefault(table, file) is not file:
            raise Refused(f"{file.shown}: a second file of {table} in one submission")
    for table in MANDATORY:
        if table not in by_table:
            raise Refused(f"the delivery: no {table}: every submission has it")
    stated = _stated(by_table[HEADER])
    return [dataclasses.replace(file, title=f"{table} {stated}") for table, file in by_table.items()]


def _stated(file: File) -> str:
    """Return provider, month and minute of a submission, as its only header row has them."""
    check_header(file, REQUIRED[HEADER], rename=rename(HEADER))
    rows = list(csv_rows(whole(file), rename=rename(HEADER)))
    if len(rows) != 1 or isinstance(rows[0], Reject):
        raise Refused(f"{file.shown}: {HEADER} has one row, and it can be read")
    _, values = rows[0]
    provider = values["OrgID_Provider"].strip().upper()
    if not is_ods_code(provider):
        raise Refused(f"{file.shown}: line 2: column OrgID_Provider")
    try:
        start, minute = iso(values["RP_StartDate"].strip(), "RP_StartDate"), created(values["FileCreation_DateTime"])
        number(start, minute)
    except Invalid as error:
        raise Refused(f"{file.shown}: line 2: {error}") from None
    return f"{provider} {start[:7]} {minute}"


def created(text: str) -> str:
    """Return the minute at which a file was made, by the clock on its wall. Raises ``Invalid`` naming the column.

    >>> created("01/02/2024 09:30:00"), created("2024-02-01T09:30:00")
    ('2024-02-01T09:30', '2024-02-01T09:30')
    """
    match = _CREATED.fullmatch(text.strip())
    day = iso(match[1] if match else text.strip(), "FileCreation_DateTime")
    if not day:
        raise Invalid("column FileCreation_DateTime")
    clock = match[2].zfill(5) if match else "00:00"
    try:
        return datetime.fromisoformat(f"{day}T{clock}").isoformat(timespec="minutes")
    except ValueError:
        raise Invalid("column FileCreation_DateTime") from None


def number(start: str, minute: str) -> int:
    """Return the order of the first row of a submission. Raises ``Invalid`` for a month or a minute that cannot be."""
    if not start:
        raise Invalid("column RP_StartDate")
    first = date.fromisoformat(start)
    months = (first.year - SINCE.year) * 12 + first.month - 1
    minutes = (datetime.fromisoformat(minute) - datetime(first.year, first.month, 1)) // timedelta(minutes=1)
    if not 0 <= months < 1 << 11:
        raise Invalid("column RP_StartDate")
    if not 0 <= minutes < 1 << MINUTE_BITS:
        raise Invalid("column FileCreation_DateTime")
    return ((months << MINUTE_BITS) + minutes) << LINE_BITS


def made_on(order: int) -> str:
    """Return the day on which the submission of a row was made: what it says lies no later.

    >>> made_on(number("2024-01-01", "2024-02-20T09:30") + 7)
    '2024-02-20'
    """
    months, minutes = divmod(order >> LINE_BITS, 1 << MINUTE_BITS)
    start = datetime(SINCE.year + months // 12, months % 12 + 1, 1)
    return f"{start + timedelta(minutes=minutes):%Y-%m-%d}"


def table_of(file: File) -> str:
    """Return the table of a file that ``check`` returned."""
    return file.title.split(" ")[0]


def order_of(file: File) -> int:
    """Return the order of the submission of a file that ``check`` returned."""
    _, _, month, minute = file.title.split(" ")
    return number(f"{month}-01", minute)


def rename(table: str) -> Rename:
    """Return what calls the columns of a table as we do, whatever their case and underscores."""
    return spelt_as(COLUMNS[table])


def unread(file: File) -> list[str]:
    """Return the columns of a file that version 1.6 does not have, with their table."""
    table = table_of(file)
    if table not in TABLES:
        return []
    return [f"{table} {name}" for name in unknown_columns(file, COLUMNS[table], rename=rename(table))]


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://digital.nhs.uk/data-and-information/data-collections-and-data-sets/data-sets/community-services-data-set

    Yield the rows of a file; at its end, where none was turned away, that the table was read whole."""
    table, provider, month, minute = file.title.split(" ")
    if table not in TABLES:
        return
    about, order, is_whole = TABLES[table], order_of(file), True
    for item in csv_rows(file, rename=rename(table), keep=frozenset(COLUMNS[table]) - about.never):
        if isinstance(item, Reject):
            is_whole = False
            yield item
            continue
        line, values = item
        answer = row(table, values, provider, month, order + min(line, (1 << LINE_BITS) - 1), line, feed)
        is_whole = is_whole and isinstance(answer, Row)
        yield answer
    if is_whole:
        yield Row(SUBMISSION, f"{table} {month}", provider, order, Values({PERIOD: month, MADE: minute}))


def row(table: str, values: Values, provider: str, month: str, order: int, line: int, feed: Feed) -> Row | Reject:
    """Return the row: what names it, whose it is, which groups it belongs to."""
    about = TABLES[table]
    filled = Values((name, text) for name, written in values.items() if (text := written.strip()))
    for column in REQUIRED[table]:
        if not filled[column]:
            return Reject(f"line {line}", f"column {column}")
    parts = {column: local(filled[column], feed) if column == PATIENT_ID else filled[column] for column in about.key}
    key = "|".join(parts.values())
    return Row(
        table=table,
        key=key,
        publisher=provider,
        order=order,
        values=Values(filled | {PERIOD: month, MADE: made_on(order)}),
        patient=whose(about, filled, feed),
        groups=tuple([f"{family}:{name}" for family, name in _groups(table, about, filled, key, feed) if name]),
        line=0,  # a month restates what it had: a row that only moved has not changed
    )


def _groups(table: str, about: Table, values: Values, key: str, feed: Feed) -> Iterator[tuple[str, str]]:
    for family, column in about.groups:
        if column == PATIENT_ID:
            yield family, local(values[column], feed)
        else:
            yield family, values[column] if column else f"{table}|{key}"


def whose(about: Table, values: Values, feed: Feed) -> str:
    """Return the key of the patient. Most rows name only a referral, a contact or an activity: its key stands for the
    patient's, so that what belongs together lies together; the resource refers to the patient."""
    if not about.whose:
        return ""
    written = values[about.whose]
    return local(written, feed) if about.whose == PATIENT_ID else f"{about.whose} {written}"


def local(number: str, feed: Feed) -> str:
    """Return a provider's number of a patient as a key: a digest of one in which an NHS number may stand, which no
    key holds."""
    return without_nhs_number(number, feed.namespace)


def counts(kept: Row, look: Look) -> bool:
    """Whether a row is of the submission that counts: the newest of its month whose table was read whole, or a later
    one. What a later submission of the month no longer has was taken back."""
    newest = look.row(SUBMISSION, f"{kept.table} {kept.values[PERIOD]}")
    return newest is None or kept.order >= newest.order


def standing(rows: Iterable[Row], look: Look) -> Iterator[Row]:
    """Yield the rows that count and were not deleted."""
    return (row for row in rows if not row.deleted and counts(row, look))


def cells(file: File, feed: Feed) -> Iterator[Cell]:
    """Yield the cells of a sample file of a table that is read."""
    table = table_of(file)
    return csv_cells(file, table, file.encoding) if table in TABLES else iter(())
