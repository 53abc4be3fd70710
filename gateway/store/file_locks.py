"""Locks between processes, in files beside a database. They end with their block, or with the process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from sqlalchemy.engine import Engine

from gateway.errors import Refused
from gateway.store import faults

TURN = "turn"
"""The lock of whoever writes: one process at a time, and whoever brings the schema up."""
TRY_SECONDS = 0.005


@contextmanager
def held(engine: Engine, name: str, patience: float | None = None) -> Iterator[None]:
    """Hold the lock called ``name`` of a SQLite database while the block runs. Others wait, or get ``Unavailable``
    after ``patience`` seconds."""
    with open(f"{engine.url.database}.{name}", "a", opener=_own) as file:
        if patience is None:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            _lock_within(file, patience)
        yield


def sole(path: str, command: str) -> int:
    """Lock a file as the only process that runs a command with this data folder; the lock ends when the descriptor is
    closed. Raises ``Refused`` where another one runs."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Refused(f"another `{command}` runs with this data folder") from None
    return lock


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lock_within(file: IO[str], seconds: float) -> None:
    """Lock a file. Raises ``Unavailable`` when others hold it for longer: a writer may be stopped, and not at work."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise faults.unavailable(faults.BUSY) from None
            time.sleep(TRY_SECONDS)
