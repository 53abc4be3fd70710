"""The proxy configuration that we ship is one that nginx takes, and it holds a stranger off before the gateway is
asked. Not run where nginx is not installed."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.api import server
from tests.api.conftest import Api
from tests.api.people import uid

CONFIGURATION = Path(__file__).parents[2] / "deploy/nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(not (NGINX and shutil.which("openssl")), reason="nginx and openssl are not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def nginx(folder: Path, gateway: int) -> Iterator[int]:
    """nginx with the shipped limits before a gateway; its port."""
    port = free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=gateway.example",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True,
    )  # fmt: skip
    text = CONFIGURATION.read_text(encoding="utf-8")
    text = text.replace("/etc/gateway/", f"{folder}/").replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{gateway}").replace("/dev/stdout", f"{folder}/access.log")
    (folder / "nginx.conf").write_text(f"pid {folder}/pid;\n" + text, encoding="utf-8")
    command = [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-g", "daemon off;"]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """The proxy and its folder; its gateway is away."""
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder, free_port()) as port:
        yield port, folder


def answer(port: int, sent: bytes, source: str = "127.0.0.1") -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 20, (source, 0)) as plain,
        context.wrap_socket(plain, server_hostname="gateway.example") as client,
    ):
        client.sendall(sent)
        return client.recv(65536)


REFUSED = [
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", b"400"),
    (b"POST /fhir/Patient/_search HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"413"),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
    (b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n", b"502"),
]


@needs_nginx
@pytest.mark.parametrize("sent, status", REFUSED, ids=[status.decode() for _, status in REFUSED])
def test_the_proxy_refuses_what_is_too_large_before_the_gateway_is_asked(proxy, sent, status):
    port, _ = proxy
    assert answer(port, sent).split(b" ")[1] == status


@needs_nginx
def test_no_address_is_in_the_log_of_the_proxy(proxy):
    port, folder = proxy
    answer(port, b"GET /fhir/Patient?family=Zebrafish HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.2)
    logs = (folder / "access.log").read_text() + (folder / "error.log").read_text()
    assert " 502 " in logs and "Zebrafish" not in logs


# Whose address it is

READ = f"GET /fhir/Patient/{uid(1)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
LIES = {
    "none": "",
    "one": "X-Forwarded-For: 192.0.2.66\r\n",
    "several": "X-Forwarded-For: 192.0.2.66, 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n",
    "words": "X-Forwarded-For: Ann Oakley 999 000 0018\r\n",
    "others": "Forwarded: for=192.0.2.66\r\nX-Real-IP: 192.0.2.66\r\nX-Forwarded-Proto: ws\r\n",
}


@pytest.fixture(scope="module")
def behind(everything):
    """The application behind a trusted proxy at 127.0.0.1, and its own port."""
    api = Api(everything.store, everything.settings.data_dir, trusted_proxies=("127.0.0.1",), stranger_rate="3/day")
    listeners, ends = server.listen("127.0.0.1", 0), threading.Event()
    thread = threading.Thread(target=server.serve, args=(api.app, listeners, ends), daemon=True)
    thread.start()
    yield api, listeners[0].getsockname()[1]
    ends.set()
    thread.join(15)
    api.close()


@pytest.fixture(scope="module")
def proxied(behind, tmp_path_factory):
    """nginx before it; its port."""
    with nginx(tmp_path_factory.mktemp("nginx"), behind[1]) as port:
        yield port


def plain_answer(port: int, sent: bytes, source: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20, (source, 0)) as client:
        client.sendall(sent)
        return client.recv(65536)


@needs_nginx
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_the_audit_holds_who_asked_the_proxy_whatever_they_say(behind, proxied, lie):
    api, _ = behind
    said = f"{READ}Authorization: Bearer {api.token('dr-green')}\r\n{lie}\r\n"
    assert answer(proxied, said.encode(), "127.0.0.9").split(b" ")[1] == b"200"
    assert api.audit()[-1]["address"] == "127.0.0.9"


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_who_is_no_trusted_proxy_forwards_no_address(behind, lie):
    api, port = behind
    said = f"{READ}Authorization: Bearer {api.token('dr-green')}\r\n{lie}\r\n"
    assert plain_answer(port, said.encode(), "127.0.0.8").split(b" ")[1] == b"200"
    assert api.audit()[-1]["address"] == "127.0.0.8"


@needs_nginx
def test_strangers_behind_the_proxy_are_counted_apart(behind, proxied):
    said = f"{READ}X-Forwarded-For: 192.0.2.66\r\n\r\n".encode()
    statuses = [answer(proxied, said, "127.0.0.7").split(b" ")[1] for _ in range(5)]
    assert statuses == [b"401"] * 3 + [b"429"] * 2
    assert answer(proxied, said, "127.0.0.6").split(b" ")[1] == b"401"


FORWARDED = [
    ("192.0.2.1", "192.0.2.1"), ("192.0.2.1, 192.0.2.2", "192.0.2.2"), ("192.0.2.1, 127.0.0.1", "192.0.2.1"),
    ("2001:db8::1", "2001:db8::1"), ("", "127.0.0.1"), ("unknown", "127.0.0.1"), ("192.0.2.1, x", "127.0.0.1"),
    ("x, 192.0.2.1", "192.0.2.1"), ("unknown, 192.0.2.1, 127.0.0.1", "192.0.2.1"), ("192.0.2.1:4711", "192.0.2.1"),
    ("[2001:db8::1]:443, 127.0.0.1:80", "2001:db8::1"), ("fe80::1%eth0", "127.0.0.1"), ("192.0.2.1, x, 127.0.0.1", "127.0.0.1"),
    ("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1,", "127.0.0.1"), ("192.0.2.1:99999999", "127.0.0.1"),
    ("192.0.2.1\x1b[2J", "127.0.0.1"), ("9990000018", "127.0.0.1"),
]  # fmt: skip


@pytest.mark.parametrize("header, address", FORWARDED)
def test_one_address_is_taken_from_a_trusted_proxy_and_nothing_else(behind, header, address):
    api, port = behind
    said = f"{READ}Authorization: Bearer {api.token('dr-green')}\r\nX-Forwarded-For: {header}\r\n\r\n"
    status = plain_answer(port, said.encode(), "127.0.0.1").split(b" ")[1]
    if status == b"400":  # no header of HTTP
        return
    assert status == b"200" and api.audit()[-1]["address"] == address


def test_without_the_setting_no_header_is_believed(everything):
    headers = {"X-Forwarded-For": "192.0.2.66"}
    assert everything.get(f"/fhir/Patient/{uid(1)}", headers=headers).status_code == 200
    assert everything.audit()[-1]["address"] == "testclient"
