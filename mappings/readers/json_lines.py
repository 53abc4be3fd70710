"""Files of one JSON object a line (NDJSON) to dictionaries: a line that is none is refused by its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.fhir.build import decode
from gateway.fhir.files import lines
from gateway.fhir.model import LARGEST, UNREADABLE
from mappings import Reject
from mappings.readers.files import File


def json_rows(file: File, longest: int = LARGEST) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    """Yield (line, object) of each line, decimals with their digits. Empty lines are passed over.

    A line of more than ``longest`` bytes is a reject, and no more of it is held than shows it.
    """
    with file.open() as stream:
        for number, line in lines(stream, longest):
            if len(line.rstrip(b"\r\n")) > longest:
                yield Reject(f"line {number}", "too long")
            elif not line.isspace():
                yield _object(number, line)


def _object(number: int, line: bytes) -> tuple[int, dict[str, Any]] | Reject:
    try:
        value = decode(line)
    except UNREADABLE:
        return Reject(f"line {number}", "not JSON")
    return (number, value) if isinstance(value, dict) else Reject(f"line {number}", "not a JSON object")
