"""Rows of community submissions by hand: ``sent`` for a row as it is read, and ``write`` for whole submissions."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from mappings import Feed, Row, Values
from mappings.community import SOURCE
from mappings.community.columns import TABLES as COLUMNS
from mappings.community.delivery import number, row
from mappings.community.tables import TABLES
from tests.mappings.harness import Mapped, map_rows

SAMPLES = Path(__file__).parents[2] / "mappings" / "community" / "samples"
PROVIDER, MONTH = "RZZ", "2024-01"
MADE = "2024-02-16T09:30"
ANN = "9990000018"
FEED = Feed(namespace=b"a namespace of sixteen or so")


def sent(table: str, month: str = MONTH, made: str = MADE, **values: str) -> Row:
    """A row of a table as ``read`` yields it."""
    answer = row(table, Values(values), PROVIDER, month, number(f"{month}-01", made) + 2, 2, FEED)
    assert isinstance(answer, Row), answer
    return answer


def person(number_: str = ANN, key: str = "C1", **values: str) -> Row:
    return sent("CYP001MPI", **{"LocalPatientID": key, "NHSNumber": number_, "DateOfBirth": "1960-01-15", **values})


def referral(key: str = "R1", patient: str = "C1", month: str = MONTH, made: str = MADE, **values: str) -> Row:
    basic = {"ServiceRequestID": key, "LocalPatientID": patient, "ReferralRequest_ReceivedDate": "2024-01-02"}
    return sent("CYP101Referral", month, made, **{**basic, **values})


def service(key: str = "R1", month: str = MONTH, made: str = MADE, **values: str) -> Row:
    basic = {"ServiceRequestID": key, "TeamID_Local": "T1", "TeamType": "09"}
    return sent("CYP102ServiceTypeReferredTo", month, made, **{**basic, **values})


def contact(
    status: str = "5", key: str = "K1", of: str = "R1", month: str = MONTH, made: str = MADE, **values: str
) -> Row:
    basic = {"CareContactID": key, "ServiceRequestID": of, "Contact_Date": "2024-01-09", "ConsMechanism": "01"}
    return sent("CYP201CareContact", month, made, **{**basic, "AttendanceStatus": status, **values})


def activity(key: str = "V1", of: str = "K1", **values: str) -> Row:
    return sent("CYP202CareActivity", **{"CareActivityID": key, "CareContactID": of, **values})


def whole(table: str, month: str = MONTH, made: str = MADE) -> Row:
    """That a table of a submission was read to its end."""
    return Row(
        "Submission", f"{table} {month}", PROVIDER, number(f"{month}-01", made), Values({"Period": month, "Made": made})
    )


def mapped(*rows: Row) -> Mapped:
    """What rows come to; a fault is an error here."""
    answer = map_rows(SOURCE, rows, FEED)
    assert not answer.faults, answer.faults
    return answer


def sample_rows(folder: str = "january") -> list[tuple[str, dict[str, str]]]:
    """(table, columns) of each row of a sample, in reading order."""
    answer = []
    for table in TABLES:
        with (SAMPLES / folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            answer += [(table, values) for values in csv.DictReader(file)]
    return answer


def write(
    folder: Path,
    rows: Iterable[tuple[str, dict[str, str]]] = (),
    month: str = MONTH,
    made: str = MADE,
    tables: Iterable[str] = tuple(TABLES),
    provider: str = PROVIDER,
) -> Path:
    """Write a submission with a file for each of ``tables``, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    header = {"OrgID_Provider": provider, "RP_StartDate": f"{month}-01", "FileCreation_DateTime": made}
    by_table: dict[str, list[dict[str, str]]] = {table: [] for table in tables}
    for table, values in (("CYP000Header", header), *rows):
        if table in by_table:
            by_table[table].append(values)
    for table, of_it in by_table.items():
        with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[table])
            writer.writeheader()
            writer.writerows(of_it)
    return folder
