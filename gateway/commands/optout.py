"""``gateway optout``: the national data opt-out list."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import JsonAlways
from gateway.commands._start import acting, opened
from gateway.errors import GatewayError, Invalid

VERB = typer.Typer(help="The national data opt-out list.")


@VERB.command()
def load(
    file: Annotated[Path, typer.Argument(help="The list of those who have opted out: one NHS number a line.")],
    holds: Annotated[
        str,
        typer.Option(help="Whose numbers they are: opted-out; or kept (the service's answer), which is refused."),
    ] = "",
    as_at: Annotated[str, typer.Option(help="The day of the list (YYYY-MM-DD), from which its age counts.")] = "",
    confirmed_by: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Confirms a list that looks wrong. Give it twice, for two people."),
    ] = None,
    as_json: JsonAlways = False,
) -> int:
    """Load a list. It replaces the one in force."""
    with acting() as gateway:
        from gateway.export import national_list

        try:
            loaded = national_list.load(
                gateway.store, file, holds=holds, as_at=_date(as_at), confirmed_by=confirmed_by or ()
            )
        except GatewayError:
            gateway.seal()  # the audit has the refusal
            raise
        print(json.dumps(loaded))
    return OK


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("--as-at") from None


@VERB.command()
def status(as_json: JsonAlways = False) -> int:
    """Print when the list in force was loaded, its size and its hash; never its members."""
    with opened() as gateway:
        from gateway.export import national_list

        print(json.dumps(national_list.status(gateway.store)))
    return OK
