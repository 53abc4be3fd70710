"""How many people are alone with what somebody may know of them: facts, two dated events, a rare code."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.attack.seen import Event, Person, Seen

FEW = 5
"""Fewer than so many are few (k)."""
KNOWN = (
    ("born", "sex"),
    ("born", "sex", "district"),
    ("born", "sex", "district", "ethnicity"),
    ("born", "sex", "district", "ethnicity", "died"),
)
"""What somebody may know of a person, more and more of it: a neighbour, an employer, the press after a death."""
Figures = dict[str, float]


def by_facts(seen: Seen) -> Figures:
    """Of all, the living and the dead: the share that is alone, and that is among few, by what is known of them."""
    everyone = [person.facts for person in seen.people.values()]
    dead = [facts for facts in everyone if facts.get("died")]
    groups = {"all": everyone, "living": [facts for facts in everyone if not facts.get("died")], "dead": dead}
    figures: Figures = {}
    for group, people in groups.items():
        figures[f"{group}.people"] = len(people)
        for names in KNOWN:
            alone, few = _shares(people, names)
            figures[f"{group}.alone.{'+'.join(names)}"] = alone
            figures[f"{group}.few.{'+'.join(names)}"] = few
    return figures


def _shares(people: Sequence[Mapping[str, str]], names: Sequence[str]) -> tuple[float, float]:
    cells = Counter(tuple(facts.get(name, "") for name in names) for facts in people)
    return (
        share(sum(count == 1 for count in cells.values()), len(people)),
        share(sum(count for count in cells.values() if count < FEW), len(people)),
    )


def by_two_events(seen: Seen, chance: random.Random, most: int = 2_000) -> Figures:
    """Somebody knows of two things that happened to a person, and when: the share of people, among some drawn by
    ``chance``, whom no other person shares both with."""
    holders = index(seen)
    able = [(name, dated) for name, person in seen.people.items() if len(dated := distinct(person)) >= 2]
    drawn = chance.sample(able, min(most, len(able)))
    alone = 0
    for _, dated in drawn:
        first, second = chance.sample(dated, 2)
        alone += len(holders[first] & holders[second]) == 1
    return {"two events.people": len(drawn), "two events.alone": share(alone, len(drawn))}


def by_rare_codes(seen: Seen) -> Figures:
    """How many codes only few people have, and the share of people who have one."""
    codes = [{code for _, code, _ in person.events if code} for person in seen.people.values()]
    counts = Counter(code for own in codes for code in own)
    rare = {code for code, count in counts.items() if count < FEW}
    return {
        "rare codes.codes": len(rare),
        "rare codes.people": share(sum(not rare.isdisjoint(own) for own in codes), len(codes)),
    }


def index(seen: Seen) -> dict[Event, set[str]]:
    """Who has each event that has a date."""
    holders: dict[Event, set[str]] = {}
    for name, person in seen.people.items():
        for event in distinct(person):
            holders.setdefault(event, set()).add(name)
    return holders


def distinct(person: Person) -> list[Event]:
    """A person's events that have a date, each once, in a fixed order."""
    return sorted({event for event in person.events if event[2]})


def share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
