"""Zip and gzip: an archive of anything is read to its end, within its bounds, or refused."""

from __future__ import annotations

import base64
import gzip
import io
import os
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

from gateway.errors import Refused
from mappings.readers.csv import csv_rows
from mappings.readers.files import delivered, whole

MODULES = ("mappings.readers",)
MOST = 1 << 24
"""Bytes that what is read may become here: the bounds let small archives grow to a megabyte, and others 200 times."""
FAULTS = (
    base64.b64decode(  # an entry without a name
        "UEsDBBQAAAAAAA6Oe11IgG+MGgAAABoAAAAFAAAAYS5jc3ZuYW1lLGJvcm4KQW1lcywxOTgwLTAyLTI5ClBLAQIUAxQAAAAA"
        "AA6Oe11IgG+MGgAAABoAAAAAAAAABQAAAAAAAACAAQAAAABhLmNzdlBLBQYAAAAAAQABADMAAAA9AAAAAAA="
    ),
)
_folder = Path(tempfile.mkdtemp(prefix="fuzz-archives-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def SEEDS() -> list[bytes]:
    text = b"name,born\nAmes,1980-02-29\n"
    archives = [gzip.compress(text), gzip.compress(text) + gzip.compress(text), gzip.compress(text)[:-3], text]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for names in (("a.csv",), ("x/a.csv", "x/b.csv"), ("../a.csv",), ("a.zip",), ("a.csv", "A.csv")):
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", method) as archive:
                for name in names:
                    archive.writestr(name, text)
            archives.append(stream.getvalue())
    return archives


def target(data: bytes) -> None:
    path = _folder / "delivery"
    path.write_bytes(data)
    with suppress(Refused):
        for file in delivered(path, encodings=("utf-8", "cp1252")):
            known = whole(file)
            with known.open() as stream:
                count = 0
                while chunk := stream.read(1 << 16):
                    count += len(chunk)
                    assert count <= MOST, "larger than an archive may become"
            list(csv_rows(known))
