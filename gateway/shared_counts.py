"""Metrics that several processes of one server count together: files in a folder of theirs, added up at each scrape.

The library's multi-process mode: it counts into files where `PROMETHEUS_MULTIPROC_DIR` was set when it was imported.
Source: https://prometheus.github.io/client_python/multiprocess/.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

ADDED = ("counter", "histogram")
"""Kinds of metric whose counts stay when the process ends: a sum that falls would look like a restart."""
ENDED = 0
"""The number that stands for all processes that have ended."""


def added(folder: Path) -> Iterable[Metric]:
    """The metrics of all processes, each added up."""
    with _locked(folder, fcntl.LOCK_SH):
        return list(MultiProcessCollector(None, str(folder)).collect())  # type: ignore[no-untyped-call]


def forget(folder: Path, process: int) -> None:
    """Remove the files of a process that has ended. What it counted is kept in one file for all that have: the files
    do not grow with the number of processes that ever were. A file that cannot be read, as one whose process was killed
    while it was made, is removed all the same, and the error raised."""
    with _locked(folder, fcntl.LOCK_EX):
        try:
            for kind in ADDED:
                if (file := folder / f"{kind}_{process}.db").exists():
                    _add(file, folder / f"{kind}_{ENDED}.db")
        finally:
            for file in folder.glob(f"*_{process}.db"):
                file.unlink()


def _add(file: Path, to: Path) -> None:
    with closing(MmapedDict(str(to))) as total:  # type: ignore[no-untyped-call]
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            before, _ = total.read_value(key)  # type: ignore[no-untyped-call]
            total.write_value(key, before + value, time.time())  # type: ignore[no-untyped-call]


def processes(folder: Path) -> list[Metric]:
    """What the library tells of each process that answers requests, with its number as a label."""
    numbers = sorted(int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_livesum_*.db"))
    families: dict[str, Metric] = {}
    for number in numbers:
        for metric in ProcessCollector(pid=partial(int, number), registry=None).collect():
            family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                family.add_sample(sample.name, {"pid": str(number)}, sample.value)
    return list(families.values())


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """No file is removed while others read: the library takes one that is gone for a fault."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
