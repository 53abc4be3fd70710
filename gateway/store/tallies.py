"""What an operator wants counted of each publisher: its people, and what became of its deliveries. Never who."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlmodel import col, select

from gateway.store.models import models
from gateway.store.numbers import TYPE_NUMBER
from gateway.store.session import Session
from gateway.store.tables import Delivery

_PEOPLE = "FROM person p JOIN head h ON h.id_hash = p.patient WHERE h.deleted = 0"
WHICH = {
    "patients": "",
    "numbered": "AND EXISTS (SELECT 1 FROM claim c WHERE c.patient = p.patient AND c.number NOT LIKE 'patient:%')",
    "gathered": "AND p.person IN (SELECT person FROM person GROUP BY person HAVING count(*) > 1)",
    "mismatched": "AND p.patient IN (SELECT patient FROM mismatch)",
}
"""Condition for each count of Patients: all, with an NHS number, gathered with another source's, not gathered although
a number agrees."""


def people(session: Session) -> dict[str, dict[int, int]]:
    """How many Patients of each kind of ``WHICH`` every publisher has, by its key."""
    return {
        which: dict(session.rows(f"SELECT h.publisher, count(*) {_PEOPLE} {condition} GROUP BY h.publisher"))
        for which, condition in WHICH.items()
    }


def episodes(session: Session) -> Iterator[tuple[int, int, bytes]]:
    """(publisher, patient, body) of every current EpisodeOfCare, a few at a time."""
    return session.stream(
        "SELECT h.publisher, h.patient, v.body FROM person p JOIN head h ON h.patient = p.patient AND h.type = ? "
        "JOIN version v ON v.key = h.body WHERE h.deleted = 0",
        TYPE_NUMBER["EpisodeOfCare"],
    )


def written(session: Session, deliveries: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    """(delivery, publisher, body) of every version that some deliveries wrote, a few at a time."""
    return session.stream(
        f"SELECT v.delivery, h.publisher, v.body FROM version v JOIN head h ON h.key = v.head "
        f"WHERE v.deleted = 0 AND {session.within('v.delivery')}",
        session.listed(deliveries),
    )


def reports(session: Session, since: int) -> list[tuple[int, dict[str, Any]]]:
    """(when it began, its report) of the deliveries that ended, the oldest first. ``since`` is µs UTC."""
    ended = (
        select(Delivery.started, Delivery.report)
        .where(Delivery.started >= since, Delivery.report != "")
        .order_by(col(Delivery.key))
    )
    with models(session) as rows:
        return [(started, msgspec.json.decode(report)) for started, report in rows.exec(ended)]
