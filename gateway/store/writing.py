"""Writes what groups became: versions, tombstones, index entries and labels, each table once for a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.store import columns, indexing, labelling
from gateway.store.hashes import id_hash
from gateway.store.makers import Old, made_by, refuse_unexpected, settle
from gateway.store.mapped import Mapped, Name, Put, Version, Written
from gateway.store.numbers import TYPE_NUMBER, TYPES
from gateway.store.session import Session

_NEW_HEAD = columns.HEAD.only(
    "key type id id_hash patient grp publisher kind own labels number updated commit_seq seen_seq low high deleted "
    "hash body"
)
_NEW_VERSION = columns.VERSION.only("key head number updated commit_seq delivery ord mapping deleted body")
_NEW_HISTORY = columns.HISTORY.only("head number version")
_NEW_LABEL = columns.LABEL.only("patient head bit cause")
_NEW_PREFERENCE = columns.PREFERENCE.only("patient head name at")


def put_many(
    session: Session,
    delivery: int,
    mapping: str,
    mapped: Sequence[Mapped],
    expected: Mapping[Name, int] | None = None,
) -> Written:
    """Write the results of mapped groups. Equal bytes make no new version. A resource that its group no longer makes
    becomes a tombstone.

    A group with a fault keeps what it made last, under the labels its rows at fault ask for, but for what these rows
    withdraw: that takes the place of what is held, and is never made anew. ``expected`` gives the
    number of the version that must be current, 0 for none: a group that makes a resource of another version is at
    fault, and nothing of it is written.
    """
    before = made_by(session, [group.grp for group in mapped if group.puts is not None])
    conflicts = refuse_unexpected(session, mapped, before, expected) if expected else []
    settle(session, mapped, before)
    writer = _Writer(session, delivery, mapping)
    versions: list[Version] = []
    makers: set[int] = set()
    shown = made_by(session, [group.grp for group in mapped if group.puts is None and group.withdrawn])
    for group in mapped:
        if group.puts is None:
            for put in group.withdrawn:
                old = shown.get((put.type, put.id))
                if old and old.grp == group.grp and not old.deleted:
                    versions.append(Version(TYPES[put.type], put.id, *writer.put(group, _as_guarded(put, old), old)))
            if any(group.hides):
                writer.hide(group)
            continue
        makers.add(group.grp)
        for put in group.puts:
            old = before.pop((put.type, put.id), None)
            versions.append(Version(TYPES[put.type], put.id, *writer.put(group, put, old)))
    for (type_, id_), old in before.items():
        if not old.deleted and old.grp in makers:
            versions.append(Version(TYPES[type_], id_, writer.bury(old), "deleted"))
    writer.write()
    return Written(versions, writer.patients, conflicts)


def _as_guarded(put: Put, old: Old) -> Put:
    """Return the resource under the labels of the version whose place it takes, beside its own: what withdraws a
    result says too little of it to be judged by."""
    kept = {1 << n: "of the version withdrawn" for n in range(old.own.bit_length()) if old.own >> n & 1}
    return msgspec.structs.replace(put, own=put.own | old.own, causes=kept | put.causes)


class _Writer:
    """Gathers the rows of a batch, to write each table once and in order."""

    def __init__(self, session: Session, delivery: int, mapping: str):
        self.session, self.delivery, self.mapping = session, delivery, mapping
        self.next_head, self.next_version = session.next_key("head"), session.next_key("version")
        self.heads: list[tuple[object, ...]] = []
        self.versions: list[tuple[object, ...]] = []
        self.history: list[tuple[int, int, int]] = []
        self.changed: list[tuple[object, ...]] = []
        self.moved: list[tuple[int, int, int]] = []
        self.own: list[tuple[int, int, int, int]] = []
        self.stale: list[tuple[int, int]] = []
        self.index = indexing.Index()
        self.labels: list[tuple[int, int, int, str]] = []
        self.unlabel: list[tuple[int, int, int, int]] = []
        self.preferences: list[tuple[int, int, str, str]] = []
        self.unchosen: list[tuple[int, int]] = []
        self.patients: set[int] = set()
        self.is_relabelled = False

    def put(self, group: Mapped, put: Put, old: Old | None) -> tuple[int, str]:
        """Write one resource; return the number of its version now, and what happened to it."""
        if old is None:
            self.create(group, put)
            return 1, "created"
        if old.hash == put.hash and not old.deleted and old.patient == put.patient:
            self.label(group, put, old)
            return old.number, "unchanged"
        self.update(group, put, old)
        return old.number + 1, "updated"

    def create(self, group: Mapped, put: Put) -> None:
        key = self.next_head
        self.next_head += 1
        version = self._version(key, 1, put.order, 0, put.body)
        s = self.session
        self.heads.append((key, put.type, put.id, id_hash(put.id), put.patient, group.grp, group.publisher, group.kind, put.own, put.own, 1,
                           s.now, s.commit_seq, s.commit_seq, put.low, put.high, 0, put.hash, version))  # fmt: skip
        self._index(key, put)

    def update(self, group: Mapped, put: Put, old: Old) -> None:
        version = self._version(old.key, old.number + 1, put.order, 0, put.body)
        self.history.append((old.key, old.number, old.body))
        s = self.session
        bits = put.own | (old.labels & ~old.own)
        self.is_relabelled |= put.own != old.own
        self.changed.append((put.patient, group.grp, group.publisher, put.own, bits, old.number + 1, s.now, s.commit_seq, s.commit_seq,
                             put.low, put.high, 0, put.hash, version, old.key))  # fmt: skip
        self._unindex(old)
        self._unlabel(put, old)
        self._index(old.key, put)
        self.patients.add(old.patient)

    def bury(self, old: Old) -> int:
        """Write a tombstone; return the number of its version."""
        version = self._version(old.key, old.number + 1, 0, 1, b"")
        self.history.append((old.key, old.number, old.body))
        s = self.session
        self.session.run(
            "UPDATE head SET number = ?, updated = ?, commit_seq = ?, seen_seq = ?, deleted = 1, hash = ?, body = ? WHERE key = ?",
            old.number + 1, s.now, s.commit_seq, s.commit_seq, b"", version, old.key,
        )  # fmt: skip
        self._unindex(old)
        self.patients.add(old.patient)
        return old.number + 1

    def label(self, group: Mapped, put: Put, old: Old) -> None:
        """Update a resource whose bytes did not change: its own labels, the choice read from it, and the group that
        makes it."""
        if old.grp != group.grp:
            self.moved.append((group.grp, group.publisher, old.key))
        if put.own != old.own:
            self.is_relabelled = True
            bits = put.own | (old.labels & ~old.own)
            self.own.append((put.own, bits, self.session.commit_seq, old.key))
            self._unlabel(put, old)
            self.labels += [(put.patient, old.key, bit, cause) for bit, cause in put.causes.items()]
            self.patients.add(old.patient)
        if put.own != old.own or put.preference:
            was = self.session.row(
                "SELECT name, at FROM preference WHERE patient = ? AND head = ?", old.patient, old.key
            )
            if (tuple(was) if was else None) != put.preference:
                self.unchosen.append((old.patient, old.key))
                self.preferences += [(put.patient, old.key, *put.preference)] if put.preference else []
                self.patients.add(old.patient)

    def hide(self, group: Mapped) -> None:
        """Hide what a group made before when its faulty rows ask to be hidden. That flag can be read although the rows
        cannot be mapped."""
        for key, patient, type_, own, held in self.session.rows(
            "SELECT key, patient, type, own, labels FROM head WHERE grp = ?", group.grp
        ):
            bit = group.hides[0 if type_ == TYPE_NUMBER["Patient"] else 1]
            if bit & ~own:
                self.own.append((own | bit, held | bit, self.session.commit_seq, key))
                self.labels.append((patient, key, bit, "the source's flag in rows at fault"))
                self.patients.add(patient)
                self.is_relabelled = True

    def _version(self, head: int, number: int, order: int, deleted: int, body: bytes) -> int:
        key = self.next_version
        self.next_version += 1
        s = self.session
        self.versions.append(
            (key, head, number, s.now, s.commit_seq, self.delivery, order, self.mapping, deleted, body)
        )
        return key

    def _index(self, key: int, put: Put) -> None:
        patient = put.patient
        self.patients.add(patient)
        self.index.add(key, patient, put)
        if put.causes:
            self.labels += [(patient, key, bit, cause) for bit, cause in put.causes.items()]
        if put.preference:
            self.preferences.append((put.patient, key, *put.preference))

    def _unindex(self, old: Old) -> None:
        self.stale.append((old.patient, old.key))

    def _unlabel(self, put: Put, old: Old) -> None:
        """Forget the causes of the item's own labels, and of derived ones that are now its own; of all, where it is
        another patient's now."""
        self.unlabel.append((old.patient, old.key, put.own, put.patient))

    def write(self) -> None:
        s = self.session
        if self.stale:
            indexing.strike(s, self.stale)
        s.many("DELETE FROM preference WHERE patient = ? AND head = ?", self.stale + self.unchosen)
        s.many(
            "DELETE FROM label WHERE patient = ? AND head = ? AND (cause NOT LIKE 'derived:%' OR (bit & ?) <> 0 OR "
            "patient <> ?)",
            self.unlabel,
        )
        s.insert("head", _NEW_HEAD, self.heads)
        s.many(
            "UPDATE head SET patient = ?, grp = ?, publisher = ?, own = ?, labels = ?, number = ?, updated = ?, "
            "commit_seq = ?, seen_seq = ?, "
            "low = ?, high = ?, deleted = ?, hash = ?, body = ? WHERE key = ?",
            self.changed,
        )
        s.many("UPDATE head SET grp = ?, publisher = ? WHERE key = ?", self.moved)
        s.many("UPDATE head SET own = ?, labels = ?, seen_seq = ? WHERE key = ?", self.own)
        s.insert("version", _NEW_VERSION, self.versions)
        s.insert("history", _NEW_HISTORY, self.history)
        self.index.write(s)
        s.insert("label", _NEW_LABEL, self.labels)
        s.insert("preference", _NEW_PREFERENCE, self.preferences)
        if self.is_relabelled:
            labelling.changed(s)
