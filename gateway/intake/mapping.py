"""From kept rows to resources ready to write: map a group, check it, index it, label it. Reads the store, never
writes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b, sha1
from typing import Any, TypeVar, cast

from gateway import log
from gateway.errors import GatewayError, Invalid
from gateway.fhir import build, index, model
from gateway.fhir.issues import Issue
from gateway.nhs import identity, labels, optout, sensitive, ukcore, whose
from gateway.nhs.codesets import CodeSets
from gateway.store import sent
from gateway.store.hashes import id_hash
from gateway.store.kept import group_name, row_at, rows_in, rows_of
from gateway.store.mapped import Mapped, Put
from gateway.store.numbers import KIND_NUMBER, TYPE_NUMBER, UNDATED
from gateway.store.registry import PublisherRow
from gateway.store.session import Session
from mappings import AS_IS, WRITTEN, Feed, Group, Row, Source, Values

T = TypeVar("T")
BUGS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a mapping raises that did not expect what was sent. It costs its group, and is logged; the database's own errors
are none of these, and end the load."""


@dataclass(frozen=True)
class Context:
    """What mapping needs to know beside the rows: the source, its feed, the bytes of the store's namespace, who
    publishes, the code sets."""

    source: Source
    feed: Feed
    namespace: bytes
    publishers: dict[int, PublisherRow]
    sets: CodeSets
    cache: dict[int, Row] = field(default_factory=dict)
    """Looked-up rows that belong to no patient (codes, users, places). They are few, and every group needs them."""


@lru_cache(maxsize=1 << 17)
def resource_id(namespace: bytes, source: str, publisher: str, resource_type: str, key: str) -> str:
    """The id of what a row becomes: the same row, the same id, in this store only. ``uuid.uuid5`` in a third of its
    time. What was written over the API has the id that it was written under.

    >>> import uuid
    >>> resource_id(uuid.NAMESPACE_OID.bytes, "s", "p", "T", "k") == str(uuid.uuid5(uuid.NAMESPACE_OID, "s|p|T|k"))
    True
    >>> resource_id(b"", "fhir", "RYJ", "Patient", "@a1")
    'a1'
    """
    if source == WRITTEN and key.startswith(AS_IS):
        return key[len(AS_IS) :]
    digest = bytearray(
        sha1(namespace + f"{source}|{publisher}|{resource_type}|{key}".encode(), usedforsecurity=False).digest()[:16]
    )
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


Shared = dict[tuple[str, Hashable], tuple[object, frozenset[int], tuple[str, ...]]]
"""What the groups of one part make once, by publisher and name: the answer, the rows asked for in making it, and the
columns whose values no table lists."""


class Looker:
    """``mappings.Look`` over the kept rows; it remembers every question about them. ``near`` holds the rows at hand,
    and those found missing; ``shared`` what the groups of one part make once."""

    __slots__ = (
        "feed",
        "asked",
        "listed",
        "values_unlisted",
        "warnings",
        "_session",
        "_context",
        "_publisher",
        "_near",
        "_shared",
        "_source",
        "_namespace",
    )

    def __init__(self, session: Session, context: Context, publisher: str, near: dict[int, Row | None], shared: Shared):
        self._session, self._context, self._publisher, self._near = session, context, publisher, near
        self._shared = shared
        self._source, self._namespace = context.source.name, context.namespace
        self.feed, self.listed = context.feed, context.sets.find
        self.asked: set[int] = set()
        self.values_unlisted: list[str] = []
        self.warnings: list[str] = []

    def unlisted(self, table: str, column: str, value: str) -> None:
        self.values_unlisted.append(f"{table} {column}{'' if value else ' (empty)'}")

    def warn(self, place: str, reason: str) -> None:
        self.warnings.append(f"{place}: {reason}")

    def row(self, table: str, key: str, publisher: str | None = None) -> Row | None:
        hash_ = _row_hash(self._source, publisher or self._publisher, table, key)
        self.asked.add(hash_)
        if hash_ in self._near:
            row = self._near[hash_]
        elif (row := self._context.cache.get(hash_)) is None:
            kept = row_at(self._session, hash_)
            row = row_of(kept, publisher or self._publisher) if kept else None
            if row is None or row.patient:
                self._near[hash_] = row
            else:
                self._context.cache[hash_] = row
        return None if row is None or row.deleted else row

    def rows(self, group: str, publisher: str | None = None) -> list[Row]:
        name = publisher or self._publisher
        grp = sent.group_hash(self._source, name, group)
        self.asked.add(grp)
        held = [row_of(kept, name) for kept in rows_of(self._session, [grp])[grp] if not kept.deleted]
        return sorted((row for row in held if not row.patient), key=lambda row: (row.table, row.key))

    def all(self, table: str, publisher: str | None = None) -> list[Row]:
        name = publisher or self._publisher
        self.asked.add(sent.row_hash(self._source, name, table, "*"))
        key = next(
            (
                p.key
                for p in self._context.publishers.values()
                if (p.source, p.code) == (self._context.source.name, name)
            ),
            0,
        )
        return [row_of(kept, name) for kept in rows_in(self._session, key, table) if not kept.deleted]

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        answer = self._shared.get((self._publisher, name))
        if answer is None:
            before, self.asked, count = self.asked, set(), len(self.values_unlisted)
            try:
                value = make()
                answer = (value, frozenset(self.asked), tuple(self.values_unlisted[count:]))
                self._shared[self._publisher, name] = answer
            finally:
                self.asked |= before
        else:
            self.asked |= answer[1]
            self.values_unlisted += answer[2]
        return cast(T, answer[0])

    def id(self, resource_type: str, key: str, publisher: str | None = None) -> str:
        return resource_id(self._namespace, self._source, publisher or self._publisher, resource_type, key)

    def reference(self, resource_type: str, key: str, publisher: str | None = None) -> dict[str, Any]:
        return {"reference": f"{resource_type}/{self.id(resource_type, key, publisher)}"}


_row_hash = lru_cache(maxsize=1 << 16)(sent.row_hash)
"""The hash of a row's key, cached: a practice has thousands of codes and users, and a million entries that refer to
them."""


def row_of(kept: sent.Kept, publisher: str) -> Row:
    """Return a kept row as its source reads it."""
    body = kept.body
    return Row(
        body.table,
        body.key,
        publisher,
        kept.order,
        Values(body.values),
        body.patient,
        body.groups,
        kept.deleted,
        body.line,
        directory=body.directory,
    )


def map_groups(session: Session, context: Context, touched: Sequence[tuple[int, int]]) -> list[Mapped]:
    """Map touched (patient, group) pairs, in the order given. A fault is a result, not an error."""
    kept = rows_of(session, [group for _, group in touched])
    near: dict[int, Row | None] = {}
    shared: Shared = {}
    for rows in kept.values():
        for row in rows:
            if row.hash not in near:
                near[row.hash] = row_of(row, context.publishers[row.publisher].code)
    return [_map_group(session, context, patient, grp, kept[grp], near, shared) for patient, grp in touched]


def _map_group(
    session: Session,
    context: Context,
    patient: int,
    grp: int,
    rows: list[sent.Kept],
    near: dict[int, Row | None],
    shared: Shared,
) -> Mapped:
    if not rows:
        return Mapped(grp, patient, 0, KIND_NUMBER[context.source.kind], [])
    publisher = context.publishers[rows[0].publisher]
    members = [row for kept in rows if (row := near[kept.hash]) is not None]
    if len(members) > 1:
        members.sort(key=_in_order)
    key = group_name(context.source.name, publisher.code, grp, rows)
    group = Group(key, publisher.code, tuple(members))
    look = Looker(session, context, publisher.code, near, shared)
    mapped = Mapped(grp, patient, publisher.key, KIND_NUMBER[publisher.kind], None)
    try:
        built = context.source.to_fhir(group, look)
        puts, faults, unmapped, evidence = [], [], [], identity.evidence(built, publisher.kind)
        order = max([row.order for row in members])
        default = context.source.default(group, context.feed)
        concepts = coded = 0
        for resource in built:
            put, broken = prepare(resource, context, order, publisher.kind, default)
            puts.append(put)
            faults += broken
            count, standard, without = sensitive.coded(resource)
            concepts, coded = concepts + count, coded + standard
            unmapped += without
        mapped.puts, mapped.faults, mapped.unmapped = puts, tuple(faults), tuple(unmapped)
        mapped.concepts, mapped.coded = concepts, coded
        mapped.evidence = [(id_hash(item.patient), item.numbers, identity.encode_evidence(item)) for item in evidence]
    except (GatewayError, *BUGS) as fault:
        if not isinstance(fault, GatewayError):
            log.bug(fault)
        words = str(fault) if isinstance(fault, GatewayError) else "a bug of the mapping, which the log names"
        mapped.puts, mapped.place, mapped.reason = None, f"{_place(group)}: {words}", _reason(fault)
        mapped.hides = sensitive.flagged() if _hides(context.source, group) else (0, 0)
        mapped.withdrawn = _withdrawn(context, group, look, publisher.kind)
    mapped.asked, mapped.unlisted = tuple(sorted(look.asked)), tuple(look.values_unlisted)
    mapped.warnings = tuple(look.warnings)
    return mapped


def _withdrawn(context: Context, group: Group, look: Looker, kind: str) -> list[Put]:
    """What the rows of a group at fault take back, ready to write. One that cannot be written hinders no other."""
    puts: list[Put] = []
    order = max([row.order for row in group.rows])
    with suppress(GatewayError, *BUGS):
        default = context.source.default(group, context.feed)
        for resource in context.source.withdrawn(group, look):
            with suppress(GatewayError, *BUGS):
                puts.append(prepare(resource, context, order, kind, default)[0])
    return puts


def _in_order(row: Row) -> tuple[str, int, str]:
    return row.table, row.order, row.key


def _hides(source: Source, group: Group) -> bool:
    """Return whether faulty rows ask to be hidden. If not even this can be read, they count as hidden."""
    try:
        return source.hides(group)
    except (GatewayError, *BUGS):
        return True


def _place(group: Group) -> str:
    """Where the group's own row stands: table and line, never its key."""
    row = next((row for row in group.rows if row.groups and row.groups[0] == group.key), group.rows[0])
    return f"{row.table} line {row.line}" if row.line else row.table


def _reason(fault: Exception) -> str:
    """The kind of a fault, for counting: its place without the numbers."""
    return str(fault).split(":")[0] if isinstance(fault, Invalid) else type(fault).__name__


def _issues_without_meta(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong with a resource whose ``meta`` holds nothing yet: an empty object would be a fault of ours."""
    without = {name: value for name, value in resource.items() if name != "meta"}
    return model.check_resource(without, build.encode(without))


def prepare(resource: dict[str, Any], context: Context, order: int, kind: str, default: str) -> tuple[Put, list[str]]:
    """One resource of a publisher of this kind, ready to write, with the UK Core constraints it breaks. ``default`` is
    what becomes of uncoded results. Raises ``Invalid`` where it is not R4, or would show one patient in what is
    another's or nobody's."""
    resource = dict(resource)
    meta = dict(resource["meta"])
    security = meta.pop("security", ())
    resource["meta"] = meta
    own, causes = sensitive.own_labels(resource, list(security), context.sets, kind, default)
    body = build.encode(resource)
    issues = model.check_resource(resource, body) if meta else _issues_without_meta(resource)
    if issues:
        raise Invalid(f"{resource['resourceType']}: {issues[0].location}: {issues[0].message}")
    if fault := whose.fault(resource):
        raise Invalid(fault)
    entries = index.entries(resource)
    put = Put(
        TYPE_NUMBER[resource["resourceType"]], resource["id"], id_hash(entries.patient) if entries.patient else 0, order, body,
        blake2b(body, digest_size=16).digest(),
        UNDATED if entries.low is None else entries.low, UNDATED if entries.high is None else entries.high,
        own, causes, entries.tokens, entries.globals, entries.words, entries.dates,
        optout.preference(resource, context.sets) if own & labels.CHOICE else None,
    )  # fmt: skip
    faults = [
        f"{resource['resourceType']}: {issue.location}: {issue.message}"
        for issue in ukcore.check(resource)
        if issue.severity == "error"
    ]
    return put, faults
