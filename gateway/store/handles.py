"""Secrets that the gateway handed out, at rest: only their digests, with what each stands for until it ends.

Every request of a page reads its session, so all is plain statements.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from gateway.store import columns
from gateway.store.clients import KEPT_BEYOND
from gateway.store.session import Session

SESSION, ASKING, LAUNCH, CODE, REFRESH = "session", "asking", "launch", "code", "refresh"
"""Kinds of secrets: of a browser that is signed in, of one that is about to be, of an app's launch, its code, and its
refresh token."""
_ALL = columns.HANDLE.all
_MARKS = ", ".join("?" * len(columns.HANDLE.names))


class Handle(NamedTuple):
    """What a secret stands for; times are µs UTC. ``family`` is shared by those that end together, ``issuer`` and
    ``subject`` say who signed in."""

    kind: str
    digest: str
    family: str
    issuer: str
    subject: str
    body: str
    used: int
    until: int


def digest_of(secret: str) -> str:
    """What the store keeps of a secret: who reads the store cannot use it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def put(session: Session, handle: Handle) -> None:
    """Keep a secret. What has ended ten minutes ago is forgotten."""
    session.run("DELETE FROM handle WHERE until <= ?", session.now - KEPT_BEYOND)
    session.run(f"INSERT INTO handle ({_ALL}) VALUES ({_MARKS})", *handle)


def get(session: Session, kind: str, secret: str, now: int) -> Handle | None:
    """What a secret stands for at ``now``, used or not; None for one that there is not, or that has ended."""
    sql = f"SELECT {_ALL} FROM handle WHERE kind = ? AND digest = ? AND until > ?"
    row = session.row(sql, kind, digest_of(secret), now)
    return Handle(*row) if row else None


def is_there(session: Session, kind: str, digest: str, now: int, since: int) -> bool:
    """Whether there is one of this digest that has not ended at ``now``, and was used since."""
    sql = "SELECT 1 FROM handle WHERE kind = ? AND digest = ? AND until > ? AND used >= ?"
    return session.value(sql, kind, digest, now, since) is not None


def use(session: Session, handle: Handle) -> bool:
    """Use up one that holds once. Return False where it was used before, or is no longer there."""
    sql = "UPDATE handle SET used = ? WHERE kind = ? AND digest = ? AND used = 0"
    return bool(session.run(sql, session.now, handle.kind, handle.digest))


def see(session: Session, handle: Handle) -> None:
    """Note that a session was seen now."""
    sql = "UPDATE handle SET used = ? WHERE kind = ? AND digest = ?"
    session.run(sql, session.now, handle.kind, handle.digest)


def end(session: Session, handle: Handle) -> bool:
    """Forget a secret. Return False where it was not there."""
    return bool(session.run("DELETE FROM handle WHERE kind = ? AND digest = ?", handle.kind, handle.digest))


def of_family(session: Session, kind: str, family: str) -> list[Handle]:
    """Those that end together."""
    sql = f"SELECT {_ALL} FROM handle WHERE kind = ? AND family = ? ORDER BY digest"
    return [Handle(*row) for row in session.rows(sql, kind, family)]


def of_subject(session: Session, kind: str, issuer: str, subject: str) -> list[Handle]:
    """Those of one who signed in."""
    sql = f"SELECT {_ALL} FROM handle WHERE kind = ? AND issuer = ? AND subject = ? ORDER BY digest"
    return [Handle(*row) for row in session.rows(sql, kind, issuer, subject)]
