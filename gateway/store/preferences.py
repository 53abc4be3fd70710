"""The patient's coded choices (summary, sharing, Type 1), as intake read them from resources."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import columns
from gateway.store.session import Session

_STATED = columns.PREFERENCE.only("patient name at")


def stated(session: Session, patients: Sequence[int]) -> list[tuple[int, str, str]]:
    """(patient, name, date) of every coded choice in these Patients' records."""
    return session.rows(
        f"SELECT {_STATED} FROM preference WHERE {session.within('patient')} ORDER BY 1, 3",
        session.listed(patients),
    )
