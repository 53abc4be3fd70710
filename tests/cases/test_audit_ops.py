"""The cases of the audit and of the operator, each run through the front door: commands, and a server of its own."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx
import pysqlite3.dbapi2 as sqlite
import pytest

from gateway.store import chain
from gateway.synth import world
from tests.cases.corpus import facts
from tests.project import PROJECT

RIGHT = facts("audit_ops")
NHS = "https://fhir.nhs.uk/Id/nhs-number|9990000018"
pytestmark = pytest.mark.corpora


class Box:
    """A sandbox in a folder of its own."""

    def __init__(self, folder: Path, **environment: str):
        self.data = folder / "data"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        self.environment = {**kept, "GATEWAY_DATA_DIR": str(self.data), "GATEWAY_SANDBOX": "1", **environment}

    def run(self, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", *map(str, words)]
        environment = {**self.environment, **more}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    def done(self, *words: object) -> str:
        process = self.run(*words)
        assert process.returncode in (0, 1), process.stderr
        return process.stdout

    @contextmanager
    def serving(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
        command = [sys.executable, "-m", "gateway", "serve", "--port", "0", *(words or ("--no-work",))]
        with subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True) as process:
            event = json.loads(process.stderr.readline())
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{event['port']}", timeout=60) as client:
                    yield process, client
            finally:
                process.kill()

    def token(self, user: str, project: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.done('token', '--user', user, '--project', project).strip()}"}

    def search(self, client: httpx.Client, known: dict[str, str], type_: str = "Patient", **more) -> httpx.Response:
        name = "identifier" if type_ == "Patient" else "patient.identifier"
        return client.get(f"/fhir/{type_}", params={name: NHS, **more.pop("params", {})}, headers={**known, **more})


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> world.Manifest:
    return world.write(tmp_path_factory.mktemp("sent"), 10, 1, date.today())


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, sent) -> Path:
    """A loaded sandbox, to be copied."""
    folder = tmp_path_factory.mktemp("loaded")
    box = Box(folder)
    box.done("init", "sandbox")
    for source in ("emis", "hl7v2", "cld"):
        box.done("load", source, sent.path(source))
    return box.data


@pytest.fixture
def box(tmp_path, loaded) -> Box:
    shutil.copytree(loaded, tmp_path / "data")
    return Box(tmp_path)


def test_every_case_given_to_this_file_is_there(shared):
    for area, cases in RIGHT.items():
        assert not [name for name in cases if not (shared / "cases" / area / name / "case.md").is_file()]


def right(area: str, number: str) -> dict:
    return next(facts for name, facts in RIGHT[area].items() if name.startswith(f"{number}-"))


def test_security_12_ready_though_the_audit_disk_is_full(box):
    facts, known = right("security", "12"), box.token("dr-green")
    with box.serving() as (process, client):
        assert box.search(client, known).status_code == 200
        size = max(path.stat().st_size for path in box.data.glob("audit.db*"))
        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 8192, most))
        for _ in range(400):
            if (read := box.search(client, known)).status_code != 200:
                break
        ready = client.get("/readyz")
        assert {"read": read.status_code, "ready": ready.status_code, "reason": ready.text} == facts["full"]
        assert client.get("/livez").status_code == 200
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        time.sleep(1.2)  # a probe's outcome stands for a second
        after = {"read": box.search(client, known).status_code, "ready": client.get("/readyz").status_code}
        assert after == facts["room"]


def test_security_13_verify_reads_another_audit_than_serve_writes(tmp_path, sent):
    (tmp_path / "elsewhere").mkdir()
    box = Box(tmp_path, GATEWAY_DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere' / 'x.db'}")
    box.done("init", "sandbox")
    box.done("load", "emis", sent.path("emis"))
    known = box.token("dr-green")
    with box.serving() as (_, client):
        for _ in range(3):
            box.search(client, known)
    shown = [json.loads(line) for line in box.done("audit", "show").splitlines()]
    assert sum(event["stream"] == "read" for event in shown) >= right("security", "13")["least_rows"]
    assert json.loads(box.done("audit", "verify"))["rows"] == len(shown) + 1, "showing is an act as well"


def unlocked(data: Path) -> sqlite.Connection:
    connection = sqlite.connect(str(data / "audit.db"), isolation_level=None)
    for name in ("audit_is_append_only", "audit_is_kept"):
        connection.execute(f"DROP TRIGGER {name}")
    return connection


def chained_again(connection: sqlite.Connection) -> None:
    rows = connection.execute("SELECT seq, at, event FROM audit ORDER BY seq").fetchall()
    connection.execute("DELETE FROM seal")
    connection.executemany("INSERT INTO seal (last, rows, hash) VALUES (?, ?, ?)", list(chain.seals("", rows)))


EDIT = "UPDATE audit SET event = '{}' WHERE seq = 3"
WAYS = {
    "a row edited": lambda connection: connection.execute(EDIT),
    "a row deleted": lambda connection: connection.execute("DELETE FROM audit WHERE seq = 3"),
    "the seals deleted, a row edited": lambda connection: connection.executescript(f"DELETE FROM seal; {EDIT}"),
    "a row edited, the chain recomputed": lambda connection: (connection.execute(EDIT), chained_again(connection)),
    "the tail dropped": lambda connection: connection.executescript("DELETE FROM seal; DELETE FROM audit"),
    "the file deleted": None,
}


def test_security_14_an_audit_that_is_gone_verifies(box):
    known = box.token("dr-green")
    with box.serving() as (process, client):
        for _ in range(30):
            box.search(client, known)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    keep = box.data.with_name("keep")
    shutil.copytree(box.data, keep)
    assert box.run("audit", "verify").returncode == 0
    for name, way in WAYS.items():
        shutil.rmtree(box.data)
        shutil.copytree(keep, box.data)
        if way is None:
            for path in box.data.glob("audit.db*"):
                path.unlink()
        else:
            connection = unlocked(box.data)
            way(connection)
            connection.close()
        assert box.run("audit", "verify").returncode == right("security", "14")["exit"], name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_security_15_sigterm_leaves_the_audit_unsealed(box, number):
    known, facts = box.token("dr-green"), right("security", "15")
    with box.serving() as (process, client):
        for _ in range(3):
            box.search(client, known)
        process.send_signal(number)
        assert process.wait(30) == facts["exit"]
    assert json.loads(box.done("audit", "verify"))["unsealed"] == facts["unsealed"]


def test_security_16_acts_without_an_audit(box, sent, tmp_path):
    facts = right("security", "16")
    (tmp_path / "project.toml").write_text(PROJECT)
    box.done("optout", "load", sent.path("optout"))
    box.done("project", "add", tmp_path / "project.toml", "--as", "asker")
    for name in ("guardian", "controller"):
        box.done("project", "approve", "study", "--as", name)
    researcher, doctor = box.token("researcher", "study"), box.token("dr-green")
    with box.serving() as (_, client):
        asked = {**researcher, "Prefer": "respond-async", "X-Request-ID": "kick"}
        kicked = client.get("/fhir/$export", headers=asked)
        place = kicked.headers["content-location"].partition("/fhir/")[2]
        client.get(f"/fhir/{place}", headers={**researcher, "X-Request-ID": "polled"})
        client.delete(f"/fhir/{place}", headers={**researcher, "X-Request-ID": "cancel"})
        answer = box.search(client, doctor, "Observation", params={"_count": 250}, **{"X-Request-ID": "many"})
    events = [json.loads(line) for line in box.done("audit", "show").splitlines()]
    assert set(facts["acts"]) <= {event["act"] for event in events}
    by_request = {event["request"]: event for event in events if "request" in event}
    assert {*facts["requests"], "polled"} <= by_request.keys()
    many = by_request["many"]
    assert len(many["resources"]) == len(answer.json()["entry"]) > 50
    assert set(many["parameters"]) == {"patient.identifier", "_count"} and "9990000018" not in json.dumps(many)
    issued = {event["token"] for event in events if event["act"] == "token"}
    assert many["token"] in issued and many["address"] == "127.0.0.1" and by_request["kick"]["organisation"]


def test_ops_01_orphan_workers_after_kill(tmp_path, sent):
    """Deliveries are below the size from which a pool pays, so it is set lower."""
    box = Box(tmp_path)
    box.done("init", "sandbox")
    program = "from gateway.intake import engine; engine.POOL_FROM = 1; from gateway.commands import main; main()"
    (tmp_path / "load.py").write_text(f"if __name__ == '__main__':\n    {program}\n")
    command = [sys.executable, str(tmp_path / "load.py"), "load", "emis", str(sent.path("emis")), "--workers", "2"]
    with subprocess.Popen(command, env=box.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as load:
        until = time.monotonic() + 60
        while len(of(box.data) - {load.pid}) < 3 and load.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert len(of(box.data)) >= 4, "the load, its resource tracker and two workers"
        load.kill()
    until = time.monotonic() + right("ops", "01")["seconds"]
    while of(box.data) and time.monotonic() < until:
        time.sleep(0.1)
    assert not of(box.data)


def of(data: Path) -> set[int]:
    """The processes that run with this data folder."""
    numbers = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"GATEWAY_DATA_DIR={data}\0".encode() in path.read_bytes():
                numbers.add(int(path.parent.name))
        except OSError:
            continue
    return numbers


def test_ops_04_demo_on_ascii_output(tmp_path):
    box = Box(tmp_path)
    done = box.run("demo", "--no-serve", "--people", "20", "--out", tmp_path / "demo", PYTHONIOENCODING="ascii")
    assert done.returncode == right("ops", "04")["exit"] and "bug" not in done.stderr, done.stderr


@pytest.mark.parametrize(("name", "value"), [("GATEWAY_FEEDS", "nowhere.toml"), ("GATEWAY_BASE_URL", "not-a-url")])
def test_ops_06_feeds_file_missing_seen_late(box, name, value):
    done = box.run("serve", "--no-work", "--port", "0", **{name: value})
    assert done.returncode == right("ops", "06")["exit"] and name in done.stderr and value not in done.stderr
