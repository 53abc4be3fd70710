"""HL7's own extensions: which there are, where each may stand, and what type of value it has.

https://hl7.org/fhir/R4/extensibility-registry.html. ``r4/generate.py`` makes the table. Whoever else defines extensions
may do so without us: R4 forbids to refuse a resource for one that is not understood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

from gateway.fhir.issues import Issue
from gateway.fhir.walk import Node

SPACE = "http://hl7.org/fhir/StructureDefinition/"
"""Where HL7's extensions have their addresses."""


@lru_cache(maxsize=1)
def _defined() -> tuple[dict[str, tuple[frozenset[str], frozenset[str]]], frozenset[str]]:
    """(name → contexts and the JSON names of its value, names that HL7 defined after R4)."""
    defined = json.loads((files("gateway.fhir.r4") / "extensions.json").read_text(encoding="utf-8"))
    rows = {
        name: (frozenset(contexts), frozenset(f"value{kind[0].upper()}{kind[1:]}" for kind in kinds))
        for name, (contexts, kinds) in defined["r4"].items()
    }
    return rows, frozenset(defined["later"])


def faults(node: Node) -> Iterator[Issue]:
    """What is wrong with the extensions of HL7's that stand in an object."""
    for element in ("extension", "modifierExtension"):
        for index, extension in enumerate(node.value.get(element, ())):
            name = extension["url"].removeprefix(SPACE) if extension.get("url", "").startswith(SPACE) else ""
            if name:
                yield from _judged(name.partition("|")[0], extension, node, f"{node.path}.{element}[{index}]")


def _judged(name: str, extension: dict[str, Any], node: Node, place: str) -> Iterator[Issue]:
    rows, later = _defined()
    if name not in rows:
        if name not in later:
            yield Issue("error", "structure", place, "an extension in HL7's own address space that HL7 does not define")
        return
    contexts, values = rows[name]
    if "*" not in contexts and contexts.isdisjoint(node.names):
        # HL7's own validator lets what is for any Element stand on a resource too, which is no Element.
        severity = "warning" if "Element" in contexts else "error"
        yield Issue(severity, "structure", place, "an extension of HL7's that is not for this element")
    if any(key.startswith("value") and key not in values for key in extension):
        yield Issue(
            "error", "structure", place, "an extension of HL7's with another type of value than it is defined with"
        )
