"""The memory of a load does not grow with its size."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from gateway.intake import take
from gateway.store import touched
from tests.bench.volume import write_volume
from tests.toy import deliver, resource, row

FEW, MANY = 20_000, 80_000
MOST = 150
"""Bytes that the peak may grow by with a row more. A pair of numbers that is held of each row takes as many."""
LOAD = """
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from gateway.intake import load
from gateway.store import connecting, database
from gateway.terminology import sets
from mappings import Feed, sources

connecting.PAGES_KB = 2048  # the pages that SQLite keeps are bounded, by far more than small deliveries fill
folder = Path(sys.argv[1])
store = database.open_store(f"sqlite:///{folder / 'gateway.db'}", create="sandbox")
report = load.load(store, sources()["emis"], folder / "sent", Feed(), sets.load(sandbox=True), workers=2)
assert not report.rejects
print(getrusage(RUSAGE_SELF).ru_maxrss)
"""


def peak(folder: Path, observations: int) -> int:
    """The most memory, in bytes, that the process of a load held; its two workers are apart."""
    (folder / "sent").mkdir(parents=True)
    write_volume(folder / "sent", observations, date(2026, 3, 1))
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    said = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], env=unmeasured, check=True, capture_output=True, text=True
    )
    return int(said.stdout) * 1024


@pytest.mark.slow
def test_a_load_of_four_times_the_rows_takes_no_more_memory(tmp_path):
    grown = peak(tmp_path / "many", MANY) - peak(tmp_path / "few", FEW)
    assert grown < MOST * (MANY - FEW)


def test_a_load_never_holds_all_the_groups_that_it_marked(store, monkeypatch):
    """Nor does it lose one: each is mapped once, also where it is marked under two patients."""
    held: list[int] = []
    pairs = touched.pairs

    def counted(*words):
        held.append(len(marked := pairs(*words)))
        return marked

    monkeypatch.setattr(take, "GROUPS_AT_ONCE", 3)
    monkeypatch.setattr(touched, "pairs", counted)
    ids = [f"{number:08d}-0000-5000-8000-000000000000" for number in range(1, 11)]
    report = deliver(store, [row(id_, resource("Organization", id_, name="x")) for id_ in ids])
    assert report.resources["Organization", "created"] == 10
    assert held == [3, 3, 3, 1, 0]
