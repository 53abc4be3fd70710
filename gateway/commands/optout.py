"""``gateway optout``: the national data opt-out list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import JsonAlways
from gateway.commands._start import acting, opened

VERB = typer.Typer(help="The national data opt-out list.")


@VERB.command()
def load(
    file: Annotated[Path, typer.Argument(help="The list: one NHS number on each line.")], as_json: JsonAlways = False
) -> int:
    """Load a list. It replaces the one in force."""
    with acting() as gateway:
        from gateway.export import national_list

        print(json.dumps(national_list.load(gateway.store, file)))
    return OK


@VERB.command()
def status(as_json: JsonAlways = False) -> int:
    """Print when the list in force was loaded, its size and its hash; never its members."""
    with opened() as gateway:
        from gateway.export import national_list

        print(json.dumps(national_list.status(gateway.store)))
    return OK
