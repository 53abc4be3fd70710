"""Whom a publisher may be caring for now: the Patients of its open care, found without naming any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.fhir import params
from gateway.fhir.codes import token_hash
from gateway.store.numbers import MAY_ATTEND, TYPE_NUMBER, UNDATED
from gateway.store.session import Session

MOST_LOOKED_AT = 100_000
"""Of one publisher and type that have no end: the index does not tell their statuses apart, so each is looked up."""
_OF_TYPE = f"FROM head WHERE {MAY_ATTEND} AND publisher = ? AND type = ?"


def patients(
    session: Session, publishers: Sequence[int], now: int, statuses: Mapping[str, Sequence[str]]
) -> set[int] | None:
    """Everyone of whom one of the publishers has an episode that has not ended by ``now`` (µs UTC), or a visit without
    an end or a referral in one of the ``statuses`` of its type; None where a publisher has too many to look at. It only
    narrows whom to ask about: what is a relationship, the facts decide. They ask no status of a registration."""
    open_: set[int] = set()
    for publisher in publishers:
        for condition, bound in (("AND high > ?", now), ("AND high = ?", UNDATED)):
            sql = f"SELECT DISTINCT patient {_OF_TYPE} {condition}"
            open_.update(key for (key,) in session.rows(sql, publisher, TYPE_NUMBER["EpisodeOfCare"], bound))
            visiting = _with_status(session, publisher, "Encounter", statuses, condition, bound)
            if visiting is None:
                return None
            open_ |= visiting
        referred = _with_status(session, publisher, "ServiceRequest", statuses)
        if referred is None:
            return None
        open_ |= referred
    return open_


def _with_status(
    session: Session,
    publisher: int,
    type_: str,
    statuses: Mapping[str, Sequence[str]],
    condition: str = "",
    *bound: int,
) -> set[int] | None:
    """Those of whom a publisher has a resource of a type in one of its statuses, among those that a condition finds;
    None where these are too many."""
    heads = f"SELECT key, patient {_OF_TYPE} {condition} LIMIT ?"
    looked_at = (publisher, TYPE_NUMBER[type_], *bound, MOST_LOOKED_AT + 1)
    if session.value(f"SELECT count(*) FROM ({heads}) AS h", *looked_at) > MOST_LOOKED_AT:
        return None
    rows = session.rows(
        f"SELECT DISTINCT h.patient FROM ({heads}) AS h WHERE EXISTS (SELECT 1 FROM entry e "
        f"WHERE e.patient = h.patient AND e.param = ? AND {session.within('e.value')} AND e.head = h.key)",
        *looked_at,
        params.row(type_, "status").number,
        session.listed([token_hash(None, status) for status in statuses[type_]]),
    )
    return {patient for (patient,) in rows}
