"""Where rows come from, and how they are packed to be kept, a batch at a time. Nothing here touches the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec

from gateway import log
from gateway.errors import NotFound, Refused
from gateway.intake.mapping import BUGS, resource_id
from gateway.store.database import Store
from gateway.store.hashes import id_hash
from gateway.store.sent import Body, Rejected, Sent, encode_body, group_hash, row_hash, table_hash
from mappings import Feed, Publisher, Reject, Row, Source
from mappings.readers.files import File, Survey, whole

UNREAD = "from here on it cannot be read: a fault of the gateway, which is logged"
IsKnown = Callable[[str], bool]
"""Return whether the store accepts rows of the publisher with this code."""
Seen = Callable[[int], None]
"""Called with the number of bytes that were read."""


class Rows(Protocol):
    """A producer of rows: the files of a delivery, what an HTTP write sends, messages as they arrive.

    It is sent to another process where reading is worth one, so it holds no open file or connection.
    """

    @property
    def size(self) -> int:
        """About how many bytes there are to read; 0 where that plays no part."""

    def checked(self, source: Source, is_known: IsKnown | None) -> Rows:
        """Return the rows ready to be read. Raises ``Refused`` for what must not be taken at all: what cannot be read
        as a whole, or comes from a publisher that ``is_known`` denies."""

    def read(self, source: Source, seen: Seen) -> Iterator[Row | Reject]:
        """Yield the rows in their order, and a reject for each that cannot be read."""


@dataclass(frozen=True)
class AtHand:
    """Rows that are in memory already."""

    rows: Sequence[Row | Reject]
    size: int = 0

    def checked(self, source: Source, is_known: IsKnown | None) -> AtHand:
        refuse_unknown(source, self.rows, is_known)
        return self

    def read(self, source: Source, seen: Seen) -> Iterator[Row | Reject]:
        return iter(self.rows)


@dataclass(frozen=True)
class Files:
    """The files of a delivery, each read once to see that it can be taken and once to take it."""

    files: tuple[File, ...]
    feed: Feed

    @cached_property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def checked(self, source: Source, is_known: IsKnown | None) -> Files:
        return replace(self, files=tuple([self._checked(file, source, is_known) for file in self.files]))

    def _checked(self, file: File, source: Source, is_known: IsKnown | None) -> File:
        if is_known is None:
            return whole(file)
        survey = Survey(file)
        refuse_unknown(source, guarded(source.read(file.survey(survey.see), self.feed)), is_known)
        return survey.file

    def read(self, source: Source, seen: Seen) -> Iterator[Row | Reject]:
        for file in self.files:
            counted = replace(file, watch=lambda chunk: seen(len(chunk)))
            for item in guarded(source.read(counted, self.feed)):
                yield _placed(item, file) if isinstance(item, Reject) else item


def guarded(items: Iterator[Row | Reject]) -> Iterator[Row | Reject]:
    """Yield the items. A reader's bug ends its file and not the load: the rest of the file is one reject, so that
    nothing is taken to be whole that was not read to its end."""
    try:
        yield from items
    except BUGS as fault:
        log.bug(fault)
        yield Reject("", UNREAD)


def _placed(reject: Reject, file: File) -> Reject:
    """The reject with its file: shown without numbers in its place, and by its own name for whoever asks for it."""
    return replace(
        reject, place=f"{file.shown} {reject.place}".strip(), name=file.name.encode("utf-8", "replace").decode()
    )


@dataclass(frozen=True)
class Replayed:
    """What was rejected and kept, read again with today's settings. It stays in this process: it reads the store."""

    store: Store
    keys: Sequence[int]
    feed: Feed
    size: int = 0

    def checked(self, source: Source, is_known: IsKnown | None) -> Replayed:
        for key in self.keys if is_known else ():
            refuse_unknown(source, self._items(source, key), is_known)
        return self

    def read(self, source: Source, seen: Seen) -> Iterator[Row | Reject]:
        for key in self.keys:
            yield from self._items(source, key)

    def _items(self, source: Source, key: int) -> Iterator[Row | Reject]:
        from gateway.store import rejected  # only the process that has the store reads them

        try:
            with self.store.read() as session:
                kept = rejected.one(session, key)
        except NotFound:  # dropped since
            return
        for item in guarded(source.read(File(Path(kept.name), content=kept.payload), self.feed)):
            yield replace(item, place=kept.place, name=kept.name) if isinstance(item, Reject) else item


def refuse_unknown(
    source: Source, items: Sequence[Row | Reject] | Iterator[Row | Reject], is_known: IsKnown | None
) -> None:
    """Read all of ``items``. Raises ``Refused`` at the first row of a publisher that ``is_known`` denies."""
    for item in items:
        if is_known and isinstance(item, Row) and not is_known(item.publisher):
            raise unknown_publisher(source)


def unknown_publisher(source: Source) -> Refused:
    """The error for rows of a publisher that the operator has not registered."""
    return Refused(f"{source.name}: a publisher that this store does not know")


class Batch(msgspec.Struct, array_like=True, gc=False):
    """Rows ready to be kept, and what came with them. ``publishers`` is what the rows say of
    publishers, each thing once with its newest order. ``count`` is how many rows and rejects there are, ``done`` how
    many bytes were read by the end of the batch. ``warnings`` are "place: reason", one for each loss."""

    sent: list[Sent]
    rejects: list[Rejected]
    publishers: list[Publisher]
    count: int
    done: int
    warnings: list[str] = []


def batches(source: Source, rows: Rows, namespace: bytes, size: int) -> Iterator[Batch]:
    """Read rows and pack them, ``size`` at a time."""
    done = 0

    def seen(count: int) -> None:
        nonlocal done
        done += count

    items = rows.read(source, seen)
    while batch := list(islice(items, size)):
        yield _batch(source, namespace, batch, done)


def _batch(source: Source, namespace: bytes, items: Sequence[Row | Reject], done: int) -> Batch:
    rows = [item for item in items if isinstance(item, Row)]
    rejects = [
        Rejected(f"{source.name} {item.place}", item.reason, item.name, item.payload)
        for item in items
        if isinstance(item, Reject)
    ]
    warnings = [f"{place}: {reason}" for row in rows for place, reason in row.warnings]
    ready = [sent(namespace, source, row) for row in rows]
    return Batch(ready, rejects, _publishers(source, rows), len(items), done, warnings)


def sent(namespace: bytes, source: Source, row: Row, rereads: bool = False) -> Sent:
    """Return a row as it is kept. ``rereads``: it is one that is held, read again."""
    never = source.never.get(row.table)
    values = {k: v for k, v in row.values.items() if v != "" and k not in never} if never else row.values
    name, publisher = source.name, row.publisher
    patient = id_hash(resource_id(namespace, name, publisher, "Patient", row.patient)) if row.patient else 0
    return Sent(
        row_hash(name, publisher, row.table, row.key),
        table_hash(name, publisher, row.table),
        publisher,
        patient,
        tuple([group_hash(name, publisher, group) for group in row.groups]),
        row.order,
        row.deleted,
        encode_body(Body(row.table, row.key, row.patient, row.groups, values, row.line, row.directory)),
        row.bare,
        row.aside,
        row.by_content,
        rereads,
    )


def _publishers(source: Source, rows: Sequence[Row]) -> list[Publisher]:
    """Collect the statements that rows make about publishers, without repetitions."""
    orders: dict[Publisher, int] = {}
    for row in rows:
        if statement := source.publisher(row):
            unordered = replace(statement, order=0)
            orders[unordered] = max(statement.order, orders.get(unordered, statement.order))
    return [replace(statement, order=order) for statement, order in orders.items()]
