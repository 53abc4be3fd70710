"""``gateway restore``: restore a backup into an empty place, and prove it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import start


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup.")],
    by: Actor = "operator",
    against: Annotated[
        list[Path] | None, typer.Option(help="A file of checkpoints that was kept elsewhere; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Restore a backup into the empty place that the settings name.

    It is proved before it is used: each file by its hash, the database by its own check, the audit by its chains. A
    backup that does not hold leaves nothing.
    """
    settings = start()
    from gateway import backup as backups

    manifest = backups.restore(folder, settings, by, against or ())
    print(
        json.dumps({"store": manifest.store, "at": manifest.at, "files": len(manifest.files)})
        if as_json
        else "restored"
    )
    return OK


VERB = restore
