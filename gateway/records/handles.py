"""Where a page of an operation begins, as an opaque text that is bound to its caller and to what was asked.

The links of searches are in ``cursors``, because they also carry what names a person.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.errors import Gone, Invalid
from gateway.nhs.roles import Caller
from gateway.records.cursors import CLOCKS_DIFFER, CURSOR_SECONDS
from gateway.records.door import Door

Pairs = Sequence[tuple[str, str]]


def handle(door: Door, caller: Caller, what: str, pairs: Pairs, at: tuple[int, int]) -> str:
    """The handle of the page after a place. ``what`` names the operation and whom it is about."""
    sealed = Fernet(door.cursor_key).encrypt(msgspec.msgpack.encode((at, _bound(caller, what, pairs))))
    return sealed.decode().rstrip("=")


def place(door: Door, caller: Caller, what: str, pairs: Pairs, text: str | None) -> tuple[int, int] | None:
    """Where the page begins (None: at the beginning). Raises ``Invalid`` for a handle that is not of this caller and
    question, ``Gone`` for one that is too old."""
    if text is None:
        return None
    key, unpadded = Fernet(door.cursor_key), text.rstrip("=")
    sealed = (unpadded + "=" * (-len(unpadded) % 4)).encode()
    try:
        at, bound = msgspec.msgpack.decode(key.decrypt(sealed), type=tuple[tuple[int, int], bytes])
        age = time.time() - key.extract_timestamp(sealed)
    except (InvalidToken, msgspec.MsgspecError):
        raise Invalid("parameter _cursor") from None
    if bound != _bound(caller, what, pairs):
        raise Invalid("parameter _cursor")
    if not -CLOCKS_DIFFER <= age <= CURSOR_SECONDS:
        raise Gone("the link has expired: ask again")
    return at


def _bound(caller: Caller, what: str, pairs: Pairs) -> bytes:
    who_asks = (caller.issuer, caller.user, caller.organisation, caller.role)
    return hashlib.sha256(repr((who_asks, what, sorted(pairs))).encode()).digest()
