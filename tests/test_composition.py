"""The composition root, by the front door: one audit, wherever the database is; keys that are not replaced in silence;
a server that says it serves when it does, and ends cleanly."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import composition, config
from gateway.errors import Refused
from gateway.export import approval, asking, national_list, running
from gateway.intake import load
from gateway.store.database import open_store
from gateway.synth import world
from mappings import Feed, sources
from tests.export.conftest import NOW, TODAY, Clock, document

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["sqlite in the data folder", "sqlite elsewhere", "postgresql"])
def operator(request, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Run the operator's commands as processes, on a new sandbox store at each place that a database can be."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment |= {"GATEWAY_DATA_DIR": str(tmp_path / "data"), "GATEWAY_SANDBOX": "1"}
    if request.param == "sqlite elsewhere":
        (tmp_path / "elsewhere").mkdir()
        environment["GATEWAY_DATABASE_URL"] = f"sqlite:///{tmp_path}/elsewhere/records.db"
    elif request.param == "postgresql":
        environment["GATEWAY_DATABASE_URL"] = request.getfixturevalue("postgres_url")

    def run(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "gateway", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    run.environment, run.data, run.place = environment, tmp_path / "data", request.param
    assert run("init", "sandbox").returncode == 0
    return run


@contextmanager
def served(operator, *words: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A server of the operator's store on a free port: (process, address)."""
    command = [sys.executable, "-m", "gateway", "serve", "--port", "0", *words]
    with subprocess.Popen(command, cwd=ROOT, env=operator.environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = json.loads(process.stderr.readline())
            assert said["event"] == "serving"
            yield process, f"http://127.0.0.1:{said['port']}"
        finally:
            process.kill()


def read(address: str, token: str, times: int) -> None:
    request = urllib.request.Request(f"{address}/fhir/Organization", headers={"Authorization": f"Bearer {token}"})
    for _ in range(times):
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


def verified(operator) -> dict:
    done = operator("audit", "verify")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_audit_that_the_server_writes_is_the_one_that_the_commands_read_and_sigterm_seals(operator):
    token = operator("token", "--user", "dr-green").stdout.strip()
    with served(operator) as (process, address):
        read(address, token, 3)
        shown = [json.loads(line) for line in operator("audit", "show").stdout.splitlines()]
        assert [event["act"] for event in shown if event["stream"] == "read"] == ["search"] * 3
        read(address, token, 3)  # after the look, which seals what it showed
        assert verified(operator)["unsealed"] >= 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, process.stderr.read()
    verdict = verified(operator)
    assert verdict["rows"] == verdict["sealed"] == verdict["keyed"] > 3 and not verdict["broken"]
    ends = [json.loads(line) for line in operator("audit", "show").stdout.splitlines()]
    assert [event["outcome"] for event in ends if event["act"] == "serve"] == ["begun", "done"]
    if operator.place == "sqlite elsewhere":
        assert not list((operator.data.parent / "elsewhere").glob("audit*"))


@pytest.mark.slow
def test_an_audit_whose_file_is_gone_is_refused_and_not_made_anew(operator):
    for path in operator.data.glob("audit.db*"):
        path.unlink()
    for act in ("verify", "show", "seal"):
        done = operator("audit", act)
        if operator.place == "postgresql":
            assert done.returncode == 0, "there it is a table"
        else:
            assert done.returncode == (1 if act == "verify" else 2)
            assert "audit.db is missing from the data folder" in done.stdout + done.stderr
            assert not list(operator.data.glob("audit.db*"))


@pytest.mark.parametrize("operator", ["sqlite in the data folder"], indirect=True)
def test_a_server_that_is_interrupted_seals_its_audit_and_exits_0(operator):
    token = operator("token", "--user", "dr-green").stdout.strip()
    with served(operator, "--no-work") as (process, address):
        read(address, token, 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0, process.stderr.read()
    verdict = verified(operator)
    assert verdict["rows"] == verdict["sealed"] > 2 and verdict["unsealed"] == 0 and not verdict["broken"]


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["sqlite in the data folder"], indirect=True)
def test_a_worker_that_ends_beside_the_server_is_logged_and_started_again(operator):
    """Its key is damaged, so it ends at once with 2; when the key is whole, the next one stays and exports run."""
    key = operator.data / "keys" / "export-root.key"
    key.write_bytes(b"short")
    key.chmod(0o600)
    with served(operator) as (process, _):
        ended = [line for line in itertools.islice(process.stderr, 4) if "worker.ended" in line]
        assert [json.loads(line) for line in ended] == [
            {"event": "worker.ended", "status": 2, "seconds": 1.0},
            {"event": "worker.ended", "status": 2, "seconds": 2.0},
        ]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_the_wait_before_a_worker_is_started_again_grows_to_its_most_and_begins_anew(monkeypatch):
    from gateway.commands import serve

    stop, waits = threading.Event(), []
    lived = iter([0, 0, 0, serve.MOST_WAIT, 0, 0, 0, 0, 0, 0, 0])
    clock = [0.0]

    def run(_stop: threading.Event) -> int:
        clock[0] += next(lived)
        return 1

    monkeypatch.setattr(serve.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(serve, "_run_worker", run)
    monkeypatch.setattr(serve, "_log_ended", lambda status, wait: waits.append(wait))
    monkeypatch.setattr(stop, "wait", lambda seconds: len(waits) == 11 and stop.set())
    serve._keep_working(stop)
    assert waits == [1, 2, 4, 1, 2, 4, 8, 16, 32, 60, 60]


@pytest.fixture
def sandbox(tmp_path) -> composition.Gateway:
    settings = config.Settings(data_dir=tmp_path / "data", sandbox=True)
    with composition.create_gateway(settings, "sandbox", clock=Clock(NOW)) as gateway:
        yield gateway


def test_a_port_in_use_is_refused_before_anything_says_that_it_serves(sandbox, monkeypatch, capsys):
    from gateway.commands import main

    monkeypatch.setenv("GATEWAY_DATA_DIR", str(sandbox.settings.data_dir))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--no-work"]) == 2
    printed = capsys.readouterr()
    assert printed.err == f"gateway serve: port {port} is in use\n"


@pytest.mark.parametrize("port", ["-1", "65536", "85536", "http"])
def test_a_port_that_is_none_is_refused(port, capsys):
    from gateway.commands import main

    assert main(["serve", "--no-work", "--port", port]) == 2
    assert "gateway serve: '--port'" in capsys.readouterr().err


def test_a_host_that_is_none_of_this_machine_is_refused(sandbox):
    from gateway.api import server

    for host in ("192.0.2.1", "no such host"):
        with pytest.raises(Refused, match="cannot listen"):
            server.listen(host, 0)


def test_a_server_listens_on_each_address_of_a_name(sandbox):
    from gateway.api import server

    listeners = server.listen("localhost", 0)
    assert len({listener.getsockname()[1] for listener in listeners}) == 1
    for listener in listeners:
        listener.close()


def test_a_service_without_a_data_folder_is_refused(sandbox, tmp_path):
    elsewhere = config.Settings(data_dir=tmp_path / "nowhere", database_url=sandbox.settings.url, sandbox=True)
    with composition.open_gateway(elsewhere) as gateway, pytest.raises(Refused, match="data folder does not exist"):
        composition.open_service(gateway)


def test_the_key_of_the_sandbox_is_refused_when_it_is_damaged(sandbox):
    sandbox.sandbox_token("dr-green")
    key = sandbox.settings.keys / "sandbox-issuer.pem"
    key.write_bytes(b"")
    with pytest.raises(Refused, match="sandbox-issuer.pem is empty"):
        sandbox.sandbox_token("dr-green")
    key.write_bytes(b"x" * 2000)
    with pytest.raises(Refused, match="not a private key"):
        sandbox.sandbox_token("dr-green")


# The root of all pseudonyms


def released(gateway: composition.Gateway, out: Path, *, halfway: bool) -> None:
    """Release a project of a few people, or cut its first part only."""
    manifest = world.write(out / "world", 10, 1, TODAY)
    for name in ("emis", "hl7v2", "cld"):
        load.load(gateway.store, sources()[name], manifest.path(name), Feed(), gateway.code_sets(), workers=0)
    national_list.load(gateway.store, manifest.path("optout"))
    approval.add(gateway.store, document("study"), "asker")
    for name in ("guardian", "controller"):
        approval.approve(gateway.store, "study", name)
    job = asking.start(gateway.store, "study", "tester", optout_days=7)

    def stop(*_: object) -> None:
        if halfway:
            raise KeyboardInterrupt

    try:
        running.run(gateway.store, job, out / "release", gateway.export_root(), workers=1, progress=stop)
    except KeyboardInterrupt:
        assert not (out / "release" / "manifest.json").exists()


@pytest.mark.parametrize("halfway", [False, True], ids=["released", "one part cut"])
def test_a_lost_root_key_is_not_replaced_once_something_was_pseudonymised_with_it(sandbox, tmp_path, halfway):
    root = sandbox.export_root()
    key = sandbox.settings.keys / "export-root.key"
    key.unlink()
    assert sandbox.export_root() != root, "nothing was pseudonymised yet"
    released(sandbox, tmp_path, halfway=halfway)
    saved = key.read_bytes()
    key.unlink()
    with pytest.raises(Refused, match="export-root.key is missing, and exports were made with it"):
        sandbox.export_root()
    assert not key.exists()
    key.write_bytes(saved)
    key.chmod(0o600)
    assert sandbox.export_root() == saved


def test_a_store_made_by_hand_is_served_and_then_has_its_audit(tmp_path):
    """A store of an earlier version that was never served has no file for its audit: serving makes it."""
    settings = config.Settings(data_dir=tmp_path, sandbox=True)
    open_store(settings.url, create="sandbox").close()
    with composition.open_gateway(settings) as gateway:
        with pytest.raises(Refused, match="there is no audit yet"):
            gateway.audit()
        with composition.open_service(gateway):
            pass
        gateway.audit().close()


def test_the_namespace_file_of_another_store_is_refused(sandbox):
    (sandbox.settings.keys / "namespace").write_text("00000000-0000-0000-0000-000000000000")
    with pytest.raises(Refused, match="another namespace"):
        composition.create_gateway(sandbox.settings, "sandbox")
    (sandbox.settings.keys / "namespace").write_text("x" * 36)
    with pytest.raises(Refused, match="keys/namespace does not hold a UUID"):
        composition.create_gateway(sandbox.settings, "sandbox")


# What was lost is not replaced by something new


def lose(folder: Path, name: str) -> None:
    for path in folder.glob(f"{name}*"):
        path.unlink()


@pytest.mark.parametrize("is_marked", [True, False], ids=["created by this version", "served by this version"])
def test_a_lost_audit_is_not_replaced_by_serving_nor_by_init(sandbox, is_marked):
    """A store of an earlier version has no mark; opening the service once sets it."""
    mark = sandbox.settings.keys / "audit"
    if not is_marked:
        mark.unlink()
        composition.open_service(sandbox).close()
    lose(sandbox.settings.data_dir, "audit.db")
    for begin in (
        lambda: composition.open_service(sandbox),
        lambda: composition.create_gateway(sandbox.settings, "sandbox"),
        sandbox.audit,
    ):
        with pytest.raises(Refused, match="audit.db is missing from the data folder: restore it from a backup"):
            begin()
        assert not list(sandbox.settings.data_dir.glob("audit.db*"))
    mark.unlink()
    composition.open_service(sandbox).close()
    assert mark.exists() and sandbox.settings.audit_file.exists(), "a new audit is begun on purpose"


def ids(gateway: composition.Gateway) -> list[str]:
    with gateway.store.read() as session:
        return [row[0] for row in session.rows("SELECT id FROM head ORDER BY id")]


def test_a_store_whose_database_was_lost_is_created_again_with_the_same_ids(tmp_path):
    settings = config.Settings(data_dir=tmp_path / "data", sandbox=True)
    manifest = world.write(tmp_path / "world", 10, 1, TODAY)
    made = []
    for _ in range(2):
        with composition.create_gateway(settings, "sandbox", clock=Clock(NOW)) as gateway:
            load.load(gateway.store, sources()["cld"], manifest.path("cld"), Feed(), gateway.code_sets(), workers=0)
            made.append((gateway.store.namespace, ids(gateway)))
            composition.open_service(gateway).close()
        lose(settings.data_dir, "gateway.db")
    assert made[0] == made[1] and made[0][1]


def test_another_namespace_is_refused_before_anything_is_created(sandbox):
    lose(sandbox.settings.data_dir, "gateway.db")
    before = sorted(sandbox.settings.data_dir.rglob("*"))
    with pytest.raises(Refused, match="--namespace is not the one in keys/namespace"):
        composition.create_gateway(sandbox.settings, "sandbox", namespace=uuid.uuid4())
    assert sorted(sandbox.settings.data_dir.rglob("*")) == before


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o701, 0o2770])
def test_a_data_folder_that_others_may_enter_is_closed_when_it_is_opened(tmp_path, mode):
    settings = config.Settings(data_dir=tmp_path / "data")
    with composition.create_gateway(settings, "sandbox"):
        pass
    for folder in (settings.data_dir, settings.keys):
        folder.chmod(mode)
    with composition.open_gateway(settings):
        for folder in (settings.data_dir, settings.keys):
            assert not folder.stat().st_mode & 0o077


@pytest.mark.parametrize("mode, is_refused", [(0o770, False), (0o775, True), (0o777, True), (0o701, True)])
def test_a_folder_that_cannot_be_closed_is_refused_unless_only_its_group_may_enter(
    tmp_path, monkeypatch, mode, is_refused
):
    """As on a volume that belongs to somebody else."""
    settings = config.Settings(data_dir=tmp_path / "data")
    with composition.create_gateway(settings, "sandbox"):
        pass
    settings.data_dir.chmod(mode)

    def forbid(*_arguments):
        raise PermissionError

    monkeypatch.setattr(config.os, "chmod", forbid)
    if is_refused:
        with pytest.raises(Refused, match="open to other users"):
            composition.open_gateway(settings)
    else:
        composition.open_gateway(settings).close()
