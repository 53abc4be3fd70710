"""What the benchmarks of one run share: a temporary folder, how large to measure, and stores of any size, each built
once by loading it."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.intake import load
from gateway.intake.report import Report
from gateway.store.database import Store, open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.bench.volume import write_volume

TODAY = datetime.date(2026, 3, 1)


@dataclass(frozen=True)
class Loaded:
    """A store filled by one load, with what the load took. ``folder`` is its data folder."""

    folder: Path
    url: str
    resources: int
    seconds: float
    processor: float
    phases: dict[str, float]

    def open(self) -> Store:
        return open_store(self.url)


class Room:
    """One run of the benchmarks. ``quick`` asks whether things run at all: ``rows`` then makes every size small."""

    def __init__(self, folder: Path, quick: bool):
        self.folder, self.quick = folder, quick
        self._loaded: dict[tuple, Loaded] = {}

    def rows(self, wanted: int) -> int:
        """How many rows to measure with."""
        return min(wanted, 10_000) if self.quick else wanted

    def loaded(self, rows: int, *, shuffled: bool = False, each: int = 200, url: str = "") -> Loaded:
        """A store of so many observation rows, ``each`` a patient, as one load made it; on ``url`` or on SQLite in a
        folder of its own."""
        name = (rows, shuffled, each, url)
        if name not in self._loaded:
            self._loaded[name] = self._load(
                self.folder / f"{rows}-{each}{'-shuffled' * shuffled}{'-url' * bool(url)}", *name
            )
        return self._loaded[name]

    def _load(self, folder: Path, rows: int, shuffled: bool, each: int, url: str) -> Loaded:
        folder.mkdir()
        url = url or f"sqlite:///{folder / 'gateway.db'}"
        write_volume(folder / "emis", rows, TODAY, shuffled=shuffled, each=each)
        store = open_store(url, create="sandbox")
        phases: dict[str, float] = {}
        begun, used = time.perf_counter(), processor()
        report = load.load(store, sources()["emis"], folder / "emis", Feed(), sets.load(sandbox=True),
                           progress=lambda phase, done, of: phases.__setitem__(phase, time.perf_counter() - begun))  # fmt: skip
        seconds, used = time.perf_counter() - begun, processor() - used
        store.close()
        shutil.rmtree(folder / "emis")
        return Loaded(folder, url, _clean(report), seconds, used, phases)


def _clean(report: Report) -> int:
    """How many resources a load wrote. A load with rejects would measure something else."""
    if report.rejects:
        raise RuntimeError(f"the load had rejects: {report.rejects}")
    return report.as_dict()["written"]


def processor() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextmanager
def open_room(quick: bool) -> Iterator[Room]:
    """A room in a new temporary folder, which goes with it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Room(Path(folder), quick)
