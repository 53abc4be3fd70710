"""Where a page begins, as an opaque text that is bound to its caller and to what was asked.

It is encrypted, and carries the place and, of a search, the parameters that name a person, which no link may.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.errors import Gone, Invalid
from gateway.fhir.params import is_private
from gateway.fhir.parse import parse
from gateway.fhir.search import Query
from gateway.nhs.roles import Caller
from gateway.records.door import Door

CURSOR_SECONDS, CLOCKS_DIFFER = 3600, 60

Pairs = Sequence[tuple[str, str]]
Place = tuple[int, int]
Payload = tuple[Place | None, list[tuple[str, str]]]
"""Where the page begins (None: at the beginning), and the parameters that name a person."""
_Sealed = tuple[Place | None, list[tuple[str, str]], bytes]


def here(door: Door, caller: Caller, query: Query, after: Place | None) -> str | None:
    """The handle of a page whose own parameters do not lead to it: a later page, or one about somebody who is named."""
    if after is None and not any(is_private(query.type, name) for name, _ in query.parameters):
        return None
    return cursor(door, caller, query, after)


def cursor(door: Door, caller: Caller, query: Query, at: Place | None) -> str:
    """The handle of the page of a search that begins at a place."""
    private = [pair for pair in query.parameters if is_private(query.type, pair[0])]
    return handle(door, caller, query.type, _public(query), (at, private))


def resumed(door: Door, caller: Caller, query: Query) -> tuple[Query, Place | None]:
    """The whole query of a link, and where its page begins. Raises as ``opened``."""
    if query.cursor is None:
        return query, None
    public = _public(query)
    at, private = opened(door, caller, query.type, public, query.cursor)
    return parse(query.type, [*public, *private]), at


def _public(query: Query) -> list[tuple[str, str]]:
    return [pair for pair in query.parameters if not is_private(query.type, pair[0])]


def place(door: Door, caller: Caller, what: str, pairs: Pairs, text: str | None) -> Place | None:
    """Where the page of an operation begins (None: at the beginning). Raises as ``opened``."""
    return opened(door, caller, what, pairs, text)[0] if text is not None else None


def handle(door: Door, caller: Caller, what: str, pairs: Pairs, payload: Payload) -> str:
    """The handle of a page. ``what`` names what is asked: a type that is searched, or an operation and whom it is
    about."""
    sealed = Fernet(door.cursor_key).encrypt(msgspec.msgpack.encode((*payload, _bound(caller, what, pairs))))
    return sealed.decode().rstrip("=")  # without its padding it stands in a link as it is


def opened(door: Door, caller: Caller, what: str, pairs: Pairs, text: str, seconds: int = CURSOR_SECONDS) -> Payload:
    """What a handle carries, which holds for so many seconds. Raises ``Invalid`` for one that is not of this caller and
    question, ``Gone`` for one that is too old."""
    key, unpadded = Fernet(door.cursor_key), text.rstrip("=")
    sealed = (unpadded + "=" * (-len(unpadded) % 4)).encode()
    try:
        at, private, bound = msgspec.msgpack.decode(key.decrypt(sealed), type=_Sealed)
        age = time.time() - key.extract_timestamp(sealed)
    except (InvalidToken, msgspec.MsgspecError):
        raise Invalid("parameter _cursor") from None
    if bound != _bound(caller, what, pairs):
        raise Invalid("parameter _cursor")
    if not -CLOCKS_DIFFER <= age <= seconds:
        raise Gone("the link has expired: ask again")
    return at, private


def _bound(caller: Caller, what: str, pairs: Pairs) -> bytes:
    who_asks = (caller.issuer, caller.user, caller.organisation, caller.role)
    return hashlib.sha256(repr((who_asks, what, sorted(pairs))).encode()).digest()
