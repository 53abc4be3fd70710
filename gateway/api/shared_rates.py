"""The counts of a rate, which several processes may share: a table in memory or in a file, for the library ``limits``.

Each row holds the name of who is counted (a keyed hash), when its window ends and how often it asked. A window is that
of the clock, so that all processes mean the same one. Where the rows for a name are all taken, two are counted
together: nobody may ask more often than the rate says, and somebody perhaps less often.

The library's own storage in memory starts a thread at nearly every request, and grows with the strangers who ask.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limits.storage import Storage

ROW = struct.Struct("<8sdq")
"""(name, end of the window in seconds since 1970, count)"""
ROWS, PLACES = 8, 4096
"""Rows of one place, and how many places there are."""
KEY = 32
"""Bytes at the file's begin: the key of the names. Who asks cannot choose whom it is counted with."""


class SharedRates(Storage):
    """An open table: in the file that processes share, or where there is none, in the memory of this one. ``hit`` of a
    limiter that uses it is one question to all counts."""

    STORAGE_SCHEME = None

    def __init__(self, path: Path | None = None):
        super().__init__()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600) if path else None
        self._turn = threading.Lock()
        size = KEY + PLACES * ROWS * ROW.size
        with self._locked(0, KEY):
            if self._file is not None and os.fstat(self._file).st_size == 0:
                os.truncate(self._file, size)
            self._table = mmap.mmap(-1 if self._file is None else self._file, size)
            if not any(self._table[:KEY]):
                self._table[:KEY] = os.urandom(KEY)
        self._key = self._table[:KEY]

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a count, and return it. A window lasts ``expiry`` seconds."""
        name, place = self._of(key)
        with self._locked(place, ROW.size * ROWS):
            now = time.time()
            rows = self._rows(place)
            number, count = _row(rows, name, now)
            taken, end, _ = rows[number] if count else (name, (now // expiry + 1) * expiry, 0)
            ROW.pack_into(self._table, place + number * ROW.size, taken, end, count + amount)
            return count + amount

    def get(self, key: str) -> int:
        """The count of the window that has not ended."""
        return self._look(key)[1]

    def get_expiry(self, key: str) -> float:
        """When the window ends."""
        return self._look(key)[0]

    def _look(self, key: str) -> tuple[float, int]:
        name, place = self._of(key)
        with self._locked(place, ROW.size * ROWS):
            now, rows = time.time(), self._rows(place)
            number, count = _row(rows, name, now)
            return (rows[number][1] if count else now), count

    def check(self) -> bool:
        """Whether it can count: it does as long as it is open."""
        return True

    def reset(self) -> None:
        """Forget all counts."""
        with self._locked(KEY, 0):
            self._table[KEY:] = bytes(len(self._table) - KEY)

    def clear(self, key: str) -> None:
        """Forget the count of one."""
        name, place = self._of(key)
        with self._locked(place, ROW.size * ROWS):
            number, count = _row(self._rows(place), name, time.time())
            if count:
                ROW.pack_into(self._table, place + number * ROW.size, name, 0, 0)

    def _of(self, key: str) -> tuple[bytes, int]:
        """The name of a key in the table, and where the rows begin that it may be in."""
        digest = hashlib.blake2b(key.encode(), digest_size=16, key=self._key).digest()
        return digest[:8], KEY + int.from_bytes(digest[8:], "little") % PLACES * ROWS * ROW.size

    def _rows(self, place: int) -> list[tuple[bytes, float, int]]:
        return list(ROW.iter_unpack(self._table[place : place + ROWS * ROW.size]))

    @contextmanager
    def _locked(self, start: int, size: int) -> Iterator[None]:
        """Hold a part of the table. The system frees it when a process ends, however that happens."""
        with self._turn:  # the system's lock is the process's: its threads share it
            if self._file is None:
                yield
                return
            fcntl.lockf(self._file, fcntl.LOCK_EX, size, start)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, size, start)


def _row(rows: list[tuple[bytes, float, int]], name: bytes, now: float) -> tuple[int, int]:
    """Which row is a name's, and its count: its own, else one whose window has ended, else that with the most."""
    free = None
    for number, (taken, end, count) in enumerate(rows):
        if end <= now:
            free = number
        elif taken == name:
            return number, count
    if free is not None:
        return free, 0
    fullest = max(range(len(rows)), key=lambda number: rows[number][2])
    return fullest, rows[fullest][2]
