"""Runs reading and mapping: in this process, or in worker processes that work ahead of the one writer."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import Protocol

import msgspec

from gateway import processes
from gateway.fhir import model
from gateway.intake import producers
from gateway.intake.mapping import Context, map_groups
from gateway.intake.producers import Batch, Rows
from gateway.memory import collect_seldom
from gateway.nhs.codesets import CodeSets
from gateway.store import registry
from gateway.store.database import Store, open_store
from gateway.store.mapped import Mapped
from mappings import Feed, Source, sources

POOL_FROM = 3_000_000
"""From this size (bytes) of a delivery on, worker processes gain more than their start costs."""
MOST_WORKERS = 8
"""Twice as many as one writer can keep busy. More workers would only wait."""
Part = Sequence[tuple[int, int]]


class Engine(Protocol):
    """Reads rows and maps parts, each of (patient, group) pairs."""

    def read(self, producer: Rows, size: int) -> Iterator[Batch]:
        """The producer's rows in their order, ``size`` at a time."""

    def run(self, parts: Iterable[Part]) -> Iterator[tuple[Part, list[Mapped]]]:
        """Yield the result of each part, in order. Parts are asked for as they can be worked on."""


class Worker:
    """Reads and maps in this process, on a reading connection of its own."""

    def __init__(self, store: Store, source: Source, feed: Feed, sets: CodeSets):
        self.store, self.source, self.feed, self.sets = store, source, feed, sets
        self.context: Context | None = None

    def read(self, producer: Rows, size: int) -> Iterator[Batch]:
        return producers.batches(self.source, producer, self.store.namespace.bytes, size)

    def run(self, parts: Iterable[Part]) -> Iterator[tuple[Part, list[Mapped]]]:
        return ((part, self.map(part)) for part in parts)

    def map(self, part: Part) -> list[Mapped]:
        with self.store.read() as session:
            if self.context is None:
                self.context = Context(
                    self.source, self.feed, self.store.namespace.bytes, registry.publishers(session), self.sets
                )
            return map_groups(session, self.context, part)


class Team:
    """Workers in processes of their own. One of them reads ahead of the writer; all of them map in turn, ahead of the
    writer."""

    def __init__(self, members: Sequence[ProcessPoolExecutor]):
        self._members = members
        for member in members:
            member.submit(model.make_ready)  # built while rows are kept, so that the first part need not wait

    def renew(self) -> None:
        """Have the workers look at the store anew: what they remember of it may have changed."""
        for member in self._members:
            member.submit(_renew)

    def read(self, producer: Rows, size: int) -> Iterator[Batch]:
        reader = self._members[-1]
        reader.submit(_open, producer, size)
        ahead = deque(reader.submit(_read_on) for _ in range(2))
        while packed := ahead.popleft().result():
            ahead.append(reader.submit(_read_on))
            yield _batch(packed)

    def run(self, parts: Iterable[Part]) -> Iterator[tuple[Part, list[Mapped]]]:
        ahead: deque[tuple[Part, Future[bytes]]] = deque()
        for part, member in zip(parts, cycle(self._members)):
            ahead.append((part, member.submit(_map, part)))
            if len(ahead) > 2 * len(self._members):
                first, future = ahead.popleft()
                yield first, _mapped(future.result())
        for first, future in ahead:
            yield first, _mapped(future.result())


@contextmanager
def engine(
    store: Store, source: Source, feed: Feed, sets: CodeSets, size: int, workers: int | None
) -> Iterator[Engine]:
    """The engine for so many bytes of rows; ``workers`` processes, 0 for none, None for as many as there are cores.
    They start at once, so that they are ready when they are needed."""
    count = workers if workers is not None else min(os.cpu_count() or 1, MOST_WORKERS)
    if size < POOL_FROM or count == 0:
        yield Worker(store, source, feed, sets)
        return
    with team(store, source, feed, sets, count) as members:
        yield members


@contextmanager
def team(store: Store, source: Source, feed: Feed, sets: CodeSets, count: int) -> Iterator[Team]:
    """So many worker processes, while a block runs."""
    with ExitStack() as stack:
        begun = (_start, (store.url, source.name, feed, sets))
        yield Team([stack.enter_context(processes.pool(1, *begun)) for _ in range(count)])


_worker: Worker | None = None
_reading: Iterator[Batch] = iter(())
_batch = msgspec.msgpack.Decoder(Batch).decode
_mapped = msgspec.msgpack.Decoder(list[Mapped]).decode


def _start(url: str, source: str, feed: Feed, sets: CodeSets) -> None:
    global _worker  # one for each process: a worker has no other place to keep it
    collect_seldom()
    _worker = Worker(open_store(url), sources()[source], feed, sets)


def _renew() -> None:
    _member().context = None


def _open(producer: Rows, size: int) -> None:
    global _reading  # holds the open iterator between two calls
    _reading = _member().read(producer, size)


def _read_on() -> bytes:
    """Return the next batch, encoded; empty at the end."""
    batch = next(_reading, None)
    return b"" if batch is None else msgspec.msgpack.encode(batch)


def _map(part: Part) -> bytes:
    return msgspec.msgpack.encode(_member().map(part))


def _member() -> Worker:
    assert _worker is not None, "asked before it was started"
    return _worker
