"""Deliveries: what was taken in, with which mapping and code sets, and how it went."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import func, not_
from sqlmodel import col, select

from gateway.store.hashes import hex64
from gateway.store.models import models
from gateway.store.outdated import indexed_otherwise
from gateway.store.session import Session
from gateway.store.tables import Delivery
from gateway.store.touched import retouch, touch_new, touch_source

BY_API = "api"
"""What the deliveries are called that hold what was written over the API: one begins each day, and has no report."""
_MIXED = ""
"""The plan of a delivery after which some of the source is indexed by one plan and some by another."""


def begin(session: Session, source: str, name: str, version: str, sets: str, plan: str, indexes_all: bool) -> int:
    """Open a delivery. If the mapping's version or the fingerprint of the labels' code sets and rules changed since the
    last one, all groups of the source are marked to be mapped again. The name is stored as a hash.

    ``plan`` is the fingerprint of the index plan. It is stored only where all resources of the source are indexed by it
    when the delivery is done: because they were before, or because this delivery ``indexes_all``.
    """
    mapping = f"{version} {sets}"
    if not indexes_all and source in indexed_otherwise(session, plan):
        plan = _MIXED
    key = session.next_key("delivery")
    newest = select(Delivery.mapping).where(Delivery.source == source).order_by(col(Delivery.key).desc()).limit(1)
    with models(session) as rows:
        last = rows.exec(newest).first()
        rows.add(
            Delivery(
                key=key, source=source, name=_hidden(name), mapping=mapping, plan=plan,
                first=session.next_key("kept"), started=session.now, state="keeping", report="",
            )
        )  # fmt: skip
    if last is not None and last != mapping:
        touch_source(session, key, source)
    return key


def standing(session: Session, source: str, name: str, mapping: str, plan: str, since: int) -> int:
    """The delivery called ``name`` that began after ``since``, else a new one: for what is written one by one and is
    mapped in the transaction that keeps it, so that it is done at any time. It marks nothing, and stands for what the
    last delivery stood for: of a source that waits for a remap it hides nothing."""
    ours = "SELECT max(key) FROM delivery WHERE source = ? AND name = ? AND state = 'done' AND started > ?"
    # By plain statement: each write asks it, and a model would cost a third of the whole.
    held: int | None = session.value(ours, source, _hidden(name), since)
    if held is not None:
        return held
    newest = select(Delivery).where(Delivery.source == source).order_by(col(Delivery.key).desc()).limit(1)
    with models(session) as rows:
        last = rows.exec(newest).first()
        key = session.next_key("delivery")
        rows.add(
            Delivery(
                key=key, source=source, name=_hidden(name), mapping=last.mapping if last else mapping,
                plan=last.plan if last else plan, first=session.next_key("kept"), started=session.now, state="done", report="",
            )
        )  # fmt: skip
    return key


def by_api(session: Session, source: str, since: int) -> list[int]:
    """The deliveries of what was written over the API that began after ``since`` (µs UTC)."""
    ours = "SELECT key FROM delivery WHERE source = ? AND name = ? AND state = 'done' AND report = '' AND started >= ?"
    return [key for (key,) in session.rows(ours, source, _hidden(BY_API), since)]


def _hidden(name: str) -> str:
    """A delivery's name as it is stored: a sender may have put a patient's into it."""
    return hex64(name)


def is_read(session: Session, source: str, version: str, remap: str) -> bool:
    """Whether what is kept of a source was read by this version of the mapping: no delivery was mapped by another, or a
    remap of this name has ended since."""
    of_version = col(Delivery.mapping).startswith(f"{version} ", autoescape=True)
    others = select(func.max(col(Delivery.key))).where(Delivery.source == source, not_(of_version))
    with models(session) as rows:
        other = rows.exec(others).one()
        if other is None:
            return True
        since = select(Delivery.report).where(Delivery.source == source, col(Delivery.key) > other)
        ended = since.where(Delivery.name == _hidden(remap), Delivery.state == "done")
        reports = list(rows.exec(ended))
    return any(reports)  # one that was cut off, and taken over, has none


def is_loaded(session: Session, source: str, name: str) -> bool:
    """Whether a delivery of this name ended: one that was cut off, and taken over, has no report."""
    ended = select(Delivery.report).where(
        Delivery.source == source, Delivery.name == _hidden(name), Delivery.state == "done"
    )
    with models(session) as rows:
        reports = list(rows.exec(ended))
    return any(reports)


def first_row(session: Session, delivery: int) -> int:
    """The key of the first row this delivery could have added."""
    with models(session) as rows:
        return rows.get_one(Delivery, delivery).first


def is_mapping(session: Session, delivery: int) -> None:
    """Record that all rows are kept and mapping begins."""
    with models(session) as rows:
        rows.get_one(Delivery, delivery).state = "mapping"


def reopen(session: Session, delivery: int) -> bool:
    """Have a delivery keep more rows, all of whose rows are mapped; return whether it is open still: another delivery
    of the source ends it. Only rows that come from now on are new."""
    with models(session) as rows:
        row = rows.get(Delivery, delivery)
        if row is None or row.state != "mapping":
            return False
        row.state, row.first = "keeping", session.next_key("kept")
    return True


def end(session: Session, delivery: int, report: dict[str, Any]) -> None:
    """Mark a delivery as done and store its report."""
    with models(session) as rows:
        row = rows.get_one(Delivery, delivery)
        row.state, row.report = "done", msgspec.json.encode(report).decode()


def take_over(session: Session, source: str, delivery: int) -> None:
    """Move the unmapped groups of interrupted deliveries of the source to this delivery, and mark those deliveries as
    done."""
    interrupted = (
        select(Delivery)
        .where(Delivery.source == source, Delivery.state != "done", Delivery.key != delivery)
        .order_by(col(Delivery.key))
    )
    with models(session) as rows:
        for row in rows.exec(interrupted):
            if row.state == "keeping":
                touch_new(session, row.key, row.first)
            retouch(session, row.key, delivery)
            row.state = "done"
