"""What the names of a delivery's files say of it: which deliveries they are, and when each was extracted."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.errors import Refused
from gateway.fhir.dates import microseconds
from gateway.intake.unsealing import clear_name
from mappings import Arrival, Feed, Source
from mappings.readers.gzipped import ENDING
from mappings.readers.zip import DAMAGE, Archive

LARGEST_MANIFEST = 10_000_000
"""Bytes that are read of a small file."""


def clear(name: str) -> str:
    """The name of a file once it is decrypted and decompressed.

    >>> clear("a.csv.gz.gpg")
    'a.csv'
    """
    name = clear_name(name)
    return name[: -len(ENDING)] if name.lower().endswith(ENDING) else name


def read_small(path: Path) -> bytes:
    """What a small file holds, decompressed. Raises ``Refused`` for one that is damaged or cut off."""
    try:
        with gzip.open(path) if path.name.lower().endswith(ENDING) else path.open("rb") as file:
            return file.read(LARGEST_MANIFEST)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Refused("a file of the delivery is damaged or cut off") from None


def in_zip(path: Path, source: Source, feed: Feed) -> list[Arrival]:
    """The deliveries that a zip holds. Raises ``Refused`` for one that cannot be read."""
    archive = Archive(path)

    def read(member: str) -> bytes:
        try:
            with archive.open(member) as file:
                return file.read(LARGEST_MANIFEST)
        except (KeyError, *DAMAGE):
            raise Refused("the zip cannot be read") from None

    try:
        return source.arrivals([member.filename for member in archive.members()], read, feed)
    finally:
        archive.close()


def extracted(arrivals: Iterable[Arrival], feed: Feed) -> int:
    """When the newest of these deliveries was extracted (µs UTC), 0 where nobody says. The digits are of the feed's
    zone."""
    times = [time for arrival in arrivals if (time := time_of(arrival.time))]
    return microseconds(max(times).replace(tzinfo=ZoneInfo(feed.zone))) if times else 0


def time_of(digits: str) -> datetime | None:
    """The time that digits say, to the second, minute or day.

    >>> time_of("20240312_0100"), time_of("20260120002"), time_of("2026")
    (datetime.datetime(2024, 3, 12, 1, 0), datetime.datetime(2026, 1, 20, 0, 0), None)
    """
    plain = digits.replace("_", "")[:14]
    for length, form in ((14, "%Y%m%d%H%M%S"), (12, "%Y%m%d%H%M"), (8, "%Y%m%d")):
        if len(plain) >= length:
            try:
                return datetime.strptime(plain[:length], form)
            except ValueError:
                continue
    return None
