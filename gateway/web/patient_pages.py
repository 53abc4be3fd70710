"""The pages for a patient: who looked at their record, and which choices of theirs are held."""

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


CHOICES = {"summary": "scr-preference", "sharing": "sharing", "type1": "type1"}
"""The choices of the page, by the names of ``nhs.optout``."""
NOTHING_HELD = "no choice of yours in the records that were received."
HELD: Mapping[tuple[str, str], str] = {
    ("summary", "dissent"): "as if you want no Summary Care Record.",
    ("summary", "core-only"): "as if you allow medicines and allergies only.",
    ("summary", "core"): "as if you allow medicines and allergies only.",
    ("summary", "core-and-additional"): "as if you allow a summary with additional information.",
    ("sharing", "objection"): "as if you object. Each organisation sees only what it recorded itself.",
    ("sharing", "consent"): "as if you agree, also to sharing by services such as sexual health.",
    ("type1", "dissent"): "as if you opted out. Your GP records are held back from research and planning.",
    ("type1", "withdrawn"): "as if you withdrew an opt-out.",
}
"""What the choice that stands comes to. An unknown code of consent is read as the most restrictive, so none is told as
what the practice wrote."""


def choices_page(held: Mapping[str, str], session: Bar | None = None) -> str:
    """The page as HTML of a patient's choices: ``held`` are those that stand (set → effect)."""
    words = {
        name: f"You are treated here {HELD[name, held[key]]}" if key in held else f"This gateway holds {NOTHING_HELD}"
        for name, key in CHOICES.items()
    }
    return _templates().get_template("choices.html").render(words=words, session=session)


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
