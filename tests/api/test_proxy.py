"""The proxy configuration that we ship is one that nginx takes, and it holds a stranger off before the gateway is
asked.
Not run where nginx is not installed."""

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

CONFIGURATION = Path(__file__).parents[2] / "deploy/nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(not (NGINX and shutil.which("openssl")), reason="nginx and openssl are not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """nginx with the shipped limits, on a free port; its gateway is away."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=gateway.example",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True,
    )  # fmt: skip
    text = CONFIGURATION.read_text(encoding="utf-8")
    text = text.replace("/etc/gateway/", f"{folder}/").replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{free_port()}").replace("/dev/stdout", f"{folder}/access.log")
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
    yield port, folder
    process.terminate()
    process.wait(10)


def answer(port: int, sent: bytes) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
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
