"""A delivery: which files it has, whether it is whole, and its rows with their keys, order and groups.

A folder of an extract has a file for each table and ``SRManifest.csv``, which is written last and says of each file
until when it reaches: that is the order of its rows.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from gateway.errors import Refused
from mappings import Feed, Reject, Row, Values
from mappings.emis.delivery import not_yet
from mappings.emis.values import is_true
from mappings.readers.cells import Cell, csv_cells
from mappings.readers.csv import Rename, check_header, csv_rows, header, spelt_as
from mappings.readers.files import File, delivered, is_zip, whole, without_watch
from mappings.tpp.columns import TABLES as COLUMNS
from mappings.tpp.tables import CENTRAL, LEFT, PATIENT, PROBLEM, REQUIRED, TABLES, Table

NAME = re.compile(r"(SR[A-Za-z0-9]{1,80})\.csv", re.IGNORECASE)
FOLDER = re.compile(r"\d{8}_\d{4}")
TIME = "%Y%m%d_%H%M"
MANIFEST = "SRManifest"
OF_THE_MANIFEST = ("FileName", "DateExtractTo")
SINCE = datetime(2000, 1, 1)
LINE_BITS = 31
"""The seconds since 2000 before the line of a row keep an order under 2**63 until 2136."""
READING_ORDER = {table: number for number, table in enumerate(TABLES)}
_SPELT = {name.casefold(): name for name in (*TABLES, *LEFT, MANIFEST)}


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of all extracts at ``path`` in reading order: by time, what others look up first. Each has its
    table and the time of its extract as its ``title``.

    Raises ``Refused`` for a file that is not of an extract, an extract without its manifest or one of the files that
    the manifest lists (unless the feed's setting ``partial`` allows it), or a column that is missing.
    """
    if path.is_file() and not is_zip(path) and not feed.settings.get("partial"):
        raise Refused(
            f"the delivery: {not_yet(path.name) or 'one file is not a delivery; give its folder or zip'}"
            ", or set partial = true for the feed (GATEWAY_FEEDS)"
        )
    extracts: dict[str, list[File]] = {}
    for file in delivered(path, encodings=encodings(feed)):
        extracts.setdefault(folder(file), []).append(file)
    if not extracts:
        raise Refused("the delivery: no files")
    titled = [file for files in extracts.values() for file in _dated(files, feed)]
    titled.sort(key=lambda file: (time_of(file), READING_ORDER.get(table_of(file), len(TABLES)), file.number))
    for file in titled:
        if table_of(file) in TABLES:
            check_header(file, REQUIRED[table_of(file)], delimiter(feed), rename(table_of(file)))
    return titled


def encodings(feed: Feed) -> tuple[str, ...]:
    """Return the encodings a file may have: SystmOne writes Windows-1252, and a copy of it may be UTF-8."""
    stated = () if feed.encoding == "utf-8" else (feed.encoding,)
    return stated or ("utf-8", "cp1252")


def delimiter(feed: Feed) -> str:
    """Return what separates the columns: whoever sets an extract up may choose it."""
    return str(feed.settings.get("delimiter", ","))


def folder(file: File) -> str:
    """Return the folder of a file: one extract has one."""
    return file.member.rpartition("/")[0] if file.member else str(file.path.parent)


def named(file: File) -> str:
    """Return the table that a file is of, as we spell it. Raises ``Refused`` for a name that SystmOne does not
    give."""
    match = NAME.fullmatch(file.name)
    if match is None:
        advice = not_yet(file.name) or "not named as a file of a SystmOne extract"
        raise Refused(f"{file.shown}: {advice}")
    return _SPELT.get(match[1].casefold(), match[1])


def _dated(files: list[File], feed: Feed) -> list[File]:
    """Return the files of one extract but its manifest, each with its table and time. Raises ``Refused`` as ``check``
    does."""
    by_table: dict[str, File] = {}
    for file in files:
        if by_table.setdefault(named(file), file) is not file:
            raise Refused(f"{file.shown}: a second file of {named(file)} in one extract")
    manifest = by_table.pop(MANIFEST, None)
    times = _times(manifest, feed) if manifest else {}
    partial = bool(feed.settings.get("partial"))
    if not partial:
        if manifest is None:
            raise Refused("the delivery: no SRManifest.csv: it is written last, so the extract is not complete")
        if absent := sorted(times.keys() - by_table.keys()):
            raise Refused(f"the delivery: {absent[0]} is in the manifest and not among the files")
    if not by_table:
        raise Refused("the delivery: no tables")
    dated = []
    for table, file in by_table.items():
        time = times.get(table) or (_time_of_folder(file) if partial else "")
        if not time:
            raise Refused(f"{file.shown}: {table} is not in the manifest: its time is not known")
        dated.append(dataclasses.replace(file, title=f"{table} {time}"))
    return dated


def _times(manifest: File, feed: Feed) -> dict[str, str]:
    """Return until when the file of each table reaches, as the manifest says it."""
    check_header(manifest, OF_THE_MANIFEST, delimiter(feed))
    times = {}
    for item in csv_rows(whole(manifest), delimiter(feed)):
        if isinstance(item, Reject):
            raise Refused(f"{manifest.shown}: {item.place}: {item.reason}")
        line, values = item
        name, time = re.sub(r"(?i)\.csv$", "", values["FileName"].strip()), values["DateExtractTo"].strip()
        if NAME.fullmatch(f"{name}.csv") is None:
            raise Refused(f"{manifest.shown}: line {line}: column FileName")
        if not _is_time(time):
            raise Refused(f"{manifest.shown}: line {line}: column DateExtractTo")
        times[_SPELT.get(name.casefold(), name)] = time
    times.pop(MANIFEST, None)
    return times


def _time_of_folder(file: File) -> str:
    """Return the time that the name of a file's folder says, "" for any other name."""
    name = folder(file).replace("\\", "/").rpartition("/")[2]
    return name if FOLDER.fullmatch(name) and _is_time(name) else ""


@lru_cache(maxsize=64)
def _is_time(text: str) -> bool:
    try:
        return bool(FOLDER.fullmatch(text) and datetime.strptime(text, TIME))
    except ValueError:
        return False


def table_of(file: File) -> str:
    """Return the table of a file that ``check`` returned."""
    return file.title.partition(" ")[0]


def time_of(file: File) -> str:
    """Return the time of the extract of a file that ``check`` returned."""
    return file.title.partition(" ")[2]


def rename(table: str) -> Rename:
    """Return what calls the columns of a table as we do: versions differ in case and in where they stand."""
    return spelt_as(COLUMNS[table])


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://github.com/endeavourhealth/Transforms, https://github.com/opensafely-core/ehrql

    Yield the rows of one file; a row without its key, its unit or its patient is a reject. A table that is not
    mapped has none."""
    table = table_of(file)
    if table not in TABLES:
        return
    about = TABLES[table]
    wanted = frozenset((*COLUMNS[table], *new_columns(without_watch(file), feed))) - about.never
    seconds = int((datetime.strptime(time_of(file), TIME) - SINCE).total_seconds()) << LINE_BITS
    for item in csv_rows(file, delimiter(feed), rename(table), wanted):
        if isinstance(item, Reject):
            yield item
            continue
        line, values = item
        answer = row(table, about, values, seconds + line, line, feed)
        if answer is not None:
            yield answer


def new_columns(file: File, feed: Feed) -> list[str]:
    """Return the columns of a newer version: kept with their row, so that a later mapping can read them."""
    table = table_of(file)
    names = header(file, delimiter(feed), rename(table), COLUMNS[table])
    return [name for name in names if name and name not in COLUMNS[table]]


def unread(file: File) -> list[str]:
    """Return what of a file no mapping reads: its new columns, or, of a table that is not mapped and not empty, the
    whole table."""
    table = table_of(file)
    if table in TABLES:
        return [f"{table} {name}" for name in _new_to_any(file, table)]
    return [f"{table} (the whole table)"] if _has_rows(file) else []


def _new_to_any(file: File, table: str) -> list[str]:
    """Return the new columns, whatever separates them: the load report has no feed to ask."""
    with file.survey(lambda chunk: None).text() as text:
        line = text.readline(1 << 16)
    separator = next((sign for sign in ",\t|;~^" if sign in line), ",")
    ours = rename(table)
    names = [ours(name) for name in next(csv.reader([line], delimiter=separator), [])]
    return [name for name in names if name and name not in COLUMNS[table]]


def _has_rows(file: File) -> bool:
    with file.survey(lambda chunk: None).text() as text:
        return bool(text.readline(1 << 16) and text.readline(1 << 16).strip())


def row(table: str, about: Table, values: Values, order: int, line: int, feed: Feed) -> Row | Reject | None:
    """Return the row: whose it is, what names it, which groups it belongs to. A deletion of a looked-up code is none:
    what was coded with it still means what it meant."""
    deleted = is_true(values["RemovedData"].strip())
    if deleted and about.is_central and not about.groups:
        return None
    key = values[about.key].strip()
    if not key:
        return Reject(f"line {line}", f"column {about.key}")
    publisher = CENTRAL if about.is_central else values["IDOrganisationVisibleTo"].strip().upper()
    publisher = publisher or str(feed.settings.get("organisation", "")).strip().upper()
    if not publisher:
        return Reject(f"line {line}", "column IDOrganisationVisibleTo")
    patient = "" if not about.is_personal else key if table == PATIENT else reference_id(values, "IDPatient")
    if about.is_personal and not patient and not deleted:
        return Reject(f"line {line}", "column IDPatient")  # else all such rows would share a patient
    return Row(
        table=table,
        key=key,
        publisher=publisher,
        order=order,
        values=values,
        patient=patient,
        groups=groups(table, about, values, key),
        deleted=deleted,
        bare=deleted,  # most of its columns are blank: the last values stay
        line=line if about.groups else 0,  # code tables come whole: a row that only moved has not changed
    )


def groups(table: str, about: Table, values: Values, key: str) -> tuple[str, ...]:
    """Return the groups of a row. A deletion that does not say them keeps those of the row it deletes."""
    if table == PROBLEM and not reference_id(values, "IDCode"):
        return (f"problem:{key}",)
    columns = ((family, reference_id(values, column)) for family, column in about.groups)
    return tuple([f"{family}:{part.upper()}" for family, part in columns if part])


def reference_id(values: Values, column: str) -> str:
    """Return the key of another row, "" where there is none: SystmOne writes -1 for that too.

    >>> reference_id(Values(IDEvent="-1"), "IDEvent"), reference_id(Values(IDEvent=" 100 "), "IDEvent")
    ('', '100')
    """
    text = values.get(column, "").strip()
    return "" if text.startswith("-") else text


def extracted(order: int) -> str:
    """Return the day of the extract an order is of, for what a source says only by a date that has passed."""
    return f"{SINCE + timedelta(seconds=order >> LINE_BITS):%Y-%m-%d}"


def cells(file: File, feed: Feed) -> Iterator[Cell]:
    """Yield the cells of a sample file; its manifest has none."""
    table = table_of(file)
    if table in TABLES:
        yield from csv_cells(file, table, file.encoding, delimiter(feed))
