"""Loads the code sets with their version, date and origin: those of the gateway and those of the operator."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gateway.errors import Refused
from gateway.nhs.codesets import CodeSet, CodeSets


def load(*, sandbox: bool, own: Path | None = None) -> CodeSets:
    """The sets in force: ours, and those of the folder ``own``, which is laid out like ``terminology/sets``. Sets
    invented for the sandbox are read for a sandbox store only. Raises ``Refused`` naming a file that cannot be
    read."""
    sets = [set_ for folder in (files("terminology") / "sets", own) if folder is not None for set_ in _folder(folder)]
    return CodeSets(tuple(set_ for set_ in sets if sandbox or not set_.sandbox))


@lru_cache(maxsize=1)
def risks() -> CodeSets:
    """The sets of the risk card (``terminology/risks``): which medicines and findings stand on it. They decide nothing
    about who sees what."""
    return CodeSets(tuple(_folder(files("terminology") / "risks")))


def _folder(folder: Traversable | Path) -> Iterator[CodeSet]:
    try:
        index = tomllib.loads((folder / "index.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refused("code sets: index.toml cannot be read") from None
    for place, about in enumerate(index.values(), 1):
        try:
            rows = list(csv.DictReader((folder / about["file"]).read_text(encoding="utf-8-sig").splitlines()))
            members = {(row["system"], row["code"]): row["effect"] for row in rows}
            yield CodeSet(about["name"], members, about["version"], str(about["date"]), about["origin"], bool(about.get("sandbox")),
                          frozenset(about.get("covers", ())))  # fmt: skip
        except (OSError, KeyError, TypeError, ValueError):
            raise Refused(
                f"code sets: table {place} of index.toml: its file, or one of name, file, version, date, origin"
            ) from None
