"""Birth and death: how fine a person's dates may be. Whole calendar periods lose their days, so that no edge tells.

In an SDE clinical dates leave as months until the end of the year after birth, and from the month before the month of
death. The edge tells the year of birth and the month of death, which leave anyway. In an export, where dates are
months, those from the year of death on leave as years.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Struct, UnsetType

ALL_UNTIL, ALL_FROM = "9999", ""
NINETY = 90
"""Years of age from which no birth year leaves."""
INFANT_YEARS = 2
"""The calendar years, from that of birth on, in which days do not leave: a newborn's first contact is a birth date."""


class Life(Struct, gc=False):
    """What of a Patient decides how fine dates may be."""

    birthDate: str | UnsetType = UNSET
    deceasedDateTime: str | UnsetType = UNSET
    deceasedBoolean: bool | UnsetType = UNSET


_life = msgspec.json.Decoder(Life).decode


@dataclass(frozen=True, slots=True)
class Stages:
    """A person's life as their dates may tell it. Clinical dates before ``until`` and from ``months_from`` on leave as
    months at most, from ``years_from`` on as years where dates are months. Each is the beginning of a year or month, or
    text that lies before or behind every date."""

    until: str = ALL_UNTIL
    months_from: str = ALL_UNTIL
    years_from: str = ALL_UNTIL
    is_dead: bool = False
    is_ninety: bool = False


def stages(patients: Iterable[bytes], deaths: Iterable[str] = (), year: int = 0) -> Stages:
    """The stages of a life. ``deaths`` are dates on which clinical resources say that the person died; ``year`` is that
    of the release, by which the living are ninety.

    Of several Patients of one person the widest reading counts. Without any birth date, or with a death without a
    date, every date is coarse.

    >>> stages([b'{"birthDate":"2020-05-06","deceasedDateTime":"2024-01-02"}'])
    Stages(until='2022-01-01', months_from='2023-12-01', years_from='2024-01-01', is_dead=True, is_ninety=False)
    """
    lives = [_life(body) for body in patients]
    births = [birth for life in lives if (birth := life.birthDate)]
    died = [str(life.deceasedDateTime) for life in lives if life.deceasedDateTime] + list(deaths)
    is_dead = bool(died) or any(life.deceasedBoolean is True for life in lives)
    died += [ALL_FROM for life in lives if life.deceasedBoolean is True]
    is_ninety = any(_reaches_ninety(life, year) for life in lives)
    untils = [_infancy_ends(str(birth)) for birth in births]
    if is_ninety:
        untils.append(f"{max(year, NINETY) - NINETY + INFANT_YEARS:04}-01-01")
    return Stages(
        max(untils, default=ALL_UNTIL) if births else ALL_UNTIL,
        min(map(_month_before, died), default=ALL_UNTIL),
        min(map(_year_of, died), default=ALL_UNTIL),
        is_dead,
        is_ninety,
    )


def _reaches_ninety(life: Life, year: int) -> bool:
    """Whether somebody reaches ninety by ``year``, or by the year they died: the very old are few, and their birth
    year does not leave."""
    last = life.deceasedDateTime or str(year)
    return bool(life.birthDate) and int(last[:4]) - int(str(life.birthDate)[:4]) >= NINETY


def _infancy_ends(birth: str) -> str:
    """The first day after the calendar years of infancy; behind every date where the calendar does not hold it."""
    year = int(birth[:4]) + INFANT_YEARS
    return f"{year:04}-01-01" if year < int(ALL_UNTIL) else ALL_UNTIL


def _month_before(death: str) -> str:
    """The first day of the month before the earliest month that a date of death may mean."""
    if len(death) < 4:
        return ALL_FROM
    months = int(death[:4]) * 12 + (int(death[5:7]) - 1 if len(death) >= 7 else 0) - 1
    return f"{months // 12:04}-{months % 12 + 1:02}-01" if months >= 12 else ALL_FROM


def _year_of(death: str) -> str:
    return f"{death[:4]}-01-01" if len(death) >= 4 else ALL_FROM
