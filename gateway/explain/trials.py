"""Change one value of a sample after the other, read and map again, and see what becomes another.

Nothing here knows a source: what is said of a column is what its functions did with it.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from gateway.errors import Refused
from gateway.explain.differing import differing
from gateway.explain.rehearsal import GroupKey, HeldLook, Kept, Place, gathered, keep, map_group, packaged_sets
from gateway.intake.mapping import BUGS
from mappings import Feed, Reject, Row, Source, vocabulary
from mappings.readers.cells import Cell
from mappings.readers.files import File, whole

GOLDEN = ".fhir.json"
SETTINGS = "feed.toml"
INVENTED = ("true", "1", "2024-02-03", "Other")
"""What is tried in a column that the samples leave empty."""
MOST_EMPTY = 2
"""How many places of a column are tried that hold nothing."""
OTHERS = 2
"""How many other values of the column are tried in each place."""
ORDERS, NAMES_ROW = "says which row is the newest", "names the row"
Resource = tuple[str, str]
"""Type and id."""
Made = dict[GroupKey, dict[Resource, dict[str, Any]]]


@dataclass
class Effect:
    """What a column does in the samples. ``touched`` are (type, id, element) of what becomes another with it;
    ``types`` are made or not made, or made under another id; ``other`` says what else it decides, in fixed words;
    ``tables`` are the code tables that it is looked up in."""

    touched: set[tuple[str, str, str]] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    is_filled: bool = False

    def __bool__(self) -> bool:
        return bool(self.touched or self.types or self.other)

    @property
    def elements(self) -> list[str]:
        """``Patient.name.family``, each once."""
        return sorted({element for _, _, element in self.touched if element})


Effects = dict[tuple[str, str], Effect]
"""The effect of each column, by table and column, in the order of the samples."""


@dataclass(frozen=True)
class Samples:
    """The samples of a source, read: the items of each file, and the feed that they are read with."""

    source: Source
    feed: Feed
    files: list[File]
    items: list[list[Row | Reject]]


def open_samples(source: Source) -> Samples:
    """Read the samples of a source: each entry of its folder ``samples`` is a delivery. ``feed.toml`` beside them has
    the settings of their feed."""
    with as_file(files("mappings") / source.name / "samples") as folder:
        entries = sorted(folder.iterdir())
        feed = sample_feed(folder)
        deliveries = [path for path in entries if path.name != SETTINGS and not path.name.endswith(GOLDEN)]
        held = [_in_memory(file) for path in deliveries for file in source.check(path, feed)]
    if not held:
        raise Refused(f"{source.name}: there are no samples to measure with")
    samples = Samples(source, feed, held, [])
    samples = replace(samples, files=[_as_rewritten(samples, file) for file in held])
    return replace(samples, items=_read(samples))


def _as_rewritten(samples: Samples, file: File) -> File:
    """The file as it is written anew with nothing changed, so that only the change tells."""
    cell = next(taken_apart(samples, file), None)
    return replace(file, content=cell.with_value(cell.value)) if cell else file


def sample_feed(folder: Path) -> Feed:
    """Return the feed that the samples of a folder are read with: ``feed.toml`` has its settings."""
    path = folder / SETTINGS
    return Feed(settings=tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {})


def _in_memory(file: File) -> File:
    """The file with what it holds at hand: the samples may be within a zip."""
    read = whole(file)
    with read.open() as stream:
        return replace(read, content=stream.read())


class Trials:
    """The samples of a source as they are mapped, and as they would be with one file changed."""

    def __init__(self, samples: Samples):
        self._samples, self._listed = samples, packaged_sets().find
        self._kept = self._keep(samples.items)
        self._asked: dict[Place, set[GroupKey]] = {}
        self._made = self._map(self._kept, None, self._asked)

    def tried(self, attempt: Attempt) -> Effect:
        """What all values of an attempt change."""
        effect = Effect()
        for value in attempt.values:
            self._try(attempt.number, attempt.cell.with_value(value), effect)
        return effect

    def _try(self, number: int, content: bytes, onto: Effect) -> None:
        """Add what another content of file ``number`` changes."""
        source, feed = self._samples.source, self._samples.feed
        try:
            now = list(source.read(replace(self._samples.files[number], content=content), feed))
        except (Refused, *BUGS):
            onto.other.add("refuses the file")
            return
        before = self._samples.items[number]
        self._reading(before, now, onto)
        kept = self._keep([*self._samples.items[:number], now, *self._samples.items[number + 1 :]])
        touched = {place for place in kept.keys() | self._kept.keys() if kept.get(place) != self._kept.get(place)}
        rows = [row for place in touched for row in (kept.get(place), self._kept.get(place)) if row]
        groups = {(row.publisher, key) for row in rows for key in row.groups}
        questions = {*touched, *((publisher, table, "*") for publisher, table, _ in touched)}
        for question in questions | {(publisher, key, "group") for publisher, key in groups}:
            groups = groups | self._asked.get(question, set())
        self._compare(self._map(kept, groups, {}), groups, onto)

    def unlike(self, other: Trials) -> set[tuple[str, str, str]]:
        """(type, id, element) of what the same samples become in other trials and not in these."""
        difference = Effect()
        self._compare(other._made, self._made.keys() | other._made.keys(), difference)
        return difference.touched

    def _keep(self, items: Iterable[list[Row | Reject]]) -> Kept:
        return keep((item for of_file in items for item in of_file if isinstance(item, Row)), self._samples.source)

    def _map(self, kept: Kept, only: Iterable[GroupKey] | None, asked: dict[Place, set[GroupKey]]) -> Made:
        by_group: Made = {}
        source = self._samples.source
        for place, group in gathered(kept, None if only is None else set(only)).items():
            look = HeldLook(source, kept, place[0], self._samples.feed, self._listed)
            try:
                resources, fault = map_group(source, group, look)
            except BUGS:
                resources, fault = [], "fault"
            by_group[place] = {(item["resourceType"], item["id"]): item for item in resources}
            if fault:
                by_group[place]["", ""] = {"resourceType": ""}
            for question in look.asked:
                asked.setdefault(question, set()).add(place)
        return by_group

    def _reading(self, before: list[Row | Reject], now: list[Row | Reject], onto: Effect) -> None:
        """What the reading alone made another: rejects, order, publishers."""
        if sum(isinstance(item, Reject) for item in now) > sum(isinstance(item, Reject) for item in before):
            onto.other.add("refuses the row")
        held, rows = ({_place(item): item for item in items if isinstance(item, Row)} for items in (before, now))
        if rows.keys() - held.keys():
            onto.other.add(NAMES_ROW)
        for place in held.keys() & rows.keys():
            if held[place].order != rows[place].order:
                onto.other.add(ORDERS)
            tell = self._samples.source.publisher
            if tell(held[place]) != tell(rows[place]):
                onto.other.add("tells of the publisher")

    def _compare(self, after: Made, groups: set[GroupKey], onto: Effect) -> None:
        held = {name: resource for place in groups for name, resource in self._made.get(place, {}).items()}
        now = {name: resource for place in groups for name, resource in after.get(place, {}).items()}
        if ("", "") in now and ("", "") not in held:
            onto.other.add("holds the group back")
            return
        gone = {name for name in held.keys() ^ now.keys() if name[0]}
        onto.types |= {type_ for type_, _ in gone}
        onto.touched |= {(*name, "") for name in gone}
        for name in held.keys() & now.keys():
            onto.touched |= {(*name, element) for element in differing(held[name], now[name])}


def _place(row: Row) -> Place:
    return row.publisher, row.table, row.key


Progress = Callable[[int, int], None]
"""Told how many of how many trials are done."""


def measure(samples: Samples, progress: Progress = lambda done, all_: None) -> Effects:
    """Return what each column of the samples does."""
    attempts = list(_attempts(samples))
    effects: Effects = {}
    by_attempt: list[Effect] = []
    with vocabulary.learning() as learnt:
        trials = Trials(replace(samples, items=_read(samples)))
        for done, attempt in enumerate(attempts, 1):
            effect = trials.tried(attempt)
            by_attempt.append(effect)
            _add(effects.setdefault(attempt.column, Effect()), effect, attempt.cell)
            progress(done, len(attempts))
        tables = sorted(filter(_is_of_codes, learnt))
    for package, name in tables:
        with vocabulary.unlearning(package, name):
            without = Trials(replace(samples, items=_read(samples)))
            decided = trials.unlike(without)
            for attempt, before in zip(attempts, by_attempt) if decided else ():
                effect, shared = effects[attempt.column], before.touched & decided
                moves_rows = {ORDERS, NAMES_ROW} & effect.other
                if shared and not moves_rows and shared - without.tried(attempt).touched:  # it does less without
                    effect.tables.add(_title(package, name, samples.source))
    return effects


class Attempt(NamedTuple):
    """A cell of file ``number``, and what is written in its place."""

    number: int
    cell: Cell
    values: list[str]

    @property
    def column(self) -> tuple[str, str]:
        return self.cell.table, self.cell.column


def _attempts(samples: Samples) -> Iterator[Attempt]:
    cells = [(number, cell) for number, file in enumerate(samples.files) for cell in taken_apart(samples, file)]
    in_column: dict[tuple[str, str], list[str]] = {}
    for _, cell in cells:
        if cell.value:
            in_column.setdefault((cell.table, cell.column), []).append(cell.value)
    empty: Counter[tuple[str, str]] = Counter()
    for number, cell in cells:
        empty[cell.table, cell.column] += not cell.value
        if not cell.value and empty[cell.table, cell.column] > MOST_EMPTY:
            continue
        yield Attempt(number, cell, _others(cell.value, in_column.get((cell.table, cell.column), [])))


def _add(onto: Effect, effect: Effect, cell: Cell) -> None:
    onto.touched |= effect.touched
    onto.types |= effect.types
    onto.other |= effect.other
    onto.is_filled |= bool(cell.value)


def taken_apart(samples: Samples, file: File) -> Iterator[Cell]:
    """The cells of a sample."""
    if samples.source.cells is None:
        raise Refused(f"{samples.source.name}: its files cannot be taken apart")
    return iter(samples.source.cells(file, samples.feed))


def _is_of_codes(table: tuple[str, str]) -> bool:
    """Whether a table translates codes or words: others say where columns stand."""
    return table[1].startswith(("codes", "maps/"))


def _title(package: str, name: str, source: Source) -> str:
    """What a document calls a table: its file, with the folder of another source."""
    return f"{name}.csv" if package == f"mappings.{source.name}" else f"{package.removeprefix('mappings.')}/{name}.csv"


def _read(samples: Samples) -> list[list[Row | Reject]]:
    return [list(samples.source.read(file, samples.feed)) for file in samples.files]


def _others(value: str, in_column: list[str]) -> list[str]:
    """What to write in the place of a value: nothing, its opposite, what stands in other rows."""
    others = [other for other in dict.fromkeys(in_column) if other != value][:OTHERS]
    if not in_column:
        return list(INVENTED)
    opposite = _opposite(value)
    return [other for other in dict.fromkeys(["", opposite, *others]) if other != value]


@cache
def _opposite(value: str) -> str:
    """Another value of the same shape.

    >>> _opposite("TRUE"), _opposite("99"), _opposite("2024-03-11"), _opposite("Hart")
    ('FALSE', '98', '2024-03-12', 'HartX')
    """
    for true, false in (("true", "false"), ("TRUE", "FALSE"), ("True", "False"), ("Y", "N"), ("yes", "no"), ("F", "M")):
        if value in (true, false):
            return false if value == true else true
    last = next((place for place in range(len(value) - 1, -1, -1) if value[place].isdigit()), -1)
    if last < 0 or len(value) - last > 3 and not value.isalnum() and ":" not in value:
        return value + "X" if value else "X"
    digit = str((int(value[last]) + 1) % 10) if value[last] < "9" else "8"
    return value[:last] + digit + value[last + 1 :]
