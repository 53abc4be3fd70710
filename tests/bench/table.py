"""The one table of the benchmarks: what, measured, the limit or peer of the same run, the target, and whether it is
met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = ("what", "measured", "beside it, in the same run", "target", "")


@dataclass(frozen=True)
class Line:
    """One thing measured. ``beside`` is its limit or peer in words; without a ``target`` it is told and not judged."""

    what: str
    measured: float
    unit: str = "/s"
    beside: str = ""
    target: float | None = None
    is_ceiling: bool = False
    """Whether the target is the most it may be (a time, a size) and not the least (a rate, a ratio)."""

    @property
    def is_met(self) -> bool:
        if self.target is None:
            return True
        return self.measured <= self.target if self.is_ceiling else self.measured >= self.target


def printed(lines: Sequence[Line]) -> str:
    """The table as text."""
    rows = [HEAD, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _row(line: Line) -> tuple[str, ...]:
    target = verdict = ""
    if line.target is not None:
        target = f"{'<=' if line.is_ceiling else '>='} {_number(line.target)}{_spaced(line.unit)}"
        verdict = "ok" if line.is_met else "below"
    return line.what, _number(line.measured) + _spaced(line.unit), line.beside, target, verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spaced(unit: str) -> str:
    return unit if not unit or unit.startswith("/") else f" {unit}"
