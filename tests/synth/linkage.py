"""How well records were gathered, scored against the answer key of a synthetic world, by kind of mess.

Another linker can be scored beside ours: give ``score`` its own groups, by the same keys.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from gateway.fhir.build import decode
from gateway.store.database import Store
from gateway.store.numbers import TYPE_NUMBER

Record = tuple[str, str]
"""A record: its source, and the number by which that source knows it (GUIDs without braces, in capitals)."""

CLEAN = "nothing"


class Score(NamedTuple):
    """Of the people with one kind of mess: pairs of their records, how many of those are in one group, and pairs of a
    record of theirs with somebody else's in one group."""

    people: int
    pairs: int
    met: int
    wrong: int

    @property
    def recall(self) -> float:
        return self.met / self.pairs if self.pairs else 1.0

    @property
    def precision(self) -> float:
        return self.met / (self.met + self.wrong) if self.met + self.wrong else 1.0


def record(source: str, number: str) -> Record:
    return source, number.strip("{}").upper().rpartition("/")[2]


def lines(folder: Path, name: str) -> list[dict]:
    """The facts of one file of the answer key of the world in ``folder``."""
    return [json.loads(line) for line in (folder / "truth" / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()]


def truth_links(folder: Path, sources: Iterable[str] = ("emis", "tpp", "hl7v2", "cld")) -> dict[Record, int]:
    """Whose each record truly is, for the records of those sources."""
    wanted = frozenset(sources)
    return {
        record(link["source"], link["record"]): link["person"]
        for link in lines(folder, "links")
        if link["source"] in wanted
    }


def kinds_of(folder: Path) -> dict[int, set[str]]:
    """The kinds of mess that each person has; nobody is in it who has none. Having died is one: a record is then no
    current registration."""
    kinds: dict[int, set[str]] = defaultdict(set)
    for who in lines(folder, "people"):
        if who["death"]:
            kinds[who["number"]].add("has died")
    for fact in lines(folder, "mess"):
        if not fact["kind"].startswith("delta: "):
            kinds[fact["person"]].add(fact["kind"])
    return kinds


def gathered(store: Store) -> dict[Record, str]:
    """The group that the gateway put each record into: a person, or the Patient alone."""
    with store.read() as session:
        rows = session.rows(
            "SELECT p.source, v.body, h.patient, n.person FROM head h JOIN publisher p ON p.key = h.publisher "
            "JOIN version v ON v.head = h.key LEFT JOIN person n ON n.patient = h.patient "
            "WHERE h.type = ? AND h.deleted = 0",
            TYPE_NUMBER["Patient"],
        )
    return {
        record(source, identifier["value"]): str(person or patient)
        for source, body, patient, person in rows
        for identifier in decode(body)["identifier"]
    }


def score(truth: Mapping[Record, int], groups: Mapping[Record, str], kinds: Mapping[int, set[str]]) -> dict[str, Score]:
    """Score by kind; ``nothing`` is of the people without any. A record without a group counts as a group of its own.
    Records of people that the other sources do not know have no pairs."""
    people: dict[int, list[Record]] = defaultdict(list)
    members: dict[str, list[Record]] = defaultdict(list)
    for each, person in truth.items():
        if each in groups:
            people[person].append(each)
            members[groups[each]].append(each)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for person, held in people.items():
        pairs = list(combinations(held, 2))
        met = sum(groups[one] == groups[other] for one, other in pairs)
        wrong = sum(truth[other] != person for each in held for other in members[groups[each]])
        for kind in kinds.get(person, {CLEAN}):
            counts[kind].update(people=1, pairs=len(pairs), met=met, wrong=wrong)
    return {kind: Score(**{name: count[name] for name in Score._fields}) for kind, count in sorted(counts.items())}


def table(scores: Mapping[str, Score]) -> str:
    """The scores as text, a line a kind."""
    head = f"{'what is wrong':44} {'people':>7} {'pairs':>7} {'met':>7} {'recall':>7} {'wrong':>6} {'precision':>9}\n"
    return head + "".join(
        f"{kind:44} {s.people:7} {s.pairs:7} {s.met:7} {s.recall:7.3f} {s.wrong:6} {s.precision:9.3f}\n"
        for kind, s in scores.items()
    )
