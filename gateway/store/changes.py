"""The audit row of a change, written in the transaction that makes the change: both are there, or neither."""

from __future__ import annotations

import os
import pwd
from functools import lru_cache
from typing import Any

import msgspec

from gateway.fhir.dates import microseconds_now
from gateway.store import columns
from gateway.store.session import Session

_encode = msgspec.json.Encoder(order="sorted").encode
_INSERT = f"INSERT INTO audit ({columns.AUDIT.only('at stream event')}) VALUES (?, ?, ?)"


def record_write(session: Session, event: dict[str, Any]) -> None:
    """Write the audit row of a change."""
    insert(session, "write", attributed(event))


def attributed(event: dict[str, Any]) -> dict[str, Any]:
    """An event with who is known to have made it. One that no caller over HTTP made names the account of the operating
    system that made it: the words after ``--as`` are only what somebody typed."""
    return event if "user" in event else {**event, "account": _account()}


@lru_cache(maxsize=1)
def _account() -> str:
    """The account that this process runs under."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def insert(session: Session, stream: str, event: dict[str, Any]) -> None:
    """Write an event into the table of the audit. ``stream`` is ``write``, or ``read`` where reads have no file of
    their own."""
    session.run(_INSERT, session.now or microseconds_now(), stream, encode(event))


def encode(event: dict[str, Any]) -> str:
    """An event as the text that the chain covers. Raises ``TypeError`` for what JSON does not hold."""
    return _encode(event).decode()
