"""What a source sent: a row on its way in and as it is kept, a reject, and the 64-bit names of rows and groups."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from gateway.store.hashes import hash64


class Body(msgspec.Struct, array_like=True, frozen=True):
    """A row as kept: the source's table, key, local patient, groups, filled columns, line and directory."""

    table: str
    key: str
    patient: str
    groups: tuple[str, ...]
    values: dict[str, str]
    line: int = 0
    directory: str = ""


class Sent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row on its way in. ``hash`` names it, ``groups`` and ``patient`` are 64-bit hashes, first group first (0:
    none); ``publisher`` is the source's code of it. One that is ``aside`` is kept and not counted. ``by_content``: the
    latest reading of it counts, whatever was held; ``rereads``: of two of one order, this one counts."""

    hash: int
    all_hash: int
    publisher: str
    patient: int
    groups: tuple[int, ...]
    order: int
    deleted: bool
    body: bytes
    bare: bool
    aside: bool = False
    by_content: bool = False
    rereads: bool = False


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A kept row: its body, and the order of its newest statement. ``grp`` is its first group, 0 for none."""

    body: Body
    order: int
    deleted: bool
    publisher: int
    hash: int
    grp: int


class Rejected(msgspec.Struct, array_like=True, frozen=True):
    """A reject on its way in. One without a ``payload`` cannot be read by itself, and is not kept."""

    place: str
    reason: str
    name: str = ""
    payload: bytes = b""


encode_body = msgspec.json.Encoder().encode
decode_body = msgspec.json.Decoder(Body).decode
"""The body of a kept row. Raises as msgspec does for what cannot be read."""


@lru_cache(maxsize=1024)
def table_hash(source: str, publisher: str, table: str) -> int:
    """The 64-bit name of a whole table, for a group that looks up all of it."""
    return row_hash(source, publisher, table, "*")


def row_hash(source: str, publisher: str, table: str, key: str) -> int:
    """The 64-bit name of a kept row; ``key`` "*" stands for the whole table."""
    return hash64("row", source, publisher, table, key)


def group_hash(source: str, publisher: str, group: str) -> int:
    """The 64-bit name of a group."""
    return hash64("group", source, publisher, group)
