"""The queue of privacy alerts: an officer sees and moves those of their organisation, an operator those of any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.errors import Forbidden, NotFound
from gateway.nhs import access, alerting, snooping
from gateway.nhs.roles import ROLES, Caller
from gateway.records import instant
from gateway.records.door import Door, refuse_early, who
from gateway.store import alerts
from gateway.store.alerts import AlertRow, StepRow
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session

HOUR = 3_600_000_000
"""µs."""
ACT = access.Act("audit")
"""What the table of roles calls it."""


OWN = "an alert about yourself is for another privacy officer"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with its history, and its age in hours."""

    row: AlertRow
    steps: tuple[StepRow, ...]
    age: int

    @property
    def why(self) -> str:
        """Why it was raised: the kind of act, or the rules that it met."""
        if self.row.type:
            return alerting.words(self.row.type, self.row.subtype)
        return "; ".join(snooping.WORDS.get(name, name) for name in self.row.rule.split())

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON. It holds nothing of a patient."""
        row = self.row
        return {
            "alert": row.key, "organisation": row.ods, "state": row.state, "why": self.why, "type": row.type,
            "subtype": row.subtype, "rule": row.rule, "user": row.user, "name": row.name,
            "role": ROLES.get(row.role, row.role), "request": row.request, "raised": instant(row.at), "ageHours": self.age,
            "history": [
                {"state": step.state, "by": step.by, "note": step.note, "at": instant(step.at)} for step in self.steps
            ],
        }  # fmt: skip


def queue(door: Door, caller: Caller, state: str, request_id: str) -> list[Alert]:
    """The alerts of the officer's organisation in a state ("": in any), the oldest first, but those about the officer,
    which are for another. It is audited. Raises ``Forbidden`` for who is no privacy officer."""
    refuse_early(door, caller, ACT, request_id)
    listed = [alert for alert in every(door.store, caller.organisation, state) if alert.row.user != caller.user]
    looked = {"act": "audit.alerts", "outcome": "ok", "state": state, "count": len(listed)}
    door.audit.record({**looked, **who(caller), "request": request_id})
    return listed


def move(door: Door, caller: Caller, key: int, state: str, note: str, request_id: str) -> None:
    """Have an alert of the officer's organisation come to another state.

    Raises ``Forbidden`` for who is no privacy officer and for an alert about the officer, ``NotFound`` for one that
    there is not or that is another organisation's, ``Invalid`` as ``alerting.check_move`` does.
    """
    refuse_early(door, caller, ACT, request_id)
    alert = one_of(door.store, key, caller.organisation)
    if alert is None or alert.row.user == caller.user:
        outcome = "not found" if alert is None else "refused"
        tried = {"act": "audit.alert", "outcome": outcome, "alert": key}
        door.audit.record({**tried, **who(caller), "request": request_id})
        raise NotFound("alert") if alert is None else Forbidden(OWN, "own-alert")
    with door.store.write(is_aside=True) as session:
        row = _known(session, key, caller.organisation)
        _moved(session, row, state, caller.user, note, {**who(caller), "request": request_id})


def every(store: Store, organisation: str | None = None, state: str = "") -> list[Alert]:
    """The alerts of an organisation, or of all, as an operator sees them."""
    with store.read() as session:
        now = store.clock()
        return [_with_history(session, row, now) for row in alerts.listed(session, organisation, state)]


def one_of(store: Store, key: int, organisation: str) -> Alert | None:
    """One alert of an organisation; None for one that there is not, or that is another's."""
    with store.read() as session:
        row = alerts.get(session, key, organisation)
        return None if row is None else _with_history(session, row, store.clock())


def move_by_hand(store: Store, key: int, state: str, by: str, note: str) -> None:
    """``move``, by an operator in somebody's name. Raises ``NotFound``, ``Invalid``."""
    with store.write(is_aside=True) as session:
        _moved(session, _known(session, key, None), state, by, note, {"by": by})


def _with_history(session: Session, row: AlertRow, now: int) -> Alert:
    return Alert(row, tuple(alerts.history(session, row.key)), max(now - row.at, 0) // HOUR)


def _known(session: Session, key: int, organisation: str | None) -> AlertRow:
    row = alerts.get(session, key, organisation)
    if row is None:
        raise NotFound("alert")
    return row


def _moved(session: Session, row: AlertRow, state: str, by: str, note: str, actor: dict[str, str]) -> None:
    alerting.check_move(row.state, state, note)
    alerts.move(session, row.key, state, by, note.strip())
    record_write(session, {"act": "audit.alert", **actor, "alert": row.key, "before": row.state, "state": state})
