"""The registry of publishers: each practice, trust or council that a source sends for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.store import columns
from gateway.store.numbers import KIND_NUMBER, KINDS
from gateway.store.session import Session

_READ = columns.PUBLISHER.only("key source code ods name kind state received")


@dataclass(frozen=True, slots=True)
class PublisherRow:
    """One practice, trust or council as the store knows it."""

    key: int
    source: str
    code: str
    ods: str
    name: str
    kind: str
    state: str
    received: int


def publishers(session: Session) -> dict[int, PublisherRow]:
    """Every publisher by its key."""
    rows = session.rows(f"SELECT {_READ} FROM publisher ORDER BY key")
    return {
        key: PublisherRow(key, source, code, ods, name, KINDS[kind], state, received)
        for key, source, code, ods, name, kind, state, received in rows
    }


def is_known(session: Session, source: str, code: str) -> bool:
    """Whether this publisher has been registered here."""
    return _key_of(session, source, code) is not None


def ensure_publisher(session: Session, source: str, code: str, kind: str) -> int:
    """Return the key of a publisher. A new one is created as active, without a name."""
    return _key_of(session, source, code) or _register(session, source, code, kind)


def _key_of(session: Session, source: str, code: str) -> int | None:
    key: int | None = session.value("SELECT key FROM publisher WHERE source = ? AND code = ?", source, code)
    return key


def _register(session: Session, source: str, code: str, kind: str) -> int:
    from gateway.store import tables  # only a new publisher pays for the import
    from gateway.store.models import models

    key = session.next_key("publisher")
    with models(session) as rows:
        rows.add(
            tables.Publisher(
                key=key, source=source, code=code, ods="", name="", kind=KIND_NUMBER[kind], state="active",
                ord=0, named=0, placed=0, received=session.now,
            )
        )  # fmt: skip
    return key


def received(session: Session, keys: Iterable[int]) -> None:
    """Set the time at which these publishers last sent something to now."""
    session.many("UPDATE publisher SET received = ? WHERE key = ?", [(session.now, key) for key in sorted(keys)])
