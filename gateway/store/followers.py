"""What of a record would be shown now, by key and without its bytes; and what somebody was last shown, by digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.fhir.search import Limits
from gateway.store import columns
from gateway.store import limits as within
from gateway.store.compartment import Held
from gateway.store.numbers import KINDS, TYPE_NUMBER, TYPES
from gateway.store.session import Session

_SHOWN = columns.SHOWN.only("digest until body")


class Item(NamedTuple):
    """A current resource within limits, without its bytes: all that its answer depends on beside its version."""

    key: int
    type: str
    publisher: int
    kind: str
    labels: int
    number: int


def items(session: Session, limits: Limits, types: frozenset[str] | None) -> list[Item]:
    """The current resources within limits, of these types (None: all)."""
    condition, parameters = within.condition(session, limits)
    if condition == within.NOTHING:
        return []
    if types is not None:
        condition += f" AND {session.within('h.type')}"
        parameters = [*parameters, session.listed(sorted(TYPE_NUMBER[name] for name in types))]
    rows = session.rows(
        f"SELECT {columns.HEAD.only('key type publisher kind labels number', of='h')} FROM head h "
        f"WHERE {condition} AND h.deleted = 0",
        *parameters,
    )
    return [
        Item(key, TYPES[type_], publisher, KINDS[kind], bits, number)
        for key, type_, publisher, kind, bits, number in rows
    ]


def sized(session: Session, keys: Sequence[int]) -> list[Held]:
    """Resources by their keys, in that order, with the bytes of their bodies, which are not read."""
    rows = session.rows(
        f"SELECT h.key, length(v.body) FROM head h JOIN version v ON v.key = h.body WHERE {session.within('h.key')}",
        session.listed(keys),
    )
    sizes = dict(rows)
    return [Held(key, 0, sizes[key]) for key in keys if key in sizes]


def names(session: Session, keys: Sequence[int]) -> dict[int, tuple[str, str, int]]:
    """Key → (type, id, number of the version) of resources, current or deleted."""
    rows = session.rows(
        f"SELECT {columns.HEAD.only('key type id number')} FROM head WHERE {session.within('key')}",
        session.listed(keys),
    )
    return {key: (TYPES[type_], id_, number) for key, type_, id_, number in rows}


def part(session: Session, digest: str) -> tuple[int, bytes] | None:
    """(until when it is kept, the part) of a digest."""
    row = session.row("SELECT until, body FROM shown WHERE digest = ?", digest)
    return (row[0], bytes(row[1])) if row else None


def parts(session: Session, digests: Sequence[str]) -> dict[str, bytes]:
    """The parts of these digests, of those that are kept."""
    rows = session.rows(
        f"SELECT digest, body FROM shown WHERE {session.within('digest')}", session.listed(sorted(set(digests)))
    )
    return {digest: bytes(body) for digest, body in rows}


def keep(session: Session, bodies: Mapping[str, bytes], until: int) -> None:
    """Keep parts, new or known, until then at least; what nobody can ask with any more is removed."""
    session.run("DELETE FROM shown WHERE until < ?", session.now)
    session.many(
        f"INSERT INTO shown ({_SHOWN}) VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET until = excluded.until "
        "WHERE shown.until < excluded.until",
        [(digest, until, body) for digest, body in sorted(bodies.items())],
    )
