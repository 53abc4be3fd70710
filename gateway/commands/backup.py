"""``gateway backup``: copy everything that a store needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import opened


def backup(
    out: Annotated[Path, typer.Argument(help="The folder to write: a new one.")],
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Back up the database, the audit, the keys and the released exports, while they are used.

    A backup holds the keys: keep it as secret as they are.
    """
    with opened() as gateway:
        from gateway import backup as backups

        manifest = backups.make(gateway, out, by)
    facts = {"files": len(manifest.files), "at": manifest.at, "root": manifest.root, "checkpoint": manifest.checkpoint}
    print(json.dumps(facts) if as_json else f"{len(manifest.files)} files")
    return OK


VERB = backup
