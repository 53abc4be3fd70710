"""Where a page of a search begins, as an opaque text that is bound to its caller and its query."""

from __future__ import annotations

import hashlib
import time

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.errors import Gone, Invalid
from gateway.fhir.params import is_private
from gateway.fhir.parse import parse
from gateway.fhir.search import Query
from gateway.nhs.roles import Caller
from gateway.records.door import Door

CURSOR_SECONDS, CLOCKS_DIFFER = 3600, 60


def here(door: Door, caller: Caller, query: Query, after: tuple[int, int] | None) -> str | None:
    """The handle of a page whose own parameters do not lead to it: a later page, or one about somebody who is named."""
    if after is None and not any(is_private(query.type, name) for name, _ in query.parameters):
        return None
    return cursor(door, caller, query, after)


def cursor(door: Door, caller: Caller, query: Query, at: tuple[int, int] | None) -> str:
    """Where a page begins (None: at the beginning), encrypted and bound to caller and query. It carries the parameters
    that name a person, which no link may."""
    private = [pair for pair in query.parameters if is_private(query.type, pair[0])]
    sealed = Fernet(door.cursor_key).encrypt(msgspec.msgpack.encode((at, private, _bound(caller, query))))
    return sealed.decode().rstrip("=")  # without its padding it stands in a link as it is


def resumed(door: Door, caller: Caller, query: Query) -> tuple[Query, tuple[int, int] | None]:
    """The whole query of a link, and where its page begins. Raises ``Invalid`` for a cursor that is not this caller's
    and this query's, ``Gone`` for one that is too old."""
    if query.cursor is None:
        return query, None
    key = Fernet(door.cursor_key)
    unpadded = query.cursor.rstrip("=")
    sealed = (unpadded + "=" * (-len(unpadded) % 4)).encode()
    try:
        data = key.decrypt(sealed)
        age = time.time() - key.extract_timestamp(sealed)
        at, private, bound = msgspec.msgpack.decode(
            data, type=tuple[tuple[int, int] | None, list[tuple[str, str]], bytes]
        )
    except (InvalidToken, msgspec.MsgspecError):
        raise Invalid("parameter _cursor") from None
    if bound != _bound(caller, query):
        raise Invalid("parameter _cursor")
    if not -CLOCKS_DIFFER <= age <= CURSOR_SECONDS:
        raise Gone("the link has expired: search again")
    public = [pair for pair in query.parameters if not is_private(query.type, pair[0])]
    return parse(query.type, [*public, *private]), at


def _bound(caller: Caller, query: Query) -> bytes:
    shown = sorted(pair for pair in query.parameters if not is_private(query.type, pair[0]))
    who_asks = (caller.issuer, caller.user, caller.organisation, caller.role)
    return hashlib.sha256(repr((who_asks, query.type, shown)).encode()).digest()
