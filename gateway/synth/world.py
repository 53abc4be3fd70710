"""A whole world on disk: everyone, in each source's own files, with the list of opt-outs and the key to who is who.

People are written in blocks of a hundred (by their numbers). A block is made in memory by whichever process is free,
and put at the end of its files in the order of the numbers: the bytes are the same for any number of processes, and any
number of people fits in the same memory.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from gateway import processes
from gateway.synth import cds, changes, cld, csds, emis, hl7v2, letters, optout, pds, places, tpp
from gateway.synth.answers import Answers
from gateway.synth.emis.around import organisation_rows, reference_rows
from gateway.synth.emis.rows import organisation_guid, patient_guid
from gateway.synth.outputs import Files, Parts, append
from gateway.synth.packs import CAST
from gateway.synth.people import people
from gateway.synth.rates import Mix
from gateway.synth.truth import Council, Person, Practice

STAMP = "%Y%m%d%H%M%S"
"""How a delivery's folder is named: by its time."""

BLOCK = hl7v2.EACH
"""People of a block: as many as share a file of the feed."""

NEXT_DAY = timedelta(days=1)

FORMATS = ("emis", "hl7v2", "cld", "optout", "truth")
"""What the demo writes."""

ALL_FORMATS = ("emis", "tpp", "deltas", "hl7v2", "letters", "cds", "cld", "csds", "optout", "pds", "truth")
"""What can be written. ``deltas`` are the second deliveries of ``emis`` and ``tpp``; ``cds`` is CDS 6-2 and ECDS."""


@dataclass(frozen=True)
class Who:
    """A fixed person as the sources know them: numbers to look them up by. "" where a source does not know them."""

    role: str
    number: int
    nhs_number: str
    name: str
    birth: str
    practice: str
    emis_patient: str
    hospital_number: str
    retired_number: str
    council_number: str


@dataclass(frozen=True)
class Manifest:
    """What was written, where, and who is who. Paths are relative to ``folder``; ``written`` counts rows and messages
    by source. ``synthetic`` says so to whoever meets the folder alone."""

    folder: Path
    seed: int
    today: date
    count: int
    emis: Path
    hl7v2: Path
    cld: Path
    optout: Path
    practices: dict[str, str]
    trust: str
    councils: tuple[str, ...]
    people: dict[str, Who]
    known: dict[str, int]
    written: dict[str, int] = field(default_factory=dict)
    synthetic: str = "SYNTHETIC: nobody in here is real"

    def path(self, source: str) -> Path:
        """Return the folder (or the opt-out file) of a source, to load from."""
        if source == "tpp":
            return self.folder / "tpp" / self.emis.name
        if source in ("emis delta", "tpp delta"):
            when = datetime.strptime(self.emis.name, STAMP) + NEXT_DAY
            return self.folder / source.partition(" ")[0] / f"{when:{STAMP}}"
        name: str = getattr(self, source, source)
        return self.folder / name


class Plan(NamedTuple):
    """What to write: all that a block depends on, besides the numbers of its people."""

    seed: int
    today: date
    canary: bool = False
    practices: tuple[Practice, ...] = ()
    councils: tuple[Council, ...] = (places.COUNCIL,)
    mix: Mix = "demo"
    formats: tuple[str, ...] = FORMATS

    @property
    def when(self) -> datetime:
        return datetime.combine(self.today, time(1))

    @property
    def extract(self) -> str:
        return f"{self.when:{STAMP}}"


class Block(NamedTuple):
    """What one block of people came to: parts of files by name, and counts."""

    parts: dict[str, bytes]
    written: Counter[str]
    known: Counter[str]
    expected: Counter[tuple[str, str]]
    fixed: dict[str, Who]
    last: int


@dataclass
class Totals:
    """The counts of all blocks so far, and the fixed people met."""

    written: Counter[str]
    known: Counter[str] = field(
        default_factory=lambda: Counter(dict.fromkeys(("everywhere", "gp", "hospital", "social-care"), 0))
    )
    expected: Counter[tuple[str, str]] = field(default_factory=Counter)
    fixed: dict[str, Who] = field(default_factory=dict)

    def add(self, part: Block) -> None:
        self.written.update(part.written)
        self.known.update(part.known)
        self.expected.update(part.expected)
        self.fixed |= part.fixed


class Deltas:
    """The second deliveries in the making, of what changed the day after the first ones."""

    def __init__(self, plan: Plan, files: Files, with_tpp: bool):
        self._today, when = plan.today, plan.when + NEXT_DAY
        inside = f"{when:{STAMP}}/"
        self._emis = emis.Extract(files, when, 2, f"emis/{inside}")
        self._tpp = tpp.Extract(files, when, f"tpp/{inside}", plan.when) if with_tpp else None
        self.written = 0

    def begin(self) -> None:
        self._emis.begin()
        self._emis.put_all(reference_rows())
        if self._tpp:
            self._tpp.begin()

    def add(self, person: Person) -> None:
        change = changes.change_of(person, self._today)
        if change is None:
            return
        self.written += 1
        if person.practice.system == "emis":
            self._emis.put_of(person, changes.emis_rows(person, change))
        elif self._tpp:
            self._tpp.put_all(changes.tpp_rows(person, change))


class Writers:
    """A writer for each format of the plan, over the same files."""

    def __init__(self, plan: Plan, files: Files):
        self._plan, self._emis, self._tpp = plan, None, None
        self._all: dict[str, object] = {}
        is_in = plan.formats.__contains__
        if is_in("emis"):
            self._emis = self._all["emis"] = emis.Extract(files, plan.when, inside=f"emis/{plan.extract}/")
        if is_in("tpp") and any(practice.system == "tpp" for practice in plan.practices):
            self._tpp = self._all["tpp"] = tpp.Extract(files, plan.when, inside=f"tpp/{plan.extract}/")
        if is_in("deltas"):
            self._all["deltas"] = Deltas(plan, files, self._tpp is not None)
        if is_in("hl7v2"):
            self._all["hl7v2"] = hl7v2.Feed(files, "hl7v2/")
        if is_in("letters"):
            self._all["letters"] = letters.Letters(files, "letters/")
        if is_in("cds"):
            self._all["cds"] = cds.DataSets(files, plan.today)
        if is_in("cld"):
            self._all["cld"] = cld.Returns(files, plan.today, plan.councils, "cld/")
        if is_in("csds"):
            self._all["csds"] = csds.Submissions(files, plan.today)
        if is_in("optout"):
            self._all["optout"] = optout.OptOuts(files)
        if is_in("pds"):
            self._all["pds"] = pds.Traces(files)
        if is_in("truth"):
            self._all["truth"] = Answers(files, plan.today, "deltas" in plan.formats)
        self._adders = [writer.add for writer in self._all.values()]  # type: ignore[attr-defined]

    def begin(self) -> None:
        """Write what comes before all people: headers, code tables, practices."""
        for writer in self._all.values():
            if hasattr(writer, "begin"):
                writer.begin()
        if self._emis:
            self._emis.put_all(reference_rows())
            self._emis.put_all(organisation_rows(self._plan.practices, self._plan.when))
        if self._tpp:
            self._tpp.put_all(tpp.directory_rows(self._plan.practices))

    def add(self, person: Person) -> None:
        for add in self._adders:
            add(person)

    def end(self) -> None:
        for writer in self._all.values():
            if hasattr(writer, "end"):
                writer.end()

    def counts(self) -> tuple[Counter[str], Counter[tuple[str, str]]]:
        """Return how many rows each format was written, and what the truth expects of them."""
        written: Counter[str] = Counter()
        for name, writer in self._all.items():
            count = getattr(writer, "written", {})
            if name == "cds":
                written.update(count)
            elif name != "truth":
                written[name] += sum(count.values()) if isinstance(count, dict) else count
        truth = self._all.get("truth")
        return written, truth.expected if isinstance(truth, Answers) else Counter()


def block(plan: Plan, numbers: Sequence[int]) -> Block:
    """Return the parts that the people of ``numbers`` add to each file; for no numbers, what comes before them."""
    parts = Parts()
    writers = Writers(plan, parts)
    fixed: dict[str, Who] = {}
    known: Counter[str] = Counter()
    if not numbers:
        writers.begin()
    else:
        for person in people(
            0, plan.seed, plan.today, plan.canary, plan.practices, plan.councils, plan.mix, numbers=numbers
        ):
            writers.add(person)
            if person.number in CAST:
                fixed[CAST[person.number].role] = who(person)
            tally(known, person)
        writers.end()
    written, expected = writers.counts()
    return Block(parts.take(), written, known, expected, fixed, numbers[-1] if numbers else 0)


def write(
    folder: Path,
    count: int,
    seed: int,
    today: date,
    canary: bool = False,
    practices: Sequence[Practice] = (),
    councils: Sequence[Council] = (places.COUNCIL,),
    done: Callable[[int], None] = lambda number: None,
    mix: Mix = "demo",
    formats: Sequence[str] = FORMATS,
    numbers: Sequence[int] = (),
    workers: int = 0,
) -> Manifest:
    """Write ``count`` people (or those of ``numbers``, ascending) into ``folder``, each format in its own, with
    ``truth/`` and ``manifest.json``. ``done`` is called with the number of people written so far. ``workers`` are
    further processes.

    Everyone passes once, by all writers, and is forgotten: any number of people fits in the same memory. The same
    arguments write the same bytes. ``emis/`` and ``tpp/`` hold the deliveries by time.
    """
    plan = Plan(seed, today, canary, tuple(practices or places.practices(2)), tuple(councils), mix, tuple(formats))
    numbers = numbers or range(1, count + 1)
    total = Totals(Counter({name: 0 for name in plan.formats if name != "truth"}))
    seen: set[str] = set()
    folder.mkdir(parents=True, exist_ok=True)
    for part in made_in_order(plan, [(), *blocks(numbers)], workers):
        append(folder, part.parts, seen)
        total.add(part)
        if part.last:
            done(part.last - numbers[0] + 1)
    if "truth" in plan.formats:
        save_expected(folder, total.expected)
    manifest = manifest_of(folder, plan, len(numbers), total)
    save(folder / "manifest.json", {**asdict(manifest), "folder": "."})
    return manifest


def manifest_of(folder: Path, plan: Plan, count: int, total: Totals) -> Manifest:
    return Manifest(
        folder=folder,
        seed=plan.seed,
        today=plan.today,
        count=count,
        emis=Path("emis") / plan.extract,
        hl7v2=Path("hl7v2"),
        cld=Path("cld"),
        optout=Path("optout.csv"),
        practices={practice.ods: organisation_guid(practice) for practice in plan.practices},
        trust=places.TRUST.ods,
        councils=tuple(council.code for council in plan.councils),
        people=total.fixed,
        known=dict(total.known),
        written=dict(total.written),
    )


def blocks(numbers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the numbers block by block: a block never holds part of another's hundred."""
    for _, these in itertools.groupby(numbers, lambda number: (number - 1) // BLOCK):
        yield tuple(these)


def made_in_order(plan: Plan, all_blocks: Sequence[Sequence[int]], workers: int) -> Iterator[Block]:
    """Yield the blocks as they are made, in order. No more than two for each process wait to be written."""
    if not workers:
        for numbers in all_blocks:
            yield block(plan, numbers)
        return
    waiting: deque[Future[Block]] = deque()
    with processes.pool(workers) as pool:
        for numbers in all_blocks:
            waiting.append(pool.submit(block, plan, numbers))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def save_expected(folder: Path, expected: Counter[tuple[str, str]]) -> None:
    """Write how many resources of each type each source must become."""
    by_source: dict[str, dict[str, int]] = {}
    for (source, name), count in sorted(expected.items()):
        by_source.setdefault(source, {})[name] = count
    save(folder / "truth" / "expected.json", by_source)


def save(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, default=str, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def who(person: Person) -> Who:
    hospital, care = person.hospital, person.care
    return Who(
        role=CAST[person.number].role,
        number=person.number,
        nhs_number=person.nhs_number,
        name=f"{person.given} {person.family}",
        birth=str(person.birth),
        practice=person.practice.ods,
        emis_patient=patient_guid(person) if person.gp and person.practice.system == "emis" else "",
        hospital_number=hospital.number if hospital else "",
        retired_number=hospital.retired if hospital else "",
        council_number=care.number if care else "",
    )


def tally(known: Counter[str], person: Person) -> None:
    held = {"gp": person.gp, "hospital": person.hospital, "social-care": person.care}
    for kind, seen in held.items():
        known[kind] += seen is not None
    known["everywhere"] += all(seen is not None for seen in held.values())
