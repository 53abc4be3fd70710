"""Senders that speak MLLP to a listener as a trust's engine does: one message in flight a connection, sent again until
it is acknowledged. Whoever kills the listener under them learns what became of every message."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.intake.mapping import resource_id
from gateway.store import kept as keeping
from gateway.store.database import open_store

ROOT = Path(__file__).parents[2]
UP_WITHIN = 60.0
ANSWER_WITHIN = 30.0


def update(sender: int, number: int) -> bytes:
    """Update ``number`` of the patient of a sender: the telephone says which one it was."""
    at = f"202506{1 + number // 86400 % 28:02}{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}"
    lines = [
        f"MSH|^~\\&|PAS{sender}|RXQ|TIE|GW|{at}||ADT^A31^ADT_A05|{sender}-{number}|T|2.4",
        f"EVN||{at}",
        f"PID|1||Q{sender}^^^RXQ^PI||Hartley^Rose||19580214|F|||{sender} High Street^^Leeds^^LS1 1AA||0113496{number:04}",
    ]  # fmt: skip
    return "".join(f"{line}\r" for line in lines).encode()


@dataclass
class Sent:
    """What the senders saw: control ids by the code of their acknowledgement, how long each took (seconds), and how
    often something was sent again."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    again: int = 0
    seconds: float = 0.0

    def at(self, share: float) -> float:
        """The wait that so large a share did not exceed, in milliseconds."""
        waits = sorted(self.waits)
        return 1000 * waits[min(len(waits) - 1, int(share * len(waits)))]

    @property
    def rate(self) -> float:
        return len(self.acknowledged) / self.seconds


async def send(
    port: int, senders: int, count: int, message: Callable[[int, int], bytes] = update, times: int = 1
) -> Sent:
    """Send ``count`` messages on each of so many connections, each of them ``times`` times."""
    sent, started = Sent(), time.perf_counter()
    await asyncio.gather(*(_one(port, number, count, message, sent, times) for number in range(senders)))
    sent.seconds = time.perf_counter() - started
    return sent


async def _one(
    port: int, sender: int, count: int, message: Callable[[int, int], bytes], sent: Sent, times: int
) -> None:
    number, done = 0, 0
    while number < count:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        try:
            while number < count:
                started = time.perf_counter()
                payload = message(sender, number)
                writer.write(b"\x0b" + payload + b"\x1c\r")
                await writer.drain()
                answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), ANSWER_WITHIN)
                control = payload.split(b"|", 10)[9].decode()
                code, answered = answer.split(b"\rMSA|", 1)[1].split(b"\r")[0].decode().split("|")[:2]
                assert answered == control, "the answer of another message"
                sent.waits.append(time.perf_counter() - started)
                sent.acknowledged[control] = code
                done += 1
                if done % times == 0:
                    number += 1
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            sent.again += 1
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Listening:
    """``gateway listen`` in a process of its own, on one port, that may be killed and started again."""

    def __init__(self, folder: Path, url: str = ""):
        self.folder = folder
        self.environment = {**os.environ, "GATEWAY_DATA_DIR": str(folder), "GATEWAY_SANDBOX": "1"}
        self.environment.pop("GATEWAY_DATABASE_URL", None)
        if url:
            self.environment["GATEWAY_DATABASE_URL"] = url
        self._run("init", "sandbox")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def _run(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "gateway", *words], env=self.environment, cwd=ROOT, check=True, capture_output=True
        )

    def start(self) -> float:
        """Start it; return how many seconds it took until it said that it listens."""
        started = time.perf_counter()
        words = ["listen", "--feed", "default", "--port", str(self.port)]
        with open(self.folder / "listen.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", *words],
                env=self.environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout and self.process.stdout.readline(), "it did not start"
        return time.perf_counter() - started

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; return its exit code."""
        assert self.process and self.process.stdout
        self.process.send_signal(number)
        status = self.process.wait(UP_WITHIN)
        self.process.stdout.close()
        self.process = None
        return status

    @property
    def url(self) -> str:
        return self.environment.get("GATEWAY_DATABASE_URL") or f"sqlite:///{self.folder / 'gateway.db'}"

    @property
    def processor(self) -> float:
        """Seconds of processor time so far."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> int:
        """The most memory that it used, in bytes."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def wait_until_mapped(self) -> float:
        """Wait until nothing waits; return how many seconds it took."""
        from gateway.store import inbox

        started = time.perf_counter()
        while any(feed.waiting for feed in inbox.standings(self.folder / "inbox.db").values()):
            time.sleep(0.05)
        return time.perf_counter() - started

    def kept(self) -> Counter[str]:
        """How often the store keeps each control id."""
        store = open_store(self.url)
        with store.read() as session:
            bodies = [
                keeping.decode_body(bytes(body)) for (body,) in session.rows("SELECT body FROM kept WHERE grp <> 0")
            ]
        store.close()
        return Counter(body.key.split("|")[2] for body in bodies)

    def last_of(self, sender: int) -> int:
        """The number of the update that the store shows of a sender's patient."""
        store = open_store(self.url)
        name = resource_id(store.namespace.bytes, "hl7v2", "RXQ", "Patient", f"RXQ|Q{sender}")
        with store.read() as session:
            body = session.value("SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.id = ?", name)
        store.close()
        return int(bytes(body).partition(b"0113496")[2][:4])


@contextmanager
def listening(folder: Path, url: str = "") -> Iterator[Listening]:
    """A listener that ends with the block, whatever happens in it."""
    listener = Listening(folder, url)
    try:
        yield listener
    finally:
        if listener.process:
            listener.end(signal.SIGKILL)


async def kill_under(
    listener: Listening, kills: int, senders: int, count: int, least: float, most: float
) -> tuple[Sent, int, float]:
    """Send while the listener is killed with SIGKILL again and again. Return what was sent, how many kills there were,
    and the longest start (seconds)."""
    import random

    chance, done, longest = random.Random(7), 0, 0.0
    sending = asyncio.create_task(send(listener.port, senders, count))
    while not sending.done():
        await asyncio.sleep(chance.uniform(least, most))
        if done < kills and not sending.done():
            listener.end(signal.SIGKILL)
            done += 1
            longest = max(longest, await asyncio.to_thread(listener.start))
    return await sending, done, longest
