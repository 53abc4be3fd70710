"""Keyed chance: every choice comes from a generator of its own, so that person 17 is the same in a run of any size."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta
from random import Random


def digest(*parts: object) -> str:
    """Return the hex digest that names a stream or makes an id; the parts are joined by a character none of them
    holds."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()


def stream(seed: int, person: int, name: str) -> Random:
    """Return the generator of one person's one stream. A new stream never shifts an old one."""
    return Random(int(digest(seed, person, name)[:32], 16))


def guid(*parts: object) -> str:
    """Return an upper-case GUID in braces, as EMIS writes them, from its parts alone."""
    text = digest(*parts).upper()
    return f"{{{text[:8]}-{text[8:12]}-5{text[13:16]}-A{text[17:20]}-{text[20:32]}}}"


def day(draw: Random, first: date, last: date) -> date:
    """Return a day from ``first`` to ``last``, both included; ``last`` where there is none between."""
    return first + timedelta(days=draw.randint(0, (last - first).days)) if first < last else last


def moment(draw: Random, on: date, first: int = 8, last: int = 17) -> datetime:
    """Return a time on a day, between two hours. No choice falls into the hour that the clocks skip or repeat
    (01:00–02:00)."""
    return datetime.combine(on, time(draw.randint(first, last), draw.randint(0, 59)))


def years_before(end: date, years: float) -> date:
    return end - timedelta(days=round(years * 365.25))


def chance(draw: Random, likelihood: float) -> bool:
    return draw.random() < likelihood
