"""Client Level Data in a dictionary: lines and files made up, rows kept as the store keeps them, groups mapped."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mappings import Feed, Group, Reject, Row
from mappings.cld import SOURCE
from mappings.cld.columns import COLUMNS

NAMESPACE = uuid.UUID("0b8a4f0e-5f0d-4c39-9d3e-5f8c1d6a7e21")
NUMBER = "9990000018"
Kept = dict[tuple[str, str, str], Row]


@dataclass
class DictLook:
    """A Look over kept rows."""

    publisher: str
    kept: Kept
    feed: Feed

    def row(self, table: str, key: str, publisher: str | None = None) -> Row | None:
        return self.kept.get((publisher or self.publisher, table, key))

    def all(self, table: str, publisher: str | None = None) -> list[Row]:
        name = publisher or self.publisher
        found = [row for row in self.kept.values() if (row.publisher, row.table, row.groups) == (name, table, ())]
        return sorted(found, key=lambda row: row.key)

    def id(self, resource_type: str, key: str, publisher: str | None = None) -> str:
        return str(uuid.uuid5(NAMESPACE, "|".join((SOURCE.name, publisher or self.publisher, resource_type, key))))

    def reference(self, resource_type: str, key: str, publisher: str | None = None) -> dict:
        return {"reference": f"{resource_type}/{self.id(resource_type, key, publisher)}"}


def keep(rows: Iterable[Row], kept: Kept | None = None) -> Kept:
    """Return the newest statement of each key; of two of one order the larger body, as the store does."""
    kept = {} if kept is None else kept
    for row in rows:
        never = SOURCE.never.get(row.table, frozenset())
        assert not never & set(row.values), "a column that is never kept"
        name = (row.publisher, row.table, row.key)
        if name not in kept or _rank(row) > _rank(kept[name]):
            kept[name] = row
    return kept


def _rank(row: Row) -> tuple[int, bytes]:
    return row.order, msgspec.json.encode([row.patient, row.groups, dict(row.values), row.line])


def map_kept(kept: Kept, feed: Feed | None = None) -> list[dict]:
    """Return what all groups make, sorted; a resource made by two groups is an error."""
    feed = feed or Feed()
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in kept.values():
        for key in row.groups:
            groups.setdefault((row.publisher, key), []).append(row)
    made = []
    for (publisher, key), rows in groups.items():
        made += SOURCE.to_fhir(Group(key, publisher, tuple(rows)), DictLook(publisher, kept, feed))
    made.sort(key=lambda each: (each["resourceType"], each["id"]))
    names = [(each["resourceType"], each["id"]) for each in made]
    assert len(names) == len(set(names)), "two groups made one resource"
    return made


def read_all(path: Path, feed: Feed | None = None) -> tuple[list[Row], list[Reject]]:
    """Return (rows, rejects) of a delivery."""
    feed = feed or Feed()
    found = [each for file in SOURCE.check(path, feed) for each in SOURCE.read(file, feed)]
    return [each for each in found if isinstance(each, Row)], [each for each in found if isinstance(each, Reject)]


def map_path(path: Path, feed: Feed | None = None) -> tuple[list[dict], list[Reject]]:
    """Return (resources, rejects) of a delivery."""
    rows, rejects = read_all(path, feed)
    return map_kept(keep(rows), feed), rejects


def line(**given: str) -> dict[str, str]:
    """Return a file's line for a fixed person, without an event; columns by their SQL spelling (``Event_Type="Service"``)."""
    values = {
        "LA Code": "503",
        "Reporting Period Start Date": "01/01/2025",
        "Reporting Period End Date": "31/12/2025",
        "NHS Number": NUMBER,
        "LA Person Unique Identifier": "P1",
        "Gender": "Female",
        "Date of Birth": "15/01/1940",
        "Client Type": "Service user",
        "Postcode": "ZZ99 3WZ",
    }
    spelled = {"".join(c for c in name if c.isalnum()).lower(): name for name in COLUMNS}
    return values | {spelled[name.replace("_", "").lower()]: value for name, value in given.items()}


def service(**given: str) -> dict[str, str]:
    """Return the line of an open home-care service."""
    usual = {
        "Event_Type": "Service",
        "Event_Start_Date": "01/03/2025",
        "Service_Type": "Long term support: Community",
        "Service_Component": "Home support or domiciliary care",
    }
    return line(**usual | given)


def assessment(**given: str) -> dict[str, str]:
    """Return the line of a finished assessment."""
    usual = {
        "Event_Type": "Assessment",
        "Event_Start_Date": "04/06/2025",
        "Event_End_Date": "20/06/2025",
        "Assessment_Type": "Long Term Assessment",
        "Event_Outcome": "NFA: Other",
    }
    return line(**usual | given)


PERIODS = {
    1: ("01/01/2025", "31/12/2025", "2026-01-20"),
    2: ("01/04/2025", "31/03/2026", "2026-04-20"),
    3: ("01/05/2025", "30/04/2026", "2026-05-20"),
}
"""Rolling twelve months: start, end, submitted."""


def snapshot(folder: Path, number: int, *lines: dict[str, str], version: str = "", header: list[str] | None = None) -> Path:
    """Write the lines as one council's submission for period ``number``; return its file."""
    start, end, submitted = PERIODS[number]
    path = folder / f"CLD_503_{submitted}{version}.csv"
    period = {"Reporting Period Start Date": start, "Reporting Period End Date": end}
    write(path, [given | period for given in lines], header)
    return path


def write(path: Path, lines: Iterable[dict[str, str]], header: list[str] | None = None, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(header or COLUMNS)
        writer.writerows([given.get(column, "") for column in COLUMNS] for given in lines)
    return path


def one(resources: list[dict], resource_type: str) -> dict:
    """Return the only resource of a type."""
    found = [each for each in resources if each["resourceType"] == resource_type]
    assert len(found) == 1, f"{len(found)} of {resource_type}"
    return found[0]


def extension(resource: dict, name: str) -> object:
    """Return the value of one of this source's extensions, or None."""
    found = [each for each in resource.get("extension", ()) if each["url"] == f"urn:nhs-record-gateway:cld:{name}"]
    return next((value for each in found for key, value in each.items() if key != "url"), None)
