"""``gateway init``: create a store."""

from __future__ import annotations

import json
import uuid
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import AsJson
from gateway.commands._start import start
from gateway.errors import Refused


class Mode(Enum):
    """What a store is created as, and stays."""

    sandbox = "sandbox"
    live = "live"


def init(
    mode: Annotated[Mode, typer.Argument(help="What the store is for; it cannot be changed later.")],
    namespace: Annotated[
        Path | None, typer.Option(help="A file with the id namespace of a store that is being rebuilt.")
    ] = None,
    publisher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE:CODE[:KIND]", help="A publisher whose deliveries a live store takes; may be repeated."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Create a store, for synthetic people (sandbox) or for real ones (live)."""
    settings = start()
    from gateway import composition
    from gateway.store import registry
    from gateway.store.changes import record_write

    with composition.create_gateway(settings, mode.value, namespace=_namespace(namespace)) as gateway:
        with gateway.store.write() as session:
            for name in publisher or ():
                registry.ensure_publisher(session, *_publisher(name))
            record_write(session, {"act": "init", "mode": gateway.store.mode, "publishers": sorted(publisher or ())})
        gateway.seal()
        facts = {"store": gateway.store.id, "mode": gateway.store.mode}
    print(json.dumps(facts) if as_json else f"a {facts['mode']} store")
    return OK


def _publisher(name: str) -> tuple[str, str, str]:
    """Return the source, code and kind of a publisher as the operator names it; the source says the kind where the
    operator does not. Raises ``Refused`` for a kind that is not in the table of kinds."""
    from gateway.commands._deliveries import source_named
    from gateway.nhs import kinds

    source_name, _, rest = name.partition(":")
    code, _, stated = rest.partition(":")
    source = source_named(source_name)
    kind = stated or source.kind_of(code) or source.kind
    if kind not in kinds.KINDS:
        raise Refused("--publisher: no such kind of publisher")
    return source_name, code, kind


def _namespace(path: Path | None) -> uuid.UUID | None:
    if path is None:
        return None
    try:
        return uuid.UUID(path.read_text().strip())
    except (OSError, ValueError):
        raise Refused("--namespace: the file does not hold a UUID") from None


VERB = init
