"""The pages for a patient: who looked at their record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Protocol

from jinja2 import Environment

from gateway.web.session_pages import Bar
from gateway.web.templating import environment

PERIODS: Mapping[int, str] = {30: "the last 30 days", 90: "the last 3 months", 365: "the last year"}
"""The periods of which a patient may ask, in days."""


class Look(Protocol):
    """Uses of a record that are alike, as ``nhs.looks`` makes them."""

    @property
    def is_own(self) -> bool: ...


def looked_page(
    looks: Sequence[Look], days: int, since: datetime, until: datetime, begins: datetime | None,
    session: Bar | None = None, *, is_cut: bool,
) -> str:  # fmt: skip
    """The page as HTML: who looked in a period (days, a key of ``PERIODS``), the patient's own views apart. ``begins``
    is when the audit begins, where that is within the period."""
    return _templates().get_template("looked.html").render(
        others=[look for look in looks if not look.is_own], own=[look for look in looks if look.is_own], days=days,
        periods=PERIODS, since=since, until=until, begins=begins, is_cut=is_cut, session=session,
    )  # fmt: skip


def day(value: date) -> str:
    """A day in words that do not depend on the machine's language.

    >>> day(date(2026, 3, 2))
    '2 March 2026'
    """
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def clock(value: datetime) -> str:
    """A time of day.

    >>> clock(datetime(2026, 3, 2, 9, 5))
    '09:05'
    """
    return f"{value:%H:%M}"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    templates = environment()
    templates.filters.update(day=day, clock=clock)
    return templates
