"""Follows a caseload: keeps what a follower was shown, so that the next answer holds what has changed since.

What is kept are keys and hashes, in parts that are named by their digest and never changed: an answer that is lost on
its way is asked for again with the cursor before it, and two requests at once do not disturb each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from gateway.errors import Gone
from gateway.fhir.dates import DAY
from gateway.nhs.caseload import ACT
from gateway.nhs.roles import Caller
from gateway.records import cursors
from gateway.records.changed import Changes, Known, changed
from gateway.records.door import Door, refuse_early
from gateway.store import followers

DAYS = 7
"""How long a cursor holds, from when it was handed out. What was shown is kept for twice as long at most."""
LEAST_COUNT = 100
"""Changes on a page at least, whatever is asked for: each page compares the whole list again, so a follower of one
change a page would have the server compare it as often as there are changes."""
_STATE = "state"


class _Root(msgspec.Struct, frozen=True, array_like=True):
    """The hash of the list's members, and the digest of what was shown of each of them."""

    group: int
    people: dict[int, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a follower was shown, until when all of it is kept (µs UTC), and the digests of its parts."""

    known: Known = field(default_factory=Known)
    until: int = 0
    parts: frozenset[str] = frozenset()

    def ends_before(self, moment: int) -> bool:
        return self.until < moment


def follow(
    door: Door,
    caller: Caller,
    id_: str,
    types: frozenset[str] | None,
    count: int,
    pairs: Sequence[tuple[str, str]],
    cursor: str | None,
    request_id: str,
) -> tuple[Changes, str]:
    """A page of the changes of a caseload since a cursor (None: since nothing was known), and the cursor that comes
    after it.

    ``pairs`` are the parameters that a cursor is bound to; a ``count`` below ``LEAST_COUNT`` is as that. Raises
    ``NotFound`` for a list that is not the caller's, ``Invalid`` for a cursor that is not this caller's and question's,
    ``Gone`` for one that is too old, or of which a part is missing: then the follower begins anew. Raises
    ``Unavailable`` where what was shown could not be kept; nothing is lost then.
    """
    what = f"Group/{id_}/$changes"
    refuse_early(door, caller, ACT, request_id)
    before = _digest_of(door, caller, what, pairs, cursor)
    kept = _read(door, before)
    answer = changed(door, caller, id_, kept.known, types, max(count, LEAST_COUNT), request_id)
    parts, digest = _parted(answer.known)
    if digest != before or kept.ends_before(door.store.clock() + DAYS * DAY):
        _keep(door, kept, parts)
    return answer, cursors.handle(door, caller, what, pairs, (None, [(_STATE, digest)]))


def _digest_of(door: Door, caller: Caller, what: str, pairs: Sequence[tuple[str, str]], cursor: str | None) -> str:
    if cursor is None:
        return ""
    ((_, digest),) = cursors.opened(door, caller, what, pairs, cursor, DAYS * DAY // 1_000_000)[1]
    return digest


def _read(door: Door, digest: str) -> _Kept:
    if not digest:
        return _Kept()
    with door.store.read() as session:
        whole = followers.part(session, digest)
        if whole is None:
            raise Gone("the link has expired: ask again")
        until, root = whole[0], msgspec.msgpack.decode(whole[1], type=_Root)
        parts = followers.parts(session, list(root.people.values()))
    if not parts.keys() >= set(root.people.values()):
        raise Gone("the link has expired: ask again")
    people = {member: msgspec.msgpack.decode(parts[part], type=dict[int, int]) for member, part in root.people.items()}
    return _Kept(Known(root.group, people), until, frozenset(parts))


def _keep(door: Door, kept: _Kept, parts: Mapping[str, bytes]) -> None:
    """Keep what is now known. Parts that are kept already stay as they are, as long as they outlive the cursor."""
    with door.store.write(is_aside=True) as session:
        if kept.ends_before(session.now + DAYS * DAY):
            followers.keep(session, parts, session.now + 2 * DAYS * DAY)
        else:
            new = {digest: body for digest, body in parts.items() if digest not in kept.parts}
            followers.keep(session, new, kept.until)


def _parted(known: Known) -> tuple[Mapping[str, bytes], str]:
    """What was shown, in parts by their digests, and the digest of the whole."""
    parts: dict[str, bytes] = {}

    def put(body: bytes) -> str:
        digest = blake2b(body, digest_size=16).hexdigest()
        parts[digest] = body
        return digest

    people = {
        member: put(msgspec.msgpack.encode(dict(sorted(looks.items()))))
        for member, looks in sorted(known.people.items())
    }
    return parts, put(msgspec.msgpack.encode(_Root(known.group, people)))
