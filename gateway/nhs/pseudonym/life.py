"""Birth and death: which clinical dates may only leave as months, and whose birth year does not leave."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec
from msgspec import UNSET, Struct, UnsetType

ALL_UNTIL, ALL_FROM = "9999", ""
NINETY = 90
"""Years of age from which no birth year leaves."""
UNDER, DYING = 366, 30
"""Days after birth (a year) and before death in which clinical dates leave as months: a newborn's first contact is a
birth date."""


class Life(Struct, gc=False):
    """What of a Patient decides how fine dates may be."""

    birthDate: str | UnsetType = UNSET
    deceasedDateTime: str | UnsetType = UNSET
    deceasedBoolean: bool | UnsetType = UNSET


_life = msgspec.json.Decoder(Life).decode


def span(patients: Iterable[bytes]) -> tuple[str, str]:
    """Return (until, from): clinical dates before the one and from the other on leave as months only.

    Of several Patients of one person the widest reading counts. Without any birth date, or with a death without a
    date, every date is one of them.
    """
    lives = [_life(body) for body in patients]
    births = [_moved(life.birthDate, UNDER, last=True) for life in lives if life.birthDate]
    deaths = [_moved(life.deceasedDateTime, -DYING, last=False) for life in lives if life.deceasedDateTime]
    deaths += [ALL_FROM for life in lives if life.deceasedBoolean is True]
    return max(births, default=ALL_UNTIL), min(deaths, default=ALL_UNTIL)


def is_ninety(patients: Iterable[bytes], year: int) -> bool:
    """Whether somebody reaches ninety by ``year``, or by the year they died: the very old are few, and their birth
    year does not leave.

    >>> is_ninety([b'{"birthDate":"1930-05-01"}'], 2026)
    True
    >>> is_ninety([b'{"birthDate":"1930-05-01","deceasedDateTime":"1990-01"}'], 2026)
    False
    """
    lives = [_life(body) for body in patients]
    return any(
        int((life.deceasedDateTime or str(year))[:4]) - int(life.birthDate[:4]) >= NINETY
        for life in lives
        if life.birthDate
    )


def _moved(text: str, days: int, last: bool) -> str:
    """The last or first day a FHIR date may mean, moved by ``days``; what the calendar does not hold makes every date
    one of them."""
    year, month, day = (int(part) for part in (text[:10].split("-") + ["0", "0"])[:3])
    try:
        if day:
            meant = date(year, month, day)
        elif not last:
            meant = date(year, month or 1, 1)
        else:
            meant = (date(year, month + 1, 1) if 0 < month < 12 else date(year + 1, 1, 1)) - timedelta(1)
        return (meant + timedelta(days)).isoformat()
    except (ValueError, OverflowError):
        return ALL_UNTIL if last else ALL_FROM
