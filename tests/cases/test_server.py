"""The cases of the server: what a stranger, a stopped writer and an outage may do to it. Each named folder of
../shared/cases/security and ../shared/cases/ops is a row here, with the facts that are right in ``server.toml``."""

import fcntl
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

import httpx
import psycopg
import pytest

from gateway import config
from gateway.nhs import optout
from tests.cases.corpus import facts, folders
from tests.cases.test_api import Api, filled, first, serving

pytestmark = pytest.mark.corpora

FACTS = facts("server")


@pytest.fixture(scope="module")
def settings(shared, tmp_path_factory):
    return filled(tmp_path_factory.mktemp("server"), ("emis", shared / "cases/api/inputs/joan/emis"))


@pytest.fixture(scope="module")
def box(settings):
    """The practice's store, served."""
    with serving(settings) as api:
        yield api


def connected(api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.port), 10)


def raw(api: Api, line: str, headers: bytes = b"", body: bytes = b"") -> tuple[int, bytes]:
    with connected(api) as client:
        token = b"Authorization: Bearer " + api.token("dr-green").encode() + b"\r\n"
        client.sendall(
            f"{line} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n".encode()
            + token
            + headers
            + b"\r\n"
            + body
        )
        answer = b""
        while received := client.recv(65536):
            answer += received
    return int(answer.split(b" ", 2)[1]), answer


def headers_without_a_bound(facts, box, tmp_path):
    for start in (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"GET /livez?"):
        megabytes = 0
        with connected(box) as client:
            client.sendall(start)
            try:
                for _ in range(20):
                    client.sendall(b"x: " + b"a" * 1_000_000)
                    megabytes += 1
            except OSError:
                pass
        assert megabytes <= facts["most_megabytes"]
    assert httpx.get(f"http://127.0.0.1:{box.port}/livez").status_code == 200


def body_on_the_event_loop(facts, box, tmp_path):
    body = b'{"resourceType":"Parameters","parameter":[' + b'{"a":1},' * 620_000 + b"{}]}"
    token, url, ends = box.token("no-role"), f"http://127.0.0.1:{box.port}", threading.Event()

    def post():
        with httpx.Client(timeout=60) as client:
            while not ends.is_set():
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                assert (
                    client.post(f"{url}/fhir/Patient/$summary", content=body, headers=headers).status_code
                    == facts["status"]
                )

    def wait(count: int) -> float:
        with httpx.Client() as client:
            return statistics.median(timed(lambda: client.get(f"{url}/livez")) for _ in range(count))

    base = wait(50)
    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    ratio = wait(30) / base
    ends.set()
    for thread in threads:
        thread.join()
    assert ratio <= facts["most_ratio"]


def timed(act) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def one_text(facts, box, tmp_path):
    concept = {"text": "consent " + "share " * facts["words"]}
    assert timed(lambda: optout.is_consent_like(concept)) < facts["seconds"]


def stopped_writer(facts, box, tmp_path):
    answers: list[tuple[int, str]] = []

    def permit():
        body = {"number": "9990000018", "basis": "permission"}
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{url}/sandbox/permission", json=body, headers=headers, timeout=60)
        answers.append((answer.status_code, answer.headers.get("retry-after", "")))

    url, token, id_ = f"http://127.0.0.1:{box.port}", box.token("dr-ward"), first(box)["id"]
    with open(f"{box.gateway.store.path}.turn", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        threads = [threading.Thread(target=permit) for _ in range(45)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        assert httpx.get(f"{url}/livez", timeout=3).status_code == 200
        assert httpx.get(f"{url}/readyz", timeout=3).status_code == 200
        assert box.ask(f"Patient/{id_}", timeout=3).status_code == 200
        assert box.ask(f"Condition?patient={id_}", timeout=5).status_code == 200
        for thread in threads:
            thread.join(20)
    assert set(answers) == {tuple(facts["answer"])} and len(answers) == 45
    assert box.ask("metadata").status_code == 200
    permit()
    assert answers[-1][0] == 201


def odd_paths(facts, box, tmp_path):
    id_ = first(box)["id"]
    for path in facts["paths"]:
        assert raw(box, f"GET {path.format(id=id_)}")[0] == 404, path
    statuses = {method: raw(box, f"{method} /fhir/Patient/{id_}")[0] for method in facts["methods"]}
    assert statuses == facts["methods"]
    for header in facts["framing"]:
        assert raw(box, "POST /fhir/Patient/_search", header.encode(), b"0\r\n\r\n")[0] == 400, header
    _, answer = raw(box, "GET /fhir/metadata", b"X-Forwarded-Host: evil.example\r\nX-Request-ID: <script>\r\n")
    assert b"evil" not in answer and b"<script>" not in answer
    ranges = b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 4000, 2)) + b"\r\n"
    assert raw(box, "GET /static/gateway.css", ranges)[0] == 200
    twice = b"Authorization: Bearer " + box.token("dr-other").encode() + b"\r\n"
    assert raw(box, f"GET /fhir/Patient/{id_}", twice)[0] == 401


def port_out_of_range(facts, box, tmp_path):
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(box.gateway.settings.data_dir), "GATEWAY_SANDBOX": "1"}
    for port in facts["ports"]:
        command = [sys.executable, "-m", "gateway", "serve", "--no-work", "--port", str(port)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2 and '"serving"' not in ended.stderr, port


def database_away(facts, box, postgres_server, tmp_path, capfd):
    """The server is a database that others can end: its connections are cut and no new one is let in."""
    name = "case_away"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        settings = config.Settings(
            data_dir=tmp_path / "data", sandbox=True, database_url=postgres_server.get_uri(database=name)
        )
        from gateway.composition import create_gateway

        create_gateway(settings, "sandbox").close()
        with serving(settings) as api:
            path = "Patient?family=Norridge&given=Joan"
            assert api.ask(path).status_code == 200
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            for _ in range(3):
                answer = api.ask(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
                assert answer.json()["issue"][0]["code"] == facts["code"]
            root = f"http://127.0.0.1:{api.port}"
            assert httpx.get(f"{root}/livez").status_code == 200
            time.sleep(1.1)
            assert httpx.get(f"{root}/readyz").status_code == 503
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert api.ask(path).status_code == 200
    assert '"event":"bug"' not in capfd.readouterr().err


CASES = {
    "security/08-request-headers-without-a-bound": headers_without_a_bound,
    "security/10-a-body-is-parsed-on-the-event-loop": body_on_the_event_loop,
    "security/11-one-text-holds-up-a-load": one_text,
    "security/19-a-stopped-writer-stops-every-answer": stopped_writer,
    "security/32-odd-paths-methods-and-framing": odd_paths,
    "ops/02-serve-port-wraps": port_out_of_range,
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_of_the_server(case, box, tmp_path):
    CASES[case](FACTS[case], box, tmp_path)


def test_the_case_of_a_database_that_is_away(box, postgres_server, tmp_path, capfd):
    database_away(FACTS["ops/07-database-away-is-told-as-a-bug"], box, postgres_server, tmp_path, capfd)


def test_every_case_named_here_is_a_folder(shared):
    assert FACTS.keys() <= folders(shared, "security", "ops")
    assert FACTS.keys() == {*CASES, "ops/07-database-away-is-told-as-a-bug"}
