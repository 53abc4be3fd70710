"""Maps what listeners kept, in the order it came, behind the senders; in a thread, because the domain is synchronous.

A message leaves the inbox when the store has it. A batch that fails stays and is tried again. While it fails, the age
of the oldest message grows, which is what an alarm asks, and messages are acknowledged until the inbox holds as many as
the feed allows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway import log
from gateway.errors import GatewayError, Unavailable
from gateway.fhir.dates import DAY
from gateway.intake.flow import Flow
from gateway.intake.listen import judging
from gateway.intake.producers import IsKnown, Seen
from gateway.store import rejected
from gateway.store.inbox import Inbox, Message
from mappings import Feed, Reject, Row, Source

AT_ONCE, BYTES_AT_ONCE = 2000, 1 << 24
"""Messages and bytes mapped in one batch, at most."""
LEAST_WAIT, MOST_WAIT = 1.0, 30.0
"""Seconds until a batch that failed is tried again: doubled each time."""
PAUSE = 1.0
"""Seconds between two looks at an inbox in which nothing arrives."""
FORGET_SECONDS = 600.0


@dataclass(frozen=True)
class Messages:
    """Messages of the inbox as a producer of rows. One with a reason is a reject that nobody reads."""

    messages: Sequence[Message]
    feed: Feed
    is_known: IsKnown | None = None
    size: int = 0

    def checked(self, source: Source, is_known: IsKnown | None) -> Messages:
        return replace(self, is_known=is_known)

    def read(self, source: Source, seen: Seen) -> Iterator[Row | Reject]:
        for message in self.messages:
            reason, items = (message.reason, []) if message.reason else self._read(message, source)
            if reason:
                yield self._reject(message, reason)
            else:
                yield from items

    def _read(self, message: Message, source: Source) -> tuple[str, list[Row | Reject]]:
        """Why a message is a reject after all ("" for one that is none), and its rows: settings may have changed since
        it was acknowledged."""
        try:
            items = judging.read(message.payload, self.feed, source)
        except Exception as bug:
            log.bug(bug)
            return judging.reason_of(bug), []
        rejects = [item.reason for item in items if isinstance(item, Reject)]
        unknown = [
            item for item in items if isinstance(item, Row) and self.is_known and not self.is_known(item.publisher)
        ]
        return next(iter(rejects), judging.UNKNOWN.reason if unknown else ""), items

    def _reject(self, message: Message, reason: str) -> Reject:
        return Reject(f"message {message.seq}", reason, message.payload, judging.FILE.name)


class NoRoom(GatewayError):
    """The store has no room for more rejects."""


class Emptying:
    """Empties the inbox of some feeds. ``emptied`` is called with a feed and how many of its messages went."""

    def __init__(self, inbox: Inbox, flows: Mapping[str, Flow], emptied: Callable[[str, int], None], days: int):
        self._inbox, self._flows, self._emptied, self._days = inbox, flows, emptied, days
        self._waits: dict[str, float] = {}
        self._again: dict[str, float] = {}
        self._held: dict[str, tuple[int, int]] = {}
        """Messages, and their bytes, that found no room when a feed was last looked at."""
        self._forgot = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. What waits then is mapped at the next start."""
        try:
            while not stop.is_set():
                self._inbox.arrived.clear()
                is_idle = True
                for feed in self._flows:
                    if time.monotonic() >= self._again.get(feed, 0.0) and not stop.is_set():
                        is_idle &= not self._guarded(feed)
                self._forget()
                if is_idle and not stop.is_set():
                    self._inbox.arrived.wait(PAUSE)
        finally:
            self._close()

    def _guarded(self, feed: str) -> bool:
        """Map a batch of a feed; return whether there may be more. A failure is logged, and the feed waits."""
        try:
            more = self.one(feed)
        except Exception as error:
            wait = self._waits[feed] = min(2 * self._waits.get(feed, LEAST_WAIT / 2), MOST_WAIT)
            self._again[feed] = time.monotonic() + wait
            _log_stuck(error, wait)
            return False
        self._waits.pop(feed, None)
        return more

    def one(self, feed: str) -> bool:
        """Map one batch of a feed; return whether there was any. Rejects for which there is no room stay in the inbox,
        uncounted until there is, and nothing waits behind them. Raises ``NoRoom`` where nothing else is left."""
        held, held_bytes = self._held.get(feed, (0, 0))
        messages = self._inbox.batch(feed, AT_ONCE + held, BYTES_AT_ONCE + held_bytes)
        flow = self._flows[feed]
        fitting = self._fitting(flow, messages)
        self._held[feed] = len(messages) - len(fitting), _bytes_of(messages) - _bytes_of(fitting)
        if not fitting:
            if messages:
                raise NoRoom("no room for more rejects")
            return False
        if flow.take(Messages(fitting, flow.feed), len(fitting))["not kept"]:
            raise NoRoom("no room for more rejects")
        self._inbox.settle(fitting)
        self._emptied(feed, len(fitting))
        return True

    def _fitting(self, flow: Flow, messages: Sequence[Message]) -> list[Message]:
        """Return the messages but for those known as rejects for which the store has no room."""
        known = [message for message in messages if message.reason and message.payload]
        if not known:
            return list(messages)
        payloads = [message.payload for message in known]
        with flow.store.read() as session:
            has_room = rejected.fitting(session, flow.source.name, flow.feed.name, payloads)
        waiting = {message.seq for message, fits in zip(known, has_room) if not fits}
        return [message for message in messages if message.seq not in waiting]

    def _forget(self) -> None:
        """Forget old control ids, now and then."""
        if time.monotonic() - self._forgot < FORGET_SECONDS:
            return
        self._forgot = time.monotonic()
        try:
            self._inbox.forget(time.time_ns() // 1000 - self._days * DAY)
        except Unavailable as error:
            log.event("listen.stuck", reason=error.code)

    def _close(self) -> None:
        for flow in self._flows.values():
            try:
                flow.close()
            except Unavailable as error:  # the next delivery of the source ends it
                log.event("listen.stuck", reason=error.code)


def _bytes_of(messages: Sequence[Message]) -> int:
    return sum(len(message.payload) for message in messages)


def _log_stuck(error: Exception, wait: float) -> None:
    if isinstance(error, Unavailable):
        log.event("listen.stuck", reason=error.code, seconds=wait)
    elif isinstance(error, GatewayError):
        log.event("listen.stuck", reason=str(error), seconds=wait)
    else:
        log.bug(error)
