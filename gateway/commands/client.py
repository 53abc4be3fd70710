"""``gateway client``: the systems that may ask for tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting, opened

VERB = typer.Typer(help="System clients: who may ask the token endpoint for tokens, and with which keys.")
Id = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id, as its tokens name it.")]
Jwks = Annotated[Path | None, typer.Option(help="A file with the client's public keys (JWKS).", show_default=False)]
Projects = Annotated[
    list[str] | None, typer.Option(help="A project whose exports it may fetch; repeatable.", show_default=False)
]
Publishers = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE:CODE", help="A publisher that it may write for; repeatable.", show_default=False),
]
JwksUrl = Annotated[str, typer.Option(help="The https address where the client publishes its keys (JWKS).")]


@VERB.command()
def add(
    client: Id,
    organisation: Annotated[str, typer.Option(help="ODS code of the organisation that the client acts for.")],
    scope: Annotated[list[str], typer.Option(help="A scope that it may be given, such as system/*.rs; repeatable.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    project: Projects = None,
    publisher: Publishers = None,
    jwks: Jwks = None,
    jwks_url: JwksUrl = "",
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Register a client. Its keys are a file, or an address that is asked again when they change."""
    with acting() as gateway:
        from gateway.signin import registration

        keys = registration.keys_file(jwks) if jwks else None
        registered = registration.Client(
            client,
            name,
            organisation,
            tuple(publisher or ()),
            tuple(project or ()),
            _scopes(scope),
            keys,
            jwks_url,
            True,
        )
        registration.add(gateway.store, registered, by)
    return _print(client, "active", as_json)


@VERB.command()
def change(
    client: Id,
    organisation: Annotated[str, typer.Option(help="ODS code of the organisation that the client acts for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope that it may be given; repeatable.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    project: Projects = None,
    publisher: Publishers = None,
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Change what a client may do. A list that is named replaces the one before; the rest stays. Its tokens end."""
    facts: dict[str, object] = {"organisation": organisation, "name": name, "projects": tuple(project or ()),
                                "publishers": tuple(publisher or ()), "scopes": _scopes(scope or ())}  # fmt: skip
    wanted = {name: value for name, value in facts.items() if value}
    with acting() as gateway:
        from gateway.errors import Refused
        from gateway.signin import registration

        if not wanted:
            raise Refused("nothing to change: name --organisation, --scope, --name, --project or --publisher")
        registration.change(gateway.store, client, by, **wanted)
    return _print(client, "changed", as_json)


def _scopes(words: Iterable[str]) -> frozenset[str]:
    """Scopes, each an option or several in one."""
    return frozenset(part for text in words for part in text.split())


@VERB.command()
def key(client: Id, jwks: Jwks = None, jwks_url: JwksUrl = "", by: Actor = "operator", as_json: AsJson = False) -> int:
    """Replace the keys of a client. The old ones no longer hold, nor do the tokens that it got with them."""
    with acting() as gateway:
        from gateway.signin import registration

        keys = registration.keys_file(jwks) if jwks else None
        registration.set_keys(gateway.store, client, keys, jwks_url, by)
    return _print(client, "keys replaced", as_json)


@VERB.command()
def disable(client: Id, by: Actor = "operator", as_json: AsJson = False) -> int:
    """Keep a client out, at once: the tokens that it has do not hold either."""
    return _set_active(client, False, by, as_json)


@VERB.command()
def enable(client: Id, by: Actor = "operator", as_json: AsJson = False) -> int:
    """Let a client in again."""
    return _set_active(client, True, by, as_json)


@VERB.command("list")
def list_(as_json: AsJson = False) -> int:
    """List the clients with what they may do and their state."""
    with opened() as gateway:
        from gateway.signin import registration

        rows = [client.as_dict() for client in registration.every(gateway.store)]
    for row in rows:
        line = f"{row['client']}\t{row['organisation']}\t{' '.join(row['scopes'])}\t{row['state']}"
        print(json.dumps(row) if as_json else line)
    return OK


def _set_active(client: str, is_active: bool, by: str, as_json: bool) -> int:
    with acting() as gateway:
        from gateway.signin import registration

        registration.set_active(gateway.store, client, is_active, by)
    return _print(client, "active" if is_active else "disabled", as_json)


def _print(client: str, state: str, as_json: bool) -> int:
    print(json.dumps({"client": client, "state": state}) if as_json else f"{client}: {state}")
    return OK
