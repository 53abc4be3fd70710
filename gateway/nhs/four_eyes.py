"""Two people decide, and not one under two spellings of a name."""

from __future__ import annotations

from collections.abc import Iterable

APPROVERS = 2


def folded(name: str) -> str:
    """A name as it is compared: names that differ only in case or spaces are one person's."""
    return " ".join(name.casefold().split())


def are_two_people(names: Iterable[str]) -> bool:
    """Whether these are the names of at least two people.

    >>> are_two_people(["A. Guardian", "a. guardian "]), are_two_people(["A. Guardian", "B. Controller"])
    (False, True)
    """
    return len({folded(name) for name in names} - {""}) >= APPROVERS
