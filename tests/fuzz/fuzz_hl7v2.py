"""HL7 v2: a file of anything becomes messages and rejects, and a message of anything rows or ``Invalid``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gateway.errors import Invalid
from mappings import Feed, Reject, Row
from mappings.hl7v2.reader import read, reread, rows
from mappings.readers.files import File

SAMPLES = Path(__file__).parents[2] / "mappings" / "hl7v2" / "samples"
MODULES = ("mappings.hl7v2", "mappings.readers")
FEED = Feed(zone="Europe/London", namespace=b"a namespace for fuzzing")
FAULTS: tuple[bytes, ...] = ()


def SEEDS() -> list[bytes]:
    files = [path.read_bytes() for path in sorted(SAMPLES.glob("*.hl7"))]
    messages = [b"MSH" + part for content in files for part in content.split(b"MSH")[1:]]
    return [*files, *messages]


def target(data: bytes) -> None:
    for item in read(File(Path("fuzz.hl7"), content=data), FEED):
        assert isinstance(item, Row | Reject)
    with suppress(Invalid):
        for row in rows(data, FEED):
            assert row.key
            reread(row, FEED)
