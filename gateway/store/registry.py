"""The registry of publishers: each practice, trust or council that a source sends for, and what was last said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.store import columns
from gateway.store.database import Session
from gateway.store.numbers import KIND_NUMBER, KINDS

STATES = ("active", "withheld", "withdrawn")
"""The strictest last."""
UNNAMED = ""
"""The agreement of what was stated before the states of agreements were kept apart."""
_SHARING = columns.SHARING.only("publisher agreement state ord")
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


def describe_publisher(
    session: Session, key: int, *, ods: str, name: str, state: str, order: int, agreement: str = ""
) -> None:
    """Set what a source says of a publisher.

    An older statement never undoes a newer one; of two at one moment the stricter state holds. A state under an
    agreement is one of several: the publisher shares while it does so under one of them. ODS code, name and
    state each have an order of their own. A change of state moves ``seen_seq`` of what the publisher holds, and has
    unreleased parts of exports cut again.
    """
    before = session.row("SELECT ods, name, state, ord, named, placed FROM publisher WHERE key = ?", key)
    if before is None:
        raise KeyError("publisher")
    now_ods, placed = _later((before[0], before[5]), (ods, order))
    now_name, named = _later((before[1], before[4]), (name, order))
    if agreement and state:
        _keep_unnamed(session, key, before[2], before[3])
        now_state, stated = _shared(session, key, agreement, state, order)
    else:
        now_state, stated = _later((before[2], before[3]), (state, order), STATES.index)
    after = (now_ods, now_name, now_state, stated, named, placed)
    if after == tuple(before):
        return
    session.run(
        "UPDATE publisher SET ods = ?, name = ?, state = ?, ord = ?, named = ?, placed = ? WHERE key = ?", *after, key
    )
    if now_state != before[2]:
        session.run("UPDATE head SET seen_seq = ? WHERE publisher = ?", session.commit_seq, key)
        session.run("UPDATE clock SET label_seq = ? WHERE id = 1", session.commit_seq)


def _keep_unnamed(session: Session, key: int, state: str, order: int) -> None:
    """Before the first statement under an agreement, keep what was stated without one: version 0.1 kept one state of
    a publisher and not whose it was."""
    if order and session.value("SELECT 1 FROM sharing WHERE publisher = ? LIMIT 1", key) is None:
        session.run(f"INSERT INTO sharing ({_SHARING}) VALUES (?, ?, ?, ?)", key, UNNAMED, state, order)


def _shared(session: Session, key: int, agreement: str, state: str, order: int) -> tuple[str, int]:
    """Store the state under an agreement, and return the state of the publisher with its order: the mildest of its
    agreements. What was stated without an agreement stands against all that is older."""
    before = session.row("SELECT state, ord FROM sharing WHERE publisher = ? AND agreement = ?", key, agreement)
    stated = _later((before[0], before[1]) if before else ("", 0), (state, order), STATES.index)
    session.run(
        f"INSERT INTO sharing ({_SHARING}) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (publisher, agreement) DO UPDATE SET state = excluded.state, ord = excluded.ord",
        key, agreement, *stated,
    )  # fmt: skip
    states = dict(_states(session, key))
    unnamed = states.pop(UNNAMED, ("", 0))
    newer = [stated for stated in states.values() if _later(unnamed, stated, STATES.index) == stated]
    return min(newer, key=lambda stated: (STATES.index(stated[0]), -stated[1]), default=unnamed)


def _states(session: Session, key: int) -> Iterator[tuple[str, tuple[str, int]]]:
    """Each agreement of a publisher with its state and order."""
    for agreement, state, order in session.rows("SELECT agreement, state, ord FROM sharing WHERE publisher = ?", key):
        yield agreement, (state, order)


def _later(before: tuple[str, int], after: tuple[str, int], rank: Callable[[str], object] = str) -> tuple[str, int]:
    """The later of two statements (what, order); of two at one moment the higher by ``rank``. An empty statement does
    not count."""
    statements = [statement for statement in (before, after) if statement[0]]
    return max(statements, key=lambda statement: (statement[1], rank(statement[0])), default=before)


def received(session: Session, keys: Iterable[int]) -> None:
    """Set the time at which these publishers last sent something to now."""
    session.many("UPDATE publisher SET received = ? WHERE key = ?", [(session.now, key) for key in sorted(keys)])
