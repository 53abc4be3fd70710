"""What a stranger may send before anybody knows who calls: bytes, numbers and seconds of a real connection."""

import socket
import threading
import time

import pytest

from gateway.api import connection, server
from tests.api.people import uid

BOUNDS = connection.Bounds(head_seconds=0.5, body_seconds=0.5, linger_seconds=0.5)


@pytest.fixture(scope="module")
def port(everything):
    """The application on a free port, with short times and few connections."""
    listeners, ends = server.listen("127.0.0.1", 0), threading.Event()
    connection_limit = pytest.MonkeyPatch()
    connection_limit.setattr(connection, "most_connections", lambda: 20)
    thread = threading.Thread(target=server.serve, args=(everything.app, listeners, ends, BOUNDS), daemon=True)
    thread.start()
    yield listeners[0].getsockname()[1]
    ends.set()
    thread.join(15)
    connection_limit.undo()


def ask(port: int, sent: bytes) -> bytes:
    """All that is answered until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(sent)
        answer = b""
        while received := client.recv(65536):
            answer += received
    return answer


LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
POSTED = b"POST /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
REFUSED = [
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /" + b"a" * 40000, 414),
    (LIVE + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431),
    (LIVE + b"X: " + b"a" * 40000, 431),
    (LIVE + b"X: a\r\n" * 200 + b"\r\n", 431),
    (LIVE + b"a: b\r\n" * 6000, 431),
    (b"GET / HT", 408),
    (LIVE, 408),
    (b"nonsense\r\n\r\n", 400),
    (POSTED + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n", 400),
    (POSTED + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    (POSTED + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
    (POSTED + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (POSTED + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (POSTED + b"Content-Length: +4\r\n\r\nabcd", 400),
    (LIVE + b"X: a\r\n b\r\n\r\n", 400),
]
"""The last ones are two readings of where a request ends, as a proxy in front might make the other."""


@pytest.mark.parametrize("sent, status", REFUSED)
def test_what_is_too_much_or_too_slow_is_refused(port, sent, status):
    started = time.monotonic()
    answer = ask(port, sent)
    assert answer.split(b" ")[1] == str(status).encode()
    assert b"OperationOutcome" in answer and b"charset=utf-8" in answer
    assert time.monotonic() - started < 5


def test_a_body_that_does_not_come_is_not_waited_for(port, everything):
    token = everything.token("dr-green").encode()
    head = b"POST /fhir/Patient/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answer = ask(port, head + b"Authorization: Bearer " + token + b"\r\nContent-Length: 100\r\n\r\nab")
    assert answer.split(b" ")[1] == b"408"


def test_half_open_connections_keep_nobody_out(port):
    half_open = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for client in half_open:
        client.sendall(b"GET / HT")
    assert ask(port, LIVE + b"\r\n").startswith(b"HTTP/1.1 200")
    for client in half_open:
        client.close()


def test_a_header_within_the_bounds_is_taken(port, everything):
    token = everything.token("dr-green").encode()
    head = f"GET /fhir/Patient/{uid(1)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    assert ask(port, head + b"Authorization: BEARER " + token + b"\r\nX: " + b"a" * 8000 + b"\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def until_it_ends(client: socket.socket) -> bytes:
    """All that is answered until the server ends the connection, in whatever way."""
    answer = b""
    try:
        while received := client.recv(65536):
            answer += received
    except ConnectionError:
        pass
    return answer


def test_a_connection_that_asks_nothing_is_ended_without_an_answer(port):
    assert ask(port, b"") == b""


def test_too_many_requests_on_one_connection_are_not_all_taken(port):
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 60)
        assert until_it_ends(client).count(b"HTTP/1.1 200") < 60


def test_a_stranger_who_goes_on_sending_after_a_refusal_is_cut_off(port):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET /" + b"a" * 40000)
        try:
            for _ in range(200):
                client.sendall(b"a" * 65536)
        except ConnectionError:
            pass
        until_it_ends(client)
    assert time.monotonic() - started < 5


def test_a_full_server_says_so_and_when_to_come_again(everything):
    listeners, ends = server.listen("127.0.0.1", 0), threading.Event()
    with pytest.MonkeyPatch.context() as limit:
        limit.setattr(connection, "most_connections", lambda: 0)
        thread = threading.Thread(target=server.serve, args=(everything.app, listeners, ends, BOUNDS), daemon=True)
        thread.start()
        answer = ask(listeners[0].getsockname()[1], LIVE + b"\r\n")
        ends.set()
        thread.join(15)
    assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in answer and b"too many connections" in answer
