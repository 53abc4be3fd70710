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
from mappings.hl7v2.sameness import Key, is_other, whole_of

FOLLOWED = "Withdrawn by a message that the laboratory sent under another patient"
DOUBTED = (
    "The laboratory withdrew or corrected a result of this order number and test under another patient."
    " Ask it whether this result stands"
)


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
    moved: dict[tuple[str, str], set[int]] = {}
    doubted: list[tuple[str, Stray]] = []
    for person, changes in loose.items():
        owners = owners_of(person, changes, people, zone) if len(people) > 1 else {}
        for change in changes:
            theirs = owners.get(change.mark, [])
            if len(theirs) == 1:
                moved.setdefault((person, theirs[0]), set()).add(change.mark)
                look.warn("OBX-11", "a withdrawal sent under another patient, taken for the result that it names")
            else:
                doubted.append((person, change))
    by_person |= {person: replay(shifted(person, people, moved), zone) for pair in moved for person in pair}
    for person, change in doubted:
        doubt(change, [outcome for other, outcome in by_person.items() if other != person], look)
    return by_person


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


def owners_of(person: str, changes: Sequence[Stray], people: dict[str, list[Heard]], zone: str) -> dict[int, list[str]]:
    """Return the other people of whom each withdrawal would take back a result, and none of another value."""
    owners: dict[int, list[str]] = {}
    borrowed = only(people[person], {change.mark for change in changes if change.is_withdrawal})
    for other, messages in people.items():
        if other == person or not borrowed:
            continue
        taken = replay(in_order([*messages, *borrowed]), zone).taken
        for change in changes:
            if change.is_withdrawal and has_value(change, taken.get(change.mark, [])):
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


def doubt(change: Stray, others: Sequence[Outcome], look: Look) -> None:
    """Have the results of other people that a change may be about say so, and count it."""
    is_met = False
    for outcome in others:
        for key in about(change, outcome):
            is_met = True
            result = outcome.results[key]
            if DOUBTED not in result.also:
                outcome.results[key] = replace(result, also=(*result.also, DOUBTED))
                doubt_report(outcome, key, result)
    if is_met:
        look.warn("OBX-11", "a withdrawal or correction that may be of another patient's result")
    elif change.is_withdrawal:
        look.warn("OBX-11", "a withdrawal that meets no result")


def about(change: Stray, outcome: Outcome) -> list[Key]:
    """Return the results that stand and may be what a change is about: of its test, or of its whole order."""
    standing = {key: result for key, result in outcome.results.items() if result.status not in WITHDRAWN}
    if change.result is None:
        report = outcome.reports.get(change.spoken.service)
        return [key for key in standing if report and key in report.results]
    name, whole = change.result.name, whole_of(change.result.obx)
    return [
        key for key, result in standing.items() if result.name == name and not is_other(whole_of(result.obx), whole)
    ]


def doubt_report(outcome: Outcome, key: Key, result: Result) -> None:
    """Have the report say so too where the result is a document, which is shown there alone."""
    for service, report in outcome.reports.items():
        if is_document(result.obx) and key in report.results:
            outcome.reports[service] = dataclasses.replace(report, notes=[*report.notes, DOUBTED])
