"""A listener in this process, on a free port, and plain sockets that speak MLLP to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.intake.listen import listeners, stations
from gateway.nhs.codesets import CodeSets
from gateway.store import inbox, rejected
from gateway.store.database import Store
from gateway.store.inbox import Inbox
from gateway.terminology import sets
from mappings import Feed, sources

PATIENT = "PID|1||{patient}^^^RXQ^PI||Hartley^Rose||19580214|F"
CODE_SETS: CodeSets = sets.load(sandbox=True)
WITHIN = 60.0


def adt(control: str, patient: str = "Q1", event: str = "A28", header: str = "|T|2.4", more: str = "") -> bytes:
    """A message of one patient. ``header`` is MSH from MSH-11 on, with its separator."""
    lines = [
        f"MSH|^~\\&|PAS|RXQ|TIE|GW|20250602113000||ADT^{event}^ADT_A05|{control}{header}",
        "EVN||20250602113000",
        PATIENT.format(patient=patient) + more,
    ]
    return "".join(f"{line}\r" for line in lines).encode()


def framed(message: bytes) -> bytes:
    return b"\x0b" + message + b"\x1c\r"


class Sender:
    """A connection to a listener. ``sent`` sends a message and returns the answer; b"" where the gateway closed it."""

    def __init__(self, port: int, connection: socket.socket | None = None):
        self.socket = connection or socket.create_connection(("127.0.0.1", port), WITHIN)
        self.socket.settimeout(WITHIN)
        self._rest = b""

    def send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def answer(self) -> bytes:
        while b"\x1c\r" not in self._rest:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return b""
            if not data:
                return b""
            self._rest += data
        answer, _, self._rest = self._rest.partition(b"\x1c\r")
        return answer.removeprefix(b"\x0b")

    def sent(self, message: bytes) -> bytes:
        self.send(framed(message))
        return self.answer()

    def close(self) -> None:
        self.socket.close()


def code(answer: bytes) -> str:
    """MSA-1 of an answer, "" for none."""
    return answer.partition(b"\rMSA")[2][1:3].decode()


@dataclass
class Listened:
    """A running listener: its store, port and inbox."""

    store: Store
    path: Path
    port: int
    inbox: Inbox
    feed: Feed
    senders: list[Sender] = field(default_factory=list)

    def sender(self) -> Sender:
        self.senders.append(Sender(self.port))
        return self.senders[-1]

    def sent(self, message: bytes) -> bytes:
        """The answer to one message on a connection of its own."""
        return self.sender().sent(message)

    def standing(self) -> inbox.Standing:
        return inbox.standings(self.path).get(self.feed.name, inbox.Standing(0, 0, 0, {}))

    def waiting(self) -> int:
        return self.standing().waiting

    def mapped(self) -> None:
        """Wait until nothing waits."""
        until(lambda: self.waiting() == 0)

    def rejects(self) -> list[str]:
        with self.store.read() as session:
            return [kept.reason for kept in rejected.waiting(session)]

    def rows(self) -> int:
        """How many messages the store keeps."""
        with self.store.read() as session:
            return session.value("SELECT count(*) FROM kept WHERE grp <> 0")


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN
    while not is_so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@contextmanager
def listening(store: Store, path: Path, feed: Feed | None = None, **settings: object) -> Iterator[Listened]:
    """Listen with a store while a block runs. ``settings`` are of the feed's ``listen`` table, ``path`` the inbox."""
    feed = Feed(**{**(vars(feed) if feed else {}), "name": "ward", "settings": {**(feed.settings if feed else {}), "listen": settings}})  # fmt: skip
    listener = listeners.opened(feed, port=0)
    ports: list[int] = []
    stops: list[Callable[[], None]] = []
    up = threading.Event()

    def ready(bound) -> None:
        ports.append(bound["ward"])
        up.set()

    opened = Inbox(path)
    pairs = [(listener, sources()["hl7v2"])]
    thread = threading.Thread(target=stations.run, args=(store, CODE_SETS, opened, pairs, ready, stops.append))
    thread.start()
    assert up.wait(WITHIN)
    listened = Listened(store, path, ports[0], opened, feed)
    try:
        yield listened
    finally:
        for sender in listened.senders:
            sender.close()
        stops[0]()
        thread.join()
        opened.close()
