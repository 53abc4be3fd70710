"""Which group makes a resource: one at a time, and only the version that its writer expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.store import columns
from gateway.store.hashes import id_hash
from gateway.store.mapped import MADE_TWICE, OTHER_VERSION, Mapped, Name
from gateway.store.numbers import TYPE_NUMBER, TYPES
from gateway.store.session import Session

_OLD = columns.HEAD.only("key patient number hash deleted own labels body grp")


@dataclass(slots=True)
class Old:
    key: int
    patient: int
    number: int
    hash: bytes
    deleted: int
    own: int
    labels: int
    body: int
    grp: int


def refuse_unexpected(
    session: Session, mapped: Sequence[Mapped], before: dict[tuple[int, str], Old], expected: Mapping[Name, int]
) -> list[Name]:
    """Set the groups at fault that make, or make no more, a resource of another version than the expected one."""
    names = {(TYPE_NUMBER[type_], id_): number for (type_, id_), number in expected.items()}
    heads = dict(_by_hash(session, {id_hash(id_) for _, id_ in names}).values())
    wrong = {name for name, number in names.items() if _current_number(heads.get(name)) != number}
    conflicts = []
    for group in mapped:
        touched = {(put.type, put.id) for put in group.puts or ()}
        touched |= {name for name, old in before.items() if old.grp == group.grp}
        names_at_fault = sorted(touched & wrong)
        if group.puts is not None and names_at_fault:
            conflicts += [(TYPES[type_], id_) for type_, id_ in names_at_fault]
            type_, id_ = names_at_fault[0]
            group.puts, group.evidence = None, []
            group.place, group.reason = f"{TYPES[type_]}/{id_}: {OTHER_VERSION}", OTHER_VERSION
    return conflicts


def _current_number(old: Old | None) -> int:
    return 0 if old is None or old.deleted else old.number


def made_by(session: Session, groups: Sequence[int]) -> dict[tuple[int, str], Old]:
    if not groups:
        return {}
    sql = f"SELECT type, id, {_OLD} FROM head WHERE {session.within('grp')}"
    return {(row[0], row[1]): Old(*row[2:]) for row in session.rows(sql, session.listed(groups))}


def settle(session: Session, mapped: Sequence[Mapped], before: dict[tuple[int, str], Old]) -> None:
    """A resource is made by one group at a time. One that its maker makes no more may be taken over by another, and is
    added to ``before``; a group that makes what another makes still is a fault of the mapping, or comes before that
    other in this delivery: see ``MADE_TWICE``.
    """
    names = [((put.type, put.id), group.grp) for group in mapped for put in group.puts or ()]
    new = {id_hash(name[1]) for name, _ in names if name not in before}
    elsewhere = _by_hash(session, new) if new else {}
    if (
        not elsewhere
        and len({id_hash(name[1]) for name, _ in names}) == len(names)
        and all(before[n].grp == g for n, g in names if n in before)
    ):
        return
    making = {group.grp: {(put.type, put.id) for put in group.puts} for group in mapped if group.puts is not None}
    taken: dict[int, tuple[int, str]] = {}
    for group in mapped:
        own = [(put.type, put.id) for put in group.puts or ()]
        olds = {name: before.get(name) or elsewhere.get(id_hash(name[1]), (name, None))[1] for name in own}
        if len(olds) < len(own) or any(
            id_hash(name[1]) in taken
            or elsewhere.get(id_hash(name[1]), (name,))[0] != name
            or (old and old.grp != group.grp and not old.deleted and name in making.get(old.grp, (name,)))
            for name, old in olds.items()
        ):
            group.puts, group.evidence = None, []
            group.place, group.reason = "mapping: a resource made twice", MADE_TWICE
        else:
            taken.update((id_hash(name[1]), name) for name in own)
            before.update((name, old) for name, old in olds.items() if old)


def _by_hash(session: Session, hashes: Iterable[int]) -> dict[int, tuple[tuple[int, str], Old]]:
    """The heads at these hashes, whoever makes them: hash → ((type, id), head)."""
    sql = f"SELECT id_hash, type, id, {_OLD} FROM head WHERE {session.within('id_hash')}"
    return {row[0]: ((row[1], row[2]), Old(*row[3:])) for row in session.rows(sql, session.listed(sorted(hashes)))}
