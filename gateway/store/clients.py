"""The clients of the token endpoint at rest, and what of theirs was used up or taken back.

Every request of a system reads its client, so all is plain statements.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.store import columns
from gateway.store.session import Session

ACTIVE, DISABLED = "active", "disabled"
ASSERTION, CODE, TOKEN = "assertion", "code", "token"
"""Kinds of what holds once: client assertions and authorisation codes that were used, tokens that were taken back."""
KEPT_BEYOND = 600_000_000
"""Microseconds that a row of what has ended is kept: the clocks of two servers differ, and a server that is ahead must
not forget what another still takes."""
_ALL = columns.CLIENT.all
_MARKS = ", ".join("?" * len(columns.CLIENT.names))


class ClientRow(NamedTuple):
    """One client as it lies in the store; lists are separated by spaces, times are µs UTC."""

    id: str
    name: str
    organisation: str
    publishers: str
    projects: str
    scopes: str
    jwks: str
    jwks_url: str
    state: str
    added: int = 0
    changed: int = 0


def add(session: Session, row: ClientRow) -> bool:
    """Add a client; its times are given here. Return False where there is one of that id."""
    values = row._replace(added=session.now, changed=session.now)
    return bool(session.run(f"INSERT INTO client ({_ALL}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING", *values))


def get(session: Session, id_: str) -> ClientRow | None:
    """A client, or None."""
    row = session.row(f"SELECT {_ALL} FROM client WHERE id = ?", id_)
    return ClientRow(*row) if row else None


def every(session: Session) -> list[ClientRow]:
    """All clients, in the order of their ids."""
    return [ClientRow(*row) for row in session.rows(f"SELECT {_ALL} FROM client ORDER BY id")]


def replace(session: Session, row: ClientRow) -> bool:
    """Write a client anew, with the time of its change. Return False where there is none of that id."""
    values = row._replace(changed=session.now)
    marks = ", ".join(f"{name} = ?" for name in columns.CLIENT.names)
    return bool(session.run(f"UPDATE client SET {marks} WHERE id = ?", *values, row.id))


def set_state(session: Session, id_: str, state: str) -> bool:
    """Set the state of a client. Return False where there is none of that id."""
    return bool(session.run("UPDATE client SET state = ?, changed = ? WHERE id = ?", state, session.now, id_))


def set_keys(session: Session, id_: str, jwks: str, jwks_url: str) -> bool:
    """Replace where the keys of a client are. Return False where there is none of that id."""
    sql = "UPDATE client SET jwks = ?, jwks_url = ?, changed = ? WHERE id = ?"
    return bool(session.run(sql, jwks, jwks_url, session.now, id_))


def spend(session: Session, kind: str, digest: str, until: int) -> bool:
    """Note that something was used or taken back, until it would have ended (µs UTC). Return False where it was
    before. What has ended ten minutes ago is forgotten. Whether it has ended already is for the caller to judge, by
    ``session.now``."""
    session.run("DELETE FROM spent WHERE until <= ?", session.now - KEPT_BEYOND)
    sql = f"INSERT INTO spent ({columns.SPENT.all}) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return bool(session.run(sql, kind, digest, until))


def is_spent(session: Session, kind: str, digest: str) -> bool:
    """Whether something was used or taken back."""
    return session.value("SELECT 1 FROM spent WHERE kind = ? AND digest = ?", kind, digest) is not None
