"""Tells subscribers what changed: notices what was written, and sends it in order, signed, until it is taken.

Two steps. *Notice*: of the versions written since a subscription's cursor, those that its subscriber may be told of go
into its outbox in the transaction that moves the cursor. *Send*: the oldest of the outbox are decided about once more,
numbered and audited in a transaction of their own, and then leave. Whatever ends between two steps is done again: a
notification may come twice, under one id, and is never lost.

Nothing that a subscriber can see depends on what it may not be told of: neither ids nor numbers, nor attempts, nor the
words of an error.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import msgspec

from gateway import log, records
from gateway.egress import LedAway, Receipt
from gateway.errors import GatewayError, Refused, Unavailable, Unprocessable
from gateway.fhir.search import Query
from gateway.nhs.roles import Caller
from gateway.notify import announcement, signature, subscriber, wish
from gateway.notify.announcement import EVENT, HANDSHAKE, Change
from gateway.notify.hooks import Hooks
from gateway.notify.keeping import TYPE, standing
from gateway.records import Door, Notifiable
from gateway.store import faults, subscriptions
from gateway.store.changes import record_write
from gateway.store.session import Session
from gateway.store.subscriptions import ACTIVE, ERROR, OFF, REQUESTED, NoticeRow, SubscriptionRow

POLL_SECONDS, MOST_WAIT = 1.0, 60.0
WINDOW, MOST_WAITING, AT_ONCE = 2000, 2000, 50
"""Versions that are looked at in one step, that wait in one outbox, and changes that one notification tells of."""
NOTICE_SECONDS = 2.0
"""After so many seconds of noticing, what is due is sent before more is noticed."""
GAP = 1_000_000
"""µs between two notifications of one subscription at least."""
LEASE = 60_000_000
"""µs after which a notification that nobody came back from is sent again."""
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each next attempt, as Standard Webhooks proposes them: three days and five hours in all."""
MOST_PAUSE = 3600.0
"""Seconds that a receiver may ask to wait."""
THREADS = 16
"""Clients that are sent to at one time."""
GONE = 410
"""The status by which a receiver ends its subscription."""
NO_ANSWER = "the endpoint does not answer"


@dataclass(frozen=True)
class Asked:
    """A subscription as it is to be judged: who its subscriber is now, and what it looks for."""

    row: SubscriptionRow
    caller: Caller
    query: Query


class Notifier:
    """Sends the notifications of one store. Each client has at most one request under way, so that an endpoint that is
    slow holds up its own client alone."""

    def __init__(self, door: Door, hooks: Hooks, send: Callable[[str, bytes, dict[str, str]], Receipt] | None = None):
        self._door, self._hooks, self._send = door, hooks, send or hooks.send
        self._store = door.store
        self._stop = threading.Event()
        self._lanes: dict[tuple[str, str], Future[bool]] = {}
        self._next = ""

    def work(self, stop: threading.Event) -> None:
        """Notice and send at each whole second until stopped, whatever there was to look at: when something is sent
        tells nothing of what is not. In an outage, and after any other failure, it waits and tries again."""
        pause, self._stop = POLL_SECONDS, stop
        with ThreadPoolExecutor(THREADS) as pool:
            while not stop.is_set():
                try:
                    self._step(pool)
                    stop.wait(POLL_SECONDS - time.time() % POLL_SECONDS)
                    pause = POLL_SECONDS
                except Exception as fault:  # a notifier that ended would leave everybody untold, and nobody would know
                    if isinstance(fault, Unavailable):
                        log.event("notify.outage", reason=fault.code, seconds=pause)
                    else:
                        log.bug(fault)
                    stop.wait(pause)
                    pause = min(2 * pause, MOST_WAIT)

    def drain(self, stop: threading.Event) -> None:
        """Notice and send until nothing waits but what has failed."""
        while not stop.is_set():
            if not self.work_once():
                if not self._is_soon():
                    return
                stop.wait(GAP / 1_000_000)

    def _is_soon(self) -> bool:
        with faults.named(), self._store.read() as session:
            return subscriptions.is_soon(session, self._store.clock())

    def work_once(self) -> bool:
        """Notice what was written, and send what is due; False where nothing was due. A failure is its subscription's;
        an outage raises ``Unavailable``."""
        with ThreadPoolExecutor(THREADS) as pool:
            noticed = self._step(pool)
            wait(self._lanes.values())
        return any([noticed, *self._landed()])

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Notice what was written, and begin to send to each client that is not being sent to; whether there was
        anything to notice. Raises what ended a sending before."""
        self._landed()
        with faults.named():
            with self._store.read() as session:
                rows = subscriptions.every(session, is_live=True)
                newest = subscriptions.last_version(session) if rows else 0
            is_noticed = self._notice(rows, newest)
        lanes: dict[tuple[str, str], list[SubscriptionRow]] = {}
        for row in rows:
            lanes.setdefault((row.issuer, row.client), []).append(row)
        for client in lanes.keys() - self._lanes.keys():
            self._lanes[client] = pool.submit(self._lane, lanes[client])
        return is_noticed

    def _notice(self, rows: list[SubscriptionRow], newest: int) -> bool:
        """Notice for one subscription after another, for so long; the next step begins with whoever was not reached."""
        first = next((place for place, row in enumerate(rows) if row.id == self._next), 0)
        noticed, ends, self._next = False, time.monotonic() + NOTICE_SECONDS, ""
        for row in rows[first:] + rows[:first]:
            if time.monotonic() > ends:
                self._next = row.id
                return True
            noticed = self._safely(self._noticed, row, newest) or noticed
        return noticed

    def _landed(self) -> list[bool]:
        """What came of the sendings that ended."""
        ended = [client for client, lane in self._lanes.items() if lane.done()]
        lanes = [self._lanes.pop(client) for client in ended]
        return [lane.result() for lane in lanes]

    def _lane(self, rows: list[SubscriptionRow]) -> bool:
        """Send what is due of one client's subscriptions, one after another."""
        with faults.named():
            sent = [self._safely(self._sent, row) for row in rows if not self._stop.is_set()]
        return any(sent)

    def _safely(self, step: Callable[..., bool], row: SubscriptionRow, *more: object) -> bool:
        try:
            return step(row, *more)
        except Exception as error:  # one subscription's fault holds no other back; the log names no value
            if isinstance(error, Unavailable) or faults.meaning(error):
                raise
            log.event(
                "notify.failed", error=type(error).__name__, subscription=row.id,
                reason=str(error) if isinstance(error, Refused) else "bug",
            )  # fmt: skip
            return False

    # Notice

    def _noticed(self, row: SubscriptionRow, newest: int) -> bool:
        """Look at the next versions; whether there were any."""
        if row.until and row.until <= self._store.clock():
            return self._end(row)
        upto = min(newest, row.cursor + WINDOW)
        if upto <= row.cursor:
            return False
        with self._store.read() as session:
            if subscriptions.count_waiting(session, row.id) >= MOST_WAITING:
                return False
            changed = subscriptions.changed_between(session, row.type, row.cursor, upto)
            notifiable = self._notifiable(session, row, list(changed))
        if notifiable is None:
            return False
        keys = {stored.key for stored in notifiable.shown}
        versions = [(version, head) for head, version in changed.items() if head in keys]
        with self._store.write(is_aside=True) as session:
            return subscriptions.notice(session, row, upto, versions)

    def _notifiable(self, session: Session, row: SubscriptionRow, heads: list[int]) -> Notifiable | None:
        """What the subscriber may be told of now. None where it is told nothing, whatever it is: then all stays as it
        is, and is decided about when it is told again."""
        if not heads:
            return Notifiable()
        asked = self._asked(session, row)
        return records.notifiable(self._door, session, asked.caller, asked.query, heads) if asked else None

    def _asked(self, session: Session, row: SubscriptionRow) -> Asked | None:
        """Who asks for what now; None where the subscriber is told nothing."""
        caller = subscriber.caller(self._store, session, row.issuer, row.client, row.organisation)
        if caller is None:
            return None
        try:
            query, _ = wish.query_of(msgspec.json.decode(row.body), row.base, self._store.clock())
        except Unprocessable:  # what was taken once is no longer understood
            return None
        return Asked(row, caller, query)

    # Send

    def _sent(self, row: SubscriptionRow) -> bool:
        """Send what is due of a subscription; whether anything was done."""
        with self._store.read() as session:
            latest = subscriptions.get(session, row.id)
            now = self._store.clock()
            if latest is None or latest.state not in (REQUESTED, ACTIVE) or max(latest.due, latest.lease) > now:
                return False
            row, asked = latest, self._asked(session, latest)
            if asked is None:
                return False
            waiting, notifiable = [], None
            if row.state == ACTIVE:
                waiting = subscriptions.waiting(session, row.id, AT_ONCE)
                heads = [notice.head for notice in waiting]
                notifiable = records.notifiable(self._door, session, asked.caller, asked.query, heads)
        if row.state == REQUESTED:
            return self._shake_hands(row, now)
        if not waiting or notifiable is None:
            return False
        return self._tell(asked, waiting, notifiable, now)

    def _shake_hands(self, row: SubscriptionRow, now: int) -> bool:
        """Send the first notification, which the receiver accepts before any other. What the client or the operator
        changes meanwhile goes before the answer."""
        lease, message = now + LEASE, str(uuid.uuid4())
        with self._store.write(is_aside=True) as session:
            if subscriptions.begin(session, row, (), (), message, lease) is None:
                return False
            record_write(session, _event("handshake", row, attempt=row.failures + 1))
        receipt = self._post(row, message, HANDSHAKE, [])
        if self._is_taken(receipt):
            with self._store.write(is_aside=True) as session:
                if subscriptions.delivered(session, row.id, lease, message, 0, 0):
                    subscriptions.set_state(session, row, ACTIVE)
            return True
        return self._failed(row, lease, receipt)

    def _tell(self, asked: Asked, waiting: list[NoticeRow], notifiable: Notifiable, now: int) -> bool:
        row, shown = asked.row, {stored.key: stored for stored in notifiable.shown}
        kept = [notice for notice in waiting if notice.head in shown]
        dropped = [notice.version for notice in waiting if notice.head not in shown]
        with self._store.write(is_aside=True) as session:
            if not kept:
                return subscriptions.drop(session, row, dropped)
            lease, message = now + LEASE, "" if dropped else waiting[0].message
            message = message or str(uuid.uuid4())  # one id names one set of changes
            begun = subscriptions.begin(session, row, kept, dropped, message, lease)
            if begun is None:
                return False
            names = [name for name, _ in asked.query.parameters]
            event = notifiable.event(asked.caller, asked.query.type, message, names)
            record_write(session, {**event, "subscription": row.id, "attempt": row.failures + 1})
        numbered = [(notice.event, shown[notice.head]) for notice in begun]
        changes = [Change(number, version.type, version.id, version.updated) for number, version in numbered]
        receipt = self._post(row._replace(events=begun[-1].event), message, EVENT, changes)
        if self._is_taken(receipt):
            with self._store.write(is_aside=True) as session:
                subscriptions.delivered(session, row.id, lease, message, self._store.clock() + GAP, len(begun))
            return True
        return self._failed(row, lease, receipt)

    def _post(self, row: SubscriptionRow, message: str, kind: str, changes: list[Change]) -> Receipt | Refused | None:
        """Sign and send a notification: how it was received, None where nobody answered, or why it is not sent."""
        body, now = msgspec.json.decode(row.body), self._store.clock()
        of_row = replace(standing(row), events=row.events)
        content = announcement.body(of_row, kind, message, now, changes)
        try:
            headers = {
                **self._hooks.opened(row.headers), **announcement.media(of_row.content),
                **signature.headers(self._hooks.secret(row.id), message, now // 1_000_000, content),
            }  # fmt: skip
            return self._send(body["channel"]["endpoint"], content, headers)
        except Refused as refusal:
            return refusal
        except GatewayError:
            return None

    @staticmethod
    def _is_taken(receipt: Receipt | Refused | None) -> bool:
        return isinstance(receipt, Receipt) and 200 <= receipt.status < 300

    def _failed(self, row: SubscriptionRow, lease: int, receipt: Receipt | Refused | None) -> bool:
        """Have it sent again later, or give up. What waits stays: a subscription that is begun again goes on with
        it."""
        words, seconds = NO_ANSWER, 0.0
        if isinstance(receipt, Receipt):
            words, seconds = f"the endpoint answers {receipt.status}", min(receipt.seconds or 0, MOST_PAUSE)
        is_over = row.failures >= len(PAUSES) or isinstance(receipt, Receipt) and receipt.status == GONE
        if isinstance(receipt, Refused):
            is_over, words = is_over or not isinstance(receipt, LedAway), str(receipt)
        pause = max(PAUSES[min(row.failures, len(PAUSES) - 1)], seconds)
        with self._store.write(is_aside=True) as session:
            due = self._store.clock() + int(pause * 1_000_000)
            if subscriptions.failed(session, row.id, lease, due) and is_over:
                self._give_up(session, row, words)
        return True

    @staticmethod
    def _give_up(session: Session, row: SubscriptionRow, words: str) -> None:
        if subscriptions.set_state(session, row, ERROR, words):
            record_write(session, _event("error", row, error=words))
            log.event("notify.gave-up", reason=words, subscription=row.id)

    def _end(self, row: SubscriptionRow) -> bool:
        """End what was to end by now, unless its client changed that since."""
        with self._store.write(is_aside=True) as session:
            if not subscriptions.set_state(session, row, OFF):
                return False
            subscriptions.forget(session, row.id)
            record_write(session, _event("end", row))
        return True


def _event(act: str, row: SubscriptionRow, **more: object) -> dict[str, object]:
    return {"act": f"subscribe.{act}", "type": TYPE, "subscription": row.id, "client": row.client, **more}
