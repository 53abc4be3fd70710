"""``gateway subscriptions``: who is told of changes, how that stands, and an end or a new beginning of it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting, opened

VERB = typer.Typer(help="Subscriptions of system clients: how the notifications of each stand.")
Id = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="The subscription's id.")]


@VERB.command("list")
def list_(as_json: AsJson = False) -> int:
    """List the subscriptions with their client, state, what waits and what is wrong.

    Neither criteria nor endpoint is shown: either may name a person or hold a secret.
    """
    with opened() as gateway:
        from gateway.notify import overseeing

        rows = overseeing.every(gateway.store)
    for row in rows:
        line = "\t".join(str(row[name]) for name in ("subscription", "client", "type", "state", "waiting", "error"))
        print(json.dumps(row) if as_json else line)
    return OK


@VERB.command()
def stop(subscription: Id, by: Actor = "operator", as_json: AsJson = False) -> int:
    """Send nothing more of a subscription.

    What waits is kept, and sent when it is resumed, here or by its client. To keep a client out, disable it.
    """
    with acting() as gateway:
        from gateway.notify import overseeing

        overseeing.stop(gateway.store, subscription, by)
    return _print(subscription, "stopped", as_json)


@VERB.command()
def resume(subscription: Id, by: Actor = "operator", as_json: AsJson = False) -> int:
    """Send again what waits of a subscription, at once, and go on where it stood."""
    with acting() as gateway:
        from gateway.notify import overseeing

        overseeing.resume(gateway.store, subscription, by)
    return _print(subscription, "resumed", as_json)


def _print(subscription: str, state: str, as_json: bool) -> int:
    print(json.dumps({"subscription": subscription, "state": state}) if as_json else f"{subscription}: {state}")
    return OK
