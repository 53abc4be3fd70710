"""Jobs and their parts: claimed by one statement with a lease, pinned to a snapshot, resumed by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.store.database import Session

LEASE = 60_000_000  # µs


@dataclass(frozen=True, slots=True)
class Job:
    """Long work as it stands. ``pins`` is what it was started with; ``outcome`` what came of it."""

    id: str
    kind: str
    owner: str
    state: str
    created: int
    lease: int
    pins: dict[str, Any]
    outcome: dict[str, Any]


def create(
    session: Session,
    id_: str,
    kind: str,
    owner: str,
    pins: dict[str, Any],
    parts: Sequence[Sequence[tuple[int, int, str]]],
) -> None:
    """Write a job with its parts, each a list of (person's place, patient, person's name) in the job, that stays as it
    is now."""
    session.run(
        "INSERT INTO job (id, kind, owner, state, created, lease, pins, outcome) VALUES (?, ?, ?, 'accepted', ?, 0, ?, '{}')",
        id_, kind, owner, session.now, msgspec.json.encode(pins).decode(),
    )  # fmt: skip
    session.insert("part", "job, number, state, outcome", [(id_, number, "todo", "{}") for number in range(len(parts))])
    session.insert(
        "part_member", "job, part, person, patient, name",
        [(id_, number, *member) for number, members in enumerate(parts) for member in sorted(set(members))],
    )  # fmt: skip


def get(session: Session, id_: str) -> Job | None:
    """A job, or None."""
    found = session.row("SELECT id, kind, owner, state, created, lease, pins, outcome FROM job WHERE id = ?", id_)
    return Job(*found[:6], msgspec.json.decode(found[6]), msgspec.json.decode(found[7])) if found else None


_CLAIMABLE = "kind = ? AND (state = 'accepted' OR (state = 'running' AND lease < ?))"


def is_waiting(session: Session, kind: str, now: int) -> bool:
    """Whether ``claim`` would find a job: asked in a reading transaction, so that an idle worker never takes the
    writer's turn."""
    return session.value(f"SELECT 1 FROM job WHERE {_CLAIMABLE} LIMIT 1", kind, now) is not None


def claim(session: Session, kind: str) -> Job | None:
    """Take the oldest job that nobody works on, for a lease's time."""
    found = session.row(
        f"UPDATE job SET state = 'running', lease = ? WHERE id = (SELECT id FROM job WHERE {_CLAIMABLE} ORDER BY created LIMIT 1) RETURNING id",
        session.now + LEASE, kind, session.now,
    )  # fmt: skip
    return get(session, found[0]) if found else None


def hold(session: Session, id_: str) -> bool:
    """Keep a job's lease; False when it is no longer to be worked on (cancelled, or released by another)."""
    return (
        session.run(
            "UPDATE job SET state = 'running', lease = ? WHERE id = ? AND state IN ('accepted', 'running')",
            session.now + LEASE,
            id_,
        )
        == 1
    )


def fail(session: Session, id_: str) -> None:
    """Mark a job failed, unless it ended otherwise meanwhile."""
    session.run("UPDATE job SET state = 'failed', lease = 0 WHERE id = ? AND state = 'running'", id_)


def finish(session: Session, id_: str, state: str, outcome: dict[str, Any]) -> None:
    """Say how a job ended."""
    session.run(
        "UPDATE job SET state = ?, lease = 0, outcome = ? WHERE id = ?",
        state,
        msgspec.json.encode(outcome).decode(),
        id_,
    )


def parts(session: Session, id_: str) -> list[tuple[int, str, dict[str, Any]]]:
    """(number, state, outcome) of a job's parts."""
    rows = session.rows("SELECT number, state, outcome FROM part WHERE job = ? ORDER BY number", id_)
    return [(number, state, msgspec.json.decode(outcome)) for number, state, outcome in rows]


def finish_part(session: Session, id_: str, number: int, outcome: dict[str, Any]) -> None:
    """A part is done; resuming skips it."""
    session.run(
        "UPDATE part SET state = 'done', outcome = ? WHERE job = ? AND number = ?",
        msgspec.json.encode(outcome).decode(),
        id_,
        number,
    )


def members(session: Session, id_: str, part: int) -> list[tuple[int, int, str]]:
    """(person's place, patient, person's name) of a part, by place."""
    return session.rows(
        "SELECT person, patient, name FROM part_member WHERE job = ? AND part = ? ORDER BY person, patient", id_, part
    )


def patients(session: Session, id_: str) -> set[int]:
    """Every patient in a job."""
    return {row[0] for row in session.rows("SELECT DISTINCT patient FROM part_member WHERE job = ?", id_)}
