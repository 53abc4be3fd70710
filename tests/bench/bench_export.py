"""P6: an export end to end, from the store to NDJSON files, in one process of its own, beside the pseudonymisation of
the same bodies in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.export import approval, asking, national_list, running
from gateway.nhs.pseudonym import Pseudonymiser
from gateway.store.database import open_store
from gateway.store.numbers import TYPE_NUMBER
from gateway.store.resources import of_patients
from tests.bench.room import Loaded, Room
from tests.bench.table import Line

SMALL, LARGE = 100_000, 1_000_000
ROOT = bytes(32)
CHILD = "from tests.bench.bench_export import child; child()"
PEOPLE = 100
NOBODY = "9999999913"
"""A valid number that no synthetic person has: an empty list is refused."""
PROJECT = {
    "name": "bench", "purpose": "To measure", "lawful_basis": "UK GDPR 6(1)(e)", "common_law_basis": "s251", "controller": "joint",
    "recipient": "8A999", "people": ["researcher"], "setting": "in-sde", "profile": "sde-research", "disclosure": "hes", "key_version": 1, "k": 1,
    "start": "2000-01-01", "end": "2099-12-31",
    "contributors": [{"ods": "A99001", "agreement": "DSA-1", "from": "2000-01-01", "to": "2099-12-31"}],
}  # fmt: skip


def measure(room: Room) -> Iterator[Line]:
    yield from _lines(room.loaded(room.rows(SMALL)))
    if not room.quick:
        yield from _lines(room.loaded(LARGE))


def _lines(found: Loaded) -> Iterator[Line]:
    alone = _in_memory(found)
    prepare(found)
    done = subprocess.run([sys.executable, "-c", CHILD, found.url, str(found.folder / "export")], check=True, capture_output=True,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    told = json.loads(done.stdout)
    rate = told["resources"] / told["processor"]
    what = f"export, store to files, {told['resources']:,} resources"
    beside = (
        f"in memory {alone:,.0f}/s, {rate / alone:.2f} of it; {told['seconds']:.1f} s, processor "
        f"{told['processor']:.1f} s"
    )
    yield Line(f"{what}, a core", rate, beside=beside, target=40_000)
    beside = f"of it {told['mapped']:,.0f} MiB of files mapped at the end"
    yield Line(f"{what}: memory", told["memory"], "MiB", beside, 500, is_ceiling=True)


def prepare(found: Loaded) -> None:
    """An approved project and a fresh opt-out list."""
    store = found.open()
    listed = found.folder / "optouts.csv"
    listed.write_text(f"{NOBODY}\n")
    national_list.load(store, listed)
    approval.add(store, PROJECT, "requester")
    for name in ("first", "second"):
        approval.approve(store, "bench", name)
    store.close()


def child() -> None:
    """What the process of its own does: one export without a pool; it tells how long, how much processor and how much
    memory that took."""
    url, out = sys.argv[1:]
    store = open_store(url)
    begun, used = time.perf_counter(), time.process_time()
    manifest = running.run(
        store, asking.start(store, "bench", "operator", optout_days=7, root=ROOT), Path(out), ROOT, workers=1
    )
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    memory, mapped = _memory("VmHWM"), _memory("RssFile")
    lines = sum((Path(out) / file["url"]).read_bytes().count(b"\n") for file in manifest["output"])
    print(json.dumps({"resources": lines, "seconds": seconds, "processor": used, "memory": memory, "mapped": mapped}))


def _memory(name: str) -> float:
    """MiB of this process. ``getrusage`` would tell the highest of the parent too: its peak outlives ``exec``."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024


def _in_memory(found: Loaded) -> float:
    """Resources a second of processor time that the pseudonymisation alone would take of the same bodies."""
    store, whole = found.open(), []
    with store.read() as session:
        patients = session.rows(
            "SELECT patient FROM head WHERE type = ? ORDER BY key LIMIT ?", TYPE_NUMBER["Patient"], PEOPLE
        )
        for (patient,) in patients:
            whole.append((str(patient), [(one.type, one.id, one.body) for one in of_patients(session, [patient])]))
    store.close()
    worker = Pseudonymiser(PROJECT["profile"], PROJECT["setting"], ROOT)
    begun = time.process_time()
    count = sum(1 for person, held in whole for _ in worker.person(person, held))
    return count / (time.process_time() - begun)
