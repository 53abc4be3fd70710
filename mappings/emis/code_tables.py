"""Code tables of this source: the rows of a ``codes_<name>.csv``."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files


@lru_cache
def rows_of(name: str) -> list[dict[str, str]]:
    """Return the rows of ``codes_<name>.csv``; lines that begin with ``#`` tell the origin."""
    text = files("mappings.emis").joinpath(f"codes_{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
