"""Extracts as the names of their files tell them: which files are of one, whether all its tables came, and which
numbers of EMIS's processing it covers.

https://github.com/endeavourhealth/SFTPReader: all files of an extract say the same numbers, times of extracts increase,
and the numbers may begin anew. So numbers that were passed over are a gap, and lower ones are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mappings import Arrival, Feed, ReadFile
from mappings.emis.delivery import NAME
from mappings.emis.tables import TABLES

NUMBERS = re.compile(r"(\d+)-(\d+)_")


def arrivals(names: Iterable[str], read: ReadFile, feed: Feed) -> list[Arrival]:
    """Return the extracts among ``names``. A file that is not named as one of an extract is an arrival of its own: its
    load says what is wrong with it. With ``partial`` an extract lacks nothing."""
    extracts: dict[tuple[str, str, str], dict[str, str]] = {}
    others = []
    for name in names:
        folder, _, own = name.rpartition("/")
        match = NAME.fullmatch(own)
        if match is None:
            others.append(Arrival((name,)))
            continue
        table, time, agreement = match.groups()
        extracts.setdefault((time, agreement.lower(), folder), {})[name] = table
    partial = bool(feed.settings.get("partial"))
    return [*(_extract(*key, files, partial) for key, files in extracts.items()), *others]


def _extract(time: str, agreement: str, folder: str, files: dict[str, str], partial: bool) -> Arrival:
    absent = [table for table in TABLES if table not in files.values()]
    ranges = [match for name in files if (match := NUMBERS.match(name.rpartition("/")[2]))]
    return Arrival(
        files=tuple(sorted(files)),
        title=f"extract of {time}",
        time=time,
        lacks=absent[0] if absent and not partial else "",
        stream=agreement,
        after=f"{min(int(match[1]) for match in ranges) - 1:020}",
        until=f"{max(int(match[2]) for match in ranges):020}",
    )
