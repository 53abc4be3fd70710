"""Extracts as their folders tell them: ``SRManifest.csv`` is written last, lists the files, and says from when until
when the extract reaches.

https://github.com/endeavourhealth/SFTPReader: what changed since before the last extract's end is no gap, because a
repeated bulk begins earlier. One that begins after that end lacks what changed between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from gateway.errors import Refused
from mappings import Arrival, Feed, ReadFile, Reject
from mappings.emis.values import is_true
from mappings.readers.csv import csv_rows
from mappings.readers.files import File, whole
from mappings.tpp.delivery import FOLDER, MANIFEST, delimiter, encodings

_MANIFEST = f"{MANIFEST}.csv".casefold()


def arrivals(names: Iterable[str], read: ReadFile, feed: Feed) -> list[Arrival]:
    """Return the extracts among ``names``, one for each folder. Without its manifest one is not complete, but for a
    ``partial`` feed."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    return [_extract(folder, files, read, feed) for folder, files in folders.items()]


def _extract(folder: str, files: list[str], read: ReadFile, feed: Feed) -> Arrival:
    of_units, _, own = folder.rpartition("/")
    time = own if FOLDER.fullmatch(own) else ""
    manifest = next((name for name in files if name.rpartition("/")[2].casefold() == _MANIFEST), None)
    if manifest is None:
        lacks = "" if feed.settings.get("partial") else MANIFEST
        return Arrival(tuple(files), f"extract of {time}" if time else "", time, lacks, of_units)
    stated = _stated(manifest, read, feed)
    tables = {re.sub(r"(?i)\.csv$", "", name.rpartition("/")[2]).casefold() for name in files}
    absent = sorted(table for table, _, _ in stated if table.casefold() not in tables)
    until = max((end for _, _, end in stated), default=time)
    since = max((start for _, start, _ in stated), default="")
    lacks = absent[0] if absent and not feed.settings.get("partial") else ""
    return Arrival(tuple(files), f"extract of {until}" if until else "", until, lacks, of_units, since, until)


def _stated(manifest: str, read: ReadFile, feed: Feed) -> list[tuple[str, str, str]]:
    """Return what a manifest says of each file: its table, since when it tells changes ("" for one that holds all), and
    until when. A manifest that cannot be read says nothing here: the load refuses it."""
    try:
        file = whole(File(Path(manifest), encodings=encodings(feed), content=read(manifest)))
        rows = [item[1] for item in csv_rows(file, delimiter(feed)) if not isinstance(item, Reject)]
    except Refused:
        return []
    stated = []
    for values in rows:
        table = re.sub(r"(?i)\.csv$", "", values["FileName"].strip())
        since, until = values["DateExtractFrom"].strip(), values["DateExtractTo"].strip()
        is_delta = is_true(values["IsDelta"].strip()) or values["IsDelta"].strip().upper() == "Y"
        if table and table.casefold() != MANIFEST.casefold() and FOLDER.fullmatch(until):
            stated.append((table, since if is_delta and FOLDER.fullmatch(since) else "", until))
    return stated
