"""Whom a publisher may be caring for now: the Patients of its open care, found without naming any of them."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fhir import params
from gateway.fhir.codes import token_hash
from gateway.store.numbers import MAY_ATTEND, TYPE_NUMBER, UNDATED
from gateway.store.session import Session

MOST_REFERRALS = 20_000
"""Of one publisher that are looked through: the index does not tell the open ones from the others."""
_OPEN = f"SELECT DISTINCT patient FROM head WHERE {MAY_ATTEND} AND publisher = ? AND type = ?"
_REFERRALS = f"SELECT key, patient FROM head WHERE {MAY_ATTEND} AND publisher = ? AND type = ? LIMIT ?"


def patients(session: Session, publishers: Sequence[int], now: int, most: int) -> set[int] | None:
    """Everyone of whom one of the publishers has a visit or an episode that has not ended by ``now`` (µs UTC), or an
    active referral; None for more than ``most``. It only narrows whom to ask about: what is a relationship, the facts
    decide."""
    open_: set[int] = set()
    for publisher in publishers:
        for type_ in ("Encounter", "EpisodeOfCare"):
            number = TYPE_NUMBER[type_]
            for condition, bound in (("high > ?", now), ("high = ?", UNDATED)):
                rows = session.rows(f"{_OPEN} AND {condition} LIMIT ?", publisher, number, bound, most + 1)
                open_.update(patient for (patient,) in rows)
        referred = _referred(session, publisher, most)
        if referred is None:
            return None
        open_ |= referred
        if len(open_) > most:
            return None
    return open_


def _referred(session: Session, publisher: int, most: int) -> set[int] | None:
    """Those with an active referral of a publisher."""
    type_ = TYPE_NUMBER["ServiceRequest"]
    counted = f"SELECT count(*) FROM ({_REFERRALS}) AS referral"
    if session.value(counted, publisher, type_, MOST_REFERRALS + 1) > MOST_REFERRALS:
        return None
    rows = session.rows(
        f"SELECT DISTINCT h.patient FROM ({_REFERRALS}) AS h WHERE EXISTS "
        "(SELECT 1 FROM entry e WHERE e.patient = h.patient AND e.param = ? AND e.value = ? AND e.head = h.key) LIMIT ?",
        publisher, type_, MOST_REFERRALS,
        params.row("ServiceRequest", "status").number, token_hash(None, "active"), most + 1,
    )  # fmt: skip
    return {patient for (patient,) in rows}
