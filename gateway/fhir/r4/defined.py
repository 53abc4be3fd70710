"""R4's search parameters read: what each is called, its kind, and the expression that it reads of a type.

``generate.py`` makes ``searches.json`` from HL7's definitions. Facts only: what we do of them is decided in ``params``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Definition:
    """A search parameter of one type. ``id`` is that of HL7's definition, ``targets`` are the types that a reference
    leads to (``*``: any), ``components`` the (definition, expression) of each part of a composite, ``system`` the code
    system of an element that holds a code alone ("" where there is none, or several)."""

    type: str
    name: str
    id: str
    kind: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[tuple[str, str], ...]
    system: str

    def leads_to(self, resource_type: str) -> bool:
        """Whether a reference may lead to a type."""
        return resource_type in self.targets or "*" in self.targets


@lru_cache(maxsize=1)
def definitions() -> dict[str, dict[str, Definition]]:
    """Every search parameter of the types we serve: type → name → definition. Those of every resource are of
    ``Resource``."""
    table = json.loads((files(__package__) / "searches.json").read_text(encoding="utf-8"))
    return {
        type_: {
            name: Definition(type_, name, id_, kind, text, tuple(targets), tuple(map(tuple, parts)), system)
            for name, (id_, kind, text, targets, parts, system) in rows.items()
        }
        for type_, rows in table.items()
    }
