"""Whether two releases can be matched person by person, by their order and by what they tell."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from math import log

from gateway.attack.seen import Event, Seen
from gateway.attack.uniqueness import FEW, Figures, distinct, index, share

COMMON = 50
"""An event that more people have says too little to be looked up."""
FACTS = ("born", "sex", "district", "ethnicity")
Truth = Mapping[str, str]
"""Pseudonym of the one release → the same person's in the other. Only who holds the keys knows."""


def differencing(seen: Seen, other: Seen) -> Figures:
    """Of two releases of one project: how many pseudonyms only one has. A few of them are told by name: who left
    between the two has opted out, died, moved or was restricted."""
    here, there = seen.people.keys(), other.people.keys()
    only_here, only_there = len(here - there), len(there - here)
    return {
        "differencing.both": len(here & there), "differencing.only here": only_here,
        "differencing.only there": only_there,
        "differencing.told": sum(count for count in (only_here, only_there) if count < FEW),
    }  # fmt: skip


def by_order(seen: Seen, other: Seen, truth: Truth) -> Figures:
    """The share of people whom the same place in the other release names."""
    pairs = zip(seen.people, other.people, strict=False)
    right = sum(truth.get(name) == there for name, there in pairs)
    return {"linkage.by order": share(right, len(truth))}


def by_content(seen: Seen, other: Seen, truth: Truth, chance: random.Random, most: int = 1_000) -> Figures:
    """The share of people, among some drawn by ``chance``, whom the likest person of the other release is: by events
    that few have, as precise as both tell them, and by facts that both tell."""
    length = min(_precision(seen), _precision(other))
    holders = _coarse(index(other), length)
    drawn = chance.sample(sorted(truth), min(most, len(truth)))
    claimed = right = 0
    for name in drawn:
        scores: Counter[str] = Counter()
        for event in {(kind, code, date[:length]) for kind, code, date in distinct(seen.people[name])}:
            having = holders.get(event, set())
            if len(having) <= COMMON:
                for there in having:
                    scores[there] += log(1 + len(other.people) / len(having))  # type: ignore[assignment]
        for there in list(scores):
            scores[there] += 3 * _agreement(seen, name, other, there)
        best = scores.most_common(2)
        if best and (len(best) == 1 or best[0][1] > best[1][1]):
            claimed += 1
            right += truth[name] == best[0][0]
    return {
        "linkage.people": len(drawn), "linkage.by content": share(right, len(drawn)),
        "linkage.claimed by content": share(claimed, len(drawn)),
    }  # fmt: skip


def _agreement(seen: Seen, name: str, other: Seen, there: str) -> int:
    """How many facts that both tell agree, less those that do not."""
    own, theirs = seen.people[name].facts, other.people[there].facts
    both_told = [(own[fact], theirs[fact]) for fact in FACTS if own.get(fact) and theirs.get(fact)]
    return sum(1 if mine == yours else -1 for mine, yours in both_told)


def _precision(seen: Seen) -> int:
    """The characters of the most precise date among the first people: 10 for days, 7 for months."""
    some = list(seen.people.values())[:1_000]
    return max((len(date) for person in some for _, _, date in person.events), default=10) or 10


def _coarse(holders: Mapping[Event, set[str]], length: int) -> dict[Event, set[str]]:
    coarse: dict[Event, set[str]] = {}
    for (kind, code, date), names in holders.items():
        coarse.setdefault((kind, code, date[:length]), set()).update(names)
    return coarse
