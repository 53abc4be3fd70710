"""Proposals at rest: pairs of Patients that may be one person, of one model each. They gather nobody."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import columns
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
