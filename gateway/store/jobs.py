"""Jobs and their parts: gathered, claimed by one statement with a lease, pinned to a snapshot, resumed by part.

A job is ``accepted`` when it is asked for, ``gathering`` while somebody pins who is in it, ``gathered`` when that is
complete, ``running`` while its parts are cut, and ends as ``done``, ``failed`` or ``cancelled``. A job that is done and
has parts to be cut again is ``changed``, and ``recutting`` while somebody does so.

Whoever works on a job has a claim on it: the number of the commit in which they took it. Everything that they write
for the job is compared with that number in the same transaction, so whoever lost a job to somebody else writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy
from sqlmodel import and_, col, or_, select

from gateway.store.models import models
from gateway.store.session import Session
from gateway.store.tables import Job as JobRow
from gateway.store.tables import Part

LEASE = 60_000_000  # µs
_TAKEN = {"accepted": "gathering", "gathering": "gathering", "gathered": "running", "running": "running"}
"""The states of a job that has not ended, and the state in which whoever takes it works on it."""
RELEASED = ("done", "changed", "recutting")
_HELD = ("gathering", "running", "recutting")
"""The states of a job that somebody works on."""


@dataclass(frozen=True, slots=True)
class Job:
    """Long work as it stands. ``pins`` is what it was started with; ``outcome`` what came of it, and until then the
    claim of whoever works on it."""

    id: str
    kind: str
    owner: str
    state: str
    created: int
    lease: int
    pins: dict[str, Any]
    outcome: dict[str, Any]

    @property
    def claim(self) -> int:
        """The number of the claim on the job; 0 where nobody has taken it."""
        number: int = self.outcome.get("claim", 0)
        return number

    @property
    def is_released(self) -> bool:
        """Whether the job ended with a release, parts of which may be cut again."""
        return self.state in RELEASED


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
        return _job(row) if row else None


def _job(row: JobRow) -> Job:
    pins, outcome = msgspec.json.decode(row.pins), msgspec.json.decode(row.outcome)
    return Job(row.id, row.kind, row.owner, row.state, row.created, row.lease, pins, outcome)


def is_waiting(session: Session, kind: str, now: int) -> bool:
    """Whether ``claim`` would find a job. Asked in a reading transaction, so that an idle worker never takes the
    writer's turn."""
    with models(session) as rows:
        return rows.exec(_claimable(kind, now)).first() is not None


def claim(session: Session, kind: str) -> Job | None:
    """Take the oldest job that nobody works on, for a lease's time: to gather its members, or to run it."""
    state = sqlalchemy.case(_TAKEN, value=col(JobRow.state))
    statement = (
        sqlalchemy.update(JobRow)
        .where(col(JobRow.id) == _claimable(kind, session.now).scalar_subquery())
        .values(state=state, lease=session.now + LEASE, outcome=_claimed(session))
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


def unfinished(session: Session, kind: str, owner: str) -> list[Job]:
    """The jobs of an owner that wait or run."""
    statement = select(JobRow).where(JobRow.kind == kind, JobRow.owner == owner, col(JobRow.state).in_(_TAKEN))
    with models(session) as rows:
        return [_job(row) for row in rows.exec(statement)]


def take(session: Session, id_: str) -> Job | None:
    """Take a job whoever works on it: they stop at their next ``hold``. None when there is no such job, or it has
    ended."""
    with models(session) as rows:
        row = rows.get(JobRow, id_)
        if row is None or row.state not in _TAKEN:
            return None
        row.state, row.lease, row.outcome = _TAKEN[row.state], session.now + LEASE, _claimed(session)
    return get(session, id_)


def hold(session: Session, job: Job) -> bool:
    """Keep the lease of a job that was taken; False when it has ended, or somebody else has taken it since."""
    return _change(session, job, _HELD, {"lease": session.now + LEASE})


def begin_gathering(session: Session, job: Job, pins: dict[str, Any]) -> bool:
    """Pin a moment from which the members of a job that was taken are gathered."""
    return _change(session, job, ("gathering",), {"lease": session.now + LEASE, "pins": _text(pins)})


def end_gathering(session: Session, job: Job, pins: dict[str, Any], *, is_run: bool) -> bool:
    """The membership is complete: whoever gathered it runs it under the same claim, or it waits to be claimed."""
    state, lease = ("running", session.now + LEASE) if is_run else ("gathered", 0)
    return _change(session, job, ("gathering",), {"state": state, "lease": lease, "pins": _text(pins)})


def give_back(session: Session, job: Job) -> bool:
    """End the claim on a job that was taken, before its work is done: whoever comes next may take it at once."""
    return _change(session, job, _HELD, {"lease": 0, "outcome": _text({**job.outcome, "claim": 0})})


def fail(session: Session, job: Job) -> bool:
    """Mark a job failed, unless it has ended otherwise or somebody else has taken it."""
    return _change(session, job, tuple(_TAKEN), {"state": "failed", "lease": 0})


def finish(session: Session, id_: str, state: str, outcome: dict[str, Any]) -> None:
    """Say how a job ended."""
    with models(session) as rows:
        row = rows.get_one(JobRow, id_)
        row.state, row.lease, row.outcome = state, 0, _text(outcome)


def note_changed(session: Session, id_: str, number: int) -> None:
    """Say that a part of a release is to be cut again before it is given to anybody."""
    with models(session) as rows:
        rows.get_one(Part, (id_, number)).state = "changed"
        row = rows.get_one(JobRow, id_)
        if row.state == "done":
            row.state, row.lease = "changed", 0


def is_changed(session: Session, kind: str, now: int) -> bool:
    """Whether ``claim_changed`` would find a release. Asked in a reading transaction."""
    with models(session) as rows:
        return rows.exec(_recuttable(kind, now)).first() is not None


def claim_changed(session: Session, kind: str) -> Job | None:
    """Take the oldest release with parts to be cut again that nobody works on, for a lease's time."""
    with models(session) as rows:
        id_ = rows.exec(_recuttable(kind, session.now)).first()
        if id_ is None:
            return None
        row = rows.get_one(JobRow, id_)
        row.state, row.lease = "recutting", session.now + LEASE
        row.outcome = _text({**msgspec.json.decode(row.outcome), "claim": session.commit_seq})
    return get(session, id_)


def _recuttable(kind: str, now: int) -> Any:
    is_free = and_(col(JobRow.state).in_(("changed", "recutting")), JobRow.lease < now)
    return select(JobRow.id).where(JobRow.kind == kind, is_free).order_by(col(JobRow.created)).limit(1)


def end_recutting(session: Session, job: Job, outcome: dict[str, Any], *, is_changed: bool) -> bool:
    """The parts that were to be cut again are in the release. ``is_changed``: others have changed meanwhile."""
    state = "changed" if is_changed else "done"
    return _change(session, job, ("recutting",), {"state": state, "lease": 0, "outcome": _text(outcome)})


def released(session: Session, kinds: Sequence[str]) -> set[str]:
    """The ids of the jobs of these kinds that ended with a release."""
    statement = select(JobRow.id).where(col(JobRow.state).in_(RELEASED), col(JobRow.kind).in_(kinds))
    with models(session) as rows:
        return set(rows.exec(statement))


def move(session: Session, ids: Iterable[str], folder: str) -> None:
    """Say that the files of these jobs lie in another folder now, each in one of its own."""
    with models(session) as rows:
        for id_ in ids:
            row = rows.get_one(JobRow, id_)
            row.outcome = _text({**msgspec.json.decode(row.outcome), "out": f"{folder}/{id_}"})


def parts(session: Session, id_: str) -> list[tuple[int, str, dict[str, Any]]]:
    """(number, state, outcome) of a job's parts."""
    statement = select(Part.number, Part.state, Part.outcome).where(Part.job == id_).order_by(col(Part.number))
    with models(session) as rows:
        return [(number, state, msgspec.json.decode(outcome)) for number, state, outcome in rows.exec(statement)]


def part(session: Session, id_: str, number: int) -> tuple[str, dict[str, Any]] | None:
    """(state, outcome) of one part; None where the job has no such part."""
    with models(session) as rows:
        row = rows.get(Part, (id_, number))
        return (row.state, msgspec.json.decode(row.outcome)) if row else None


def has_changed_part(session: Session, id_: str) -> bool:
    """Whether a part of a release is to be cut again."""
    statement = select(Part.number).where(Part.job == id_, Part.state == "changed").limit(1)
    with models(session) as rows:
        return rows.exec(statement).first() is not None


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


def _change(session: Session, job: Job, states: Sequence[str], values: Mapping[str, object]) -> bool:
    """Change a job if it is in one of these states and under the same claim; say whether it was."""
    stored = get(session, job.id)
    if stored is None or stored.state not in states or stored.claim != job.claim:
        return False
    with models(session) as rows:
        row = rows.get_one(JobRow, job.id)
        for name, value in values.items():
            setattr(row, name, value)
    return True


def _claimed(session: Session) -> str:
    return _text({"claim": session.commit_seq})


def _text(document: dict[str, Any]) -> str:
    return msgspec.json.encode(document).decode()
