"""The groups to map in a delivery: those whose rows changed, and those that looked up a row that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.store import columns
from gateway.store.session import Session

TOUCHED = columns.TOUCHED.only("delivery patient grp")
_DEPENDS = columns.DEPENDS.only("dep patient grp")


def touch(session: Session, delivery: int, groups: Iterable[tuple[int, int]]) -> None:
    """Have (patient, group) pairs mapped again in this delivery."""
    session.ignore("touched", TOUCHED, [(delivery, patient, group) for patient, group in sorted(groups) if group])


def touch_new(session: Session, delivery: int, first: int) -> None:
    """Touch the groups of every row this delivery added, in patient order."""
    session.run(
        f"INSERT INTO touched ({TOUCHED}) SELECT DISTINCT {TOUCHED} FROM kept "
        "WHERE key >= ? AND delivery = ? AND grp <> 0 ORDER BY patient, grp ON CONFLICT DO NOTHING",
        first, delivery,
    )  # fmt: skip


def touch_source(session: Session, delivery: int, source: str) -> None:
    """Mark every group of a source to be mapped, also groups that are no row's first group: a new mapping version maps
    everything again."""
    for groups in ("kept k", "kept k JOIN member m ON m.kept = k.key"):
        grp = "m.grp" if "member" in groups else "k.grp"
        session.run(
            f"INSERT INTO touched ({TOUCHED}) SELECT DISTINCT ?, k.patient, {grp} FROM {groups} "
            f"JOIN publisher p ON p.key = k.publisher WHERE p.source = ? AND {grp} <> 0 ORDER BY 2, 3 ON CONFLICT DO NOTHING",
            delivery, source,
        )  # fmt: skip


def retouch(session: Session, earlier: int, delivery: int) -> None:
    """Move the groups that an earlier delivery marked but did not map to this delivery."""
    session.run(
        f"INSERT INTO touched ({TOUCHED}) SELECT ?, patient, grp FROM touched WHERE delivery = ? ON CONFLICT DO NOTHING",
        delivery, earlier,
    )  # fmt: skip
    untouch_all(session, earlier)


BEFORE_ALL = (-(2**63), -(2**63))
"""A (patient, group) pair before every other."""
SORTED_AT_ONCE = 1 << 17
"""Marks that the database sorts at once, about: so many fit into a few MB of memory."""


def pairs(
    session: Session, delivery: int, after: tuple[int, int] = BEFORE_ALL, limit: int = 2**31
) -> list[tuple[int, int]]:
    """The (patient, group) pairs still to map, in patient order, ``limit`` of them after a pair. A group that is marked
    under several patients comes with each of them."""
    sql = (
        "SELECT patient, grp FROM touched WHERE delivery = ? AND (patient, grp) > (?, ?) ORDER BY patient, grp LIMIT ?"
    )
    return session.rows(sql, delivery, *after, limit)


def count(session: Session, delivery: int) -> int:
    """How many marks a delivery has."""
    marks: int = session.value("SELECT count(*) FROM touched WHERE delivery = ?", delivery)
    return marks


def twice(session: Session, delivery: int, marks: int) -> dict[int, int]:
    """The first patient of each group that is marked under several. The delivery has ``marks`` marks. They are looked
    through in pieces: sorting all at once would take memory that grows with the delivery."""
    pieces = 1 << (marks // SORTED_AT_ONCE).bit_length()
    sql = "SELECT grp, min(patient) FROM touched WHERE delivery = ? AND (grp & ?) = ? GROUP BY grp HAVING count(*) > 1"
    return dict(pair for piece in range(pieces) for pair in session.rows(sql, delivery, pieces - 1, piece))


def untouch(session: Session, delivery: int, groups: Sequence[tuple[int, int]]) -> None:
    """Remove the marks of groups that are now mapped. They come in patient order."""
    if groups:
        session.run(
            f"DELETE FROM touched WHERE delivery = ? AND patient BETWEEN ? AND ? AND {session.within('grp')}",
            delivery, groups[0][0], groups[-1][0], session.listed([group for _, group in groups]),
        )  # fmt: skip


def untouch_all(session: Session, delivery: int) -> None:
    """Remove all marks of a delivery, also those under a second patient."""
    session.run("DELETE FROM touched WHERE delivery = ?", delivery)


def depend(session: Session, asked: Sequence[tuple[int, int, int]]) -> None:
    """Remember (asked row, patient, group): when the row changes, the group is mapped again."""
    session.ignore("depends", _DEPENDS, sorted(set(asked)))


def askers(session: Session, asked: set[int]) -> Iterator[tuple[int, int]]:
    """The (patient, group) pairs that looked up one of these rows."""
    if asked and session.value("SELECT 1 FROM depends LIMIT 1") is not None:
        sql = f"SELECT DISTINCT patient, grp FROM depends WHERE {session.within('dep')}"
        yield from session.rows(sql, session.listed(sorted(asked)))
