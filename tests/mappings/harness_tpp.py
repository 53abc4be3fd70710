"""SystmOne rows by hand: ``sent`` for a row as it is read, one function for what most tests need, and ``write`` for
whole deliveries."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from mappings import Feed, Row, Values
from mappings.tpp import SOURCE
from mappings.tpp.columns import TABLES as COLUMNS
from mappings.tpp.delivery import LINE_BITS, SINCE, row
from mappings.tpp.tables import TABLES
from tests.mappings import harness
from tests.mappings.harness import Mapped, map_rows

EXTRACTED = int((datetime(2024, 6, 1, 1) - SINCE).total_seconds()) << LINE_BITS
"""The order of the first row of an extract of 2024-06-01, which rows come from."""
SAMPLES = Path(__file__).parents[2] / "mappings" / "tpp" / "samples"
PRACTICE, NURSES = "A99777", "ZZ9"


def sent(table: str, order: int = 1, **values: str) -> Row:
    """A row of a table as ``read`` yields it: what is empty is not there."""
    filled = Values({name: text for name, text in values.items() if text})
    answer = row(table, TABLES[table], filled, EXTRACTED + order, order, Feed())
    assert isinstance(answer, Row), answer
    return answer


def of_patient(table: str, key: str, order: int = 1, **values: str) -> Row:
    """A row of patient 1, recorded and done at the practice on one morning."""
    basic = {
        "RowIdentifier": key,
        "IDOrganisationVisibleTo": PRACTICE,
        "IDOrganisation": PRACTICE,
        "IDOrganisationDoneAt": PRACTICE,
        "IDPatient": "1",
        "DateEvent": "11 Mar 2024 00:00:00",
        "DateEventRecorded": "11 Mar 2024 09:31:00",
        "RemovedData": "0",
    }
    return sent(table, order, **{**basic, **values})


def patient(key: str = "1", order: int = 1, **values: str) -> Row:
    basic = {
        "RowIdentifier": key, "IDOrganisationVisibleTo": PRACTICE, "FirstName": "Ann", "Surname": "Marsh", "Gender": "F",
        "NHSNumber": "9990000018", "DateBirth": "15 Jan 1960 00:00", "TestPatient": "FALSE", "RemovedData": "0",
    }  # fmt: skip
    return sent("SRPatient", order, **{**basic, **values})


def code(text: str, ctv3: str = "", snomed: str = "", key: str = "1000", order: int = 1, **values: str) -> Row:
    words = {"SNOMEDText": text, "SNOMEDCode": snomed} if snomed else {"CTV3Text": text, "SNOMEDCode": "-1"}
    number = {"IsNumeric": "FALSE", "NumericValue": "-1"}
    return of_patient("SRCode", key, order, CTV3Code=ctv3, **{**number, **words, **values})


def deleted(table: str, key: str, order: int = 9, **values: str) -> Row:
    """A deletion as SystmOne sends it: its key, the unit and the mark."""
    return sent(table, order, RowIdentifier=key, IDOrganisationVisibleTo=PRACTICE, RemovedData="1", **values)


def mapped(*rows: Row) -> Mapped:
    """What rows come to; a fault is an error here."""
    answer = map_rows(SOURCE, rows)
    assert not answer.faults, answer.faults
    return answer


def sample_rows(folder: Path = SAMPLES / "bulk") -> list[tuple[str, dict[str, str]]]:
    """(table, columns) of each row of a sample, in reading order."""
    answer = []
    for table in TABLES:
        path = folder / f"{table}.csv"
        if path.is_file():
            with path.open(encoding="cp1252", newline="") as file:
                answer += [(table, values) for values in csv.DictReader(file)]
    return answer


def write(
    folder: Path,
    rows: Iterable[tuple[str, dict[str, str]]] = (),
    time: str = "20240312_0100",
    tables: Iterable[str] = tuple(TABLES),
    encoding: str = "cp1252",
    delimiter: str = ",",
    manifest: bool = True,
) -> Path:
    """Write a delivery with a file for each of ``tables``, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    by_table: dict[str, list[dict[str, str]]] = {table: [] for table in tables}
    for table, values in rows:
        by_table.setdefault(table, []).append(values)
    for table, of_it in by_table.items():
        columns = COLUMNS.get(table) or tuple(dict.fromkeys(name for values in of_it for name in values))
        _csv(
            folder / f"{table}.csv",
            columns,
            [[values.get(name, "") for name in columns] for values in of_it],
            encoding,
            delimiter,
        )
    if manifest:
        lines = [[table, "N", "N", "19000101_0000", time] for table in by_table]
        header = ("FileName", "IsDelta", "IsReference", "DateExtractFrom", "DateExtractTo")
        _csv(folder / "SRManifest.csv", header, lines, encoding, delimiter)
    return folder  # fmt: skip


def _csv(path: Path, header: Iterable[str], rows: Iterable[list[str]], encoding: str, delimiter: str) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n", delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def read_all(folder: Path, feed: Feed | None = None) -> list:
    return harness.read_all(SOURCE, folder, feed)
