"""What a stream of deliveries lacks between two of them, and what fills it."""

from __future__ import annotations

from gateway.intake.arriving import time_of
from gateway.intake.watch.watches import Watching
from gateway.store.hashes import hex64
from gateway.store.watched import Gap, Standing
from mappings import Arrival

LATE_SHARE = 1.5
"""A time between two extracts of so many usual ones says that one is missing."""


def stream(arrival: Arrival) -> str:
    """What a stream is remembered by: it may be called by a folder's name."""
    return hex64("stream", arrival.stream)


def before(standing: Standing, arrival: Arrival, settings: Watching, now: int) -> Gap | None:
    """The gap that lies between what was loaded of a stream and a delivery of it; None where there is none, or nobody
    can tell."""
    name = stream(arrival)
    last = standing.until.get(name, "")
    if not last or arrival.time < standing.extracted.get(name, ""):
        return None
    if arrival.after > last:
        return Gap(name, last, arrival.after, now)
    if not arrival.until and settings.every_hours and (hours := hours_between(last, arrival.time)) is not None:
        return Gap(name, last, arrival.time, now) if hours > LATE_SHARE * settings.every_hours else None
    return None


def note(standing: Standing, gap: Gap) -> None:
    """Remember a gap until it is filled."""
    if not any((known.stream, known.low, known.high) == (gap.stream, gap.low, gap.high) for known in standing.gaps):
        standing.gaps.append(gap)


def passed(standing: Standing, arrival: Arrival) -> None:
    """Remember where a stream ends now that a delivery of it was loaded, and what that filled."""
    name, time = stream(arrival), arrival.time
    if time >= standing.extracted.get(name, ""):
        standing.extracted[name] = time
        standing.until[name] = arrival.until or time
    standing.gaps = [rest for gap in standing.gaps if (rest := _rest(gap, arrival, name)) is not None]


def _rest(gap: Gap, arrival: Arrival, name: str) -> Gap | None:
    """What is left of a gap after a delivery."""
    if gap.stream != name:
        return gap
    if not arrival.until:
        return None if gap.low < arrival.time < gap.high else gap
    low, high = gap.low, gap.high
    if arrival.after <= low < arrival.until:  # it holds everything, or begins where the gap does
        low = arrival.until
    elif low <= arrival.after < high <= arrival.until:
        high = arrival.after
    return Gap(gap.stream, low, high, gap.at) if low < high else None


def hours_between(first: str, second: str) -> float | None:
    """Hours between two times in digits, None where either is no time.

    >>> hours_between("20260301", "20260302013000"), hours_between("", "20260301")
    (25.5, None)
    """
    times = [time_of(first), time_of(second)]
    return None if None in times else (times[1] - times[0]).total_seconds() / 3600  # type: ignore[operator]
