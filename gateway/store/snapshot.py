"""Resources as they were at one commit, for exports: their bytes are of that moment, their labels are today's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.fhir.search import Limits
from gateway.store import limits as within
from gateway.store.resources import STORED, Stored, stored
from gateway.store.session import Session


def as_of(session: Session, limits: Limits, seq: int) -> Iterator[Stored]:
    """Yield the resources within limits as they were at ``seq``, by patient, type and id."""
    condition, parameters = within.condition(session, limits)
    rows = session.rows(
        f"SELECT {STORED}, h.commit_seq FROM head h JOIN version v ON v.key = h.body WHERE "
        f"{condition} ORDER BY h.patient, h.type, h.id",
        *parameters,
    )
    for row in rows:
        resource = stored(row[:-1])
        if row[-1] > seq and not _turn_back(session, resource, seq):
            continue
        if not resource.deleted:
            yield resource


def hidden_of(session: Session, patients: Sequence[int], hidden: int, seq: int) -> list[int]:
    """The keys of resources of these patients that existed at ``seq`` and carry one of the label bits today."""
    sql = (
        f"SELECT h.key FROM head h WHERE {session.within('h.patient')} AND h.labels <> 0 AND (h.labels & ?) <> 0 AND "
        "(h.commit_seq <= ? OR EXISTS (SELECT 1 FROM history y JOIN version v ON v.key = y.version "
        "WHERE y.head = h.key AND v.commit_seq <= ?)) ORDER BY h.key"
    )
    return [key for (key,) in session.rows(sql, session.listed(sorted(patients)), hidden, seq, seq)]


def was_held(session: Session, head: int, seq: int) -> bool:
    """Whether a resource was there, and not deleted, at ``seq``."""
    current = session.row("SELECT commit_seq, deleted FROM head WHERE key = ?", head)
    if current is None or current[0] <= seq:
        return current is not None and not current[1]
    older = _older(session, head, seq)
    return older is not None and not older[0]


def newest_seq(session: Session) -> int:
    """The commit of the newest version of any resource; 0 in an empty store."""
    seq: int | None = session.value("SELECT commit_seq FROM version ORDER BY key DESC LIMIT 1")
    return seq or 0


def _turn_back(session: Session, resource: Stored, seq: int) -> bool:
    """Replace the current version by the version of that commit; return False if there was none yet."""
    older = _older(session, resource.key, seq)
    if older is None:
        return False
    resource.deleted, resource.body = older
    return True


def _older(session: Session, head: int, seq: int) -> tuple[bool, bytes] | None:
    """Whether the superseded version of that commit says that the resource is deleted, and its bytes."""
    older = session.row(
        "SELECT v.deleted, v.body FROM history y JOIN version v ON v.key = y.version WHERE y.head = ? AND v.commit_seq <= ? "
        "ORDER BY y.number DESC LIMIT 1",
        head, seq,
    )  # fmt: skip
    return None if older is None else (bool(older[0]), older[1])
