"""The list of those who have opted out of secondary use: one NHS number a line. The national service's own answer holds
the others: the numbers sent to it, less those."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.synth.outputs import Files, Folder
from gateway.synth.truth import Person


class OptOuts:
    """A list in the making. A line is the number, a comma and a line feed, without a header."""

    def __init__(self, files: Files, name: str = "optout.csv"):
        self._file = files.file(name, "ascii")
        self.written = 0

    def add(self, person: Person) -> None:
        if person.is_("opted-out"):
            self._file.write(f"{person.nhs_number},\n")
            self.written += 1


def write(people: Iterable[Person], path: Path) -> int:
    """Write the numbers of those of ``people`` who have opted out and return how many they are."""
    with Folder(path.parent) as files:
        optouts = OptOuts(files, path.name)
        for person in people:
            optouts.add(person)
        return optouts.written
