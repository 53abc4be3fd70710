"""Stores what a source sent: the newest accepted row of each key, its groups, and the groups that looked it up.

Nothing here knows a source; rows come as ``Sent`` and go out as ``Kept``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from gateway.store import columns
from gateway.store.database import Session, hash64


class Body(msgspec.Struct, array_like=True, frozen=True):
    """A row as kept: the source's table, key, local patient, groups, filled columns, line and directory."""

    table: str
    key: str
    patient: str
    groups: tuple[str, ...]
    values: dict[str, str]
    line: int = 0
    directory: str = ""


class Sent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row on its way in. ``hash`` names it, ``groups`` and ``patient`` are 64-bit hashes, first group first (0:
    none); ``publisher`` is the source's code of it. One that is ``aside`` is kept and not counted."""

    hash: int
    all_hash: int
    publisher: str
    patient: int
    groups: tuple[int, ...]
    order: int
    deleted: bool
    body: bytes
    bare: bool
    aside: bool = False


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A kept row: its body, and the order of its newest statement. ``grp`` is its first group, 0 for none."""

    body: Body
    order: int
    deleted: bool
    publisher: int
    hash: int
    grp: int


_KEPT = columns.KEPT.only("key body ord deleted publisher hash grp", of="k")
_STATE = columns.KEPT.only("hash key publisher patient ord vord deleted body grp")
_NEW = columns.KEPT.only("key hash grp patient delivery publisher ord vord deleted body")
_MEMBER = columns.MEMBER.only("grp kept")
_DEPENDS = columns.DEPENDS.only("dep patient grp")
TOUCHED = columns.TOUCHED.only("delivery patient grp")
encode_body = msgspec.json.Encoder().encode
decode_body = _decode = msgspec.json.Decoder(Body).decode
"""The body of a kept row. Raises as msgspec does for what cannot be read."""
DIRECTORY_COLUMN = "_agreement"
"""The column in which version 0.1 kept a row's directory."""


def keep(
    session: Session,
    delivery: int,
    sent: Sequence[Sent],
    publishers: Mapping[str, int],
    again: Counter[str] | None = None,
) -> Counter[str]:
    """Keep rows; return counts of ``new``, ``changed``, ``unchanged``, ``older``. ``publishers`` gives the key of each
    publisher's code. ``again`` counts the patients' rows that were held before: many that are unchanged tell a whole
    delivery from one of changes.

    An older row never replaces a newer one, whatever the order of arrival. A delete that carries only keys keeps the
    last values, and values older than a delete still fill a row that has none, so that any order of arrival ends in the
    same row. The old and new groups of changed rows, and the groups that looked them up, are marked to be mapped.
    """
    states = _present(session, sent)
    counts: Counter[str] = Counter()
    for row in sent:
        state = states.get(row.hash)
        if state is None:
            states[row.hash] = _State(row, publishers[row.publisher])
            kind = "new"
        else:
            kind = state.take(row)
            if row.patient and again is not None:
                again[kind] += 1
        counts[kind] += not row.aside
    added = [state for state in states.values() if not state.key]
    changed = [state for state in states.values() if state.key and state.is_changed]
    session.many(
        "UPDATE kept SET ord = ?, vord = ? WHERE key = ?",
        [(s.order, s.value_order, s.key) for s in states.values() if s.key and s.is_resent and not s.is_changed],
    )
    first = session.next_key("kept") if added else 0
    for key, state in enumerate(added, first):
        state.key = key
    session.insert(
        "kept", _NEW,
        [(s.key, s.hash, s.groups[0] if s.groups else 0, s.patient, delivery, s.publisher, s.order, s.value_order, int(s.deleted), s.body)
         for s in added],
    )  # fmt: skip
    session.many(
        "UPDATE kept SET grp = ?, patient = ?, delivery = ?, ord = ?, vord = ?, deleted = ?, body = ? WHERE key = ?",
        [
            (s.groups[0] if s.groups else 0, s.patient, delivery, s.order, s.value_order, int(s.deleted), s.body, s.key)
            for s in changed
        ],
    )
    session.many("DELETE FROM member WHERE kept = ?", [(s.key,) for s in changed if s.old_groups[1:] != s.groups[1:]])
    session.ignore("member", _MEMBER, sorted({(group, s.key) for s in (*added, *changed) for group in s.groups[1:]}))
    touched = {(s.patient, group) for s in added for group in s.groups[1:]}
    touched.update((s.patient, group) for s in changed for group in (*s.old_groups, *s.groups))
    touched.update(_askers(session, {hash_ for s in (*added, *changed) for hash_ in (s.hash, s.all_hash)}))
    touch(session, delivery, touched)
    return counts


class _State:
    """A kept row while a batch is taken in: its last word (order, deleted) and its newest values apart."""

    __slots__ = (
        "key", "hash", "all_hash", "publisher", "patient", "order", "value_order", "deleted", "body", "groups", "old_groups", "is_changed",
        "is_resent",
    )  # fmt: skip

    def __init__(self, row: Sent, publisher: int, key: int = 0):
        self.key, self.hash, self.all_hash, self.publisher, self.patient = (
            key,
            row.hash,
            row.all_hash,
            publisher,
            row.patient,
        )
        self.order, self.deleted, self.body, self.groups = row.order, row.deleted, row.body, row.groups
        self.value_order = -1 if row.bare else row.order
        self.old_groups: tuple[int, ...] = ()
        self.is_changed = self.is_resent = False

    def take(self, row: Sent) -> str:
        """Merge another statement about the same key and return its kind. A later statement with the same content only
        moves the order: code tables are sent in full every day, and half of the groups look them up."""
        self.all_hash = row.all_hash
        before = (self.deleted, self.body, self.groups)
        if (row.order, row.deleted) > (self.order, self.deleted):
            self.order, self.deleted, self.is_resent = row.order, row.deleted, True
        if not row.bare and (row.order, row.body) > (
            self.value_order,
            self.body if self.value_order == row.order else b"",
        ):
            self.value_order, self.body, self.groups, self.is_resent = row.order, row.body, row.groups, True
            self.patient = row.patient or self.patient
        if (self.deleted, self.body, self.groups) != before:
            self.is_changed = True
            return "changed"
        return "older" if row.order < self.order else "unchanged"


def _present(session: Session, rows: Sequence[Sent]) -> dict[int, _State]:
    sql = f"SELECT {_STATE} FROM kept WHERE {session.within('hash')}"
    present = session.rows(sql, session.listed([row.hash for row in rows]))
    if not present:
        return {}
    extra: dict[int, list[int]] = {}
    sql = f"SELECT kept, grp FROM member WHERE {session.within('kept')} ORDER BY kept, grp"
    for kept, group in session.rows(sql, session.listed([row[1] for row in present])):
        extra.setdefault(kept, []).append(group)
    states = {}
    for hash_, key, publisher, patient, order, value_order, deleted, body, grp in present:
        groups = ((grp,) if grp else ()) + tuple(extra.get(key, ()))
        body = _in_form(body)
        state = _State(Sent(hash_, 0, "", patient, groups, order, bool(deleted), body, value_order < 0), publisher, key)
        state.value_order, state.old_groups = value_order, groups
        states[hash_] = state
    return states


def _in_form(body: bytes) -> bytes:
    """Return a kept body as this version writes it. Version 0.1 ended it with the line, and kept the directory as a
    column: compared as it is, every row that is sent again would count as changed."""
    if body.endswith(b'"]'):
        return body
    row = _decode(body)
    values = {column: text for column, text in row.values.items() if column != DIRECTORY_COLUMN}
    directory = row.values.get(DIRECTORY_COLUMN, row.directory)
    return encode_body(msgspec.structs.replace(row, values=values, directory=directory))


def _askers(session: Session, asked: set[int]) -> Iterator[tuple[int, int]]:
    if asked and session.value("SELECT 1 FROM depends LIMIT 1") is not None:
        sql = f"SELECT DISTINCT patient, grp FROM depends WHERE {session.within('dep')}"
        yield from session.rows(sql, session.listed(sorted(asked)))


class Absent(msgspec.Struct, frozen=True, gc=False):
    """A kept row that a whole delivery lacks."""

    key: int
    hash: int
    patient: int
    grp: int
    table: str


def absent(session: Session, publisher: int, before: int, tables: Collection[str]) -> list[Absent]:
    """The rows of a publisher, of these tables, that are not deleted and were last sent before the order ``before``."""
    rows = session.rows(
        "SELECT key, hash, patient, grp, body FROM kept WHERE publisher = ? AND ord < ? AND deleted = 0",
        publisher,
        before,
    )
    return [
        Absent(key, hash_, patient, grp, table)
        for key, hash_, patient, grp, body in rows
        if (table := _decode(body).table) in tables
    ]


class Holding(msgspec.Struct, frozen=True, gc=False):
    """How many rows of a publisher are held, by table and by patient (0: none's), and of how many patients some came
    at or after an order."""

    rows: int
    tables: Counter[str]
    patients: Counter[int]
    renewed: int


def holding(session: Session, publisher: int, since: int, tables: Collection[str]) -> Holding:
    """What is held of a publisher in these tables and not deleted; ``since`` is the order."""
    kept = session.rows("SELECT patient, ord, body FROM kept WHERE publisher = ? AND deleted = 0", publisher)
    rows = [(_decode(body).table, patient, order) for patient, order, body in kept]
    rows = [row for row in rows if row[0] in tables]
    renewed = {patient for _, patient, order in rows if order >= since}
    counted = Counter(table for table, _, _ in rows), Counter(patient for _, patient, _ in rows)
    return Holding(len(rows), *counted, len(renewed))


def remove(session: Session, delivery: int, rows: Sequence[Absent], order: int) -> None:
    """Mark rows as deleted at an order, with their last values, and mark their groups and who looked them up."""
    session.many(
        "UPDATE kept SET deleted = 1, ord = ?, delivery = ? WHERE key = ?", [(order, delivery, r.key) for r in rows]
    )
    groups = {(row.patient, row.grp) for row in rows}
    patients = {row.key: row.patient for row in rows}
    sql = f"SELECT kept, grp FROM member WHERE {session.within('kept')}"
    groups.update((patients[kept], group) for kept, group in session.rows(sql, session.listed(sorted(patients))))
    groups.update(_askers(session, {row.hash for row in rows}))
    touch(session, delivery, groups)


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


def touched(
    session: Session, delivery: int, after: tuple[int, int] = BEFORE_ALL, limit: int = 2**31
) -> list[tuple[int, int]]:
    """The (patient, group) pairs still to map, in patient order, ``limit`` of them after a pair. A group that is marked
    under several patients comes with each of them."""
    sql = (
        "SELECT patient, grp FROM touched WHERE delivery = ? AND (patient, grp) > (?, ?) ORDER BY patient, grp LIMIT ?"
    )
    return session.rows(sql, delivery, *after, limit)


def count_touched(session: Session, delivery: int) -> int:
    """How many marks a delivery has."""
    count: int = session.value("SELECT count(*) FROM touched WHERE delivery = ?", delivery)
    return count


def touched_twice(session: Session, delivery: int, count: int) -> dict[int, int]:
    """The first patient of each group that is marked under several. The marks, ``count`` of them, are looked through in
    pieces: sorting all at once would take memory that grows with the delivery."""
    pieces = 1 << (count // SORTED_AT_ONCE).bit_length()
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


def size(session: Session) -> int:
    """About how many bytes of rows are kept."""
    return 500 * (session.value("SELECT max(key) FROM kept") or 0)


def rows_of(session: Session, groups: Sequence[int]) -> dict[int, list[Kept]]:
    """The kept rows of each group; one that is in several is one ``Kept``.

    The members are read by key, and only those that are in none of the groups by themselves: a child is mostly mapped
    beside its parent. A join would read all of ``kept`` where PostgreSQL knows nothing of a table that is being filled.
    """
    members: dict[int, list[Kept]] = {group: [] for group in groups}
    seen: dict[int, Kept] = {}
    listed = session.listed(groups)
    for row in session.rows(f"SELECT {_KEPT} FROM kept k WHERE {session.within('k.grp')}", listed):
        kept = seen[row[0]] = _kept(row)
        members[kept.grp].append(kept)
    pairs = session.rows(f"SELECT kept, grp FROM member WHERE {session.within('grp')}", listed)
    apart = sorted({key for key, _ in pairs} - seen.keys())
    for row in session.rows(f"SELECT {_KEPT} FROM kept k WHERE {session.within('k.key')}", session.listed(apart)):
        seen[row[0]] = _kept(row)
    for key, group in pairs:
        if key in seen:
            members[group].append(seen[key])
    return members


def group_name(source: str, publisher: str, grp: int, rows: Sequence[Kept]) -> str:
    """The name of a group, as its rows carry it: the first name of a row that is its own, the second of a row that
    belongs to two groups. Only a row of more groups (a merge of two patients and their visits) is asked by hash."""
    for row in rows:
        if row.grp == grp:
            return row.body.groups[0]
    for row in rows:
        if len(row.body.groups) == 2:
            return row.body.groups[1]
    return next(name for row in rows if (name := _names(source, publisher, row.body.groups).get(grp)))


@lru_cache(maxsize=16)
def _names(source: str, publisher: str, groups: tuple[str, ...]) -> dict[int, str]:
    """The names of a row's groups by hash: a message of 2,000 orders is asked 2,000 times."""
    return {group_hash(source, publisher, name): name for name in groups}


def row_at(session: Session, hash_: int) -> Kept | None:
    """One kept row by its hash, deleted or not."""
    row = session.row(f"SELECT {_KEPT} FROM kept k WHERE k.hash = ?", hash_)
    return _kept(row) if row else None


def _kept(row: Sequence[Any]) -> Kept:
    return Kept(_decode(row[1]), row[2], bool(row[3]), row[4], row[5], row[6])


def rows_in(session: Session, publisher: int, table: str) -> list[Kept]:
    """Every kept row of a small table that belongs to no group, by key."""
    rows = map(_kept, session.rows(f"SELECT {_KEPT} FROM kept k WHERE k.grp = 0 AND k.publisher = ?", publisher))
    return sorted((row for row in rows if row.body.table == table), key=lambda row: row.body.key)


def depend(session: Session, asked: Sequence[tuple[int, int, int]]) -> None:
    """Remember (asked row, patient, group): when the row changes, the group is mapped again."""
    session.ignore("depends", _DEPENDS, sorted(set(asked)))


@lru_cache(maxsize=1024)
def table_hash(source: str, publisher: str, table: str) -> int:
    """The 64-bit name of a whole table, for a group that looks up all of it."""
    return row_hash(source, publisher, table, "*")


def row_hash(source: str, publisher: str, table: str, key: str) -> int:
    """The 64-bit name of a kept row; ``key`` "*" stands for the whole table."""
    return hash64("row", source, publisher, table, key)


def group_hash(source: str, publisher: str, group: str) -> int:
    """The 64-bit name of a group."""
    return hash64("group", source, publisher, group)
