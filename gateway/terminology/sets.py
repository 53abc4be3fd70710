"""The code sets policy stands on, read from the data packages: each with its version, date and origin."""

from __future__ import annotations

import csv
import tomllib
from importlib.resources import files

from gateway.errors import Refused
from gateway.nhs.codesets import CodeSet, CodeSets


def load(*, sandbox: bool) -> CodeSets:
    """The sets in force. Sets invented for the sandbox are read for a sandbox store only. Raises ``Refused`` naming a file that cannot be read."""
    folder = files("terminology") / "sets"
    index = tomllib.loads((folder / "index.toml").read_text(encoding="utf-8"))
    found = []
    for about in index.values():
        if about.get("sandbox") and not sandbox:
            continue
        try:
            rows = list(csv.DictReader((folder / about["file"]).read_text(encoding="utf-8").splitlines()))
            members = {(row["system"], row["code"]): row["effect"] for row in rows}
        except (OSError, KeyError):
            raise Refused(f"terminology/sets: {about.get('file', 'a file')} cannot be read") from None
        found.append(
            CodeSet(about["name"], members, about["version"], str(about["date"]), about["origin"], bool(about.get("sandbox")),
                    frozenset(about.get("covers", ())))
        )  # fmt: skip
    return CodeSets(tuple(found))
