"""What was last said of a publisher: its ODS code, its name, and whether it shares under each of its agreements."""

from __future__ import annotations

from collections.abc import Callable

import sqlmodel
from sqlmodel import select

from gateway.store import labelling
from gateway.store.models import models
from gateway.store.session import Session
from gateway.store.tables import Publisher, Sharing

STATES = ("active", "withheld", "withdrawn")
"""The strictest last."""
UNNAMED = ""
"""The agreement of what was stated before the states of agreements were kept apart."""
Statement = tuple[str, int]
"""(what was said, its order)"""


def describe(session: Session, key: int, *, ods: str, name: str, state: str, order: int, agreement: str = "") -> None:
    """Set what a source says of a publisher.

    An older statement never undoes a newer one; of two at one moment the stricter state holds. A state under an
    agreement is one of several: the publisher shares while it does so under one of them. ODS code, name and
    state each have an order of their own. A change of state moves ``seen_seq`` of what the publisher holds, and has
    unreleased parts of exports cut again.
    """
    with models(session) as rows:
        publisher = rows.get(Publisher, key)
        if publisher is None:
            raise KeyError("publisher")
        before = publisher.state
        publisher.ods, publisher.placed = _later((publisher.ods, publisher.placed), (ods, order))
        publisher.name, publisher.named = _later((publisher.name, publisher.named), (name, order))
        if agreement and state:
            _keep_unnamed(rows, publisher)
            publisher.state, publisher.ord = _shared(rows, key, agreement, (state, order))
        else:
            publisher.state, publisher.ord = _stricter((publisher.state, publisher.ord), (state, order))
        is_changed = publisher.state != before
    if is_changed:
        session.run("UPDATE head SET seen_seq = ? WHERE publisher = ?", session.commit_seq, key)
        labelling.changed(session)


def _keep_unnamed(rows: sqlmodel.Session, publisher: Publisher) -> None:
    """Before the first statement under an agreement, keep what was stated without one: version 0.1 kept one state of
    a publisher and not whose it was."""
    if publisher.ord and not _agreements(rows, publisher.key):
        rows.add(Sharing(publisher=publisher.key, agreement=UNNAMED, state=publisher.state, ord=publisher.ord))


def _shared(rows: sqlmodel.Session, key: int, agreement: str, statement: Statement) -> Statement:
    """Store the state under an agreement, and return the state of the publisher with its order: the mildest of its
    agreements. What was stated without an agreement stands against all that is older."""
    states = {row.agreement: (row.state, row.ord) for row in _agreements(rows, key)}
    states[agreement] = _stricter(states.get(agreement, ("", 0)), statement)
    state, order = states[agreement]
    rows.merge(Sharing(publisher=key, agreement=agreement, state=state, ord=order))
    unnamed = states.pop(UNNAMED, ("", 0))
    newer = [stated for stated in states.values() if _stricter(unnamed, stated) == stated]
    return min(newer, key=lambda stated: (STATES.index(stated[0]), -stated[1]), default=unnamed)


def _agreements(rows: sqlmodel.Session, key: int) -> list[Sharing]:
    """What was last said of a publisher under each of its agreements."""
    return list(rows.exec(select(Sharing).where(Sharing.publisher == key)))


def _stricter(before: Statement, after: Statement) -> Statement:
    """The later of two states; of two at one moment the stricter."""
    return _later(before, after, STATES.index)


def _later(before: Statement, after: Statement, rank: Callable[[str], object] = str) -> Statement:
    """The later of two statements; of two at one moment the higher by ``rank``. An empty statement does not count."""
    statements = [statement for statement in (before, after) if statement[0]]
    return max(statements, key=lambda statement: (statement[1], rank(statement[0])), default=before)
