"""Whose results the messages of one order number are: merges followed, and two people under one number kept apart."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from gateway.nhs.identifiers import is_valid
from mappings import Look, Row
from mappings.hl7v2 import codes, times
from mappings.hl7v2.entities import account_key, visit_key
from mappings.hl7v2.identity import NO_BIRTH_DATES, named, numbers_of
from mappings.hl7v2.message import Message
from mappings.hl7v2.orders import message_of
from mappings.hl7v2.replay import Sent


def survivor(key: str, look: Look) -> str:
    """Return the patient key that a merge put in the place of ``key``, through chains; ``key`` itself without one.

    The reader keeps one row ``MERGE`` for each retired number. Two merges in a circle name one person: the least key of
    the circle stands for it.
    """
    seen = [key]
    while (row := look.row("MERGE", seen[-1])) is not None and row.values["survivor"]:
        if row.values["survivor"] in seen:
            return min(seen[seen.index(row.values["survivor"]) :])
        seen.append(row.values["survivor"])
    return seen[-1]


def owner(row: Row, look: Look) -> str:
    """Return the key of the patient whose a message is now: its own, or the one to whom the visit or the account that
    it names was moved (A44, A45). The reader keeps a row ``MOVED`` for what moved and the patient whom it left: a
    message of anybody else stays where it is."""
    return look.once(("hl7v2 owner", row.key), lambda: _owner(row, look))


def _owner(row: Row, look: Look) -> str:
    message, patient = message_of(row, look), row.patient
    places = {"visit": visit_key(message), "account": account_key(message["PID"], 18)}
    for kind, key in places.items():
        if key:
            patient = moved(f"{kind}:{key}", patient, look)
    return patient


def moved(place: str, patient: str, look: Look) -> str:
    """Return to whom a visit or an account of ``patient`` was moved, step by step: a move that happened before the last
    one is not followed."""
    at, seen = 0, {patient}
    while True:
        names = dict.fromkeys((patient, survivor(patient, look)))
        steps = [step for name in names if (step := look.row("MOVED", f"{place}|from|{name}")) and step.order >= at]
        if not steps or steps[0].values["survivor"] in seen and steps[0].order == at:
            return patient
        at, patient = steps[0].order, steps[0].values["survivor"]
        seen.add(patient)


def by_person(sent: list[Sent], look: Look) -> dict[str, list[Sent]]:
    """Return the messages by person, in their order; the name of a person is the least of their patient keys.

    Another hospital number is the same person only on positive evidence: a merge, or what ``is_same`` asks for.
    """
    people: dict[int, Person] = {}
    near: dict[str, set[int]] = defaultdict(set)  # by key and by birth date, without which nobody is the same
    for number, message_sent in enumerate(sent):
        key, said = survivor(owner(message_sent.row, look), look), described(message_sent.message, look)
        new = Person({key}, [], {said})
        asked = sorted(set().union(*(near[name] for name in new.names)))
        same = [other for other in asked if key in people[other].keys or is_one(people[other].said, said)]
        for joined in (people.pop(other) for other in same):
            new = Person(new.keys | joined.keys, new.messages + joined.messages, new.said | joined.said)
        new.messages.append(message_sent)
        people[number] = new
        for name in new.names:
            near[name].difference_update(same)
            near[name].add(number)
    return {min(person.keys): person.messages for person in people.values()}


def is_one(known: set[Described], new: Described) -> bool:
    """Whether a message is of the person whom messages describe as ``known``: one of them says so and none
    contradicts."""
    return any(is_same(ours, new) for ours in known) and not any(contradicts(ours, new) for ours in known)


class Described(NamedTuple):
    """What the PID of a message says of who somebody is; "" for what it does not say."""

    nhs: frozenset[str]
    born: str
    surname: str
    forename: str
    sex: str
    is_multiple: bool
    birth_order: str


class Person(NamedTuple):
    """The keys of one person, their messages, and what those say of who it is."""

    keys: set[str]
    messages: list[Sent]
    said: set[Described]

    @property
    def names(self) -> set[str]:
        """Return the keys and birth dates by which others are looked for."""
        return self.keys | {f"born {said.born}" for said in self.said if said.born}


def described(message: Message, look: Look) -> Described:
    """Return what a message's PID says. A name that stands for none (``Baby``, an initial), a sex that is not
    known, a birth date typed for one that is not, and an NHS number that is not valid say nothing."""
    pid = message["PID"]
    born, sex = pid.text(7)[:8], codes.target("gender", pid.text(8))
    return Described(
        frozenset(
            identifier.value
            for identifier in numbers_of(pid, look.feed)
            if identifier.nhs and is_valid(identifier.value)
        ),
        born if len(times.date(born)) == 10 and born not in NO_BIRTH_DATES else "",
        named(pid.text(5, 1, 1)),
        named(pid.text(5, 2)),
        "" if sex in ("unknown", "other") else sex,
        pid.text(24).upper() == "Y",
        pid.text(25),
    )


def is_same(left: Described, right: Described) -> bool:
    """Whether two descriptions are of one person: the birth date agrees, and the NHS number, or else surname, given
    name and sex, all of them sent."""
    if not left.born or left.born != right.born:
        return False
    names = [(left.surname, right.surname), (left.forename, right.forename), (left.sex, right.sex)]
    return bool(left.nhs & right.nhs) or all(ours and ours == theirs for ours, theirs in names)


def contradicts(left: Described, right: Described) -> bool:
    """Whether two descriptions cannot be of one person: other NHS numbers, another place in a multiple birth, or one
    number (a sibling's, typed in error) for two given names and two sexes, or of a multiple birth."""
    if left.nhs and right.nhs and not left.nhs & right.nhs:
        return True
    if left.birth_order and right.birth_order and left.birth_order != right.birth_order:
        return True
    is_renamed = bool(left.forename and right.forename and left.forename != right.forename)
    is_other_sex = bool(left.sex and right.sex and left.sex != right.sex)
    return is_renamed and (is_other_sex or left.is_multiple or right.is_multiple)
