"""Jobs and their parts: gathered, claimed by one statement with a lease, pinned to a snapshot, resumed by part.

A job is ``accepted`` when it is asked for, ``gathering`` while somebody pins who is in it, ``gathered`` when that is
complete, ``running`` while its parts are cut, and ends as ``done``, ``failed`` or ``cancelled``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy
from sqlmodel import and_, col, or_, select

from gateway.store.database import Session
from gateway.store.models import models
from gateway.store.tables import Job as JobRow
from gateway.store.tables import Part

LEASE = 60_000_000  # µs


@dataclass(frozen=True, slots=True)
class Job:
    """The state of a long-running job. ``pins`` is its fixed input, ``outcome`` its result."""

    id: str
    kind: str
    owner: str
    state: str
    created: int
    lease: int
    pins: dict[str, Any]
    outcome: dict[str, Any]


def create(session: Session, id_: str, kind: str, owner: str, pins: dict[str, Any]) -> None:
    """Write a job as accepted. Nobody runs it before its members are gathered."""
    with models(session) as rows:
        rows.add(
            JobRow(
                id=id_, kind=kind, owner=owner, state="accepted", created=session.now, lease=0,
                pins=_text(pins), outcome="{}",
            )
        )  # fmt: skip


def get(session: Session, id_: str) -> Job | None:
    """A job, or None."""
    with models(session) as rows:
        row = rows.get(JobRow, id_)
        if row is None:
            return None
        pins, outcome = msgspec.json.decode(row.pins), msgspec.json.decode(row.outcome)
        return Job(row.id, row.kind, row.owner, row.state, row.created, row.lease, pins, outcome)


def is_waiting(session: Session, kind: str, now: int) -> bool:
    """Whether ``claim`` would find a job. Asked in a reading transaction, so that an idle worker never takes the
    writer's turn."""
    with models(session) as rows:
        return rows.exec(_claimable(kind, now)).first() is not None


def claim(session: Session, kind: str) -> Job | None:
    """Claim the oldest free job for the time of a lease, to gather its members or to run it."""
    state = sqlalchemy.case(
        (col(JobRow.state) == "accepted", "gathering"),
        (col(JobRow.state) == "gathered", "running"),
        else_=JobRow.state,
    )
    statement = (
        sqlalchemy.update(JobRow)
        .where(col(JobRow.id) == _claimable(kind, session.now).scalar_subquery())
        .values(state=state, lease=session.now + LEASE)
        .returning(col(JobRow.id))
        .execution_options(synchronize_session=False)
    )
    with models(session) as rows:
        id_ = rows.connection().execute(statement).scalar()
    return get(session, id_) if id_ else None


def _claimable(kind: str, now: int) -> Any:
    is_left = and_(col(JobRow.state).in_(("gathering", "running")), JobRow.lease < now)
    is_free = or_(col(JobRow.state).in_(("accepted", "gathered")), is_left)
    return select(JobRow.id).where(JobRow.kind == kind, is_free).order_by(col(JobRow.created)).limit(1)


def begin_gathering(session: Session, id_: str, pins: dict[str, Any]) -> bool:
    """Pin the moment at which the members are gathered. A process that began earlier must stop: see
    ``hold_gathering``."""
    row = {"state": "gathering", "lease": session.now + LEASE, "pins": _text(pins)}
    return _change(session, id_, ("accepted", "gathering"), row)


def hold_gathering(session: Session, id_: str, as_of: int) -> bool:
    """Keep the lease while gathering; False when the job was cancelled, or somebody else began to gather it anew."""
    job = get(session, id_)
    if job is None or job.pins.get("as_of") != as_of:
        return False
    return _change(session, id_, ("gathering",), {"lease": session.now + LEASE})


def end_gathering(session: Session, id_: str, pins: dict[str, Any]) -> bool:
    """Mark the membership as complete. From now on the job may be claimed to run."""
    return _change(session, id_, ("gathering",), {"state": "gathered", "lease": 0, "pins": _text(pins)})


def hold(session: Session, id_: str) -> bool:
    """Keep a job's lease; False when it is not to be worked on any more (cancelled, or released by another)."""
    row = {"state": "running", "lease": session.now + LEASE}
    return _change(session, id_, ("gathered", "running"), row)


def fail(session: Session, id_: str) -> None:
    """Mark a job as failed, unless it has ended in the meantime."""
    _change(session, id_, ("gathering", "running"), {"state": "failed", "lease": 0})


def finish(session: Session, id_: str, state: str, outcome: dict[str, Any]) -> None:
    """Say how a job ended."""
    with models(session) as rows:
        row = rows.get_one(JobRow, id_)
        row.state, row.lease, row.outcome = state, 0, _text(outcome)


def parts(session: Session, id_: str) -> list[tuple[int, str, dict[str, Any]]]:
    """(number, state, outcome) of a job's parts."""
    statement = select(Part.number, Part.state, Part.outcome).where(Part.job == id_).order_by(col(Part.number))
    with models(session) as rows:
        return [(number, state, msgspec.json.decode(outcome)) for number, state, outcome in rows.exec(statement)]


def progress(session: Session, id_: str) -> tuple[int, int]:
    """How many of a job's parts are done, of how many."""
    is_done = sqlalchemy.func.sum(sqlalchemy.case((col(Part.state) == "done", 1), else_=0))
    with models(session) as rows:
        total, done = rows.exec(select(sqlalchemy.func.count(), is_done).where(Part.job == id_)).one()
        return int(done or 0), total


def finish_part(session: Session, id_: str, number: int, outcome: dict[str, Any]) -> None:
    """Mark a part as done, so that a resumed run skips it."""
    with models(session) as rows:
        row = rows.get_one(Part, (id_, number))
        row.state, row.outcome = "done", _text(outcome)


def _change(session: Session, id_: str, states: Sequence[str], values: Mapping[str, object]) -> bool:
    """Change a job if it is in one of these states; say whether it was."""
    with models(session) as rows:
        row = rows.get(JobRow, id_)
        if row is None or row.state not in states:
            return False
        for name, value in values.items():
            setattr(row, name, value)
    return True


def _text(document: dict[str, Any]) -> str:
    return msgspec.json.encode(document).decode()
