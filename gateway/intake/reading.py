"""A delivery's rows as they are kept, a batch at a time: hashed, packed, with what they say of publishers. Nothing
here touches the store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec

from gateway.intake.mapping import resource_id
from gateway.store import kept as keeping
from gateway.store.database import id_hash
from gateway.store.kept import Body, Sent
from mappings import Feed, Publisher, Reject, Row, Source


class Batch(msgspec.Struct, array_like=True, gc=False):
    """Rows ready to be kept, and what came with them. ``rejects`` are (place, reason); ``told`` what the rows say of
    publishers, each thing once with its newest order; ``file`` (its place in the delivery) and ``line`` (0: it has
    none) say how far reading has come with ``count`` more."""

    sent: list[Sent]
    rejects: list[tuple[str, str]]
    told: list[Publisher]
    count: int
    file: int
    line: int


def batches(source: Source, files: Sequence[Path], feed: Feed, namespace: bytes, size: int) -> Iterator[Batch]:
    """Read a delivery, ``size`` rows at a time."""
    items = _items(source, files, feed)
    while batch := list(islice(items, size)):
        yield _batch(source, files, namespace, batch)


def publishers(source: Source, files: Sequence[Path], feed: Feed) -> Iterator[str]:
    """The codes of the publishers a delivery speaks for, row by row."""
    return (item.publisher for _, item in _items(source, files, feed) if isinstance(item, Row))


def _items(source: Source, files: Sequence[Path], feed: Feed) -> Iterator[tuple[int, Row | Reject]]:
    return ((number, item) for number, file in enumerate(files) for item in source.read(file, feed))


def _batch(source: Source, files: Sequence[Path], namespace: bytes, items: Sequence[tuple[int, Row | Reject]]) -> Batch:
    rows = [item for _, item in items if isinstance(item, Row)]
    rejects = [
        (f"{source.name} {_shown(files[number], number)} {item.place}", item.reason)
        for number, item in items
        if isinstance(item, Reject)
    ]
    number, last = items[-1]
    return Batch(
        [_sent(namespace, source, row) for row in rows],
        rejects,
        _told(source, rows),
        len(items),
        number,
        getattr(last, "line", 0),
    )


def _sent(namespace: bytes, source: Source, row: Row) -> Sent:
    never = source.never.get(row.table)
    values = {k: v for k, v in row.values.items() if v != "" and k not in never} if never else row.values
    name, publisher = source.name, row.publisher
    patient = id_hash(resource_id(namespace, name, publisher, "Patient", row.patient)) if row.patient else 0
    return Sent(
        keeping.row_hash(name, publisher, row.table, row.key),
        keeping.table_hash(name, publisher, row.table),
        publisher, patient, tuple([keeping.group_hash(name, publisher, group) for group in row.groups]),
        row.order, row.deleted, keeping.encode_body(Body(row.table, row.key, row.patient, row.groups, values, row.line, row.directory)),
        row.bare,
    )  # fmt: skip


def _told(source: Source, rows: Sequence[Row]) -> list[Publisher]:
    """What rows say of publishers; the same thing said often, once."""
    said: dict[Publisher, int] = {}
    for row in rows:
        if found := source.publisher(row):
            name = replace(found, order=0)
            said[name] = max(found.order, said.get(name, found.order))
    return [replace(name, order=order) for name, order in said.items()]


def _shown(file: Path, number: int) -> str:
    """A file by its place in the delivery and the words of its name: a name may hold a number of somebody's."""
    words = [
        word for word in re.split(r"[^A-Za-z]+", re.sub(r"\w*\d\w*", " ", file.stem.replace("_", " "))) if len(word) > 1
    ]
    return f"file {number + 1} ({' '.join(words) or 'no name'})"
