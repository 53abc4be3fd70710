"""When Python's garbage collector runs: seldom, because records are millions of small objects with hardly a cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (200_000, 20, 100)


def collect_seldom() -> None:
    """Make the collector run a thousandth as often as by default in this process, and never over the objects that
    exist now.

    Collecting took a fifth of the time of a load, and four fifths of that of decoding a whole person's record.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Make the collector run a thousandth as often while a block runs."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
