"""Lines and files of Client Level Data, made up."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from mappings import Feed
from mappings.cld import SOURCE
from mappings.cld.columns import COLUMNS
from tests.mappings.harness import map_all

NUMBER = "9990000018"


def map_path(path: Path, feed: Feed | None = None) -> list[dict]:
    """Return what a delivery without a fault comes to."""
    mapped = map_all(SOURCE, path, feed)
    assert not mapped.faults
    return mapped.resources()


def line(**given: str) -> dict[str, str]:
    """Return a file's line for a fixed person, without an event; columns by their SQL spelling
    (``Event_Type="Service"``)."""
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


def snapshot(
    folder: Path, number: int, *lines: dict[str, str], version: str = "", header: list[str] | None = None
) -> Path:
    """Write the lines as one council's submission for period ``number``; return its file."""
    start, end, submitted = PERIODS[number]
    path = folder / f"CLD_503_{submitted}{version}.csv"
    period = {"Reporting Period Start Date": start, "Reporting Period End Date": end}
    write(path, [given | period for given in lines], header)
    return path


def write(
    path: Path, lines: Iterable[dict[str, str]], header: list[str] | None = None, encoding: str = "utf-8"
) -> Path:
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
