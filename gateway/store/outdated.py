"""Which sources hold what was labelled or indexed by other rules than today's. Whoever opens the door asks it."""

from __future__ import annotations

from gateway.store import columns
from gateway.store.session import Session

_STANDING = (
    f"SELECT {columns.DELIVERY.only('source mapping plan')} FROM delivery d WHERE key >= COALESCE("
    "(SELECT max(e.key) FROM delivery e WHERE e.source = d.source AND e.state = 'done'), 0)"
)
"""The deliveries that what is shown of a source may come from: the last that was done, and those cut off since."""


def labelled_otherwise(session: Session, fingerprint: str) -> list[str]:
    """Return the sources whose labels may come from other code sets or rules than those of ``fingerprint``: their last
    complete delivery, or one interrupted since, used others."""
    rows = session.rows(_STANDING)
    return sorted({source for source, mapping, _ in rows if mapping.rpartition(" ")[2] != fingerprint})


def indexed_otherwise(session: Session, plan: str) -> list[str]:
    """Return the sources whose resources may be indexed by another plan: their last complete delivery, or one
    interrupted since, used another."""
    return sorted({source for source, _, indexed_by in session.rows(_STANDING) if indexed_by != plan})
