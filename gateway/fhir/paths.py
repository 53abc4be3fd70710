"""What lies at a path of a resource, lists opened on the way.

>>> at({"name": [{"given": ["Ann", "Amy"]}, {"family": "Marsh"}]}, ("name", "given"))
['Ann', 'Amy']
>>> references({"subject": {"reference": "Patient/1"}}, ("subject",))
['Patient/1']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Path = tuple[str, ...]
"""The names of the elements that lead to a value: ``("name", "given")``."""


def parse(path: str) -> Path:
    """Return the path that is written with dots."""
    return tuple(path.split("."))


def at(resource: Mapping[str, Any], path: Path) -> list[Any]:
    """Return every value at ``path``; what is null or leads nowhere is left out."""
    if path[0] not in resource:  # mostly so: spare the rest
        return []
    nodes: Iterable[Any] = (resource,)
    for name in path:
        nodes = [item for node in nodes for item in _opened(node.get(name)) if item is not None]
    return list(nodes)


def _opened(value: Any) -> Sequence[Any]:
    return value if type(value) is list else (value,)


def references(resource: Mapping[str, Any], path: Path) -> list[str]:
    """Return the literal references at ``path``; those by identifier only or contained are left out."""
    return [node["reference"] for node in at(resource, path) if "/" in node.get("reference", "")]
