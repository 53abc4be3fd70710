"""Resources: every version kept, the current one indexed, found only within limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.store import columns
from gateway.store.hashes import id_hash
from gateway.store.numbers import KINDS, TYPE_NUMBER, TYPES
from gateway.store.session import Session

_VERSION = columns.VERSION.only("number updated deleted delivery body", of="v")
_ID = columns.HEAD.only("key type id patient")
STORED = (
    columns.HEAD.only("key type id patient publisher kind labels number updated deleted low grp", of="h")
    + ", "
    + columns.VERSION.only("delivery body", of="v")
)
"""What ``stored`` reads, of ``head h JOIN version v``."""


@dataclass(slots=True)
class Stored:
    """One version of a resource as it lies in the store, with what is spliced in on the way out."""

    key: int
    type: str
    id: str
    patient: int
    publisher: int
    kind: str
    labels: int
    number: int
    updated: int
    deleted: bool
    low: int
    grp: int
    delivery: int
    body: bytes


def head_of(session: Session, resource_type: str, id_: str) -> Stored | None:
    """Return the current version or tombstone of an id without any limit: for the access decision, never for an
    answer."""
    if "\0" in id_:  # PostgreSQL refuses text with NUL, and no id contains it
        return None
    heads = _current(
        session, "h.id_hash = ? AND h.type = ? AND h.id = ?", id_hash(id_), TYPE_NUMBER.get(resource_type, -1), id_
    )
    return heads[0] if heads else None


def of_keys(session: Session, keys: Iterable[int]) -> list[Stored]:
    """The current version or tombstone of each of these heads, without any limit: for the access decision, never for an
    answer."""
    wanted = sorted(set(keys))
    return _current(session, session.within("h.key"), session.listed(wanted)) if wanted else []


def last_body(session: Session, head: int) -> bytes:
    """What a deleted resource held last; b"" where it never held anything."""
    sql = (
        "SELECT v.body FROM history y JOIN version v ON v.key = y.version WHERE y.head = ? AND v.deleted = 0 "
        "ORDER BY y.number DESC LIMIT 1"
    )
    return bytes(session.value(sql, head) or b"")


def of_patients(session: Session, patients: Sequence[int], types: Iterable[str] | None = None) -> list[Stored]:
    """Return every current resource of the patients without any limit: to derive labels and evidence, never for an
    answer."""
    condition = session.within("h.patient") + " AND h.deleted = 0"
    parameters: list[Any] = [session.listed(patients)]
    if types is not None:
        condition += f" AND {session.within('h.type')}"
        parameters.append(session.listed([TYPE_NUMBER[name] for name in types]))
    return _current(session, condition, *parameters)


def of_publisher(session: Session, publisher: int) -> list[tuple[str, str]]:
    """The type and id of every current resource of a publisher. It reads every head: for a sandbox."""
    rows = session.rows("SELECT type, id FROM head WHERE publisher = ? AND deleted = 0 ORDER BY key", publisher)
    return [(TYPES[type_], id_) for type_, id_ in rows]


def every_id(session: Session) -> Iterator[tuple[int, str, str, int]]:
    """(key, type, id, patient) of every resource that was ever held, deleted ones too."""
    for key, type_, id_, patient in session.stream(f"SELECT {_ID} FROM head ORDER BY key"):
        yield key, TYPES[type_], id_, patient


def count(session: Session) -> int:
    """How many resources were ever held."""
    return session.value("SELECT count(*) FROM head") or 0


def _current(session: Session, condition: str, *parameters: object) -> list[Stored]:
    sql = f"SELECT {STORED} FROM head h JOIN version v ON v.key = h.body WHERE {condition}"
    return [stored(row) for row in session.rows(sql, *parameters)]


def stored(row: tuple[Any, ...]) -> Stored:
    """A ``Stored`` from the columns ``STORED``."""
    key, type_, id_, patient, publisher, kind, labels, number, updated, deleted, low, grp, delivery, body = row
    return Stored(
        key,
        TYPES[type_],
        id_,
        patient,
        publisher,
        KINDS[kind],
        labels,
        number,
        updated,
        bool(deleted),
        low,
        grp,
        delivery,
        body,
    )


def versions_of(session: Session, head: int) -> list[tuple[int, int, bool, int, bytes]]:
    """All versions of one resource, newest first: (number, updated, deleted, delivery, body)."""
    current = session.rows(
        f"SELECT {_VERSION} FROM head h JOIN version v ON v.key = h.body WHERE h.key = ?",
        head,
    )
    older = session.rows(
        f"SELECT {_VERSION} FROM history y JOIN version v ON v.key = y.version WHERE y.head = ? ORDER BY y.number DESC",
        head,
    )
    return [
        (number, updated, bool(deleted), delivery, body)
        for number, updated, deleted, delivery, body in (*current, *older)
    ]
