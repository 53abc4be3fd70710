"""Resources: every version kept, the current one indexed, found only within limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from gateway.fhir.dates import moment
from gateway.store import columns, indexing, labelling
from gateway.store.database import Session, id_hash
from gateway.store.numbers import KINDS, TYPE_NUMBER, TYPES

MADE_TWICE = "made twice"
"""The fault of a group that makes a resource of another group. The other group may no longer make it once it is
mapped."""
OTHER_VERSION = "another version"
"""The reason of a group that makes a resource whose current version is not the expected one."""
_NEW_HEAD = columns.HEAD.only(
    "key type id id_hash patient grp publisher kind own labels number updated commit_seq seen_seq low high deleted "
    "hash body"
)
_NEW_VERSION = columns.VERSION.only("key head number updated commit_seq delivery ord mapping deleted body")
_NEW_HISTORY = columns.HISTORY.only("head number version")
_NEW_LABEL = columns.LABEL.only("patient head bit cause")
_NEW_PREFERENCE = columns.PREFERENCE.only("patient head name at")
_OLD = columns.HEAD.only("key patient number hash deleted own labels body grp")
_VERSION = columns.VERSION.only("number updated deleted delivery body", of="v")
STORED = (
    columns.HEAD.only("key type id patient publisher kind labels number updated deleted low grp", of="h")
    + ", "
    + columns.VERSION.only("delivery body", of="v")
)
"""What ``stored`` reads, of ``head h JOIN version v``."""


class Put(msgspec.Struct, array_like=True, gc=False):
    """A resource on its way in: its bytes, what to index, its own label bits with their causes. Made by intake."""

    type: int
    id: str
    patient: int
    order: int
    body: bytes
    hash: bytes
    low: int
    high: int
    own: int
    causes: dict[int, str]
    tokens: tuple[tuple[int, int], ...]
    globals: tuple[tuple[int, int], ...]
    words: tuple[tuple[int, str], ...]
    dates: tuple[tuple[int, int, int], ...]
    preference: tuple[str, str] | None = None


class Mapped(msgspec.Struct, array_like=True, gc=False):
    """What a group became: its resources, or the place and reason of its fault (``puts`` is None).

    ``hides`` are the label bits that rows at fault put on the Patient and on everything else the group made before.
    ``withdrawn`` takes the place of what the group holds under the same names although the group is at fault.
    """

    grp: int
    patient: int
    publisher: int
    kind: int
    puts: list[Put] | None
    place: str = ""
    reason: str = ""
    asked: tuple[int, ...] = ()
    evidence: list[tuple[int, tuple[str, ...], bytes]] = []
    faults: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    hides: tuple[int, int] = (0, 0)
    unlisted: tuple[str, ...] = ()
    withdrawn: list[Put] = []
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Stored:
    """One version of a resource as it lies in the store, with what is spliced in on the way out."""

    key: int
    type: str
    id: str
    patient: int
    publisher: int
    kind: str
    labels: int
    number: int
    updated: int
    deleted: bool
    low: int
    grp: int
    delivery: int
    body: bytes


@dataclass(slots=True)
class _Old:
    key: int
    patient: int
    number: int
    hash: bytes
    deleted: int
    own: int
    labels: int
    body: int
    grp: int


Name = tuple[str, str]
"""The type and the id of a resource."""


class Version(NamedTuple):
    """A version of a resource after a write: what was ``created``, ``updated``, ``unchanged`` or ``deleted``."""

    type: str
    id: str
    number: int
    outcome: str


class Written(NamedTuple):
    """What a write did: the version of every resource that its groups make or made, the patients of whatever changed,
    and the resources whose version was not the expected one."""

    versions: list[Version]
    patients: set[int]
    conflicts: list[Name]

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """How many there are by (type, outcome)."""
        return Counter([(version.type, version.outcome) for version in self.versions])


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
    before = _made_by(session, [group.grp for group in mapped if group.puts is not None])
    conflicts = _refuse_unexpected(session, mapped, before, expected) if expected else []
    _settle_makers(session, mapped, before)
    writer = _Writer(session, delivery, mapping)
    versions: list[Version] = []
    makers: set[int] = set()
    shown = _made_by(session, [group.grp for group in mapped if group.puts is None and group.withdrawn])
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


def _as_guarded(put: Put, old: _Old) -> Put:
    """Return the resource under the labels of the version whose place it takes, beside its own: what withdraws a
    result says too little of it to be judged by."""
    kept = {1 << n: "of the version withdrawn" for n in range(old.own.bit_length()) if old.own >> n & 1}
    return msgspec.structs.replace(put, own=put.own | old.own, causes=kept | put.causes)


def _refuse_unexpected(
    session: Session, mapped: Sequence[Mapped], before: dict[tuple[int, str], _Old], expected: Mapping[Name, int]
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


def _current_number(old: _Old | None) -> int:
    return 0 if old is None or old.deleted else old.number


def _made_by(session: Session, groups: Sequence[int]) -> dict[tuple[int, str], _Old]:
    sql = f"SELECT type, id, {_OLD} FROM head WHERE {session.within('grp')}"
    return {(row[0], row[1]): _Old(*row[2:]) for row in session.rows(sql, session.listed(groups))}


def _settle_makers(session: Session, mapped: Sequence[Mapped], before: dict[tuple[int, str], _Old]) -> None:
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


def _by_hash(session: Session, hashes: Iterable[int]) -> dict[int, tuple[tuple[int, str], _Old]]:
    """The heads at these hashes, whoever makes them: hash → ((type, id), head)."""
    sql = f"SELECT id_hash, type, id, {_OLD} FROM head WHERE {session.within('id_hash')}"
    return {row[0]: ((row[1], row[2]), _Old(*row[3:])) for row in session.rows(sql, session.listed(sorted(hashes)))}


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

    def put(self, group: Mapped, put: Put, old: _Old | None) -> tuple[int, str]:
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

    def update(self, group: Mapped, put: Put, old: _Old) -> None:
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

    def bury(self, old: _Old) -> int:
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

    def label(self, group: Mapped, put: Put, old: _Old) -> None:
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

    def _unindex(self, old: _Old) -> None:
        self.stale.append((old.patient, old.key))

    def _unlabel(self, put: Put, old: _Old) -> None:
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


def head_of(session: Session, resource_type: str, id_: str) -> Stored | None:
    """Return the current version or tombstone of an id without any limit: for the access decision, never for an
    answer."""
    if "\0" in id_:  # PostgreSQL refuses text with NUL, and no id contains it
        return None
    heads = _current(
        session, "h.id_hash = ? AND h.type = ? AND h.id = ?", id_hash(id_), TYPE_NUMBER.get(resource_type, -1), id_
    )
    return heads[0] if heads else None


def of_patients(session: Session, patients: Sequence[int], types: Iterable[str] | None = None) -> list[Stored]:
    """Return every current resource of the patients without any limit: to derive labels and evidence, never for an
    answer."""
    condition = session.within("h.patient") + " AND h.deleted = 0"
    parameters: list[Any] = [session.listed(patients)]
    if types is not None:
        condition += f" AND {session.within('h.type')}"
        parameters.append(session.listed([TYPE_NUMBER[name] for name in types]))
    return _current(session, condition, *parameters)


def _current(session: Session, condition: str, *parameters: object) -> list[Stored]:
    sql = f"SELECT {STORED} FROM head h JOIN version v ON v.key = h.body WHERE {condition}"
    return [stored(row) for row in session.rows(sql, *parameters)]


def stored(row: tuple[Any, ...]) -> Stored:
    """A ``Stored`` from the columns ``STORED``."""
    key, type_, id_, patient, publisher, kind, labels, number, updated, deleted, low, grp, delivery, body = row
    return Stored(
        key,
        TYPES[type_],
        id_,
        patient,
        publisher,
        KINDS[kind],
        labels,
        number,
        updated,
        bool(deleted),
        low,
        grp,
        delivery,
        body,
    )


def versions_of(session: Session, head: int) -> list[tuple[int, int, bool, int, bytes]]:
    """All versions of one resource, newest first: (number, updated, deleted, delivery, body)."""
    current = session.rows(
        f"SELECT {_VERSION} FROM head h JOIN version v ON v.key = h.body WHERE h.key = ?",
        head,
    )
    older = session.rows(
        f"SELECT {_VERSION} FROM history y JOIN version v ON v.key = y.version WHERE y.head = ? ORDER BY y.number DESC",
        head,
    )
    return [
        (number, updated, bool(deleted), delivery, body)
        for number, updated, deleted, delivery, body in (*current, *older)
    ]


@lru_cache(maxsize=4096)
def instant(microseconds: int) -> str:
    """A FHIR instant in UTC, to the millisecond.

    >>> instant(1_700_000_000_123_000)
    '2023-11-14T22:13:20.123Z'
    """
    at = moment(microseconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def splice(version: Stored, source: str, security: bytes) -> bytes:
    """The bytes to serve: versionId, lastUpdated, source and security put into ``meta`` at its known place, nothing
    parsed."""
    at = 35 + len(version.type) + len(version.id)  # {"resourceType":"…","id":"…","meta":{
    extra = f'"versionId":"{version.number}","lastUpdated":"{instant(version.updated)}","source":"{source}"'.encode()
    if security:
        extra += b',"security":[' + security + b"]"
    body = version.body
    return body[:at] + extra + (b"" if body[at : at + 1] == b"}" else b",") + body[at:]
