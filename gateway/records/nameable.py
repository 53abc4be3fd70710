"""Everything that a pseudonym can have been made of: persons by what they are called in exports, resources by id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.records.membership import count, names
from gateway.store import resources, snapshot
from gateway.store.session import Session


@dataclass(frozen=True, slots=True)
class Nameable:
    """What a pseudonym is made of (``text``) and the person it is about, by their name in exports; "" for what is about
    nobody, or about somebody who is held no more. ``head`` is the resource's key, 0 for a person."""

    text: str
    person: str
    type: str = ""
    head: int = 0


def nameable(session: Session) -> Iterator[Nameable]:
    """Every person, then every resource that was ever held. Five million people are held in memory by a number each."""
    person_of: dict[int, str] = {}
    for name, patients in names(session):
        yield Nameable(f"person:{name}", name)
        person_of.update(dict.fromkeys(patients, name))
    for head, resource_type, id_, patient in resources.every_id(session):
        yield Nameable(f"{resource_type}/{id_}", person_of.get(patient, ""), resource_type, head)


def count_nameable(session: Session) -> int:
    """How many ``nameable`` yields at most, for progress."""
    return count(session) + resources.count(session)


def was_held(session: Session, of: Nameable, seq: int) -> bool:
    """Whether something was held, and not deleted, at a commit. Of a person that is not known."""
    return not of.head or snapshot.was_held(session, of.head, seq)
