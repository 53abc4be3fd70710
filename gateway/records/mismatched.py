"""Records that share an NHS number and were not gathered, for whoever finds out which of them is wrong."""

from __future__ import annotations

from gateway.store import identities
from gateway.store.database import Store
from gateway.store.identities import Mismatch


def mismatches(store: Store) -> list[Mismatch]:
    """Every Patient that shares an NHS number with another and was not gathered with it, with the reason. Neither the
    number nor what they hold is in it."""
    with store.read() as session:
        return list(identities.mismatches(session))
