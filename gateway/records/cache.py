"""A bounded, thread-safe cache of values read from the store, for the next decision."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar, cast

T = TypeVar("T")

SIZE = 10_000
"""Entries at most. The facts of one person take a few kilobytes, so a full cache takes some tens of megabytes."""


class Cache:
    """A cache that forgets what was not asked for the longest.

    A name must hold everything that the value depends on, the store's stamp included: a value is never invalidated,
    only forgotten.
    """

    def __init__(self, size: int = SIZE):
        self._size = size
        self._values: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return the value of that name; ``make`` it where it is not known. Two threads may make the same value at
        once."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return cast(T, self._values[name])
        value = make()
        with self._lock:
            self._values[name] = value
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value
