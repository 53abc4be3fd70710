"""Proposals at rest: pairs of Patients that may be one person, of one model each. They gather nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.store import columns
from gateway.store.numbers import TYPE_NUMBER
from gateway.store.session import Session

Row = tuple[str, int, int, int, str]
"""(model, patient, other, probability in millionths, reasons)"""
_ROW = columns.PROPOSAL.only("model patient other probability reasons")


def replace(session: Session, model: str, pairs: Sequence[tuple[int, int, int, str]]) -> None:
    """Replace the proposals of a model by these (patient, other, probability, reasons)."""
    session.run("DELETE FROM proposal WHERE model = ?", model)
    rows = [(model, *pair, session.now) for pair in sorted(set(pairs))]
    session.insert("proposal", columns.PROPOSAL.all, rows)


def every(session: Session) -> list[Row]:
    """The proposals, the most probable first."""
    return session.rows(f"SELECT {_ROW} FROM proposal ORDER BY probability DESC, patient, other")


def evidences(session: Session) -> Iterator[tuple[int, bytes]]:
    """(patient, evidence) of every Patient that is there, each once."""
    sql = (
        "SELECT c.patient, min(c.number) FROM claim c JOIN head h ON h.patient = c.patient AND h.type = ? "
        "AND h.deleted = 0 GROUP BY c.patient ORDER BY c.patient"
    )
    for patient, number in session.rows(sql, TYPE_NUMBER["Patient"]):
        yield patient, session.value("SELECT evidence FROM claim WHERE patient = ? AND number = ?", patient, number)
