"""Records of several lines (``NHS6-2`` files): line 01 begins a record, and those after it say the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mappings import Reject, Values
from mappings.cds.columns import layout, length
from mappings.readers.files import File
from mappings.readers.fixed_width import LONGEST

FIRST = "01"
CONNECTION = slice(2, 37)
"""Where a line says which record it belongs to."""
MOST = 2000
"""Lines of a record at most: 7 are usual, and a long stay in critical care has one a day."""
SCHEMES = {
    ("02", "02"): "Diagnosis",
    ("02", "01"): "AeDiagnosis",
    ("03", "02"): "Procedure",
    ("03", "01"): "AeTreatment",
}
"""What is coded, by line and DIAGNOSIS or PROCEDURE SCHEME IN USE."""
REPEATED = {"02": "Diagnosis", "03": "Procedure", "04": "Ward", "06": "Critical", "12": "AeInvestigation"}
"""Lines of which a record may have several: each adds to the repetitions of the one before."""
SLOTS = {"02": 50, "03": 50, "04": 1, "06": 1, "12": 51}
"""How many repetitions such a line has room for."""
_NUMBER = re.compile(r"(?<!\d)\d+$")


class Record:
    """The lines of one record so far."""

    def __init__(self, number: int, connection: str):
        self.number, self.connection = number, connection
        self.values = Values()
        self.fault = ""
        self.lines = 0
        self.turns: dict[str, int] = {}

    def take(self, content: str, is_trimmed: bool) -> None:
        """Take one line in. A fault makes the whole record one that cannot be read: it would lack a part."""
        kind = content[:2]
        fields = layout("lines", kind) if kind.isdigit() and 1 <= int(kind) <= 12 else ()
        width = length("lines", kind) if fields else 0
        self.lines += 1
        if not fields:
            self.fault = "unknown line"
        elif len(content) != width and not (is_trimmed and len(content) < width):
            self.fault = "length"
        elif content[CONNECTION] != self.connection or (kind == FIRST) != (self.lines == 1):
            self.fault = "a line of another record"
        elif self.lines > MOST:
            self.fault = "too many lines"
        else:
            self.fill(kind, cut(content, kind))

    def fill(self, kind: str, values: Values) -> None:
        """Take the items of a line in; those that repeat are numbered on."""
        if scheme := values.get("DiagnosisSchemeInUse") or values.get("ProcedureSchemeInUse"):
            if (kind, scheme) not in SCHEMES:
                self.fault = "column DiagnosisSchemeInUse" if kind == "02" else "column ProcedureSchemeInUse"
                return
            if scheme == "01":
                values = Values(
                    {name.replace(REPEATED[kind], SCHEMES[kind, scheme]): text for name, text in values.items()}
                )
        if kind in REPEATED:
            values = self.renumbered(kind, values)
        self.values.update(values)

    def renumbered(self, kind: str, values: Values) -> Values:
        """Return the items of a line with numbers that go on from those of the lines of its kind before it."""
        before, self.turns[kind] = self.turns.get(kind, 0), self.turns.get(kind, 0) + 1
        shift = before * SLOTS[kind]
        return Values(
            {_NUMBER.sub(lambda match: str(int(match[0]) + shift), name): text for name, text in values.items()}
        )


def cut(content: str, kind: str) -> Values:
    """Return the filled items of one line."""
    cells = (
        (field.name, content[field.start - 1 : field.start - 1 + field.length].strip())
        for field in layout("lines", kind)
    )
    return Values({name: cell for name, cell in cells if cell})  # fmt: skip


def records(file: File, is_trimmed: bool) -> Iterator[tuple[int, Values] | Reject]:
    """Yield (line, items) of each record. One with a line that is unknown, of another record or not as long as its
    layout is a reject at that record's first line: without it the record would lack a part. ``is_trimmed`` takes lines
    whose spaces at the end were cut off."""
    record: Record | None = None
    with file.text(newline=None) as text:
        number = 0
        while line := text.readline(LONGEST):
            number += 1
            content, is_long = line.rstrip("\n"), not line.endswith("\n")
            while line and not line.endswith("\n"):
                line = text.readline(LONGEST)
                is_long = is_long and bool(line)
            if not content:
                continue
            if content[:2] == FIRST:
                yield from _ended(record)
                record = Record(number, content[CONNECTION])
            if record is None:
                yield Reject(f"line {number}", "a line of no record")
            elif not record.fault:
                record.take(content, is_trimmed)
                record.fault = "length" if is_long else record.fault
    yield from _ended(record)


def _ended(record: Record | None) -> Iterator[tuple[int, Values] | Reject]:
    if record is None:
        return
    yield Reject(f"line {record.number}", record.fault) if record.fault else (record.number, record.values)
