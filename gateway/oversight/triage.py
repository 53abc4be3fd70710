"""The queue of privacy alerts: an officer sees and moves those of their organisation, an operator those of any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.errors import Forbidden, NotFound
from gateway.nhs import access, alerting
from gateway.nhs.roles import ROLES, Caller
from gateway.records.door import Door, refuse_early, who
from gateway.store import alerts
from gateway.store.alerts import AlertRow, StepRow
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.serving import instant
from gateway.store.session import Session

HOUR = 3_600_000_000
"""µs."""
ACT = access.Act("audit")
"""What the table of roles calls it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with its history, and its age in hours."""

    row: AlertRow
    steps: tuple[StepRow, ...]
    age: int

    @property
    def why(self) -> str:
        """Why it was raised: the kind of act, or the rule that it met."""
        return alerting.words(self.row.type, self.row.subtype) if self.row.type else self.row.rule

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
    """The alerts of the officer's organisation in a state ("": in any), the oldest first. It is audited. Raises
    ``Forbidden`` for who is no privacy officer."""
    refuse_early(door, caller, ACT, request_id)
    listed = every(door.store, caller.organisation, state)
    looked = {"act": "audit.alerts", "outcome": "ok", "state": state, "count": len(listed)}
    door.audit.record({**looked, **who(caller), "request": request_id})
    return listed


def move(door: Door, caller: Caller, key: int, state: str, note: str, request_id: str) -> None:
    """Have an alert of the officer's organisation come to another state.

    Raises ``Forbidden`` for who is no privacy officer and for an alert about the officer, ``NotFound`` for one that
    there is not or that is another organisation's, ``Invalid`` as ``alerting.check_move`` does.
    """
    refuse_early(door, caller, ACT, request_id)
    with door.store.write(is_aside=True) as session:
        row = _known(session, key, caller.organisation)
        if row.user == caller.user:
            raise Forbidden("an alert about yourself is for another privacy officer", "own-alert")
        _moved(session, row, state, caller.user, note, {**who(caller), "request": request_id})


def every(store: Store, organisation: str | None = None, state: str = "") -> list[Alert]:
    """The alerts of an organisation, or of all, as an operator sees them."""
    with store.read() as session:
        rows = alerts.listed(session, organisation, state)
        now = store.clock()
        return [Alert(row, tuple(alerts.history(session, row.key)), max(now - row.at, 0) // HOUR) for row in rows]


def move_by_hand(store: Store, key: int, state: str, by: str, note: str) -> None:
    """``move``, by an operator in somebody's name. Raises ``NotFound``, ``Invalid``."""
    with store.write(is_aside=True) as session:
        _moved(session, _known(session, key, None), state, by, note, {"by": by})


def _known(session: Session, key: int, organisation: str | None) -> AlertRow:
    row = alerts.get(session, key, organisation)
    if row is None:
        raise NotFound("alert")
    return row


def _moved(session: Session, row: AlertRow, state: str, by: str, note: str, actor: dict[str, str]) -> None:
    alerting.check_move(row.state, state, note)
    alerts.move(session, row.key, state, by, note.strip())
    record_write(session, {"act": "audit.alert", **actor, "alert": row.key, "before": row.state, "state": state})
