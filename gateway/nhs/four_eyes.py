"""Two people decide, and not one under two spellings of a name."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import category, normalize

APPROVERS = 2
UNSEEN = (
    ("\u034f", "\u034f"), ("\u115f", "\u1160"), ("\u17b4", "\u17b5"), ("\u180b", "\u180f"), ("\u3164", "\u3164"),
    ("\ufe00", "\ufe0f"), ("\uffa0", "\uffa0"), ("\U000e0100", "\U000e01ef"),
)  # fmt: skip
"""First and last of letters and marks that show nothing: Default_Ignorable_Code_Point of Unicode, without the format
characters, which are none. https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt"""


def folded(name: str) -> str:
    """A name as it is compared: its letters, marks and digits only, in one Unicode form and one case. Spellings that
    look alike are one person's.

    >>> folded("Zoe\u0308 O\u2019Brien\u200b") == folded("ZOË OBRIEN") == "zoëobrien"
    True
    """
    plain = normalize("NFKC", normalize("NFKC", name).casefold())
    return normalize(
        "NFKC", "".join(letter for letter in plain if category(letter)[0] in "LMN" and not _is_unseen(letter))
    )


def _is_unseen(letter: str) -> bool:
    """Whether it is a letter or a mark that shows nothing: a joiner, a filler, a variation selector."""
    return any(first <= letter <= last for first, last in UNSEEN)


def are_two_people(names: Iterable[str]) -> bool:
    """Whether these are the names of at least two people.

    >>> are_two_people(["A. Guardian", "a. guardian "]), are_two_people(["A. Guardian", "B. Controller"])
    (False, True)
    """
    return len({folded(name) for name in names} - {""}) >= APPROVERS
