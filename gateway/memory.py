"""When the collector looks for cycles: seldom, because records are made of millions of small objects and hardly a
cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (200_000, 20, 100)


def collect_seldom() -> None:
    """Have the collector look a thousandth as often as it does by itself, in this process from now on, and never at
    what is there now.

    It took a fifth of a load, and four fifths of decoding a whole person's record.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """The same while a block runs."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
