"""CSV: a file of anything becomes rows as wide as its header and rejects, or is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gateway.errors import Refused
from mappings import Reject
from mappings.readers.csv import check_header, csv_rows, header
from mappings.readers.files import File, whole

SAMPLES = Path(__file__).parents[2] / "mappings"
MODULES = ("mappings.readers",)
FAULTS: tuple[bytes, ...] = ()


def SEEDS() -> list[bytes]:
    folders = ("emis", "tpp", "cld", "community")
    files = [path for folder in folders for path in sorted((SAMPLES / folder / "samples").rglob("*.csv"))]
    return [path.read_bytes()[:2048] for path in files]


def target(data: bytes) -> None:
    if not data:
        return
    delimiter = ",;\t|"[data[0] % 4]
    file = File(Path("fuzz.csv"), content=data[1:], encodings=("utf-8", "cp1252"))
    with suppress(Refused):
        known = whole(file)
        names = header(known, delimiter)
        check_header(known, names[:1], delimiter)
        lines = data.count(b"\n") + data.count(b"\r") + 1
        for item in csv_rows(known, delimiter):
            if not isinstance(item, Reject):
                line, values = item
                assert 1 < line <= lines + 1 and values.keys() <= set(names)
