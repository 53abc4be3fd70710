"""The data quality page: each publisher's people, codes and freshness as bars with the numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.web.templating import rendered

LOCAL = ZoneInfo("Europe/London")
"""The clock of who reads."""
LATE_DAYS = 2
"""Days without anything after which a publisher is marked."""
FAR = 0.05
"""Share by which a list may differ from what is stated of it before it is marked."""
LEAST_CODED = 0.8
"""Share of main codes that should be standard ones."""
MOST = 12


@dataclass(frozen=True)
class Bar:
    """A share as a bar: ``width`` of 100, the words beside it, and whether it needs a look."""

    width: float
    words: str
    is_low: bool = False


def quality_page(
    publishers: Sequence[dict[str, Any]], sources: Sequence[dict[str, Any]], now: datetime, titles: Mapping[str, str]
) -> str:
    """The page of what ``gateway quality --json`` prints. No script, one style sheet of ours, and nobody in it.
    ``titles`` are of the parts of a source's quality."""
    return rendered(
        "quality.html", publishers=[_line(row) for row in publishers],
        sources=[_causes(row, titles) for row in sources],
        now=f"{now.astimezone(LOCAL):%d-%b-%Y %H:%M %Z}",
    )  # fmt: skip


def _line(row: dict[str, Any]) -> dict[str, Any]:
    days = row["ageSeconds"] / 86_400
    return {
        "name": row["name"] or row["ods"] or row["publisher"],
        "about": f"{row['source']}, {row['kind']}",
        "patients": f"{row['patients']:,}",
        "numbered": _bar(row["withNhsNumber"], row["patients"]),
        "gathered": _bar(row["gathered"], row["patients"]),
        "mismatched": row["notGathered"],
        "list": _list(row),
        "coded": _bar(row["coded"], row["concepts"], LEAST_CODED),
        "last": f"{days:.0f} days ago" if days >= 2 else f"{row['ageSeconds'] // 3600} hours ago",
        "is_late": days > LATE_DAYS,
    }


def _bar(part: int, whole: int, least: float = 0.0) -> Bar | None:
    """A share of a whole; None where there is no whole."""
    if not whole:
        return None
    return Bar(100 * part / whole, f"{part / whole:.0%} ({part:,} of {whole:,})", part / whole < least)


def _list(row: dict[str, Any]) -> Bar | None:
    """The list that was received against what is stated of it; None for a publisher that registers nobody."""
    size, stated = row["listSize"], row["statedListSize"]
    if size is None:
        return None
    if not stated:
        return Bar(0, f"{size:,}; nothing stated")
    difference = (size - stated) / stated
    return Bar(
        min(100 * size / stated, 100), f"{size:,} of {stated:,} stated ({difference:+.1%})", abs(difference) > FAR
    )


def _causes(row: dict[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """The causes of a source, each with its counts as bars of the largest."""
    parts = []
    for name, title in titles.items():
        counts = sorted(row[name].items(), key=lambda item: (-item[1], item[0]))
        bars = [(cause, Bar(100 * count / counts[0][1], f"{count:,}")) for cause, count in counts[:MOST]]
        parts.append({"title": title[0].upper() + title[1:], "bars": bars, "more": len(counts) - len(bars)})
    rows = ", ".join(f"{count:,} {name}" for name, count in row["rows"].items() if name != "read")
    return {
        "name": row["source"],
        "deliveries": row["deliveries"],
        "read": f"{row['rows'].get('read', 0):,}",
        "rows": rows,
        "lag": None if row["lagSeconds"] is None else f"{row['lagSeconds'] / 3600:,.1f} hours",
        "parts": [part for part in parts if part["bars"]],
    }
