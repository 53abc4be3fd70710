"""The edge: connections over MLLP, each answered in its own order, and never before its message is on disk.

No acknowledgement is sent late: a sender that has given up would take it
for that of its next message (Mirth Connect issue 2071), so the connection is closed instead, and the message, sent
again, is known.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway import log
from gateway.errors import Unavailable
from gateway.intake.listen import judging
from gateway.intake.listen.framing import Framer, TooLong
from gateway.intake.listen.judging import REUSED, TAKEN, Verdict
from gateway.intake.listen.listeners import Listener
from gateway.store import faults
from gateway.store.database import Store
from gateway.store.inbox import Inbox, control_of, digest_of
from mappings import Source
from mappings.hl7v2 import acknowledgement
from mappings.hl7v2.acknowledgement import Header

PIECE = 1 << 16
"""Bytes read at a time."""
SMALL = 1 << 15
"""Bytes of a message that is read where it came; a larger one is read in a thread, so that others are answered."""
MOST_HELD = 1 << 27
"""Bytes of messages that have begun and are not answered, over all connections. Beyond it, large ones are cut off."""
LOOK_SECONDS = 0.1
GOOD = "AA"


@dataclass
class Station:
    """One feed that listens: its connections and what is counted of them."""

    listener: Listener
    source: Source
    store: Store
    inbox: Inbox
    is_known: Callable[[str], bool]
    held: list[int]
    """Bytes of messages that have begun, over all stations."""
    waiting: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    last: int = 0
    is_stopping: bool = False
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    reading: set[asyncio.StreamWriter] = field(default_factory=set)
    in_flight: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    number: int = 0

    @property
    def name(self) -> str:
        return self.listener.feed.name

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one sender until it, or the gateway, has done. Never raises."""
        self.open.add(writer)
        try:
            if self._is_let_in(writer):
                await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self.counts["broken"] += 1
        except Exception as bug:
            log.bug(bug)
        finally:
            self.open.discard(writer)
            self.reading.discard(writer)
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1)

    def _is_let_in(self, writer: asyncio.StreamWriter) -> bool:
        """Whether a connection may send. One that may not is closed without a word."""
        address, *_ = writer.get_extra_info("peername") or ("",)
        is_welcome = bool(address) and self.listener.is_welcome(address)
        is_let_in = is_welcome and self.listener.is_client(writer.get_extra_info("peercert"))
        has_room = len(self.open) <= self.listener.settings.connections
        self.counts["connections"] += is_let_in and has_room
        self.counts["strangers"] += not is_let_in
        self.counts["crowded"] += is_let_in and not has_room
        if is_let_in:
            _keep_alive(writer)
        return is_let_in and has_room and not self.is_stopping

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        settings, framer = self.listener.settings, Framer(self.listener.settings.longest << 20)
        begun, size = 0.0, 0
        try:
            while not self.is_stopping and self._holds(size):
                await self._room()
                left = begun + settings.message_seconds - time.monotonic() if begun else settings.idle_seconds
                data = await self._piece(reader, writer, left)
                if not data:
                    self.counts["cut"] += framer.size > 0
                    return
                for frame in framer.feed(data):
                    begun = 0.0
                    if not await self._answer(frame, writer) or self.is_stopping:
                        return
                begun = (begun or time.monotonic()) if framer.size else 0.0
                self.held[0] += framer.size - size
                size = framer.size
        except TooLong as fault:
            await self._refuse_long(fault, writer)
        finally:
            self.held[0] -= size
            for slip, count in framer.slips.items():
                self.counts[f"slip {slip}"] += count

    def _holds(self, size: int) -> bool:
        """Whether there is room for more of a message: where too many large ones have begun, this one is cut off."""
        if size <= PIECE or self.held[0] <= MOST_HELD:
            return True
        self.counts["crowded"] += 1
        return False

    async def _room(self) -> None:
        """Wait while the feed holds as many messages as it may: nothing is read meanwhile, so that senders wait."""
        if self.waiting >= self.listener.settings.backlog:
            self.counts["held back"] += 1
        while self.waiting >= self.listener.settings.backlog and not self.is_stopping:
            await asyncio.sleep(LOOK_SECONDS)

    async def _piece(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> bytes:
        """The next bytes, none at the end or when the time is over."""
        self.reading.add(writer)
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                return await reader.read(PIECE)
        except TimeoutError:
            return b""
        finally:
            self.reading.discard(writer)

    async def _answer(self, frame: bytes, writer: asyncio.StreamWriter) -> bool:
        """Keep a message and acknowledge it; return whether the connection goes on."""
        self.counts["received"] += 1
        self.last = time.time_ns() // 1000
        header = acknowledgement.header(frame)
        if header.is_answer:
            self.counts["answers"] += 1
            return True
        self.held[0] += len(frame)
        try:
            async with asyncio.timeout(self.listener.settings.acknowledge_seconds):
                verdict, code = await self._kept(frame, header)
        except TimeoutError:
            self.counts["late"] += 1
            return False
        except Exception as fault:
            verdict = _unavailable(fault)
            code = judging.code(verdict, self.listener)
        finally:
            self.held[0] -= len(frame)
        self.counts[verdict.name] += 1
        return bool(code) and await self._acknowledge(header, verdict, code, writer)

    async def _kept(self, frame: bytes, header: Header) -> tuple[Verdict, str]:
        """Have the message on disk, where it is one to be kept, and return what became of it and the code that says
        so. Of two connections with one control id, the second waits for the first."""
        digest = digest_of(frame)
        names = (header.application, header.facility, header.control) if header.control else ("", "", digest)
        control = control_of(self.name, *names)
        while control in self.in_flight:
            await asyncio.wait([self.in_flight[control]])
        done = self.in_flight[control] = asyncio.get_running_loop().create_future()
        try:
            return await self._kept_once(frame, header, control, digest)
        finally:
            del self.in_flight[control]
            done.set_result(None)

    async def _kept_once(self, frame: bytes, header: Header, control: str, digest: str) -> tuple[Verdict, str]:
        same = self.inbox.same(control)
        self.counts["duplicates"] += digest in same
        if same.get(digest) == GOOD:
            return TAKEN, GOOD
        verdict = await self._judged(frame, header, GOOD in same.values())
        code = judging.code(verdict, self.listener)
        is_there = digest in same and code != GOOD  # refused before, and kept as a reject then
        if verdict.outcome.is_kept and not is_there:
            reason = "" if verdict is TAKEN else verdict.reason
            await self.inbox.keep(frame, self.name, control, digest, code, reason)
            self.waiting += 1
            self.counts["kept"] += 1
        return verdict, code

    async def _judged(self, frame: bytes, header: Header, is_reused: bool) -> Verdict:
        if is_reused and self.listener.settings.reused_ids == "refuse":
            return REUSED
        self.counts["reused taken"] += is_reused
        asked = (frame, header, self.listener, self.source, self.store.is_sandbox, self.is_known)
        return judging.judge(*asked) if len(frame) <= SMALL else await asyncio.to_thread(judging.judge, *asked)

    async def _acknowledge(self, header: Header, verdict: Verdict, code: str, writer: asyncio.StreamWriter) -> bool:
        self.number += 1
        error = verdict.outcome.error if code != GOOD else ""
        at, name = _now(self.listener.feed.zone), f"{time.time_ns() // 1000:x}{self.number % 4096:x}"
        original = self.listener.settings.acknowledge == "original"
        for sent, answer in acknowledgement.answers(header, code, error, verdict.reason, at, name, original=original):
            writer.write(answer)
            self.counts[sent] += 1
        try:
            async with asyncio.timeout(self.listener.settings.acknowledge_seconds):
                await writer.drain()
        except (OSError, TimeoutError):
            self.counts["undelivered"] += 1
            return False
        return True

    async def _refuse_long(self, fault: TooLong, writer: asyncio.StreamWriter) -> None:
        verdict = Verdict("long", f"longer than {self.listener.settings.longest} MiB")
        self.counts["received"] += 1
        self.counts[verdict.name] += 1
        header = acknowledgement.header(fault.start)
        await self._acknowledge(header, verdict, judging.code(verdict, self.listener), writer)

    def stop(self) -> None:
        """Close the connections that wait for a message. The others end once what they sent is acknowledged."""
        self.is_stopping = True
        for writer in list(self.reading):
            writer.close()

    def emptied(self, count: int) -> None:
        """So many messages were mapped."""
        self.waiting = max(self.waiting - count, 0)
        self.counts["mapped"] += count

    def save_counts(self) -> None:
        """Add what was counted to the inbox. A failure leaves it for the next time."""
        counts, self.counts = +self.counts, Counter()
        if counts:
            try:
                self.inbox.count(self.name, counts, self.last)
            except Unavailable:
                self.counts += counts


def _unavailable(fault: Exception) -> Verdict:
    """The verdict where a message could not be kept. A fault that is no outage is a bug, and the message is not kept
    either."""
    code = fault.code if isinstance(fault, Unavailable) else faults.meaning(fault)
    if code is None:
        log.bug(fault)
    log.event("listen.unavailable", reason=code or "bug")
    return Verdict("unavailable", "the gateway cannot keep messages now")


def _now(zone: str) -> str:
    """The time as HL7 writes it."""
    return datetime.now(UTC).astimezone(ZoneInfo(zone)).strftime("%Y%m%d%H%M%S%z")


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Notice a sender that is gone without a word."""
    connection: Any = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
