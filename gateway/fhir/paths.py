"""Following an element path through a resource: whatever stands at its end, through every list on the way."""

from __future__ import annotations

from typing import Any

Path = tuple[str, ...]


def path(text: str) -> Path:
    """A path as the tables write it.

    >>> path("diagnosis.condition")
    ('diagnosis', 'condition')
    """
    return tuple(text.split("."))


def values(resource: dict[str, Any], names: Path) -> list[Any]:
    """Return the values at the end of a path.

    >>> values({"name": [{"given": ["Ann", "Bo"]}, {"given": ["Cy"]}]}, ("name", "given"))
    ['Ann', 'Bo', 'Cy']
    """
    if names[0] not in resource:  # mostly so: spare the walk
        return []
    level: list[Any] = [resource]
    for name in names:
        below: list[Any] = []
        for value in level:
            inner = value.get(name) if type(value) is dict else None
            if type(inner) is list:
                below += inner
            elif inner is not None:
                below.append(inner)
        if not below:
            return below
        level = below
    return level


def references(resource: dict[str, Any], names: Path) -> list[str]:
    """Return what the References at the end of a path say, as ``Type/id`` or however they were written."""
    ends = [value.get("reference") for value in values(resource, names) if type(value) is dict]
    return [reference for reference in ends if type(reference) is str]
