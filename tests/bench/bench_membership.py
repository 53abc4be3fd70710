"""The membership of a large export: gathered and pinned in short transactions, in memory that does not grow with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import records
from gateway.export import approval, asking, gather
from gateway.export.standing import BY_HAND
from gateway.nhs import identity
from gateway.store import columns, jobs, optouts, registry, sharing
from gateway.store.database import Store, open_store
from gateway.store.hashes import hash64
from gateway.store.numbers import KIND_NUMBER, TYPE_NUMBER
from gateway.store.session import Session
from tests.bench.bench_export import PROJECT, ROOT
from tests.bench.room import Room
from tests.bench.table import Line

PERSONS = 1_000_000
CHILD = "from tests.bench.bench_membership import child; child()"
A_WRITE = 20_000
OPTED_OUT = 20
"""One person in so many is on the opt-out list."""


def measure(room: Room) -> Iterator[Line]:
    persons = room.rows(PERSONS)
    folder = room.folder / "membership"
    folder.mkdir()
    url = f"sqlite:///{folder / 'gateway.db'}"
    store = open_store(url, create="sandbox")
    generate(store, persons)
    store.close()
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", CHILD, url], check=True, capture_output=True, cwd=root)
    told = json.loads(run.stdout)
    what = f"membership of {persons:,} persons"
    beside = f"{told['members']:,} Patients in {told['parts']:,} parts, {told['seconds']:.0f} s"
    yield Line(what, told["members"] / told["seconds"], beside=beside)
    hundredth, processor = told["hundredth"] * 1000, told["processor"] * 1000
    beside = (
        f"{told['writes']:,} writes, one in a hundred over {hundredth:.0f} ms; processor {processor:.0f} ms at most"
    )
    yield Line(f"{what}: longest write", told["longest"] * 1000, "ms", beside, 250, is_ceiling=True)
    beside = f"of it {told['growth'] - told['half']:.0f} MiB in the second half; page caches may take 256 MiB each"
    yield Line(f"{what}: memory grown by", told["growth"], "MiB", beside, 600, is_ceiling=True)
    yield Line(f"{what}: each download after a newer list", told["each"] * 1000, "ms", "", 250, is_ceiling=True)


def generate(store: Store, persons: int) -> None:
    """Fill a store with Patients alone: every tenth person has two. An approved project, and an opt-out list."""
    path = Path(store.url.split("///", 1)[1]).with_name("optouts.csv")
    numbers = [_number(place) for place in range(0, persons, OPTED_OUT)]
    path.write_text("".join(f"{number}\n" for number in numbers))
    with store.write() as session:
        publishers = [registry.ensure_publisher(session, "emis", code, "gp") for code in ("A99001", "A99002")]
        for key, ods in zip(publishers, ("A99001", "A99002")):
            sharing.describe(session, key, ods=ods, name=ods, state="active", order=1)
    patients = sorted((hash64("p", str(n), str(copy)), n) for n in range(persons) for copy in range(1 + (n % 10 == 0)))
    first: dict[int, int] = {}
    for patient, n in patients:
        first.setdefault(n, patient)
    for start in range(0, len(patients), A_WRITE):
        with store.write() as session:
            _fill(session, patients[start : start + A_WRITE], first, publishers)
    with store.write() as session:
        session.run("INSERT INTO optout_list (key, loaded, as_at, count, hash) VALUES (1, ?, ?, ?, 'x')",
                    session.now, session.now, len(numbers))  # fmt: skip
        session.insert("optout", columns.OPTOUT.all, [(1, number) for number in sorted(numbers)])
    approval.add(store, {**PROJECT, "contributors": [
        {"ods": ods, "agreement": "DSA", "from": "2000-01-01", "to": "2099-12-31"} for ods in ("A99001", "A99002")
    ]}, "requester")  # fmt: skip
    for name in ("first", "second"):
        approval.approve(store, "bench", name)


def _fill(session: Session, patients: list[tuple[int, int]], first: dict[int, int], publishers: list[int]) -> None:
    heads, claims, persons = [], [], []
    for key, (patient, n) in enumerate(patients, session.next_key("head")):
        own, number = f"patient:{patient}", _number(n)
        evidence = identity.encode_evidence(
            identity.Evidence(str(patient), (own, number), ((number, identity.VERIFIED),), "1980-01-01", "female")
        )
        claims += [(patient, number, evidence), (patient, own, evidence)]
        persons.append((patient, first[n], identity.VERIFIED, "number"))
        publisher = publishers[patient != first[n]]
        heads.append((key, TYPE_NUMBER["Patient"], str(patient), patient, patient, patient, publisher,
                      KIND_NUMBER["gp"], 0, 0, 1, session.now, 1, 1, 0, 0, 0, b"", 0))  # fmt: skip
    session.insert("head", columns.HEAD.all, heads)
    session.insert("claim", columns.CLAIM.all, sorted(claims))
    session.insert("person", columns.PERSON.all, persons)


def _number(n: int) -> str:
    """A number with the digits of an NHS number, and with one system for all: nobody reads more of it here."""
    return f"{n:010d}"


def child() -> None:
    """What the process of its own does: gather once; it tells how long that and the longest write took, and how much
    memory."""
    store = _Timed(open_store(sys.argv[1]))
    job = asking.ask(store, "bench", "operator", optout_days=7, kind=BY_HAND)
    before, begun = _resident(), time.perf_counter()
    gather.gather(store, job, ROOT)
    seconds = time.perf_counter() - begun
    half = store.resident[len(store.resident) // 2] - before
    with store.read() as session:
        held = session.value("SELECT count(*) FROM part_member WHERE job = ?", job)
        _, parts = jobs.progress(session, job)
    each = _downloads(store, job)
    print(json.dumps({
        "each": each, "members": held, "parts": parts, "seconds": seconds, "writes": len(store.took), "longest": max(store.took),
        "hundredth": sorted(store.took)[-1 - len(store.took) // 100], "processor": max(store.used),
        "growth": _resident() - before, "half": half,
    }))  # fmt: skip


def _downloads(store: Store, job: str) -> float:
    """Seconds that a download after a newer list takes to be allowed. On the newer list are as many people as before,
    and nobody of the job."""
    with store.write() as session:
        listed = [f"{number:010d}" for number in range(5_000_000_000, 5_000_000_000 + PERSONS // OPTED_OUT)]
        list_ = optouts.replace(session, listed, session.now)
        session.run("INSERT INTO optout (list, number) SELECT ?, number FROM optout WHERE list = ?", list_.key, 1)
        pinned = jobs.get(session, job)
    assert pinned is not None
    took = []
    for part in range(4):
        begun = time.perf_counter()
        with store.read() as session:
            records.today(session, job, part, pinned.pins)
        took.append(time.perf_counter() - begun)
    return sum(took[1:]) / 3


class _Timed(Store):
    """A store that tells how long each write transaction held the writer's turn, and what the process held after."""

    def __init__(self, store: Store):
        self.__dict__.update(store.__dict__)
        self.took: list[float] = []
        self.used: list[float] = []
        self.resident: list[float] = []

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as session:
            begun, used = time.perf_counter(), time.thread_time()
            yield session
        self.took.append(time.perf_counter() - begun)
        self.used.append(time.thread_time() - used)
        self.resident.append(_resident())


def _resident() -> float:
    """MiB of this process now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024
