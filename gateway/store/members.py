"""The members of a job: staged in buckets while they are gathered, then placed in parts, then read part by part.

Every statement touches a bounded number of rows, so a job of any size is written in short transactions. Rows are
inserted in the order of their key: on SQLite and PostgreSQL alike, inserting by a random key rewrites a page a row.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import columns
from gateway.store.session import Session

Member = tuple[int, int, str]
"""(person, or the person's place in the job; patient; the name the person is pseudonymised by)"""
_MEMBER = columns.PART_MEMBER.only("person patient name")
_STAGED = columns.GATHERED.only("person patient name")
_LEFT = (
    "(j.state IN ('failed', 'cancelled') OR (j.state = 'done' AND j.kind <> ?) OR (j.created <= ? AND j.lease < ?)) "
    "AND (EXISTS (SELECT 1 FROM gathered g WHERE g.job = j.id) OR EXISTS (SELECT 1 FROM part p WHERE p.job = j.id))"
)


def stage(session: Session, job: str, bucket_of: Sequence[tuple[int, Member]]) -> None:
    """Add members to buckets, in the order of (bucket, person)."""
    session.insert("gathered", columns.GATHERED.all, [(job, bucket, *member) for bucket, member in sorted(bucket_of)])


def staged(session: Session, job: str, bucket: int) -> list[Member]:
    """The members in one bucket, by person."""
    return session.rows(
        f"SELECT {_STAGED} FROM gathered WHERE job = ? AND bucket = ? ORDER BY person, patient", job, bucket
    )


def place(session: Session, job: str, first: int, parts: Sequence[Sequence[Member]]) -> None:
    """Add parts, numbered from ``first``, with their members."""
    numbered = list(enumerate(parts, first))
    session.insert("part", columns.PART.all, [(job, number, "todo", "{}") for number, _ in numbered])
    session.insert(
        "part_member",
        columns.PART_MEMBER.all,
        [(job, number, *member) for number, members in numbered for member in sorted(members)],
    )


def members(session: Session, job: str, part: int) -> list[Member]:
    """The members of a part, by place."""
    return session.rows(
        f"SELECT {_MEMBER} FROM part_member WHERE job = ? AND part = ? ORDER BY person, patient", job, part
    )


def unplace(session: Session, job: str, most: int) -> bool:
    """Remove the last ``most`` parts of a job with their members; False when there was none."""
    last = session.value("SELECT max(number) FROM part WHERE job = ?", job)
    if last is None:
        return False
    for table, column in (("part_member", "part"), ("part", "number")):
        session.run(f"DELETE FROM {table} WHERE job = ? AND {column} > ?", job, last - most)
    return True


def unstage(session: Session, job: str, most: int) -> bool:
    """Remove about ``most`` staged members of a job; False when there was none."""
    first = session.row("SELECT bucket, person FROM gathered WHERE job = ? ORDER BY bucket, person LIMIT 1", job)
    if first is None:
        return False
    sql = "SELECT person FROM gathered WHERE job = ? AND bucket = ? ORDER BY person LIMIT 1 OFFSET ?"
    last = session.value(sql, job, first[0], most)
    if last is None:
        session.run("DELETE FROM gathered WHERE job = ? AND bucket = ?", job, first[0])
    else:
        session.run("DELETE FROM gathered WHERE job = ? AND bucket = ? AND person <= ?", job, first[0], last)
    return True


def count_placed(session: Session, job: str) -> int:
    """How many members a job has in its parts."""
    count: int = session.value("SELECT count(*) FROM part_member WHERE job = ?", job)
    return count


def left(session: Session, kept: str, created: int, now: int) -> list[str]:
    """The jobs with members that nobody needs any more. Members hold NHS numbers.

    These are jobs that failed or were cancelled, released ones but for those of the kind ``kept``, and any that were
    asked for at ``created`` or before and that nobody works on ``now``.
    """
    return [job for (job,) in session.rows(f"SELECT j.id FROM job j WHERE {_LEFT}", kept, created, now)]


def is_left(session: Session, job: str, kept: str, created: int, now: int) -> bool:
    """Whether a job is one of those that ``left`` names."""
    sql = f"SELECT 1 FROM job j WHERE {_LEFT} AND j.id = ?"
    return session.value(sql, kept, created, now, job) is not None
