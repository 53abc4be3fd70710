"""Answers to the questions of the review: each is a ruling that is kept, audited and can be taken back.

A ruling never changes a record. It is laid over the evidence, and who it concerns is gathered again in the same
transaction.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid, Refused
from gateway.identity import review
from gateway.identity.review import Item, Review
from gateway.intake import derive
from gateway.nhs import ruling
from gateway.nhs.identity import LINKS
from gateway.nhs.ruling import CONFIRM, JOIN, SEPARATE, UNDO, Ruling
from gateway.store import rulings
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session

IN_FORCE, WAITING = "in force", "waits for a second person"


def confirm(store: Store, item: str, by: str, why: str) -> dict[str, Any]:
    """Answer that all is as it should be: the question is closed until what it is about changes."""
    question = _item(review.review(store), item)
    return _rule(store, CONFIRM, by, why, item=question.id)


def separate(store: Store, item: str, patient: str, by: str, why: str, ordinal: int = 1) -> dict[str, Any]:
    """Hold a record apart from a number of the item, or where its source linked it, from those links: nothing is
    gathered or found over them. In force at once."""
    open_items = review.review(store)
    question = _item(open_items, item)
    number = LINKS if question.kind == "gathering" else _number(question, ordinal)
    held = _patient(open_items, question, patient)
    return _rule(store, SEPARATE, by, why, item=question.id, patient=held, number=number)


def join(store: Store, item: str, first: str, other: str, by: str, why: str, ordinal: int = 1) -> dict[str, Any]:
    """Answer that two records are one person's. In force when two people have said so, and only while the number is
    verified for both and their birth dates agree."""
    open_items = review.review(store)
    question = _item(open_items, item)
    patient, second = (_patient(open_items, question, id_) for id_ in (first, other))
    if patient == second:
        raise Invalid("the two records are one")
    number = _number(question, ordinal)
    ruling.require_joinable(open_items.evidence[patient], open_items.evidence[second], number)
    return _rule(store, JOIN, by, why, item=question.id, patient=patient, other=second, number=number)


def undo(store: Store, key: int, by: str, why: str) -> dict[str, Any]:
    """Take a ruling back. To take back that a record is held apart needs two people."""
    with store.read() as session:
        row = rulings.by_key(session, key)
    if row is None or row[1] == UNDO:
        raise Refused("no such ruling")
    target = Ruling(*row)
    return _rule(
        store, UNDO, by, why, item=target.item, patient=target.patient, other=target.other, number=target.number,
        undoes=target.key,
    )  # fmt: skip


def history(store: Store) -> list[dict[str, Any]]:
    """Every ruling in the order made, with whether it stands; never a number."""
    with store.read() as session:
        past = [(at, why, Ruling(*row)) for at, why, row in rulings.history(session)]
    stands = ruling.standing(kept for _, _, kept in past)
    return [
        {
            "ruling": kept.key, "at": at, "act": kept.act, "item": kept.item, "undoes": kept.undoes, "by": kept.by,
            "why": why, "stands": _stands(stands, kept),
        }
        for at, why, kept in past
    ]  # fmt: skip


def _rule(store: Store, act: str, by: str, why: str, **facts: Any) -> dict[str, Any]:
    """Keep a ruling, audit it, and gather again whom it concerns; say whether it is in force."""
    reason = ruling.require_why(why)
    if not by.strip():
        raise Invalid("--as: who rules")
    with store.write() as session:
        key = rulings.add(session, act, by, reason, **facts)
        derive.regather(session, [patient for name in ("patient", "other") if (patient := facts.get(name, 0))])
        state = _state(session, key)
        record_write(
            session,
            {
                "act": f"identity.{act}",
                "by": by,
                "ruling": key,
                "item": facts.get("item", ""),
                "why": reason,
                "state": state,
            },
        )
    return {"ruling": key, "act": act, "state": state}


def _state(session: Session, key: int) -> str:
    stands = ruling.standing(Ruling(*row) for row in rulings.every(session))
    return WAITING if any(waiting.key == key for waiting in stands.waiting) else IN_FORCE


def _stands(stands: ruling.Standing, past: Ruling) -> bool:
    match past.act:
        case ruling.CONFIRM:
            return past.item in stands.confirmed
        case ruling.SEPARATE:
            return (past.patient, past.number) in stands.apart
        case ruling.JOIN:
            return past.pair in stands.joined
    return False


def _item(open_items: Review, item: str) -> Item:
    question = open_items.item(item)
    if question is None:
        raise Refused("no such item: it was answered, or what it is about has changed; list the review again")
    return question


def _patient(open_items: Review, item: Item, id_: str) -> int:
    """The record of the item that is named. Raises ``Refused`` for any other."""
    plain_id = id_.removeprefix("Patient/")
    for patient in item.patients:
        if patient in open_items.held and open_items.held[patient].id == plain_id and patient in open_items.evidence:
            return patient
    raise Refused("the item is not about that record")


def _number(item: Item, ordinal: int) -> str:
    if not 1 <= ordinal <= len(item.numbers):
        raise Refused("the item is about no such number")
    return item.numbers[ordinal - 1]
