"""Whether somebody can tell that a person they know is in a release at all."""

from __future__ import annotations

import random

from gateway.attack.seen import Seen
from gateway.attack.uniqueness import Figures, distinct, index, share

MOST = 2_000
KNOWN = ("born", "sex")


def by_one_event(seen: Seen, chance: random.Random, most: int = MOST) -> Figures:
    """Half of the people, drawn by ``chance``, are taken out. Of each of both halves an attacker knows the year of
    birth, the sex and one dated event, and says that they are in if somebody with these is. It is right about who is
    in; ``wrong`` is how often it says so of who is not. The smaller that is, the more an answer tells.
    """
    able = [(name, dated) for name, person in seen.people.items() if (dated := distinct(person))]
    chance.shuffle(able)
    out = able[: len(able) // 2]
    taken_out = {name for name, _ in out}
    holders = index(seen)
    wrong = 0
    drawn = out[:most]
    for name, dated in drawn:
        about = [seen.people[name].facts.get(fact, "") for fact in KNOWN]
        others = holders[chance.choice(dated)] - taken_out
        wrong += any([seen.people[other].facts.get(fact, "") for fact in KNOWN] == about for other in others)
    wrongly = share(wrong, len(drawn))
    return {"membership.people": len(drawn), "membership.wrong": wrongly, "membership.advantage": round(1 - wrongly, 4)}
