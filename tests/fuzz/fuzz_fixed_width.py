"""Fixed width: a file of anything becomes lines of the layout and rejects, or is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gateway.errors import Refused
from mappings import Reject
from mappings.readers.files import File, whole
from mappings.readers.fixed_width import Field, fixed_width_rows

MODULES = ("mappings.readers",)
LAYOUT = (Field("number", 1, 10), Field("name", 11, 8), Field("born", 19, 8))
FAULTS: tuple[bytes, ...] = ()


def SEEDS() -> list[bytes]:
    line = b"9990000018Ames    19800229"
    return [
        line,
        line + b"\r\n" + line + b"\n",
        line[:-1] + b"\n",
        line + b" \n",
        "9990000018Zoë     19800229\n".encode(),
    ]


def target(data: bytes) -> None:
    file = File(Path("fuzz.txt"), content=data, encodings=("utf-8", "cp1252"))
    with suppress(Refused):
        for item in fixed_width_rows(whole(file), LAYOUT):
            if not isinstance(item, Reject):
                _, values = item
                assert all(len(text) <= 10 and text == text.strip() for text in values.values())
