"""Maps a function over independent parts, in this process or in a pool. Callers need not know which."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from typing import TypeVar

from gateway import processes

P = TypeVar("P")
R = TypeVar("R")


def map_parts(function: Callable[[P], R], parts: Sequence[P], *, workers: int | None = None) -> Generator[R]:
    """The results as they come. ``workers`` 0 or 1, or a single part: no pool."""
    count = min(workers if workers is not None else (os.cpu_count() or 1), len(parts))
    if count <= 1:
        yield from map(function, parts)
        return
    with processes.pool(count) as pool:
        for future in as_completed([pool.submit(function, part) for part in parts]):
            yield future.result()
