"""The listener as a process: messages a second from socket to acknowledgement, each on disk before it, and to FHIR.

Rows R1 to R4, R9 and R10 of the reliability targets, on SQLite, and on PostgreSQL where ``BENCH_POSTGRES`` holds the
URL of an empty database."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator

from tests.bench import senders
from tests.bench.bench_hl7v2 import message
from tests.bench.room import Room
from tests.bench.table import Line

CONNECTIONS = 32
TARGET, TARGET_POSTGRES = 300, 400
"""Messages a second, acknowledged after they are on disk, mapped and stored, on two cores that do nothing else."""


def result(sender: int, number: int) -> bytes:
    """A result message of twenty segments with a control id of its own."""
    return message(sender * 100_000 + number)


def measure(room: Room) -> Iterator[Line]:
    share = 10 if room.quick else 1
    yield from _sustained(room, "sqlite", "", 6400 // share, TARGET)
    if url := os.environ.get("BENCH_POSTGRES"):
        yield from _sustained(room, "postgresql", url, 6400 // share, TARGET_POSTGRES)
    yield from _one_connection(room, 400 // share)
    yield from _storm(room, 3000 // share)
    yield from _poisoned(room, 3200 // share)
    yield from _killed(room, 100 // share)


def _sustained(room: Room, name: str, url: str, count: int, target: float) -> Iterator[Line]:
    with senders.listening(room.folder / f"listen-{name}", url) as listener:
        listener.start()
        used, started = listener.processor, time.perf_counter()
        sent = asyncio.run(senders.send(listener.port, CONNECTIONS, count // CONNECTIONS, result))
        behind = listener.wait_until_mapped()
        whole, used = time.perf_counter() - started, listener.processor - used
        _whole(listener, sent)
        beside = (
            f"acknowledged {sent.rate:,.0f}/s, p50 {sent.at(0.5):,.0f} ms, p99 {sent.at(0.99):,.0f} ms; "
            f"mapped {behind:.1f} s after the last; "
            f"{1000 * used / count:.2f} ms of processor a message; {listener.memory >> 20} MiB at most"
        )
        yield Line(
            f"MLLP, {CONNECTIONS} senders, {name}: kept, acknowledged and stored",
            count / whole,
            "messages/s",
            beside,
            target,
        )


def _one_connection(room: Room, count: int) -> Iterator[Line]:
    with senders.listening(room.folder / "listen-one") as listener:
        listener.start()
        sent = asyncio.run(senders.send(listener.port, 1, count, result))
        beside = f"p50 {sent.at(0.5):,.1f} ms, p99 {sent.at(0.99):,.1f} ms"
        yield Line("MLLP, one sender that waits for each answer: acknowledged", sent.rate, "messages/s", beside)


def _storm(room: Room, count: int) -> Iterator[Line]:
    """R9: every message three times."""
    with senders.listening(room.folder / "listen-storm") as listener:
        listener.start()
        sent = asyncio.run(senders.send(listener.port, CONNECTIONS, count // CONNECTIONS, result, times=3))
        listener.wait_until_mapped()
        _whole(listener, sent)
        yield Line("MLLP, every message three times: answers", 3 * sent.rate, "answers/s", "each kept once")


def _poisoned(room: Room, count: int) -> Iterator[Line]:
    """R10: one in a hundred cannot be read."""
    chance = random.Random(5)
    poisoned = {(sender, number) for sender in range(CONNECTIONS) for number in range(count) if chance.random() < 0.01}

    def some(sender: int, number: int) -> bytes:
        payload = result(sender, number)
        return payload.replace(b"|ORU^R01^ORU_R01|", b"|ORU^R99^ORU_R99|") if (sender, number) in poisoned else payload

    with senders.listening(room.folder / "listen-poison") as listener:
        listener.start()
        sent = asyncio.run(senders.send(listener.port, CONNECTIONS, count // CONNECTIONS, some))
        listener.wait_until_mapped()
        good = [control for control, code in sent.acknowledged.items() if code == "AA"]
        kept = listener.kept()
        if kept != dict.fromkeys(good, 1):
            raise RuntimeError("what was acknowledged is not what is kept")
        bad = len(sent.acknowledged) - len(good)
        yield Line(
            "MLLP, one message in a hundred not readable", sent.rate, "messages/s", f"{bad} rejects, all others stored"
        )


def _killed(room: Room, kills: int) -> Iterator[Line]:
    """R4: SIGKILL under load."""
    with senders.listening(room.folder / "listen-killed") as listener:
        listener.start()
        sent, done, longest = asyncio.run(senders.kill_under(listener, kills, 16, 60 * kills, 0.2, 1.0))
        listener.wait_until_mapped()
        _whole(listener, sent)
        lasts = [listener.last_of(number) for number in range(16)]
        if lasts != [60 * kills - 1] * 16:
            raise RuntimeError("an update was overtaken")
        beside = (
            f"{done} kills, {sent.again} sent again, none lost, none twice; start to listening {longest:.1f} s at most"
        )
        yield Line("MLLP, killed with SIGKILL under 16 senders", len(sent.acknowledged), "messages", beside)


def _whole(listener: senders.Listening, sent: senders.Sent) -> None:
    """Raise where a message that was acknowledged is not kept, or is kept twice."""
    if set(sent.acknowledged.values()) != {"AA"} or listener.kept() != dict.fromkeys(sent.acknowledged, 1):
        raise RuntimeError("what was acknowledged is not what is kept")
