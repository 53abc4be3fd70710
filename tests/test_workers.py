"""A server of several processes counts as one: its rates, its metrics and its audit, also when one of them dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from limits import parse
from limits.strategies import FixedWindowRateLimiter
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families
from uvicorn import Config
from uvicorn.supervisors import Multiprocess

from gateway import config, metrics, shared_counts
from gateway.api import rates, shared_rates, supervising
from gateway.api.shared_rates import SharedRates
from gateway.commands import main
from gateway.composition import create_gateway
from gateway.errors import Throttled, TooLarge
from gateway.nhs.roles import Caller

ROOT = Path(__file__).parents[1]
DAILY = parse("100/day")
CALLER = Caller("u", "", "o", issuer="https://a")


MANY = parse("4000/day")


def allowed(path: Path, times: int, names: tuple[str, ...] = ("a",), rate=DAILY) -> list[str]:
    """Which names were let through, asking in turn."""
    limiter = FixedWindowRateLimiter(SharedRates(path))
    return [name for _ in range(times) for name in names if limiter.hit(rate, name)]


def of_a_process(path: Path, begin, results) -> None:
    begin.wait()
    results.put(len(allowed(path, 2500, rate=MANY)))


def test_processes_together_let_nobody_through_more_often_than_one_would(tmp_path):
    processes = get_context("fork")
    results, begin = processes.Queue(), processes.Barrier(3)
    running = [processes.Process(target=of_a_process, args=(tmp_path / "rate", begin, results)) for _ in range(3)]
    for process in running:
        process.start()
    through = [results.get(timeout=60) for _ in running]
    for process in running:
        process.join()
    assert sum(through) == 4000
    assert allowed(tmp_path / "rate", 5, rate=MANY) == [] and len(allowed(tmp_path / "rate", 5, ("b",), MANY)) == 5


def test_who_shares_a_full_place_is_let_through_less_often_and_never_more(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_rates, "PLACES", 1)
    names = tuple("abcdefghijkl")
    through = Counter(allowed(tmp_path / "rate", 120, names))
    assert max(through.values()) <= 100 and through["a"] == 100 and through["l"] < 100


def test_a_window_that_ended_counts_no_more_and_says_when(tmp_path, monkeypatch):
    now = [864_000.5]
    monkeypatch.setattr(shared_rates.time, "time", lambda: now[0])
    limiter = FixedWindowRateLimiter(SharedRates(tmp_path / "rate"))
    assert limiter.hit(DAILY, "a", cost=100) and not limiter.hit(DAILY, "a")
    stats = limiter.get_window_stats(DAILY, "a")
    assert (stats.reset_time, stats.remaining) == (950_400, 0)
    now[0] = 950_400
    assert limiter.hit(DAILY, "a") and limiter.get_window_stats(DAILY, "a").remaining == 99
    limiter.clear(DAILY, "a")
    assert limiter.get_window_stats(DAILY, "a").remaining == 100
    assert limiter.hit(DAILY, "a", cost=100)
    limiter.storage.reset()
    assert limiter.storage.check() and limiter.get_window_stats(DAILY, "a").remaining == 100


@pytest.mark.parametrize("shared", [False, True])
def test_the_entries_of_a_bundle_are_counted_and_what_can_never_pass_is_said(tmp_path, shared):
    counted = rates.open_rates(config.Settings(caller_rate="10/day"), tmp_path if shared else None)
    counted.count_caller(CALLER)
    counted.count_entries(CALLER, 1)
    counted.count_caller(CALLER)
    with pytest.raises(Throttled):
        counted.count_entries(CALLER, 10)
    counted.count_entries(CALLER, 8)
    counted.count_caller(CALLER)
    with pytest.raises(Throttled) as refusal:
        counted.count_caller(CALLER)
    assert 0 < refusal.value.seconds <= 86400
    with pytest.raises(TooLarge):
        counted.count_entries(CALLER, 11)


def written(folder: Path, name: str, values: dict[tuple[str, str], float]) -> None:
    """A file of the library's: (metric, le) → value."""
    file = MmapedDict(str(folder / name))
    for (metric, bound), value in values.items():
        labels = {"le": bound} if bound else {}
        file.write_value(json.dumps([metric.removesuffix("_bucket"), metric, labels, "help"]), value, 1.0)
    file.close()


def test_what_a_process_counted_stays_when_it_is_forgotten_and_its_files_go(tmp_path):
    for process in (11, 12, 13):
        written(tmp_path, f"counter_{process}.db", {("a_total", ""): process})
        written(tmp_path, f"histogram_{process}.db", {("h_bucket", "1.0"): 1, ("h_bucket", "+Inf"): 2})
        written(tmp_path, f"gauge_livesum_{process}.db", {("up", ""): 1})

    def samples() -> dict:
        return {
            (sample.name, sample.labels.get("le")): sample.value
            for metric in shared_counts.added(tmp_path)
            for sample in metric.samples
        }

    before = samples()
    assert before["a_total", None] == 36 and before["h_bucket", "+Inf"] == 9 and before["up", None] == 3
    shared_counts.forget(tmp_path, 11)
    shared_counts.forget(tmp_path, 12)
    assert samples() == {**before, ("up", None): 1}
    assert not [*tmp_path.glob("*_11.db"), *tmp_path.glob("*_12.db")]


def test_a_file_that_was_cut_short_stops_neither_the_metrics_nor_the_supervisor(tmp_path, monkeypatch):
    written(tmp_path, "counter_12.db", {("a_total", ""): 12})
    (tmp_path / "counter_11.db").write_bytes(b"\xff\xff")
    assert list(metrics._Shared(None, tmp_path).collect()) == []
    supervisor = supervisor_of(tmp_path, monkeypatch)
    supervisor._known = {11}
    supervisor.keep_subprocess_alive()
    assert not (tmp_path / "counter_11.db").exists()
    supervisor._counts, supervisor._known = tmp_path / "gone", {12}
    supervisor.keep_subprocess_alive()
    assert supervisor._known == set()
    assert [metric.name for metric in metrics._Shared(None, tmp_path).collect()] == ["a_total"]


def test_a_supervisor_that_fails_leaves_no_process_behind(tmp_path, monkeypatch):
    process = get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    supervisor = supervisor_of(tmp_path, monkeypatch)
    supervisor.processes = [SimpleNamespace(process=process, terminate=process.terminate, pid=process.pid)]
    monkeypatch.setattr(Multiprocess, "run", lambda _: (_ for _ in ()).throw(OSError("no memory to start one")))
    with pytest.raises(OSError, match="no memory"):
        supervisor.run()
    try:
        assert not process.is_alive()
    finally:
        process.kill()
        process.join()


def supervisor_of(folder: Path, monkeypatch) -> supervising._Supervisor:
    """One that has no processes yet, and starts none."""
    monkeypatch.setattr(Multiprocess, "keep_subprocess_alive", lambda _: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return supervising._Supervisor(Config("app:app", workers=1), [], folder)


def test_several_processes_are_refused_on_sqlite_with_the_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    create_gateway(config.read(), "sandbox").close()
    assert main(["serve", "--workers", "2", "--no-work"]) == 2
    assert capsys.readouterr().err.startswith("gateway serve: --workers needs PostgreSQL: on SQLite one process ")
    assert main(["serve", "--workers", "0"]) == 2


class Server:
    """``gateway serve --workers 2`` on PostgreSQL, and who asks it."""

    def __init__(self, folder: Path, url: str, **more: str):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        own = {"GATEWAY_DATA_DIR": str(folder / "data"), "GATEWAY_SANDBOX": "1", "GATEWAY_DATABASE_URL": url, **more}
        self.environment = environment | own | {"TMPDIR": str(folder)}
        assert self.run("init", "sandbox").returncode == 0
        words = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--workers", "2", "--no-work"]
        self.process = subprocess.Popen(words, cwd=ROOT, env=self.environment, stderr=subprocess.PIPE, text=True)
        said = json.loads(self.process.stderr.readline())
        self.address = f"http://127.0.0.1:{said['port']}"
        self.log: list[str] = []
        self.reading = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self.reading.start()
        self.clients: list[httpx.Client] = []

    def run(self, *words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "gateway", *words]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120)

    def client(self, user: str) -> httpx.Client:
        token = self.run("token", "--user", user).stdout.strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        self.clients.append(httpx.Client(base_url=self.address, headers=headers, timeout=60))
        return self.clients[-1]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.process.kill()
        self.process.wait()
        self.reading.join()
        self.process.stderr.close()

    def scraped(self, client: httpx.Client) -> dict[tuple, float]:
        families = text_string_to_metric_families(client.get("/metrics").text)
        return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}

    def until_up(self, client: httpx.Client, ended: int = 0) -> dict[tuple, float]:
        """The metrics once both processes answer, and so many that were killed have been seen."""
        until, told = time.monotonic() + 90, {("gateway_workers",): 0.0}
        while time.monotonic() < until:
            have_ended = sum("process.ended" in line for line in self.log) >= ended
            with suppress(httpx.TransportError):  # the connection was to the one that was killed
                told = self.scraped(client)
            if have_ended and told[("gateway_workers",)] == 2:
                return told
            time.sleep(1)
        raise AssertionError("the processes are not up")

    def answering(self, told: dict[tuple, float]) -> list[int]:
        return sorted(int(key[1]) for key in told if key[0] == "process_open_fds")


@pytest.fixture
def server(tmp_path, postgres_url):
    running = Server(tmp_path, postgres_url)
    yield running
    running.close()


def is_running(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


PATIENT = {"resourceType": "Patient", "gender": "female", "birthDate": "1980-02-29"}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}}


@pytest.mark.slow
def test_two_processes_write_one_audit_and_count_together_also_when_one_dies(server, tmp_path):
    operator, tester, reader = (server.client(user) for user in ("admin", "tester", "dr-green"))
    assert tester.get("/readyz").status_code == 200
    (folder,) = tmp_path.glob("gateway-serve-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    before = server.until_up(operator)
    id_ = tester.post("/fhir/Patient", json=PATIENT).json()["id"]
    about = {**OBSERVATION, "subject": {"reference": f"Patient/{id_}"}}

    def act(number: int) -> tuple[str, int]:
        """A read or a write, on a connection of its own: both processes take some."""
        try:
            return acted(number)
        except httpx.RemoteProtocolError:  # a busy machine: what is not asked whole within seconds is closed unread
            return acted(number)

    def acted(number: int) -> tuple[str, int]:
        asking = reader if number % 3 else tester
        with httpx.Client(base_url=server.address, headers={**asking.headers, "Connection": "close"}) as client:
            if number % 3:
                return "read", client.get("/fhir/Organization", timeout=60).status_code
            body = {**about, "valueString": f"number {number}"}
            return "create", client.post("/fhir/Observation", json=body, timeout=60).status_code

    with ThreadPoolExecutor(6) as crowd:
        results = Counter(crowd.map(act, range(90)))
    assert results == {("read", 200): 60, ("create", 201): 30}
    told = server.until_up(operator)
    route = "/fhir/{resource_type}"
    assert told["gateway_http_requests_total", "GET", route, "200"] == 60
    assert told["gateway_http_request_seconds_count", route, "2xx"] == 60 + 31
    assert told[("gateway_http_in_flight",)] == 1 and told["gateway_audit_failures_total", "record"] == 0
    assert 0 < told[("gateway_audit_seal_age_seconds",)] < 120 and ("process_open_fds",) not in told
    used = {number: told["process_cpu_seconds_total", str(number)] for number in server.answering(told)}
    begun = {number: before["process_cpu_seconds_total", str(number)] for number in used}
    assert len(used) == 2 and all(used[number] > begun[number] + 0.05 for number in used), "both answer"

    # One is killed: the other answers meanwhile, and another comes in its place.
    dead = server.answering(told)[0]
    os.kill(dead, signal.SIGKILL)
    after = server.until_up(operator, ended=1)
    assert after["gateway_http_requests_total", "GET", route, "200"] == 60, "what it counted stays"
    assert dead not in server.answering(after) and len(server.answering(after)) == 2
    assert not list(folder.glob(f"*_{dead}.db"))

    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    assert not folder.exists()
    verdict = json.loads(server.run("audit", "verify").stdout)
    assert verdict["rows"] == verdict["sealed"] == verdict["keyed"] and not verdict["broken"]
    events = [json.loads(line) for line in server.run("audit", "show", "--limit", "1000").stdout.splitlines()]
    acts = Counter(event["act"] for event in events)
    assert acts["search"] == 60 and acts["create"] == 31
    assert [event["outcome"] for event in events if event["act"] == "serve"] == ["begun", "done"]
    assert not [line for line in server.log if '"bug"' in line or "Traceback" in line]


@pytest.mark.slow
def test_a_caller_asks_both_processes_no_more_often_than_one_and_all_end_with_the_parent(tmp_path, postgres_url):
    server = Server(tmp_path, postgres_url, GATEWAY_CALLER_RATE="100/day")
    try:
        operator, asking = server.client("admin"), server.client("dr-green")
        numbers = server.answering(server.until_up(operator))

        def ask(_: int) -> int:
            headers = {**asking.headers, "Connection": "close"}
            return httpx.get(f"{server.address}/fhir/Organization", headers=headers, timeout=60).status_code

        with ThreadPoolExecutor(8) as crowd:
            statuses = Counter(crowd.map(ask, range(130)))
        assert 99 <= statuses[200] <= 100 and statuses[200] + statuses[429] == 130

        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        until = time.monotonic() + 30
        while any(map(is_running, numbers)) and time.monotonic() < until:
            time.sleep(0.1)
        assert not any(map(is_running, numbers)), "no orphans"
    finally:
        server.close()
