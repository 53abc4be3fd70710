"""Privacy alerts at rest: raised once for each cause, and moved by steps that are kept."""

from __future__ import annotations

import hashlib
from secrets import token_hex
from typing import NamedTuple

from gateway.store import columns
from gateway.store.session import Session

_ALL, _STEP = columns.ALERT.all, columns.ALERT_STEP.all
_MARKS = ", ".join("?" * len(columns.ALERT.names))


class AlertRow(NamedTuple):
    """An alert as it stands; ``at`` is when it was raised (µs UTC). No field holds anything of a patient."""

    key: int
    cause: str
    ods: str
    type: str
    subtype: str
    rule: str
    user: str
    name: str
    role: str
    request: str
    state: str
    at: int


class Raised(NamedTuple):
    """What raises an alert: for which organisation, by whom, and the ``request`` that leads to the event of the audit.
    Either ``type`` and ``subtype`` (``nhs.alerts.PAIRS``) or a ``rule`` says why."""

    ods: str
    user: str
    name: str
    role: str
    request: str
    type: str = ""
    subtype: str = ""
    rule: str = ""


class StepRow(NamedTuple):
    """One step of an alert's history; ``at`` is µs UTC."""

    alert: int
    number: int
    state: str
    by: str
    note: str
    at: int


def raise_alert(session: Session, raised: Raised, state: str, cause: str = "") -> int:
    """Raise an alert in the transaction of what causes it; return its key. Where a ``cause`` is named, what has raised
    one raises no other: then it is the key of that one. Without it each call raises its own: the id of a request is its
    client's word, and nobody can silence an alert by sending one twice."""
    digest = hashlib.sha256("\n".join((raised.ods, cause or token_hex())).encode()).hexdigest()
    before = session.value("SELECT key FROM alert WHERE cause = ?", digest)
    if before is not None:
        return int(before)
    key, now = session.next_key("alert"), session.now
    row = AlertRow(
        key, digest, raised.ods, raised.type, raised.subtype, raised.rule, raised.user, raised.name, raised.role,
        raised.request, state, now,
    )  # fmt: skip
    session.run(f"INSERT INTO alert ({_ALL}) VALUES ({_MARKS})", *row)
    _step(session, StepRow(key, 1, state, "", "", now))
    return key


def move(session: Session, key: int, state: str, by: str, note: str) -> None:
    """Have an alert come to a state, and keep the step."""
    session.run("UPDATE alert SET state = ? WHERE key = ?", state, key)
    number = session.value("SELECT max(number) FROM alert_step WHERE alert = ?", key) + 1
    _step(session, StepRow(key, number, state, by, note, session.now))


def _step(session: Session, step: StepRow) -> None:
    session.run(f"INSERT INTO alert_step ({_STEP}) VALUES (?, ?, ?, ?, ?, ?)", *step)


def get(session: Session, key: int, ods: str | None = None) -> AlertRow | None:
    """One alert, of an organisation where one is named; None for one that there is not, or that is another's."""
    row = session.row(f"SELECT {_ALL} FROM alert WHERE key = ? AND (? = '' OR ods = ?)", key, ods or "", ods or "")
    return AlertRow(*row) if row and ods != "" else None


def listed(session: Session, ods: str | None = None, state: str = "", limit: int = 100_000) -> list[AlertRow]:
    """The alerts of an organisation (None: of all), in a state: those that are closed last, then the oldest first. So
    many closed ones hide no other."""
    where = "(? = '' OR ods = ?) AND (? = '' OR state = ?)"
    sql = f"SELECT {_ALL} FROM alert WHERE {where} ORDER BY state = 'closed', at, key LIMIT ?"
    return [] if ods == "" else [AlertRow(*row) for row in session.rows(sql, ods or "", ods or "", state, state, limit)]


def history(session: Session, key: int) -> list[StepRow]:
    """The steps of an alert, in their order."""
    return [
        StepRow(*row) for row in session.rows(f"SELECT {_STEP} FROM alert_step WHERE alert = ? ORDER BY number", key)
    ]
