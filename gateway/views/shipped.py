"""The views that are shipped: JSON ViewDefinitions in ``definitions``, one a file, the OMOP ones named ``omop_…``."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.views import view
from gateway.views.view import View


@lru_cache(maxsize=1)
def definitions() -> tuple[dict[str, Any], ...]:
    """Every shipped definition, in the order of their names."""
    folder = files(__package__) / "definitions"
    return tuple(
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    )


def read(path: Path) -> dict[str, Any]:
    """The definition in a file. Raises ``Refused`` for a file that is none."""
    try:
        definition = json.loads(path.read_bytes())
    except OSError:
        raise Refused("view: the file cannot be read") from None
    except ValueError:
        raise Refused("view: the file is not JSON") from None
    if not isinstance(definition, dict) or not isinstance(definition.get("name"), str):
        raise Refused("view: a name is needed: the table is called by it")
    return definition


def compiled(definition: dict[str, Any]) -> View:
    """The view of a definition. Raises ``Refused`` naming the view and the part of it that is not as the specification
    has it."""
    try:
        return view.compiled(definition)
    except Invalid as error:
        name = definition.get("name")
        place = name if isinstance(name, str) and view.NAME.fullmatch(name) else "view"
        raise Refused(f"{place}: {error}") from None
