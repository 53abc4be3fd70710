"""A trend as a static drawing: where each point of a test stands, for a template to draw as SVG.

Points of one test only are joined. A bound such as "<5" is an open point and joins nothing; what is not final is a
cross, which no line meets; a correction is a square; a blood pressure is a bar with two ends. The scale is that of the
values: it neither begins at nought, which would hide a change, nor magnifies one of less than a tenth of the value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.nhs.summary.record import LOCAL
from gateway.nhs.summary.series import Point, Series

WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 64, 404, 12, 122
LEAST = Decimal("0.1")
"""The least share of the value that the scale spans: less would make noise look like change."""
NEAR = Decimal("1.5")
"""How many spans of the values off a bound of the range may lie to be drawn: one further off would flatten them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One point where it is drawn. ``low`` is the y of a pair's lower end. ``shape``: dot, square (corrected), open (a
    bound) or cross (not final, or of a report that does not stand)."""

    x: float
    y: float
    low: float | None
    shape: str
    words: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing of ``WIDTH`` × ``HEIGHT``: its marks, the lines between exact points that follow each other, the band
    of the range, and the words of its scales."""

    marks: tuple[Mark, ...]
    lines: tuple[tuple[float, float, float, float], ...]
    band: tuple[float, float] | None
    top: str
    bottom: str
    first: str
    last: str


def plot(test: Series) -> Plot | None:
    """The drawing of a test, None with fewer than two points that have a number and a day."""
    points = [point for point in reversed(test.points) if point.number is not None and _moment(point.at) is not None]
    if len(points) < 2:
        return None
    low, high = _scale(test, points)
    moments = [_moment(point.at) or 0.0 for point in points]
    span = (moments[-1] - moments[0]) or 1.0
    marks = [
        _mark(point, LEFT + (RIGHT - LEFT) * (moment - moments[0]) / span, low, high)
        for point, moment in zip(points, moments)
    ]
    return Plot(
        tuple(marks), tuple(_lines(marks)), _band(test, low, high), _words(high), _words(low),
        points[0].when, points[-1].when,
    )  # fmt: skip


def _moment(at: str) -> float | None:
    """Seconds of a time or a day; None where the day is not known."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).timestamp()


def _scale(test: Series, points: Sequence[Point]) -> tuple[Decimal, Decimal]:
    values = [value for point in points for value in (point.number, point.low) if value is not None]
    low, high = min(values), max(values)
    span = max(high - low, abs(high) * LEAST) or Decimal(1)
    for bound in (test.low, test.high):
        if bound is not None and low - span * NEAR <= bound <= high + span * NEAR:
            low, high = min(low, bound), max(high, bound)
    middle, half = (low + high) / 2, max(high - low, span) * Decimal("0.55")
    return middle - half, middle + half


def _mark(point: Point, x: float, low: Decimal, high: Decimal) -> Mark:
    shape = "open" if point.bound else "cross" if not point.is_settled else "square" if point.is_corrected else "dot"
    bottom = None if point.low is None else _y(point.low, low, high)
    return Mark(round(x, 1), _y(point.number or Decimal(0), low, high), bottom, shape, point.words)


def _y(value: Decimal, low: Decimal, high: Decimal) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * float((value - low) / (high - low)), 1)


def _lines(marks: Sequence[Mark]) -> Iterator[tuple[float, float, float, float]]:
    settled = [mark for mark in marks if mark.shape != "cross"]
    for first, then in zip(settled, settled[1:]):
        if "open" not in (first.shape, then.shape) and first.low is None and then.low is None:
            yield first.x, first.y, then.x, then.y


def _band(test: Series, low: Decimal, high: Decimal) -> tuple[float, float] | None:
    """The top and the height of the part of the range that is in sight."""
    if test.low is None and test.high is None:
        return None
    bottom, top = (
        max(low, test.low if test.low is not None else low),
        min(high, test.high if test.high is not None else high),
    )
    return None if bottom >= top else (_y(top, low, high), round(_y(bottom, low, high) - _y(top, low, high), 1))


def _words(value: Decimal) -> str:
    """A number of a scale, in three digits.

    >>> _words(Decimal("132.46")), _words(Decimal("0.0123"))
    ('132', '0.0123')
    """
    return f"{float(f'{value:.3g}'):g}"
