"""The first pass of an export: counts how many people share each set of facts and hold each code, and decides by that
what leaves in the second.

A code that fewer than k people hold is masked; facts that fewer than k people share are made coarser. The counts are of
everything of the types asked for, before a client's filters: a filter cannot make leave what the whole release hides,
and two releases of one day hide the same. A worker of a pool imports this module and nothing that imports SQLModel.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gateway import durable, records
from gateway.errors import Refused
from gateway.export import part_files
from gateway.fhir.dates import moment
from gateway.nhs import disclosure
from gateway.nhs.pseudonym import Pseudonymiser, crowds
from gateway.nhs.pseudonym.crowds import Crowds, Facts
from gateway.store.database import open_store

if TYPE_CHECKING:
    from gateway.export.cut import Part

TOO_FEW = "fewer people than the project's k would leave, or share facts or codes: nothing is released"


@dataclass(frozen=True)
class Decision:
    """What leaves of whom. ``crowds`` and ``common`` are None where the project asks nothing (a k of 1)."""

    crowds: Crowds | None = None
    common: frozenset[str] | None = None
    report: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def coarsened(self, lines: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
        """What leaves of the (type, line) of one person: with their Patients made coarser, or nothing."""
        if self.crowds is None:
            return lines
        leaving = list(lines)
        if not leaving:
            return ()
        step = self.crowds.step(crowds.facts(line for name, line in leaving if name == "Patient"))
        if step is None:
            return ()
        return [(name, crowds.coarser(line, step) if name == "Patient" else line) for name, line in leaving]


@dataclass(frozen=True)
class Counts:
    """How many people of a part have which facts and hold which codes."""

    people: Mapping[Facts, int]
    codes: Mapping[str, int]


def count(part: Part) -> tuple[int, Counts]:
    """Count the people of one part. Returns the part's number and its counts."""
    pins = part.pins
    pseudonymiser = Pseudonymiser(pins["profile"], pins["setting"], part.key, moment(pins["started"]).year)
    types, approved = frozenset(pins["types"]), frozenset(pins["approved"]["types"])
    people, codes = Counter[Facts](), Counter[str]()
    store = open_store(part.url)
    try:
        with store.read() as session:
            for person in records.stream(session, part.job, part.number, pins):
                held = pseudonymiser.held(person.person, person.resources, types, approved, person.lives)
                if held is not None:
                    people[crowds.facts(held[0])] += 1
                    codes.update(held[1])
    finally:
        store.close()
    return part.number, Counts(people, codes)


def decide(people: Mapping[Facts, int], codes: Mapping[str, int], k: int, project: Mapping[str, Any]) -> Decision:
    """The decision that counts of a whole release make. The same counts make the same. Raises ``Refused``."""
    decided = crowds.crowds(people, k)
    steps = Counter[int]()
    for about, number in people.items():
        step = decided.step(about)
        steps[-1 if step is None else step] += number
    left_out = steps.pop(-1, 0)
    common = frozenset(code for code, holders in codes.items() if holders >= k + left_out)
    is_coarser = left_out or steps.keys() - {0} or len(common) < len(codes)
    if (people and not steps) or (is_coarser and project.get("few_people") == "refuse"):
        raise Refused(TOO_FEW)
    report = _report(k, steps, left_out, len(common), len(codes), project["disclosure"])
    return Decision(decided, common, report, hashlib.sha256(_written(decided, common)).hexdigest())


def _report(k: int, steps: Mapping[int, int], left_out: int, common: int, codes: int, profile: str) -> dict[str, Any]:
    """What the approver, the ledger and the recipient are told: counts of people under the project's disclosure
    rules."""
    names = ["as it is", *(f"{fact}: {becomes or 'masked'}" for fact, becomes, _ in crowds.STEPS)]
    people = {f"{step} {name}": steps.get(step, 0) for step, name in enumerate(names)}
    return {
        "k": k, "counted": "once, before filters and before parts are cut again",
        "quasiIdentifiers": list(crowds.QUASI_IDENTIFIERS),
        "peopleByStep": disclosure.table({**people, "left out": left_out}, profile),
        "codes": {"kept": common, "masked": codes - common},
    }  # fmt: skip


def of(part: Part) -> Decision:
    """The decision that a part is cut under. A worker reads it once."""
    return _read(part.out, part.decision) if part.decision else Decision()


def is_kept(out: Path, hash_: str) -> bool:
    """Whether a decision is there, or none was needed: a part may be cut again under it."""
    return not hash_ or _path(str(out), hash_).is_file()


def forget(out: Path) -> None:
    """Remove every decision from a folder: no part of it is cut again."""
    for path in out.glob(part_files.DECISIONS):
        path.unlink()


def _path(out: str, hash_: str) -> Path:
    """Beside the files, where no client reads: a part that is cut again after the release is cut under it. It holds
    facts that k people share, and codes that k people hold."""
    return Path(out) / part_files.DECISIONS.replace("*", hash_)


def write(part: Part, decision: Decision) -> None:
    assert decision.crowds is not None and decision.common is not None
    path = _path(part.out, decision.hash)
    durable.write_whole(path, _written(decision.crowds, decision.common))
    for other in set(path.parent.glob(part_files.DECISIONS)) - {path}:
        other.unlink()


def _written(decided: Crowds, common: frozenset[str]) -> bytes:
    return msgspec.json.encode({"kept": [sorted(shared) for shared in decided.kept], "common": sorted(common)})


@lru_cache(maxsize=1)
def _read(out: str, hash_: str) -> Decision:
    """Raises ``Refused`` where the file is not the decision of that hash."""
    try:
        data = _path(out, hash_).read_bytes()
    except FileNotFoundError:
        raise Refused("the counts of the export are gone: start it again") from None
    if hashlib.sha256(data).hexdigest() != hash_:
        raise Refused("the counts of the export have changed: resume it")
    content = msgspec.json.decode(data)
    kept = tuple(frozenset(tuple(about) for about in shared) for shared in content["kept"])
    return Decision(Crowds(kept), frozenset(content["common"]), {}, hash_)
