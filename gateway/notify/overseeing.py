"""An operator looks at subscriptions, stops one, and has one go on."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.errors import Refused
from gateway.notify import wish
from gateway.notify.keeping import TYPE, first
from gateway.store import subscriptions
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session
from gateway.store.subscriptions import ERROR, OFF, SubscriptionRow

STOPPED = "stopped by the operator"


def every(store: Store) -> list[dict[str, Any]]:
    """All subscriptions as an operator sees them: counts and states, nothing that could name a person. ``behind`` is
    how many versions of any resource are still to be looked at."""
    with store.read() as session:
        newest = subscriptions.last_version(session)
        return [_seen(session, row, newest) for row in subscriptions.every(session)]


def _seen(session: Session, row: SubscriptionRow, newest: int) -> dict[str, Any]:
    return {
        "subscription": row.id, "client": row.client, "organisation": row.organisation,
        "type": subscriptions.type_name(row.type), "state": row.state,
        "waiting": subscriptions.count_waiting(session, row.id), "behind": max(newest - row.cursor, 0),
        "events": row.events, "failures": row.failures, "error": row.error,
    }  # fmt: skip


def stop(store: Store, id_: str, by: str) -> None:
    """Send nothing more of a subscription; what waits stays. Raises ``Refused`` for an id that there is not, and for
    one that its client ended."""
    with store.write() as session:
        row = _known(session, id_)
        subscriptions.set_state(session, row, ERROR, STOPPED)
        record_write(session, {"act": "subscription.stop", "by": by, "type": TYPE, "subscription": id_})


def resume(store: Store, id_: str, by: str) -> None:
    """Send what waits of a subscription, at once, and go on where it stood. One that was in error begins as a new one
    does: its endpoint accepts the first notification before any other. Raises as ``stop`` does."""
    with store.write() as session:
        row = _known(session, id_)
        if row.state == ERROR:
            subscriptions.set_state(session, row, first(wish.content_of(msgspec.json.decode(row.body))))
        subscriptions.retry(session, id_)
        record_write(session, {"act": "subscription.resume", "by": by, "type": TYPE, "subscription": id_})


def _known(session: Session, id_: str) -> SubscriptionRow:
    row = subscriptions.get(session, id_)
    if row is None:
        raise Refused("no subscription of that id")
    if row.state == OFF:
        raise Refused("its client ended this subscription")
    return row
