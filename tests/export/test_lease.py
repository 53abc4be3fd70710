"""A worker keeps its job while parts are cut, gives it back when it is stopped, and leaves it in an outage."""

import errno
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pysqlite3.dbapi2 as sqlite
import pytest
import sqlalchemy.exc

from gateway import durable, log
from gateway.commands import work
from gateway.errors import Unavailable
from gateway.export import approval, asking, cut, gather, lease, national_list, part_files, standing, worker
from gateway.store import jobs, members
from gateway.store.database import Store, open_store
from tests import toy
from tests.export.conftest import NOW, ROOT, Clock, document

NOBODY = "9999999468"


def ticking() -> Callable[[], int]:
    """A clock that begins on the day of the tests and goes on with this machine's."""
    begun = time.monotonic()
    return lambda: NOW + int((time.monotonic() - begun) * 1_000_000)


def ask(store: Store) -> str:
    return asking.ask(store, "study", "researcher", optout_days=7)


def job_of(store: Store, id_: str) -> jobs.Job:
    with store.read() as session:
        return jobs.get(session, id_)


def is_claimable(store: Store) -> bool:
    with store.read() as session:
        return jobs.is_waiting(session, standing.KIND, store.clock())


# Longer than a lease


def test_two_workers_and_parts_slower_than_a_lease_end_with_each_part_cut_once(loaded, approved, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE", 600_000)
    monkeypatch.setattr(gather, "PERSONS_A_PART", 6)
    loaded.clock = ticking()
    other = open_store(loaded.url, clock=loaded.clock)
    job, real, numbers, stop = ask_approved(loaded, approved), cut.cut, [], threading.Event()

    def slow(part):
        numbers.append(part.number)
        time.sleep(0.8)
        return real(part)

    monkeypatch.setattr(cut, "cut", slow)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.02)
    threads = [
        threading.Thread(target=worker.work, args=(store, tmp_path / "exports", ROOT, stop), kwargs={"workers": 1})
        for store in (loaded, other)
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 30
    while job_of(loaded, job).state not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    other.close()
    assert job_of(loaded, job).state == "done" and len(numbers) > 2 and numbers == sorted(set(numbers))


def ask_approved(store: Store, approved) -> str:
    approved()
    return ask(store)


def test_a_lease_is_not_renewed_for_a_job_that_another_worker_has(loaded, approved, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE", 40_000)
    job = ask_approved(loaded, approved)
    with loaded.write() as session:
        mine = jobs.take(session, job)
    with loaded.write() as session:
        theirs = jobs.take(session, job)
    with lease.kept(loaded, mine):
        time.sleep(0.3)
    assert job_of(loaded, job).claim == theirs.claim and job_of(loaded, job).lease == theirs.lease


def test_a_fault_while_a_lease_is_renewed_is_logged_by_its_type_and_the_lease_is_kept(loaded, approved, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE", 40_000)
    bugs, real = [], jobs.hold

    def once(session, job):
        monkeypatch.setattr(jobs, "hold", real)
        raise RuntimeError("9990000018")

    monkeypatch.setattr(log, "bug", bugs.append)
    job = ask_approved(loaded, approved)
    with loaded.write() as session:
        mine = jobs.take(session, job)
    monkeypatch.setattr(jobs, "hold", once)
    loaded.clock = ticking()
    with lease.kept(loaded, mine):
        time.sleep(0.3)
    assert [type(error) for error in bugs] == [RuntimeError] and job_of(loaded, job).lease > mine.lease


# Told to stop


def stopped(monkeypatch, module, name: str, stop: threading.Event) -> None:
    """Have a function set ``stop`` when it is called first, and give the worker time to notice."""
    real = getattr(module, name)

    def stops(*args):
        if not stop.is_set():
            stop.set()
            time.sleep(3 * lease.LOOK_SECONDS)
        return real(*args)

    monkeypatch.setattr(module, name, stops)


@pytest.mark.parametrize("module, name, state", [(cut, "cut", "running"), (gather, "_place", "gathering")])
def test_a_worker_that_is_stopped_gives_its_job_back_and_the_next_goes_on(
    loaded, approved, tmp_path, monkeypatch, module, name, state
):
    monkeypatch.setattr(gather, "PERSONS_A_PART", 4)
    job, stop = ask_approved(loaded, approved), threading.Event()
    stopped(monkeypatch, module, name, stop)
    worker.work(loaded, tmp_path / "exports", ROOT, stop, workers=1)
    assert job_of(loaded, job).state == state and is_claimable(loaded)
    assert not list(tmp_path.glob("exports/*/*.ndjson")) and not list(tmp_path.glob("exports/*/.*.part"))
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert job_of(loaded, job).state == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("once", [True, False])
def test_the_command_ends_with_the_job_under_way_when_it_is_told_to(loaded, tmp_path, monkeypatch, number, once):
    calls = []

    def working(*_, stop, **__):
        calls.append(stop.is_set())
        signal.raise_signal(number)
        return stop.is_set()

    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(worker, "work_once", working)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert work.work(once=once) == 0 and calls == [False]
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


# In an outage


@pytest.fixture(params=["sqlite", "postgresql"])
def listed(request, tmp_path) -> Iterator[Store]:
    """A store on each database with one trust, two people, an approved project and an opt-out list."""
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'gateway.db'}" if is_file else request.getfixturevalue("postgres_url")
    store = open_store(url, create="sandbox", clock=Clock(NOW))
    people = [toy.row(f"p{n}", toy.resource("Patient", f"{n:08x}-0000-5000-8000-000000000000")) for n in (1, 2)]
    toy.deliver(store, [toy.says("P1", 1, ods="RZZ", state="active"), *people], kind="hospital")
    approval.add(store, document(), "asker")
    for by in ("guardian", "controller"):
        approval.approve(store, "study", by)
    (tmp_path / "list.csv").write_text(f"{NOBODY},\n")
    national_list.load(store, tmp_path / "list.csv")
    yield store
    store.close()


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_database(*_):
    error = sqlite.OperationalError("database or disk is full")
    error.sqlite_errorcode = 13
    raise sqlalchemy.exc.OperationalError("", {}, error)


def away(*_):
    raise sqlalchemy.exc.OperationalError("", {}, psycopg.OperationalError("connection refused"))


OUTAGES = {
    "the disk of a part": (part_files.PartFile, "close", full_disk, "disk-full"),
    "the disk of the folder": (durable, "write_whole", full_disk, "disk-full"),
    "the database while a part is cut": (cut, "cut", away, "database-away"),
    "the database in a write": (jobs, "finish_part", full_database, "disk-full"),
    "the database while members are gathered": (members, "stage", full_database, "disk-full"),
    "the database at the claim": (jobs, "claim", away, "database-away"),
    "the database when the job is looked for": (jobs, "is_waiting", away, "database-away"),
}


@pytest.mark.parametrize("what", OUTAGES)
def test_an_outage_leaves_the_job_to_its_lease(listed, tmp_path, monkeypatch, what):
    owner, name, failing, code = OUTAGES[what]
    job, out = ask(listed), tmp_path / "exports"
    with monkeypatch.context() as patch, pytest.raises(Unavailable) as outage:
        patch.setattr(owner, name, failing)
        worker.work_once(listed, out, ROOT, workers=1)
    assert outage.value.code == code
    assert job_of(listed, job).state in ("accepted", "gathering", "running") and not list(out.glob("*/.*.ndjson.*"))
    listed.clock.now += jobs.LEASE + 1
    assert worker.work_once(listed, out, ROOT, workers=1)
    assert job_of(listed, job).state == "done"


def test_whatever_is_no_outage_fails_the_job(listed, tmp_path, monkeypatch):
    def wrong(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    job = ask(listed)
    monkeypatch.setattr(part_files.PartFile, "close", wrong)
    assert worker.work_once(listed, tmp_path / "exports", ROOT, workers=1)
    assert job_of(listed, job).state == "failed"


def test_a_worker_waits_twice_as_long_after_each_outage_and_then_goes_on(listed, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "MOST_WAIT", 3.0)
    stop, outcomes = Waits(), [away, away, away, away, lambda: False, away]

    def work_once(*_, **__):
        return outcomes.pop(0)() if outcomes else stop.set()

    def really_away():
        raise Unavailable("the database is away", "database-away")

    outcomes[:] = [really_away if each is away else each for each in outcomes]
    monkeypatch.setattr(worker, "work_once", work_once)
    worker.work(listed, tmp_path / "exports", ROOT, stop)
    assert stop.waited[:6] == [1.0, 2.0, 3.0, 3.0, worker.POLL_SECONDS, 1.0]


class Waits(threading.Event):
    """An event that nobody waits for: it only says how long whoever made it would. Threads beside them wait too."""

    def __init__(self):
        super().__init__()
        self.waited: list[float] = []
        self.by = threading.current_thread()

    def wait(self, timeout=None):
        if threading.current_thread() is self.by:
            self.waited.append(timeout)
        return self.is_set()


@pytest.fixture
def shut(postgres_url) -> Iterator[Callable[[bool], None]]:
    """Close a PostgreSQL database to everybody, or open it again."""
    server, _, name = postgres_url.partition("?")[0].rpartition("/")
    query = postgres_url.partition("?")[2]

    def close(is_closed: bool) -> None:
        with psycopg.connect(f"{server}/postgres?{query}", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {not is_closed}")
            if is_closed:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    yield close
    close(False)


@pytest.mark.parametrize("listed", ["postgresql"], indirect=True)
def test_a_database_that_goes_away_while_a_part_is_cut_fails_no_job(listed, postgres_url, shut, tmp_path, monkeypatch):
    job, out, real = ask(listed), tmp_path / "exports", cut.cut

    def then_away(part):
        shut(True)
        return real(part)

    with monkeypatch.context() as patch, pytest.raises(Unavailable):
        patch.setattr(cut, "cut", then_away)
        worker.work_once(listed, out, ROOT, workers=1)
    with pytest.raises(Unavailable):
        worker.work_once(listed, out, ROOT, workers=1)
    shut(False)
    assert job_of(listed, job).state == "running"
    listed.clock.now += jobs.LEASE + 1
    assert worker.work_once(listed, out, ROOT, workers=1) and job_of(listed, job).state == "done"
