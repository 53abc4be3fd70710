"""XML and JSON lines: a file of anything becomes records and rejects, or is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gateway.errors import Refused
from mappings.readers.files import File
from mappings.readers.json_lines import json_rows
from mappings.readers.xml import is_well_formed, xml_rows

MODULES = ("mappings.readers",)
FAULTS = (b'{"a":6e66666666666666666666}\n',)


def SEEDS() -> list[bytes]:
    return [
        b"<all><p id='1'><name>Ann</name><name>Amy</name></p></all>", b"<?xml version='1.0' encoding='latin-1'?><p>\xe9</p>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><p>&b;</p>", b'{"resourceType":"Patient","id":"a"}\n{"a":[1.00,true,null]}\n', b'{"a":' * 50,
    ]  # fmt: skip


def target(data: bytes) -> None:
    file = File(Path("fuzz.xml"), content=data)
    with suppress(Refused):
        for _, values in xml_rows(file, "p"):
            assert all(isinstance(text, str) for text in values.values())
    is_well_formed(data)
    with suppress(Refused):
        list(json_rows(file))
