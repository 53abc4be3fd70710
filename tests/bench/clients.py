"""A server in a process of its own, and keep-alive clients that ask it as fast as it answers."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

UP_WITHIN = 60


@dataclass(frozen=True)
class Answers:
    """What the clients saw: answers a second, how long each took, in seconds from the shortest on, and what the server
    used for each."""

    rate: float
    waits: Sequence[float]
    processor: float

    def at(self, share: float) -> float:
        """The wait that so large a share of the answers did not exceed, in milliseconds."""
        return 1000 * self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and what it has used."""

    port: int
    process: int

    @property
    def processor(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(command: Sequence[str], environment: dict[str, str]) -> Iterator[Server]:
    """A server started with ``command`` on a free port of the loopback; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)], env={**os.environ, **environment}, stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        _wait(child, port)
        yield Server(port, child.pid)
    finally:
        child.terminate()
        child.wait()


def _wait(child: subprocess.Popen, port: int) -> None:
    for _ in range(UP_WITHIN * 20):
        if child.poll() is not None:
            raise RuntimeError("the server did not start")
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the server is not up")


def ask(server: Server, paths: Sequence[str], token: str, seconds: float, connections: int) -> Answers:
    """Ask the paths in turn over so many connections for so many seconds. Raises ``RuntimeError`` for an answer that
    is not 200."""
    head = f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nAccept: application/fhir+json\r\n\r\n"
    return send(server, [f"GET {path}{head}".encode() for path in paths], seconds, connections)


def post(server: Server, path: str, bodies: Sequence[bytes], token: str, seconds: float, connections: int) -> Answers:
    """Post the bodies in turn, as ``ask`` asks. Raises ``RuntimeError`` for an answer that is not 201."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/fhir+json\r\nPrefer: return=minimal\r\nContent-Length: "
    )
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    return send(server, requests, seconds, connections, b"201")


def send(
    server: Server, requests: Sequence[bytes], seconds: float, connections: int, status: bytes = b"200"
) -> Answers:
    """Send the requests in turn. Raises ``RuntimeError`` for an answer of another status."""
    waits: list[float] = []
    with selectors.DefaultSelector() as selector:
        clients = [_Client(server.port) for _ in range(connections)]
        for number, client in enumerate(clients):
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send(requests[number % len(requests)])
        asked, used, started = len(clients), server.processor, time.perf_counter()
        while time.perf_counter() - started < seconds or not waits:
            for key, _ in selector.select(1):
                client = key.data
                if client.is_answered(status):
                    waits.append(time.perf_counter() - client.sent)
                    client.send(requests[asked % len(requests)])
                    asked += 1
        took = time.perf_counter() - started
        for client in clients:
            client.socket.close()
    return Answers(len(waits) / took, sorted(waits), (server.processor - used) / len(waits))


class _Client:
    """One keep-alive connection with one request on its way."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent, self.got, self.wanted = 0.0, b"", 0

    def send(self, request: bytes) -> None:
        self.got, self.wanted, self.sent = b"", 0, time.perf_counter()
        self.socket.sendall(request)

    def is_answered(self, status: bytes) -> bool:
        """Take in what came; whether that was the end of the answer."""
        got = self.socket.recv(1 << 20)
        if not got:
            raise RuntimeError("the server closed a connection")
        self.got += got
        if not self.wanted:
            head, mark, _ = self.got.partition(b"\r\n\r\n")
            if not mark:
                return False
            if not head.startswith(b"HTTP/1.1 " + status):
                raise RuntimeError(f"answered {head[9:12].decode()}")
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            self.wanted = len(head) + len(mark) + int(length)
        return len(self.got) >= self.wanted
