"""``gateway token``: a token of the sandbox."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import AsJson
from gateway.commands._start import acting


def token(
    user: Annotated[str, typer.Option(help="The named user of the sandbox, such as dr-green.")],
    project: Annotated[str, typer.Option(help="The project that a system client is bound to.")] = "",
    as_json: AsJson = False,
) -> int:
    """Print a token for one of the sandbox's named users. It is valid for an hour."""
    with acting() as gateway:
        from gateway.signin.issue import number_of
        from gateway.store.changes import record_write

        bearer = gateway.sandbox_token(user, project)
        with gateway.store.write() as session:
            event = {"act": "token", "for": user, "project": project, "token": number_of(bearer)}
            record_write(session, event)
    print(json.dumps({"access_token": bearer, "token_type": "Bearer"}) if as_json else bearer)
    return OK


VERB = token
