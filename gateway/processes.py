"""A pool of processes that leaves Ctrl-C to its parent: what a terminal interrupts is the command, once, without a
trace from each worker."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any


@contextmanager
def pool(
    count: int, start: Callable[..., Any] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` spawned processes, each begun with ``start(*arguments)``. When its block fails, what still
    waits is dropped."""
    with ProcessPoolExecutor(count, get_context("spawn"), start, arguments) as processes:
        with _deaf():
            for _ in range(count):
                processes.submit(os.getpid)  # each starts a process, which inherits what is ignored
        try:
            yield processes
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore interrupts while the block runs. Only the main thread can; in another there is no terminal to
    interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
