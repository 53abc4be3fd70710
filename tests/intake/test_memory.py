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

FEW, MANY, MOST_GROWTH = 100_000, 400_000, 1.3


def peak(folder: Path, observations: int) -> int:
    """The most memory, in kB, that the process of a load held; its two workers are apart."""
    (folder / "sent").mkdir(parents=True)
    write_volume(folder / "sent", observations, date(2026, 3, 1))
    known = {**os.environ, "GATEWAY_DATA_DIR": str(folder / "data")}
    gateway = [sys.executable, "-m", "gateway"]
    subprocess.run([*gateway, "init", "sandbox"], env=known, check=True, capture_output=True)
    load = subprocess.Popen(
        [*gateway, "load", "emis", str(folder / "sent"), "--workers", "2"], env=known, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(load.pid, 0)
    load.returncode = os.waitstatus_to_exitcode(status)
    assert load.returncode == 0
    return used.ru_maxrss


@pytest.mark.slow
def test_four_times_the_rows_take_little_more_memory(tmp_path):
    assert peak(tmp_path / "many", MANY) < MOST_GROWTH * peak(tmp_path / "few", FEW)


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
