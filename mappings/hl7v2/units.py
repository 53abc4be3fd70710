"""OBX-6 to unit and UCUM. The sender's words are always kept; UCUM is added only from the curated table."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from mappings import vocabulary
from mappings.hl7v2.message import Encoding, Segment


def unit(obx: Segment) -> dict[str, Any]:
    """Return ``unit`` and, where the table knows it, ``system`` and ``code``; not to be changed, it is shared.

    >>> from mappings.hl7v2.message import Encoding
    >>> unit(Segment("OBX", "OBX|1|NM|PLT||150|x10^9/L", Encoding()))["unit"]
    'x10^9/L'
    """
    return _unit(obx[6], obx.encoding) if obx[6] else {}


@lru_cache(maxsize=4096)
def _unit(raw: str, encoding: Encoding) -> dict[str, Any]:
    field = Segment("OBX", f"OBX{encoding.field}{raw}", encoding)
    written, after = field.text(1, 1), field.text(1, 2)
    if re.fullmatch(r"[x*]?10", written, re.IGNORECASE) and re.match(r"\d", after):
        written = f"{written}^{after}"  # 10^9/L whose ^ the sender did not escape
    return vocabulary.unit(written)
