"""Codes of the NHS Data Dictionary to FHIR. Tables that hospitals' HL7 messages use too are in ``mappings/hl7v2``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gateway.fhir.codes import SNOMED
from mappings import Look, Row
from mappings.hl7v2 import codes as shared
from mappings.vocabulary import UK_CORE_CODES, UK_CORE_EXTENSION, code_table

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,5}")
SYSTEMS = {**shared.SYSTEMS, "outcome": UK_CORE_CODES + "OutcomeOfAttendanceEngland"}


@lru_cache
def table(name: str) -> dict[str, tuple[str, str]]:
    """Return code → (target, label) of ``codes_<name>.csv``, of this source or of those it shares."""
    if name in shared.SYSTEMS:
        return shared.table(name)
    return {row["code"]: (row["target"], row["label"]) for row in code_table(__package__, f"codes_{name}")}


def label(name: str, code: str) -> str:
    """Return the words of a code, "" for one that the table does not list."""
    return table(name).get(code.upper(), ("", ""))[1]


def concept(name: str, row: Row, item: str, look: Look) -> dict[str, Any]:
    """Return the CodeableConcept of an item by a table: its coding in the table's system, else the code in the
    provider's own; {} for none. A code that no row lists is counted."""
    code = row.values[item].strip().upper()
    if not code:
        return {}
    target, words = table(name).get(code, ("", ""))
    if not words:
        look.unlisted(row.table, item, code)
    if target and name in SYSTEMS:
        return {"coding": [{"system": SYSTEMS[name], "code": target}], "text": words}
    return {"coding": [own(row, name, code)], "text": words or code}


def extension(name: str, said: dict[str, Any]) -> list[dict[str, Any]]:
    """Return UK Core's extension that holds a concept; [] for none."""
    return [{"url": UK_CORE_EXTENSION + name, "valueCodeableConcept": said}] if said else []


def own(row: Row, name: str, code: str) -> dict[str, str]:
    """Return a coding that only the provider defines; {} for what is no code of a few letters and digits. Codes that no
    map knows are told in the load report, and a column may hold anything."""
    return {"system": shared.local(row.publisher, name), "code": code} if _CODE.fullmatch(code) else {}


def words(name: str, row: Row, item: str, look: Look) -> str:
    """Return what a code says in words, "" for none; one that no row lists is counted and shown as it is."""
    code = row.values[item].strip().upper()
    if code and not label(name, code):
        look.unlisted(row.table, item, code)
    return label(name, code) or code


def snomed(code: str, text: str = "") -> dict[str, Any]:
    """Return the concept of a SNOMED CT code, with words where a table has some; {} for none. What is no SNOMED CT
    identifier stays as text.

    >>> snomed("29857009")["coding"][0]["code"], snomed("?")
    ('29857009', {'text': '?'})
    """
    if not code.isdigit() or not 6 <= len(code) <= 18:
        return {"text": code} if code else {}
    text = text or label("discharge_status", code)
    return {"coding": [{"system": SNOMED, "code": code}], **({"text": text} if text else {})}
