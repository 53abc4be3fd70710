"""Another region: where its bulk server is, and as whom it is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import config, keys
from gateway.errors import Refused
from gateway.pull.verified import KIND, RESOURCE_ID

ALGORITHMS = ("ES384", "RS384")
"""https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html: what every server takes."""
NEEDED = {"name": str, "base": str, "client": str, "key": str, "kid": str}
OTHER: dict[str, type] = {"algorithm": str, "types": list, "group": str, "token": str, "files": list}
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")


@dataclass(frozen=True)
class Region:
    """``base`` is the address of its FHIR API, ``client`` the id that it registered for us, ``private`` our key in PEM
    with its ``kid`` and ``algorithm``. ``types`` are those asked for, all where there are none; ``group`` is the id of
    a Group, "" for everybody of the project. ``token`` is the origin of its token endpoint where that is not the
    base's, ``files`` are other origins that its files may lie on."""

    name: str
    base: str
    client: str
    private: bytes
    kid: str
    algorithm: str = "ES384"
    types: tuple[str, ...] = ()
    group: str = ""
    token: str = ""
    files: tuple[str, ...] = ()


def read(path: Path) -> Region:
    """The region that a TOML file describes. Raises ``Refused`` naming what is wrong in it, never a value."""
    table = config.tables(path, "the region's file")
    if table.keys() - NEEDED.keys() - OTHER.keys():
        raise Refused(f"the region's file: a key is none of {', '.join((*NEEDED, *OTHER))}")
    for key, kind in {**NEEDED, **OTHER}.items():
        if not isinstance(table.get(key, "" if key in NEEDED else kind()), kind) or (
            key in NEEDED and not table.get(key)
        ):
            raise Refused(f"the region's file: {key} is needed" if key in NEEDED else f"the region's file: {key}")
    _check(table)
    return Region(
        table["name"], table["base"].rstrip("/"), table["client"], keys.read_file(path.parent / table["key"], "the region's file: key: that file", 1, "write the key into it"), table["kid"],
        table.get("algorithm", "ES384"), tuple(table.get("types", ())), table.get("group", ""),
        table.get("token", "").rstrip("/"),
        tuple(address.rstrip("/") for address in table.get("files", ())),
    )  # fmt: skip


def _check(table: dict[str, Any]) -> None:
    """Raise ``Refused`` for a value that cannot be right."""
    is_right = {
        "name": bool(_PLAIN_NAME.match(table["name"])),
        "algorithm": table.get("algorithm", "ES384") in ALGORITHMS,
        "types": all(isinstance(name, str) and KIND.match(name) for name in table.get("types", ())),
        "group": not table.get("group") or bool(RESOURCE_ID.match(table["group"])),
        "files": all(isinstance(address, str) for address in table.get("files", ())),
    }
    for key, right in is_right.items():
        if not right:
            raise Refused(f"the region's file: {key}")
