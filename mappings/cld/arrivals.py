"""Returns as the names of their files tell them: each file is one, ordered by the date and version in its name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from mappings import Arrival, Feed, ReadFile
from mappings.cld.read import submitted


def arrivals(names: Iterable[str], read: ReadFile, feed: Feed) -> list[Arrival]:
    """Return each file as a delivery.

    >>> [(back.title, back.time) for back in arrivals(["CLD_503_2026-01-20_v2.csv"], lambda name: b"", Feed())]
    [('return of 20260120', '20260120002')]
    """
    returns = []
    for name in names:
        number = submitted(PurePosixPath(name).stem)
        is_dated = number >= 10**9
        returns.append(
            Arrival((name,), f"return of {number // 1000}" if is_dated else "", str(number) if is_dated else "")
        )
    return returns
