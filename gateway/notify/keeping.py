"""A client keeps its subscriptions: makes, reads, changes and removes its own. Another's is as one that is not
there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import records
from gateway.errors import Forbidden, NotFound, Stale, Unprocessable
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller
from gateway.notify import subscriber, wish
from gateway.notify.announcement import STATUS, Standing, status
from gateway.notify.hooks import Hooks
from gateway.notify.wish import Wish, refused
from gateway.records import Door, refuse_early, who
from gateway.store import subscriptions
from gateway.store.changes import record_write
from gateway.store.session import Session
from gateway.store.subscriptions import ACTIVE, ERROR, OFF, REQUESTED, SubscriptionRow

Kept = SubscriptionRow
"""A subscription as it is kept."""
TYPE = "Subscription"
ACT = Act("subscribe")
MOST = 20
"""Subscriptions of one client."""
PARAMETERS = ("_id", "status", "url", "criteria")
"""What they are searched by: each value is compared whole."""


@dataclass(frozen=True)
class Keeper:
    """Keeps subscriptions behind a door. ``hooks`` is None where notifications go nowhere; ``base`` is our address."""

    door: Door
    hooks: Hooks | None
    base: str

    def refuse(self, caller: Caller, request_id: str) -> None:
        """Raise the refusal that depends on the caller alone, before anything is read or looked up."""
        refuse_early(self.door, caller, ACT, request_id)
        with self.door.store.read() as session:
            is_known = subscriber.is_known(self.door.store, session, caller)
        if not is_known:
            self.door.audit.record(_event("refused", caller, request_id, "", "refused"))
            raise Forbidden(
                "only a client that is registered here, for publishers, keeps subscriptions", "not-registered"
            )

    def create(self, caller: Caller, resource: dict[str, Any], request_id: str) -> tuple[SubscriptionRow, str]:
        """https://hl7.org/fhir/R4/http.html#create

        A new subscription, and the secret that its notifications are signed with, which is told only now. Raises
        ``Unprocessable`` for what is not taken, ``Forbidden`` for a type that the client may not be told of."""
        with self._audited("create", caller, request_id):
            wanted = wish.read(resource, self.base, self.hooks, self.door.store.clock())
            if resource["status"] not in (REQUESTED, ACTIVE) or self.hooks is None:
                raise refused("Subscription.status", "a new subscription is requested")
        refuse_early(self.door, caller, Act("notify", wanted.query.type), request_id, _names(wanted))
        row = SubscriptionRow(
            str(uuid.uuid4()), caller.issuer, caller.user, caller.organisation,
            subscriptions.type_number(wanted.query.type), first(wanted.content), "", self.base, _text(wanted.body),
            self.hooks.sealed(wanted.headers or ()), until=wanted.until,
        )  # fmt: skip
        with self._audited("create", caller, request_id), self.door.store.write(is_aside=True) as session:
            if len(subscriptions.of_client(session, caller.issuer, caller.user)) >= MOST:
                raise refused("Subscription", f"a client keeps at most {MOST}", "too-costly")
            row = subscriptions.add(session, row)
            record_write(session, _event("create", caller, request_id, row.id, "created", _names(wanted)))
        return row, self.hooks.shown(row.id)

    def read(self, caller: Caller, id_: str, request_id: str) -> SubscriptionRow:
        """https://hl7.org/fhir/R4/http.html#read

        One of the caller's own. Raises ``NotFound`` for any other."""
        with self.door.store.read() as session:
            row = _own(session, caller, id_)
        outcome = "ok" if row else "not found"
        self.door.audit.record(_event("read", caller, request_id, row.id if row else "", outcome))
        if row is None:
            raise NotFound(TYPE)
        return row

    def search(self, caller: Caller, asked: Sequence[tuple[str, str]], request_id: str) -> list[SubscriptionRow]:
        """https://hl7.org/fhir/R4/http.html#search

        Those of the caller's own that have each of the values that are asked for."""
        with self.door.store.read() as session:
            rows = subscriptions.of_client(session, caller.issuer, caller.user)
        matching = [row for row in rows if all(_has(row, name, value) for name, value in asked)]
        self.door.audit.record(_event("search", caller, request_id, "", "ok", [name for name, _ in asked]))
        return matching

    def update(
        self, caller: Caller, id_: str, resource: dict[str, Any], expected: int | None, request_id: str
    ) -> SubscriptionRow:
        """https://hl7.org/fhir/R4/http.html#update

        Its status, end, reason and contact are changed, and the headers where some are sent. What it looks for and
        where that is told are not: that is another subscription. ``off`` ends it and forgets what waits; ``requested``
        or ``active`` begins it again: after ``error`` where it stood, after ``off`` with what is written from now on.
        Raises ``NotFound``, ``Stale`` for another version than expected, ``Unprocessable``."""
        is_off = resource.get("status") == OFF
        now = self.door.store.clock()
        with self._audited("update", caller, request_id), self.door.store.write(is_aside=True) as session:
            row = _own(session, caller, id_)
            if row is None:
                raise NotFound(TYPE)
            if expected not in (None, row.number):
                raise Stale("the subscription is of another version")
            wanted = wish.read(resource, row.base, self.hooks, now, is_off=is_off)
            for name in ("criteria", "_criteria", "channel"):
                if wanted.body.get(name) != msgspec.json.decode(row.body).get(name):
                    raise refused(f"{TYPE}.{name.lstrip('_')}", "it is not changed: make a new subscription")
            row = self._changed(session, row, wanted, resource["status"])
            record_write(session, _event("update", caller, request_id, row.id, row.state, _names(wanted)))
        return row

    @contextmanager
    def _audited(self, act: str, caller: Caller, request_id: str) -> Iterator[None]:
        """Have the audit hold a change that is refused."""
        try:
            yield
        except (NotFound, Stale, Unprocessable) as refusal:
            outcome = "not found" if isinstance(refusal, NotFound) else "refused"
            self.door.audit.record(_event(act, caller, request_id, "", outcome))
            raise

    def _changed(self, session: Session, row: SubscriptionRow, wanted: Wish, asked: str) -> SubscriptionRow:
        state = row.state
        if asked == OFF:
            state = OFF
            subscriptions.forget(session, row.id)
        elif asked in (REQUESTED, ACTIVE) and row.state in (ERROR, OFF):
            state = first(wanted.content)
            if row.state == OFF:
                subscriptions.begin_anew(session, row.id)
            subscriptions.retry(session, row.id)
        sealed = self.hooks.sealed(wanted.headers) if self.hooks and wanted.headers is not None else row.headers
        error = row.error if state == ERROR else ""
        row = row._replace(state=state, error=error, body=_text(wanted.body), headers=sealed, until=wanted.until)
        return subscriptions.replace(session, row)

    def delete(self, caller: Caller, id_: str, request_id: str) -> None:
        """https://hl7.org/fhir/R4/http.html#delete

        One of the caller's own is no more, nor what waits of it. Raises ``NotFound`` for any other."""
        with self.door.store.write(is_aside=True) as session:
            row = _own(session, caller, id_)
            if row is not None:
                subscriptions.remove(session, row.id)
            outcome = "deleted" if row else "not found"
            record_write(session, _event("delete", caller, request_id, row.id if row else "", outcome))
        if row is None:
            raise NotFound(TYPE)


def resource_of(row: SubscriptionRow) -> dict[str, Any]:
    """A subscription as its client sees it: without the headers, which are secrets."""
    body: Mapping[str, Any] = msgspec.json.decode(row.body)
    return {
        "resourceType": TYPE, "id": row.id,
        "meta": {"versionId": str(row.number), "lastUpdated": records.instant(row.changed)},
        "status": row.state, **({"error": row.error} if row.error else {}),
        **{name: value for name, value in body.items() if name != "resourceType"},
    }  # fmt: skip


def status_of(row: SubscriptionRow) -> dict[str, Any]:
    """https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-status.html

    How a subscription stands."""
    return status(standing(row), STATUS)


def standing(row: SubscriptionRow) -> Standing:
    """A subscription as its notifications speak of it."""
    body = msgspec.json.decode(row.body)
    topic = body["criteria"] if body["criteria"].startswith(f"{row.base}/{wish.TOPIC}/") else ""
    return Standing(row.base, row.id, row.state, wish.content_of(body), topic, row.events, row.error)


def _own(session: Session, caller: Caller, id_: str) -> SubscriptionRow | None:
    row = subscriptions.get(session, id_)
    return row if row and (row.issuer, row.client) == (caller.issuer, caller.user) else None


def _has(row: SubscriptionRow, name: str, value: str) -> bool:
    body = msgspec.json.decode(row.body)
    values = {"_id": row.id, "status": row.state, "url": body["channel"].get("endpoint"), "criteria": body["criteria"]}
    return bool(value == values[name])


def first(content: str) -> str:
    """The state that a subscription begins in: an endpoint that is sent Bundles accepts the first one before others."""
    return ACTIVE if content == wish.PING else REQUESTED


def _names(wanted: Wish) -> list[str]:
    return [name for name, _ in wanted.query.parameters]


def _text(body: Mapping[str, Any]) -> str:
    return msgspec.json.encode(body).decode()


def _event(
    act: str, caller: Caller, request_id: str, id_: str, outcome: str, names: Sequence[str] = ()
) -> dict[str, Any]:
    """The audit event of keeping a subscription: the names of its criteria, never their values."""
    return {
        "act": f"subscribe.{act}", "type": TYPE, **who(caller), "outcome": outcome, "subscription": id_,
        "request": request_id, "parameters": sorted(set(names)),
    }  # fmt: skip
