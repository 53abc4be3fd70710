"""OBX-6 to unit and UCUM. The sender's words are always kept; UCUM is added only from the curated table."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from gateway.fhir.codes import UCUM
from mappings.hl7v2.message import Segment


@lru_cache
def table() -> dict[str, str]:
    """Return unit as written → UCUM code of ``terminology/maps/ucum.csv``: its first two columns."""
    path = files("terminology").joinpath("maps/ucum.csv")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    rows = csv.reader(line for line in text.splitlines() if line and not line.startswith("#"))
    return {row[0]: row[1] for row in list(rows)[1:] if len(row) > 1 and row[1]}


def unit(obx: Segment) -> dict[str, Any]:
    """Return ``unit`` and, where the table knows it, ``system`` and ``code``; not to be changed, it is shared.

    >>> from mappings.hl7v2.message import Encoding
    >>> unit(Segment("OBX", "OBX|1|NM|PLT||150|x10^9/L", Encoding()))["unit"]
    'x10^9/L'
    """
    return _unit(obx.text(6, 1), obx.text(6, 2))


@lru_cache(maxsize=4096)
def _unit(written: str, after: str) -> dict[str, Any]:
    if re.fullmatch(r"[x*]?10", written, re.IGNORECASE) and re.match(r"\d", after):
        written = f"{written}^{after}"  # 10^9/L whose ^ the sender did not escape
    if not written:
        return {}
    code = table().get(written)
    return {"unit": written, "system": UCUM, "code": code} if code else {"unit": written}
