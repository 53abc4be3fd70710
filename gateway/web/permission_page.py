"""The pages on which somebody says why they may view a record: the bases, a check before an alert, and what holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.web.session_pages import Bar
from gateway.web.templating import rendered


class Basis(Protocol):
    """What the pages say of a basis: its row in the table of what may be recorded."""

    @property
    def title(self) -> str: ...
    @property
    def longest(self) -> int: ...
    @property
    def is_stated(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody wrote into the form, so that it stands there again: no ``basis`` stands there by itself."""

    number: str = ""
    basis: str = ""
    reason: str = ""
    until: str = ""


def permission_page(
    session: Bar, offered: Sequence[tuple[str, Basis]], entered: Entered, why: str = "", fault: str = ""
) -> str:
    """The page as HTML: one of the ``offered`` bases is to be chosen. ``why`` says what is missing, ``fault`` what of
    the form is not right."""
    return rendered(
        "permission.html", session=session, offered=[(name, basis, lasting(basis)) for name, basis in offered],
        entered=entered, why=why, fault=fault,
    )  # fmt: skip


def check_page(session: Bar, basis: Basis, entered: Entered, number: str, until: str) -> str:
    """The page as HTML that says who is alerted, or what a refusal stops, before anything is recorded. ``number`` is the
    NHS number as people read it."""
    return rendered(
        "permission_check.html", session=session, basis=basis, entered=entered, until=until,
        number=number, stops=entered.basis == "denied",
    )  # fmt: skip


def recorded_page(session: Bar, basis: Basis, entered: Entered, number: str, until: str) -> str:
    """The page as HTML after it was recorded: until when it holds, and the way to the record."""
    return rendered(
        "permission_recorded.html", session=session, basis=basis, entered=entered, until=until,
        number=number, opens=entered.basis != "denied",
    )  # fmt: skip


def lasting(basis: Basis) -> str:
    """How long what is recorded holds, in words."""
    days, hours = divmod(basis.longest, 24)
    length = f"{days} days" if days > 1 else f"{basis.longest} hours"
    return f"until a day that you state, {length} at most" if basis.is_stated else f"for {length}"
