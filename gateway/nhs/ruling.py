"""What people decided about who a record is of: which rulings stand, and how many eyes each needs.

What narrows takes effect at once by one person: to hold a record apart, to take back a join. What widens needs two: to
join two records, to take back that one is held apart. A confirmation only ends the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import normalize

from gateway.errors import Invalid, Refused
from gateway.nhs import four_eyes, identifiers, identity
from gateway.nhs.identity import Evidence

CONFIRM, SEPARATE, JOIN, UNDO = "confirm", "separate", "join", "undo"
LONGEST_WHY = 500


class Ruling(NamedTuple):
    """One act of one person, as it lies in the store. ``patient`` and ``other`` are keys of Patients; ``undoes`` is the
    key of the ruling that an ``undo`` takes back."""

    key: int
    act: str
    item: str = ""
    patient: int = 0
    other: int = 0
    number: str = ""
    undoes: int = 0
    by: str = ""

    @property
    def pair(self) -> tuple[int, int, str]:
        """What a join is about, whichever of its Patients was named first."""
        return min(self.patient, self.other), max(self.patient, self.other), self.number


@dataclass(frozen=True, slots=True)
class Standing:
    """The rulings that stand: (patient, number) held apart; (patient, other, number) joined by two people; items
    confirmed. ``waiting`` are the acts that wait for a second person."""

    apart: frozenset[tuple[int, str]] = frozenset()
    joined: frozenset[tuple[int, int, str]] = frozenset()
    confirmed: frozenset[str] = frozenset()
    waiting: tuple[Ruling, ...] = ()


def standing(rulings: Iterable[Ruling]) -> Standing:
    """Return what stands of rulings, in the order in which they were made."""
    separate: dict[tuple[int, str], Ruling] = {}
    joins: dict[tuple[int, int, str], list[Ruling]] = {}
    confirmed: dict[str, Ruling] = {}
    undone: dict[int, list[Ruling]] = {}
    by_key: dict[int, Ruling] = {}
    for ruling in sorted(rulings):
        by_key[ruling.key] = ruling
        if ruling.act == SEPARATE:
            separate[ruling.patient, ruling.number] = ruling
        elif ruling.act == JOIN:
            joins.setdefault(ruling.pair, []).append(ruling)
        elif ruling.act == CONFIRM:
            confirmed[ruling.item] = ruling
        elif ruling.act == UNDO and (target := by_key.get(ruling.undoes)):
            _undo(target, ruling, separate, joins, confirmed, undone)
    waiting = [rulings[-1] for rulings in joins.values() if not _two(rulings)]
    waiting += [undos[-1] for key, undos in undone.items() if by_key[key] in separate.values()]
    return Standing(
        frozenset(separate),
        frozenset(pair for pair, rulings in joins.items() if _two(rulings)),
        frozenset(confirmed),
        tuple(sorted(waiting)),
    )


def _undo(
    target: Ruling,
    ruling: Ruling,
    separate: dict[tuple[int, str], Ruling],
    joins: dict[tuple[int, int, str], list[Ruling]],
    confirmed: dict[str, Ruling],
    undone: dict[int, list[Ruling]],
) -> None:
    """Take one ruling back. That a record is held apart is taken back by two people, all else by one."""
    if target.act == JOIN:
        joins.pop(target.pair, None)
    elif target.act == CONFIRM:
        confirmed.pop(target.item, None)
    elif target.act == SEPARATE and separate.get((target.patient, target.number)) == target:
        undos = undone.setdefault(target.key, [])
        undos.append(ruling)
        if _two(undos):
            del separate[target.patient, target.number]


def _two(rulings: Sequence[Ruling]) -> bool:
    return four_eyes.are_two_people(ruling.by for ruling in rulings)


def require_why(why: str) -> str:
    """Return the reason that somebody gave. Raises ``Invalid`` for none, for a long one, and for one with an NHS
    number in it: reasons are listed."""
    if not 3 <= len(why.strip()) <= LONGEST_WHY:
        raise Invalid(f"--why: a reason of 3 to {LONGEST_WHY} characters")
    if _holds_number(why):
        raise Invalid("--why: write no NHS number into a reason")
    return why.strip()


def _holds_number(text: str) -> bool:
    """Whether groups of digits that follow each other, with whatever but letters between them, are an NHS number."""
    for run in re.findall(r"[\d\W_]+", normalize("NFKC", text)):
        groups = re.findall(r"\d+", run)
        for start in range(len(groups)):
            for end in range(start + 1, min(start + 10, len(groups)) + 1):
                if identifiers.is_valid("".join(str(int(digit)) for digit in "".join(groups[start:end]))):
                    return True
    return False


def require_joinable(first: Evidence, other: Evidence, number: str) -> None:
    """Raise ``Refused`` unless ``number`` is verified for both and their birth dates agree: no eyes, however many, join
    two records on less."""
    if not number or not (first.grade(number) == other.grade(number) == identity.VERIFIED):
        raise Refused("a join needs a number that is verified for both records: trace them first")
    if not first.born or first.born != other.born:
        raise Refused("a join needs birth dates that agree: have the wrong one corrected at its source")
