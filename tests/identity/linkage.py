"""Measures who is brought together against who truly is one: precision and recall of pairs of records."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from gateway.fhir.build import decode
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import identity
from gateway.nhs.identifiers import synthetic
from gateway.nhs.identity import Evidence
from gateway.store import identities, reviewed
from gateway.store.database import Store

Pair = tuple[int, int]


class Score(NamedTuple):
    """Of pairs: how many are brought together, how many of them rightly, and how many there are to find."""

    pairs: int
    right: int
    true: int

    @property
    def precision(self) -> float:
        return self.right / self.pairs if self.pairs else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 1.0

    def line(self, name: str) -> str:
        return f"| {name} | {self.pairs:,} | {self.precision:.3f} | {self.recall:.3f} |"


def pairs(groups: Iterable[Iterable[int]]) -> set[Pair]:
    """Every pair within a group, the smaller first."""
    return {pair for group in groups for pair in combinations(sorted(group), 2)}


def score(together: set[Pair], truth: Mapping[int, object]) -> Score:
    """Score pairs against the true person of each record."""
    people = defaultdict(list)
    for record, person in truth.items():
        people[person].append(record)
    right = sum(truth[first] == truth[other] for first, other in together)
    return Score(len(together), right, len(pairs(people.values())))


def by_mess(together: set[Pair], truth: Mapping[int, object], mess: Mapping[int, Iterable[str]]) -> dict[str, Score]:
    """The score of the true pairs of which a record has some mess, by kind: recall only, as a wrong pair has no
    kind."""
    people = defaultdict(list)
    for record, person in truth.items():
        people[person].append(record)
    true, right = Counter(), Counter()
    for pair in pairs(people.values()):
        for kind in {kind for record in pair for kind in mess.get(record, ())} or {"none"}:
            true[kind] += 1
            right[kind] += pair in together
    return {kind: Score(right[kind], right[kind], true[kind]) for kind in sorted(true)}


def gathered(evidence: Mapping[int, Evidence]) -> set[Pair]:
    """The pairs of records that the gateway gathers."""
    record_of = {said.patient: record for record, said in evidence.items()}
    persons, _ = identity.gather(evidence.values())
    return pairs([record_of[patient] for patient in person.patients] for person in persons)


# linkage_fake_1000: 1,000 records of 251 people with errors, as Splink's authors publish it


NUMBERS = ("none", "right", "wrong", "verified")


def fake_1000(file: Path, number: str = "none") -> tuple[dict[int, Evidence], dict[int, int]]:
    """The records as evidence, and the true person of each. It has no NHS numbers: ``number`` says which each gets.
    ``none``; ``right``: its person's, and the first record is registered; ``wrong``: as right, but every twentieth
    record that is not registered has the next person's; ``verified``: its person's, and every record is verified."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    truth = {int(row["unique_id"]): int(row["cluster"]) for row in rows}
    return {int(row["unique_id"]): said for row, said in zip(rows, _said(rows, number))}, truth


def _said(rows: list[dict[str, str]], number: str) -> Iterator[Evidence]:
    people, claimed, many = set(), 0, len({row["cluster"] for row in rows})
    for row in rows:
        person, is_first = int(row["cluster"]), row["cluster"] not in people
        people.add(row["cluster"])
        claimed += not is_first
        if number == "wrong" and not is_first and claimed % 20 == 0:
            person = (person + 1) % many
        identifiers = [] if number == "none" else [{"system": NHS_NUMBER, "value": synthetic(person)}]
        said = identity.of_patient(
            {
                "id": row["unique_id"], "identifier": identifiers, "birthDate": row["dob"],
                "name": [{"family": row["surname"], "given": [row["first_name"]]}],
            },
            registered=is_first,
        )  # fmt: skip
        sure = tuple((held, identity.VERIFIED) for held, _ in said.grades)
        yield replace(said, grades=sure) if number == "verified" else said


# A synthetic world, whose answer key says who is who and what is wrong in which source


Named = tuple[str, str]
"""(source, its own number)"""


class World(NamedTuple):
    """The records of a loaded world: their evidence, who each truly is, what is wrong in each, and the pairs that the
    store has gathered."""

    evidence: dict[int, Evidence]
    truth: dict[int, int]
    mess: dict[int, list[str]]
    gathered: set[Pair]


def world(store: Store, folder: Path) -> World:
    """Read a store that a world was loaded into, and the world's answer key in ``folder/truth``."""
    truth_of, wrong = _truth(folder / "truth")
    with store.read() as session:
        evidence = {patient: identity.decode_evidence(body) for patient, body in reviewed.evidences(session)}
        held = reviewed.held(session, list(evidence))
        person_of = identities.persons_of(session, list(evidence))
    truth, mess, people = {}, {}, defaultdict(list)
    for patient, record in held.items():
        numbers = (_plain(item.get("value", "")) for item in decode(record.body)["identifier"])
        number = next((number for number in numbers if (record.source, number) in truth_of), None)
        if number:
            truth[patient], mess[patient] = truth_of[record.source, number], wrong[record.source, number]
            people[person_of[patient]].append(patient)
    evidence = {patient: evidence[patient] for patient in truth}
    return World(evidence, truth, mess, pairs(people.values()))


def _truth(folder: Path) -> tuple[dict[Named, int], dict[Named, list[str]]]:
    """(source, its own number) → the person, and what is wrong in the record: from the world's links and labels where
    it has some, else from how each source differs."""
    people, wrong = {}, defaultdict(list)
    for key in _lines(folder / "people.ndjson"):
        for source, seen in key["sources"].items():
            for number in filter(None, (seen["patient"], seen.get("retired", ""))):
                people[source, _plain(number)] = key["number"]
                if not (folder / "mess.ndjson").is_file():
                    wrong[source, _plain(number)] += [f"{source}: other {name}" for name in seen["differs"]]
                    wrong[source, _plain(number)] += [] if seen["verified"] else [f"{source}: number not verified"]
    for link in _lines(folder / "links.ndjson"):
        people[link["source"], _plain(link["record"])] = link["person"]
    source_of = {"gp": ("emis", "tpp"), "hospital": ("hl7v2",), "care": ("cld",)}
    for label in _lines(folder / "mess.ndjson"):
        for source in source_of.get(label["source"], ()):
            wrong[source, _plain(label["record"])].append(label["kind"])
    return people, wrong


def _lines(file: Path) -> Iterator[dict]:
    if file.is_file():
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


def _plain(number: str) -> str:
    return number.strip("{}").upper()
