"""Work beside this thread: pools of processes that leave Ctrl-C to their parent, and threads that end with a block."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any


@contextmanager
def pool(
    count: int, start: Callable[..., Any] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` spawned processes, each started with ``start(*arguments)``. When its block fails, waiting
    work is dropped.

    The processes ignore SIGINT: Ctrl-C on a terminal reaches every process of the command, and only the parent should
    end it, without a trace from each worker. They end with their parent, however that ends.
    """
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (start, arguments)) as processes:
        with _deaf():
            for _ in range(count):
                processes.submit(os.getpid)  # each starts a process, which inherits what is ignored
        try:
            yield processes
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(start: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> None:
    """The start of a process of a pool."""
    end_with_parent(partial(os._exit, 1))
    if start:
        start(*arguments)


def end_with_parent(end: Callable[[], None]) -> None:
    """Call ``end`` in a thread when the parent of this spawned process has ended, however it did. A pool's process
    otherwise waits for work for ever: it holds both ends of the pipe that work comes through."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            wait([parent.sentinel])
            end()

    threading.Thread(target=watch, name="parent", daemon=True).start()


@contextmanager
def thread(name: str, run: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run ``run(stop)`` in a thread until the block ends: then ``stop`` is set and the thread is waited for."""
    stop = threading.Event()
    beside = threading.Thread(target=run, args=(stop,), name=name)
    beside.start()
    try:
        yield
    finally:
        stop.set()
        beside.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore interrupts while the block runs. Only the main thread can do so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
