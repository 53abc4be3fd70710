"""Stores what a source sent: the newest accepted row of each key, and its groups.

Nothing here knows a source; rows come as ``Sent`` and go out as ``Kept``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from gateway.store import columns
from gateway.store.sent import Body, Kept, Sent, decode_body, encode_body, group_hash
from gateway.store.session import Session
from gateway.store.touched import askers, touch

_KEPT = columns.KEPT.only("key body ord deleted publisher hash grp", of="k")
_STATE = columns.KEPT.only("hash key publisher patient ord vord deleted body grp")
_NEW = columns.KEPT.only("key hash grp patient delivery publisher ord vord deleted body")
_MEMBER = columns.MEMBER.only("grp kept")
DIRECTORY_COLUMN = "_agreement"
"""The column in which version 0.1 kept a row's directory."""


def keep(
    session: Session,
    delivery: int,
    sent: Sequence[Sent],
    publishers: Mapping[str, int],
    again: Counter[str] | None = None,
    dated: Collection[int] = frozenset(),
) -> Counter[str]:
    """Keep rows; return counts of ``new``, ``changed``, ``unchanged``, ``older``. ``publishers`` gives the key of each
    publisher's code. ``again`` counts the patients' rows that were held before: many that are unchanged tell a whole
    delivery from one of changes. ``dated`` are the hashes of the tables that are mapped with the order of their rows.

    An older row never replaces a newer one, whatever the order of arrival. A delete that carries only keys keeps the
    last values, and values older than a delete still fill a row that has none, so that any order of arrival ends in the
    same row. The old and new groups of changed rows, and the groups that looked them up, are marked to be mapped; so
    are those of a row of a ``dated`` table that says later what it said before.
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
    resent = [state for state in states.values() if state.key and state.is_resent and not state.is_changed]
    session.many("UPDATE kept SET ord = ?, vord = ? WHERE key = ?", [(s.order, s.value_order, s.key) for s in resent])
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
    later = [state for state in resent if state.all_hash in dated]
    touched.update((s.patient, group) for s in (*changed, *later) for group in (*s.old_groups, *s.groups))
    changes = (*added, *changed, *later)
    of_nobody = {group for s in changes if not s.patient for group in (*s.old_groups, *s.groups)}
    touched.update(askers(session, of_nobody | {hash_ for s in changes for hash_ in (s.hash, s.all_hash)}))
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
        if self._is_another_reading(row):
            return self._replace(row)
        if row.by_content and not self.deleted and self.groups == row.groups:
            return "unchanged"
        before = (self.deleted, self.body, self.groups)
        if (row.order, row.deleted) > (self.order, self.deleted):
            self.order, self.deleted, self.is_resent = row.order, row.deleted, True
        if not row.bare and (row.order, len(row.groups), row.body) > (self.value_order, len(self.groups), self.body):
            self.value_order, self.body, self.groups, self.is_resent = row.order, row.body, row.groups, True
            self.patient = row.patient or self.patient
        if (self.deleted, self.body, self.groups) != before:
            self.is_changed = True
            return "changed"
        return "older" if row.order < self.order else "unchanged"

    def _is_another_reading(self, row: Sent) -> bool:
        """Whether a row is what is held, read in another way: with another character set or other settings. Where it
        stood in its file plays no part."""
        if row.rereads and self.deleted and not row.deleted and row.order >= self.order:
            return True
        if row.bare or self.value_order < 0 or row.body == self.body:
            return False
        if not row.by_content and not (row.rereads and row.order == self.value_order):
            return False
        return self.groups != row.groups or _without_line(row.body) != _without_line(self.body)

    def _replace(self, row: Sent) -> str:
        self.order, self.value_order, self.deleted = row.order, row.order, row.deleted
        self.body, self.groups, self.patient = row.body, row.groups, row.patient or self.patient
        self.is_resent = self.is_changed = True
        return "changed"


def _without_line(body: bytes) -> Body:
    return msgspec.structs.replace(decode_body(body), line=0)


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
    row = decode_body(body)
    values = {column: text for column, text in row.values.items() if column != DIRECTORY_COLUMN}
    directory = row.values.get(DIRECTORY_COLUMN, row.directory)
    return encode_body(msgspec.structs.replace(row, values=values, directory=directory))


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
    if apart:
        sql = f"SELECT {_KEPT} FROM kept k WHERE {session.within('k.key')}"
        seen |= {row[0]: _kept(row) for row in session.rows(sql, session.listed(apart))}
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
    return Kept(decode_body(row[1]), row[2], bool(row[3]), row[4], row[5], row[6])


def rows_in(session: Session, publisher: int, table: str) -> list[Kept]:
    """Every kept row of a small table that belongs to no group, by key."""
    rows = map(_kept, session.rows(f"SELECT {_KEPT} FROM kept k WHERE k.grp = 0 AND k.publisher = ?", publisher))
    return sorted((row for row in rows if row.body.table == table), key=lambda row: row.body.key)


def rows_after(session: Session, source: str, after: int, limit: int) -> list[tuple[int, Kept]]:
    """The next kept rows of a source that are not deleted, with their keys in the store, in the order of these."""
    rows = session.rows(
        f"SELECT {_KEPT} FROM kept k JOIN publisher p ON p.key = k.publisher "
        "WHERE p.source = ? AND k.key > ? AND k.deleted = 0 ORDER BY k.key LIMIT ?",
        source, after, limit,
    )  # fmt: skip
    return [(row[0], _kept(row)) for row in rows]
