"""The list of those who have opted out of secondary use: one NHS number a line. The national service's own answer holds
the others: the numbers sent to it, less those."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from gateway.synth.truth import Person


class OptOuts:
    """An open list. A line is the number, a comma and a line feed, without a header."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="ascii", newline="")
        self.written = 0

    def __enter__(self) -> OptOuts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, person: Person) -> None:
        if person.is_("opted-out"):
            self._file.write(f"{person.nhs_number},\n")
            self.written += 1


def write(people: Iterable[Person], path: Path) -> int:
    """Write the numbers of those of ``people`` who have opted out and return how many they are."""
    with OptOuts(path) as optouts:
        for person in people:
            optouts.add(person)
    return optouts.written
