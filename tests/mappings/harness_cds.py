"""CDS records by hand: ``sent`` for a row as it is read, one function for each type that most tests need, and a writer
for each format."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

from mappings import Feed, Reject, Row, Values
from mappings.cds import SOURCE
from mappings.cds.columns import SHIFT, SUS, Column, columns, length
from mappings.cds.record import row
from tests.mappings.harness import Mapped, map_rows

SAMPLES = Path(__file__).parents[2] / "mappings" / "cds" / "samples"
TRUST = "RZZ"
HEADER = {
    "Version": "NHS6-2", "Protocol": "010", "UpdateType": "9", "ApplicableDate": "20240401", "ApplicableTime": "093000",
    "Sender": "RZZ00", "Recipient": "QZZ00", "Provider": "RZZ00",
}  # fmt: skip
PERSON = {
    "LocalId": "900001", "LocalIdOrganisation": "RZZ00", "NumberStatus": "01", "NhsNumber": "9990000018",
    "BirthDate": "19600115", "Forename": "Ann", "Surname": "Marsh", "Postcode": "ZZ99 3CZ", "Gender": "2", "Ethnicity": "A",
}  # fmt: skip
STAY = {
    "Type": "130", "UniqueId": "BRZZ00E1", "SpellNumber": "S1", "Classification": "1", "AdmissionMethod": "21",
    "AdmissionSource": "19", "SpellStart": "20240311", "SpellStartTime": "081500", "EpisodeNumber": "01",
    "EpisodeStart": "20240311", "EpisodeEnd": "20240314", "ActivityDate": "20240314",
}  # fmt: skip
SEEN = {
    "Type": "020", "UniqueId": "BRZZ00A1", "Attendance": "A1", "Attended": "5", "FirstAttendance": "1",
    "AppointmentDate": "20240318", "AppointmentTime": "101500", "ActivityDate": "20240318",
}  # fmt: skip
CAME = {
    "Type": "011", "UniqueId": "BRZZ00X1", "Attendance": "X1", "AttendanceCategory": "1", "DepartmentType": "01",
    "ArrivalDate": "20240320", "ArrivalTime": "230000", "DepartureDate": "20240321", "DepartureTime": "031500",
    "ActivityDate": "20240320",
}  # fmt: skip
WAITS = {
    "Type": "060", "UniqueId": "BRZZ00W1", "EntryNumber": "W1", "ListStatus": "01", "ElectiveType": "11",
    "Priority": "2", "DecidedDate": "20240301", "ActivityDate": "20240301",
}  # fmt: skip


def answer(line: int = 1, form: str = "lines", feed: Feed | None = None, **items: str) -> Row | Reject:
    """What a record becomes in reading: the header's items and a person's are filled in; an empty item is not sent."""
    filled = {**HEADER, **PERSON, **items}
    return row(form, line, Values({name: text for name, text in filled.items() if text}), feed or Feed())


def sent(line: int = 1, **items: str) -> Row:
    """A row of a record, which must be one."""
    read = answer(line, **items)
    assert isinstance(read, Row), read
    return read


def stay(line: int = 1, **items: str) -> Row:
    return sent(line, **{**STAY, **items})


def seen(line: int = 1, **items: str) -> Row:
    return sent(line, **{**SEEN, **items})


def came(line: int = 1, **items: str) -> Row:
    return sent(line, **{**CAME, **items})


def waits(line: int = 1, **items: str) -> Row:
    return sent(line, **{**WAITS, **items})


def deleted(unique: str, type_: str, at: str = "20240501", line: int = 1) -> Row:
    """A deletion as net change sends it: header and provider, nothing of the patient."""
    nobody = dict.fromkeys(PERSON, "")
    return sent(line, **nobody, Type=type_, UniqueId=unique, UpdateType="1", ApplicableDate=at)


def bulk(row_of: Any, extract: str, start: str, end: str, **items: str) -> Row:
    """A record of a bulk replacement."""
    named = {"Protocol": "020", "UpdateType": "", "ApplicableDate": "", "ApplicableTime": "", "BulkGroup": "060"}
    read: Row = row_of(**{**named, "ExtractDate": extract, "PeriodStart": start, "PeriodEnd": end, **items})
    return read


def mapped(*rows: Row) -> Mapped:
    """What rows come to; a fault is an error here."""
    made = map_rows(SOURCE, rows)
    assert not made.faults, made.faults
    return made


# Writers: items by name, in the layout of a format


def _placed(fields: list[Column], items: dict[str, str], width: int) -> str:
    cells = [" "] * width
    for column in fields:
        text = items.get(column.kept_as, "")
        assert len(text) <= column.length, (column, text)
        cells[column.start - 1 : column.start - 1 + column.length] = text.ljust(column.length)
    return "".join(cells)


def one_line(form: str, **items: str) -> str:
    """A record of one line of fixed width."""
    return _placed(list(columns(form)), items, length(form))


def several_lines(number: str, **items: str) -> str:
    """A record of several lines: those of which an item is filled. Ward stays and critical care have a line each."""
    of_line: dict[str, list[Column]] = {}
    for column in columns("lines"):
        of_line.setdefault(column.line, []).append(column)
    repeats = max(
        [int(match[1]) for name in items if (match := re.fullmatch(r"(?:Ward|CriticalStart)(\d+)", name))] or [1]
    )
    written = []
    for kind in ("01", "05", "09", "10", "11", "02", "03", "12", "04", "06"):
        for turn in range(1, repeats + 1 if kind in ("04", "06") else 2):
            own = dict(items)
            if turn > 1:
                own = {re.sub(rf"{turn}$", "1", name): text for name, text in items.items() if name.endswith(str(turn))}
            own |= {
                "LineCount": f"{turn:03}",
                "DiagnosisSchemeInUse": "02",
                "ProcedureSchemeInUse": "02",
                "InvestigationSchemeinUse": "01",
            }
            is_there = any(column.item and own.get(column.item) for column in of_line[kind])
            if kind == "01" or is_there:
                text = _placed(of_line[kind], own, length("lines", kind))
                written.append(kind + number.ljust(SHIFT - 2) + text[SHIFT:])
    return "\n".join(written)  # fmt: skip


def piped(**items: str) -> str:
    """A record of emergency care delimited by pipes."""
    return "|".join(items.get(column.kept_as, "") for column in columns("ecds"))


def sus(form: str, *records: dict[str, str]) -> str:
    """A SUS extract with its header, columns that repeat under names that nobody published."""
    assert form in SUS
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([re.sub(r"^(.*) (\d+)$", r"\1 as SUS calls it \2", column.name) for column in columns(form)])
    writer.writerows([[items.get(column.kept_as, "") for column in columns(form)] for items in records])
    return out.getvalue()  # fmt: skip
