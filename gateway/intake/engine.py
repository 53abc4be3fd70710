"""Mapping as a function over parts: in this process, or in a pool that works ahead of the one writer. Nothing else knows which."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import msgspec

from gateway import processes
from gateway.fhir import model
from gateway.intake.mapping import Context, map_groups
from gateway.memory import collect_seldom
from gateway.nhs.codesets import CodeSets
from gateway.store import people
from gateway.store.database import Store, open_store
from gateway.store.resources import Mapped
from mappings import Feed, Source, sources

POOL_FROM = 3_000_000
"""Bytes of a delivery from which a pool of processes pays for its start."""
Part = Sequence[tuple[int, int]]
Engine = Callable[[Sequence[Part]], Iterator[tuple[Part, list[Mapped]]]]
"""Maps parts, each of (patient, group) pairs, and gives them back in order with what they became."""


class Worker:
    """Maps parts on a reading connection of its own."""

    def __init__(self, store: Store, source: Source, feed: Feed, sets: CodeSets):
        self.store, self.source, self.feed, self.sets = store, source, feed, sets
        self.context: Context | None = None

    def run(self, parts: Sequence[Part]) -> Iterator[tuple[Part, list[Mapped]]]:
        """Each part with what it became, one after the other."""
        return ((part, self.map(part)) for part in parts)

    def map(self, part: Part) -> list[Mapped]:
        with self.store.read() as session:
            if self.context is None:
                self.context = Context(self.source, self.feed, self.store.namespace, people.publishers(session), self.sets)
            return map_groups(session, self.context, part)


@contextmanager
def engine(store: Store, source: Source, feed: Feed, sets: CodeSets, size: int, workers: int | None) -> Iterator[Engine]:
    """The engine for so many bytes of rows. A pool starts at once, so that its processes are ready when the rows are kept."""
    count = workers if workers is not None else os.cpu_count() or 1
    if size < POOL_FROM or count == 0:
        yield Worker(store, source, feed, sets).run
        return
    with processes.pool(count, _start, (store.url, source.name, feed, sets)) as pool:
        for _ in range(count):
            pool.submit(model.decoder)

        def run(parts: Sequence[Part]) -> Iterator[tuple[Part, list[Mapped]]]:
            ahead: deque[tuple[Part, Future]] = deque()
            for part in parts:
                ahead.append((part, pool.submit(_map_part, part)))
                if len(ahead) > 2 * count:
                    first, future = ahead.popleft()
                    yield first, _mapped(future.result())
            for first, future in ahead:
                yield first, _mapped(future.result())

        yield run


_worker: Worker | None = None
_mapped = msgspec.msgpack.Decoder(list[Mapped]).decode


def _start(url: str, source: str, feed: Feed, sets: CodeSets) -> None:
    global _worker  # one a process, made once: a pool's worker has nowhere else to keep it
    collect_seldom()
    _worker = Worker(open_store(url), sources()[source], feed, sets)


def _map_part(part: Part) -> bytes:
    return msgspec.msgpack.encode(_worker.map(part))
