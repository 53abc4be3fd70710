"""Gathers the members of a job and pins them: read in one snapshot, written in many short transactions.

Members are staged in buckets while the snapshot is read, then each bucket is put into the order in which people leave
and cut into parts. Memory is bounded by one bucket. The job may be run when all is written, and not before. A run that
was killed leaves nothing that counts: gathering starts over, from a new moment. Every transaction holds the job, so a
process that lost it neither writes nor deletes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gateway import log, records
from gateway.errors import Conflict, Refused
from gateway.export import national_list, standing
from gateway.fhir.dates import moment
from gateway.nhs import pseudonym
from gateway.nhs.pseudonym import policy
from gateway.store import jobs, members
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.members import Member
from gateway.store.session import Session

PERSONS_A_PART = 500
PARTS_A_WRITE = 2
PATIENTS_A_BUCKET = 50_000
"""The expected number of members of a bucket, all held in memory. A bucket is a range of hashes."""
ROWS_A_DELETE = 5000
STOPPED = "the job was cancelled, or ended elsewhere"
INCOMPLETE = "members were lost while they were gathered: start the export again"


class Stopped(Conflict):
    """The job is no longer this process's to work on: it was cancelled, ended, or was taken by another process."""


@dataclass(frozen=True)
class _Order:
    """The order of persons in a release, by digests under the release's own key. The order of the source would reveal
    who is who, and an order of the store would let two projects be matched line by line."""

    secret: bytes
    buckets: int

    def digest(self, name: str) -> bytes:
        return pseudonym.place(self.secret, name)

    def bucket(self, name: str) -> int:
        """The range of digests a name falls into: buckets lie in the order of the digests."""
        return int.from_bytes(self.digest(name)[:8], "big") * self.buckets >> 64


def gather(store: Store, id_: str, root: bytes, claimed: jobs.Job | None = None) -> None:
    """Pin a job's moment, opt-out list, policy, key and members. A job that was ``claimed`` stays its claimant's to
    run; any other is taken here, and waits to be claimed afterwards.

    Raises ``Refused`` when the project is no longer as it was asked for, no list is fresh, or ``root`` is not the key
    of earlier exports; ``Stopped`` when the job was cancelled or another process has taken it.
    """
    job = _pin(store, id_, root, claimed)
    discard(store, id_, lambda session: hold(session, job))
    with store.read() as session:
        secret = pseudonym.order_key(standing.key_of(job.pins, root), job.pins["release"])
        order = _Order(secret, 1 + records.count_members(session) // PATIENTS_A_BUCKET)
        staged, left_out = _stage(store, session, job, order)
    _place(store, job, order)
    _unstage(store, id_, lambda session: hold(session, job))
    _require_complete(store, job, staged)
    with store.write() as session:
        _end(session, job, left_out, is_run=claimed is not None)
    log.event("export.gathered", job=id_, count=staged)


def _pin(store: Store, id_: str, root: bytes, claimed: jobs.Job | None) -> jobs.Job:
    """Take the job, or keep the claim on it, and pin what all of its members are gathered by."""
    with store.write() as session:
        job = jobs.get(session, id_)
        if job is None:
            raise Refused("no such job")
        project = standing.require_unchanged(session, job, session.now)
        standing.require_root(session, root)
        in_force = national_list.require_fresh(session, session.now, job.pins["optout_days"])
        pins: dict[str, Any] = {
            **job.pins, "as_of": session.commit_seq, "started": session.now, "label_seq": records.label_seq(session),
            "optout": in_force.key, "optout_hash": in_force.hash, "root": pseudonym.fingerprint(root), "policy": policy.policy_hash(project.profile),
            "contributors": sorted(project.live(moment(session.now).date())),
            "release": f"{records.data_moment(session)} {in_force.hash}",
        }  # fmt: skip
        taken = claimed or jobs.take(session, id_)
        if taken is None or not jobs.begin_gathering(session, taken, pins):
            raise Stopped(STOPPED)
        pinned = jobs.get(session, id_)
    assert pinned is not None
    return pinned


def _stage(store: Store, reading: Session, job: jobs.Job, order: _Order) -> tuple[int, Counter[str]]:
    """Write the members of the snapshot into buckets, a page a transaction; count them, and who is left out for
    what."""
    count, left_out = 0, Counter[str]()
    for page in records.members(reading, frozenset(job.pins["contributors"]), job.pins["optout"]):
        count += len(page.rows)
        left_out.update(page.left_out)
        bucketed = [(order.bucket(name), (person, patient, name)) for person, patient, name in page.rows]
        with store.write() as session:
            hold(session, job)
            members.stage(session, job.id, bucketed)
    return count, left_out


def _place(store: Store, job: jobs.Job, order: _Order) -> None:
    """Give every person a place and a part, a few parts a transaction. A job of nobody has one part."""
    parts: list[list[Member]] = []
    first = 0
    for part in _parts(store, job.id, order):
        parts.append(part)
        if len(parts) == PARTS_A_WRITE:
            _write(store, job, first, parts)
            first, parts = first + len(parts), []
    if parts or not first:
        _write(store, job, first, parts or [[]])


def _write(store: Store, job: jobs.Job, first: int, parts: list[list[Member]]) -> None:
    with store.write() as session:
        hold(session, job)
        members.place(session, job.id, first, parts)


def _parts(store: Store, id_: str, order: _Order) -> Iterator[list[Member]]:
    """(place, patient, name) of each part's members: so many whole persons, in the order in which they leave. A last
    part of less than half as many is joined to the one before: that a part was cut again tells little of who left it
    only while enough people are in it."""
    before: list[Member] = []
    part: list[Member] = []
    count = 0
    for place, person in enumerate(_persons(store, id_, order)):
        if count == PERSONS_A_PART:
            if before:
                yield before
            before, part, count = part, [], 0
        part += [(place, patient, name) for _, patient, name in person]
        count += 1
    if before and count < PERSONS_A_PART // 2:
        before, part = before + part, []
    yield from (members_ for members_ in (before, part) if members_)


def _persons(store: Store, id_: str, order: _Order) -> Iterator[list[Member]]:
    """The members of each person, in the order in which they leave."""
    for bucket in range(order.buckets):
        with store.read() as session:
            staged = members.staged(session, id_, bucket)
        persons = [list(rows) for _, rows in groupby(staged, key=lambda member: member[0])]
        yield from sorted(persons, key=lambda rows: order.digest(rows[0][2]))


def _require_complete(store: Store, job: jobs.Job, staged: int) -> None:
    """Raises ``Conflict`` when the members in the parts are not as many as were staged."""
    with store.read() as session:
        placed = members.count_placed(session, job.id)
    if placed != staged:
        raise Conflict(INCOMPLETE)


def _end(session: Session, job: jobs.Job, left_out: Counter[str], *, is_run: bool) -> None:
    """Make the membership count, and write into the audit which list and policy it was made by."""
    if not jobs.end_gathering(session, job, {**job.pins, "left_out": dict(left_out)}, is_run=is_run):
        raise Stopped(STOPPED)
    record_write(
        session,
        {
            "act": "export.gather", "by": job.owner, "project": job.pins["project"], "job": job.id,
            "optouts": job.pins["optout_hash"], "policy": job.pins["policy"], "left_out": dict(left_out),
        },
    )  # fmt: skip


def discard(store: Store, id_: str, require: Callable[[Session], None]) -> None:
    """Remove the members that were written for a job. ``require`` is called in every transaction that deletes, and
    raises when they are not to be removed."""
    _unstage(store, id_, require)
    is_left = True
    while is_left:
        with store.write() as session:
            require(session)
            is_left = members.unplace(session, id_, PARTS_A_WRITE)


def _unstage(store: Store, id_: str, require: Callable[[Session], None]) -> None:
    is_left = True
    while is_left:
        with store.write() as session:
            require(session)
            is_left = members.unstage(session, id_, ROWS_A_DELETE)


def hold(session: Session, job: jobs.Job) -> None:
    """Keep the lease of a job. Raises ``Stopped`` when it is no longer this process's."""
    if not jobs.hold(session, job):
        raise Stopped(STOPPED)
