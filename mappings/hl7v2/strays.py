"""Withdrawals and corrections sent under another person than the result that they are about.

A laboratory that moves an order to the right patient may send the withdrawal of the old result under the new patient.
It would meet nothing there, and the wrong person's result would stay final.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from mappings import Look
from mappings.hl7v2.documents import is_document
from mappings.hl7v2.observation import WITHDRAWN, Result, Value
from mappings.hl7v2.reported import Heard, Outcome, Spoken, is_marked, replay, report_status
from mappings.hl7v2.sameness import Key, Whole, is_other, whole_of

FOLLOWED = "Withdrawn by a message that the laboratory sent under another patient"
DOUBTED = (
    "The laboratory withdrew or corrected a result of this order number and test under another patient."
    " Ask it whether this result stands"
)

MOST = 20
"""Other people of whom a withdrawal may be, at most: of more, each result says that it may be withdrawn."""

Asked = tuple[object, ...]
Meaning = tuple[Key | str, Whole]


class Stray(NamedTuple):
    """A change that met no result of its own person: of one result, or of a whole order (None)."""

    spoken: Spoken
    result: Result | None

    @property
    def mark(self) -> int:
        """What ``Outcome.taken`` calls it."""
        return id(self.result.obx) if self.result else id(self.spoken.order.obr)

    @property
    def is_withdrawal(self) -> bool:
        return self.result is None or self.result.status == "entered-in-error"


def outcomes(people: dict[str, list[Heard]], zone: str, look: Look) -> dict[str, Outcome]:
    """Return what the messages of each person come to.

    A withdrawal that meets nothing of its own person, and a result of one other person with its order number, test and
    value that was sent before it, is of that result. Any other, and a correction, stays where it was sent; the results
    that it may be about say so. All are counted.
    """
    by_person = {person: replay(messages, zone) for person, messages in people.items()}
    loose = {person: strays(messages, by_person[person]) for person, messages in people.items()}
    sent = Sent(people) if len(people) > 1 and any(loose.values()) else None
    moved: dict[tuple[str, str], set[int]] = {}
    doubted: list[tuple[str, Stray]] = []
    for person, changes in loose.items():
        owners = owners_of(person, changes, people, zone, sent) if sent else {}
        for change in changes:
            theirs = owners.get(change.mark, [])
            if len(theirs) == 1:
                moved.setdefault((person, theirs[0]), set()).add(change.mark)
                look.warn("OBX-11", "a withdrawal sent under another patient, taken for the result that it names")
            else:
                doubted.append((person, change))
    concerned: dict[str, dict[tuple[str, str], set[int]]] = {}
    for pair, marks in moved.items():
        for person in pair:
            concerned.setdefault(person, {})[pair] = marks
    by_person |= {person: replay(shifted(person, people, theirs), zone) for person, theirs in concerned.items()}
    doubt(doubted, by_person, look)
    return by_person


class Sent:
    """Who was sent what under one order number: the people by a test's code, with and without its value, and by the
    service. A change can only be of a result of its code (``sameness``), so that nobody else need be asked."""

    def __init__(self, people: dict[str, list[Heard]]) -> None:
        self._people: dict[Asked, dict[str, None]] = {}
        for person, messages in people.items():
            for spoken in (spoken for heard in messages for spoken in heard.orders):
                asked: list[Asked] = [("any",), ("service", spoken.service)]
                for result in spoken.results:
                    asked += [("test", result.name[0]), ("test", result.name[0], result.sent[0])]
                for key in asked:
                    self._people.setdefault(key, {})[person] = None

    def candidates(self, person: str, change: Stray) -> list[str]:
        """Return the other people of whom a withdrawal may take back a result; [] where they are more than ``MOST``:
        nobody can say which of so many it is of."""
        result, service = change.result, change.spoken.service
        keys: list[Asked] = [("service", service) if service else ("any",)]
        if result is not None:
            keys = [("test", result.name[0], result.sent[0])] if result.obx[5].strip() else [("test", result.name[0])]
        others = self._people.get(keys[0], {})
        return [other for other in others if other != person] if len(others) <= MOST + 1 else []


def shifted(person: str, people: dict[str, list[Heard]], moved: dict[tuple[str, str], set[int]]) -> list[Heard]:
    """Return the messages of a person without the changes that are another's, and with those of others that are
    theirs."""
    gone = {mark for (sender, _), marks in moved.items() if sender == person for mark in marks}
    lent = [
        heard for (sender, owner), marks in moved.items() if owner == person for heard in only(people[sender], marks)
    ]
    return in_order([*without(people[person], gone), *lent])


def strays(messages: Iterable[Heard], outcome: Outcome) -> list[Stray]:
    """Return the changes of a person's messages that met no result of theirs."""
    changes = []
    for spoken in (spoken for heard in messages for spoken in heard.orders):
        if not spoken.results and report_status(spoken.order.obr) == "entered-in-error":
            changes.append(Stray(spoken, None))
        changes += [Stray(spoken, result) for result in spoken.results if is_marked(result)]
    return [stray for stray in changes if stray.mark not in outcome.taken]


def owners_of(
    person: str, changes: Sequence[Stray], people: dict[str, list[Heard]], zone: str, sent: Sent
) -> dict[int, list[str]]:
    """Return the other people of whom each withdrawal would take back a result, and none of another value. Nobody is
    asked where more than ``MOST`` might be meant."""
    owners: dict[int, list[str]] = {}
    withdrawals = [change for change in changes if change.is_withdrawal]
    asked = {change.mark: set(sent.candidates(person, change)) for change in withdrawals}
    others = set().union(*asked.values())
    if not others or len(others) > MOST:
        return owners
    borrowed = only(people[person], set(asked))
    for other in (other for other in people if other in others):
        taken = replay(in_order([*people[other], *borrowed]), zone).taken
        for change in withdrawals:
            if other in asked[change.mark] and has_value(change, taken.get(change.mark, [])):
                owners.setdefault(change.mark, []).append(other)
    return owners


def has_value(change: Stray, taken: list[Value]) -> bool:
    """Whether a withdrawal took back something, and nothing but the value that it names, where it names one."""
    if change.result is None or not change.result.obx[5].strip():
        return bool(taken)
    return bool(taken) and all(value[0] == change.result.sent[0] for value in taken)


def only(messages: Iterable[Heard], marks: set[int]) -> list[Heard]:
    """Return the messages with nothing but some changes in them."""

    def chosen(spoken: Spoken) -> Spoken | None:
        results = [
            replace(result, also=(*result.also, FOLLOWED)) for result in spoken.results if id(result.obx) in marks
        ]
        return spoken._replace(results=results) if results or id(spoken.order.obr) in marks else None

    return cut(messages, chosen)


def without(messages: Iterable[Heard], marks: set[int]) -> list[Heard]:
    """Return the messages without some changes, and without an order that said nothing else."""

    def left(spoken: Spoken) -> Spoken | None:
        results = [result for result in spoken.results if id(result.obx) not in marks]
        is_gone = id(spoken.order.obr) in marks or (spoken.results and not results)
        return None if is_gone else spoken._replace(results=results)

    return cut(messages, left)


def cut(messages: Iterable[Heard], part: Callable[[Spoken], Spoken | None]) -> list[Heard]:
    parts = [heard._replace(orders=[kept for spoken in heard.orders if (kept := part(spoken))]) for heard in messages]
    return [heard for heard in parts if heard.orders]


def in_order(messages: Iterable[Heard]) -> list[Heard]:
    return sorted(messages, key=lambda heard: heard.place)


def doubt(doubted: Sequence[tuple[str, Stray]], by_person: dict[str, Outcome], look: Look) -> None:
    """Have the results of other people that changes may be about say so, and count each change. Changes that name one
    thing are about the same results, which are looked for once."""
    standing = Standing(by_person) if doubted else None
    senders: dict[Meaning, set[str]] = {}
    for person, change in doubted:
        senders.setdefault(meaning(change), set()).add(person)
    met: dict[Meaning, set[str]] = {}
    for what, people in senders.items():
        about = standing.about(what) if standing else []
        met[what] = {owner for owner, _ in about}
        for owner, key in about:
            if people - {owner}:
                mark_doubted(by_person[owner], key)
    for person, change in doubted:
        if met[meaning(change)] - {person}:
            look.warn("OBX-11", "a withdrawal or correction that may be of another patient's result")
        elif change.is_withdrawal:
            look.warn("OBX-11", "a withdrawal that meets no result")


def meaning(change: Stray) -> Meaning:
    """Return what a change names: a test with all of its OBX-3, or the service of a whole order."""
    if change.result is None:
        return change.spoken.service, ()
    return change.result.name, whole_of(change.result.obx)


class Standing:
    """The results that stand, of all people, by their name and by the service of their report."""

    def __init__(self, by_person: dict[str, Outcome]) -> None:
        self._outcomes = by_person
        self._places: dict[Key | str, list[tuple[str, Key]]] = {}
        for person, outcome in by_person.items():
            standing = {key for key, result in outcome.results.items() if result.status not in WITHDRAWN}
            for key in standing:
                self._places.setdefault(outcome.results[key].name, []).append((person, key))
            for service, report in outcome.reports.items():
                of_it = [(person, key) for key in report.results if key in standing]
                self._places.setdefault(service, []).extend(of_it)

    def about(self, what: Meaning) -> list[tuple[str, Key]]:
        """Return whose results may be what a change names: of its test, or of its whole order."""
        name, whole = what
        places = self._places.get(name, [])
        return [
            (person, key)
            for person, key in places
            if not is_other(whole_of(self._outcomes[person].results[key].obx), whole)
        ]


def mark_doubted(outcome: Outcome, key: Key) -> None:
    result = outcome.results[key]
    if DOUBTED not in result.also:
        outcome.results[key] = replace(result, also=(*result.also, DOUBTED))
        doubt_report(outcome, key, result)


def doubt_report(outcome: Outcome, key: Key, result: Result) -> None:
    """Have the report say so too where the result is a document, which is shown there alone."""
    for service, report in outcome.reports.items():
        if is_document(result.obx) and key in report.results:
            outcome.reports[service] = dataclasses.replace(report, notes=[*report.notes, DOUBTED])
