"""Whose results the messages of one order number are: merges followed, and two people under one number kept apart."""

from __future__ import annotations

from mappings import Feed, Look
from mappings.hl7v2.identity import nhs_values, numbers_of
from mappings.hl7v2.message import Message
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


def by_person(sent: list[Sent], look: Look) -> dict[str, list[Sent]]:
    """Return the messages by person, in their order; the name of a person is the least of their patient keys.

    Another hospital number is the same person after a merge, or when the birth date agrees, and the NHS number or else
    the family name.
    """
    people: list[tuple[set[str], list[Sent]]] = []
    for message_sent in sent:
        key = survivor(message_sent.row.patient, look)
        same = [
            person
            for person in people
            if key in person[0] or is_same(person[1][0].message, message_sent.message, look.feed)
        ]
        people = [person for person in people if person not in same]
        keys = {key}.union(*(person[0] for person in same))
        people.append((keys, [*(message for person in same for message in person[1]), message_sent]))
    return {min(keys): messages for keys, messages in people}


def is_same(first_message: Message, other_message: Message, feed: Feed) -> bool:
    """Whether the PIDs of two messages describe one person."""
    first, second = first_message["PID"], other_message["PID"]
    if not first.text(7) or first.text(7)[:8] != second.text(7)[:8]:
        return False
    ours, theirs = (nhs_values(numbers_of(pid, feed)) for pid in (first, second))
    if ours and theirs:
        return bool(ours & theirs)
    return bool(first.text(5, 1, 1)) and first.text(5, 1, 1).casefold() == second.text(5, 1, 1).casefold()
