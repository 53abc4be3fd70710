"""The suppliers' formats. A source is a folder here with a ``SOURCE``; ``sources()`` finds them by looking.

A source reads a delivery into ``Row``s and turns a ``Group`` of kept rows into FHIR resources. Both are pure: no
clock, no randomness, no I/O but reading the file that ``read`` was given. ``README.md`` beside this file says how to
add one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from gateway.errors import Invalid
from mappings.readers.cells import Cell
from mappings.readers.files import File

T = TypeVar("T")


class Values(dict[str, Any]):
    """The columns of a row by name; a column the row does not fill answers the empty string."""

    def __missing__(self, key: str) -> str:
        return ""


WRITTEN = "fhir"
"""The source of what contributors write over the API."""
AS_IS = "@"
"""How the key of a row of that source begins whose resource already has its id: the rest of the key. No id of FHIR has
the sign, so no file can claim such a key."""


class Row(Struct, frozen=True, gc=False):
    """One thing a source sent: a CSV row, or a whole HL7 v2 message.

    ``key`` is unique within (source, publisher, table). ``order`` is the source's own (extract time and sequence): a
    row of lower order never replaces one of higher order, whatever arrives first. ``groups`` are the keys of the
    groups it is mapped with, its own first; a reference row (a code, a user) that is only looked up has none.
    ``patient`` is the source's local patient key, or "". ``bare`` marks a deleted row that carries only its keys: the
    last values of its key stay. ``directory`` is the publisher of the codes and organisations that the row names,
    where that is not its own publisher. ``warnings`` are (place, reason) of what was lost of it in reading: a field's
    name and fixed words, never a value. ``aside`` marks a row that is only made to be looked up, beside the one it
    comes from: reports do not count it. ``by_content`` marks a row whose key is a digest of what was sent: another row
    of its key is the same thing read in another way, and the latest reading counts.
    """

    table: str
    key: str
    publisher: str
    order: int
    values: Values
    patient: str = ""
    groups: tuple[str, ...] = ()
    deleted: bool = False
    line: int = 0
    bare: bool = False
    directory: str = ""
    warnings: tuple[tuple[str, str], ...] = ()
    aside: bool = False
    by_content: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row or message that cannot be read: where and why, never what. ``place`` is ``line 7`` or ``message 3``, or
    empty for a whole file.

    ``payload`` is what was sent, where it can be read again by itself: it is kept to be replayed. ``name`` is its
    file's, which intake fills in.
    """

    place: str
    reason: str
    payload: bytes = field(default=b"", compare=False, repr=False)
    name: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Publisher:
    """One practice, trust or council. ``code`` is the source's key for it; ``ods`` its ODS (or CASSR council) code.

    ``state`` is ``active``, ``withheld`` (sharing switched off) or ``withdrawn``; ``order`` decides between two
    statements. ``agreement`` names the agreement that the state is of, where a publisher may be in several: it shares
    while it does so under one of them.
    """

    code: str
    ods: str = ""
    name: str = ""
    state: str = ""
    order: int = 0
    agreement: str = ""


@dataclass(frozen=True)
class Feed:
    """One stream with its own settings.

    ``encoding``, ``zone``, ``default`` (share | withhold for uncoded results) and, in ``settings``, what else a source
    documents. ``namespace`` is the store's own: digests in keys are keyed with it.
    """

    name: str = "default"
    encoding: str = "utf-8"
    zone: str = "Europe/London"
    default: str = "share"
    settings: Mapping[str, object] = field(default_factory=dict)
    namespace: bytes = field(default=b"", repr=False)

    def within(self, namespace: bytes) -> Feed:
        """Return the feed as it is read into a store with this namespace."""
        return replace(self, namespace=namespace)


class Group(Struct, frozen=True, gc=False):
    """The rows one resource family is made from: the newest accepted row of each key, deleted ones with their mark
    (and last values)."""

    key: str
    publisher: str
    rows: tuple[Row, ...]

    def of(self, table: str) -> list[Row]:
        """The rows of ``table`` that are not deleted."""
        return [row for row in self.rows if row.table == table and not row.deleted]


Listed = Callable[[str, str], Iterable[tuple[str, str]]]
"""A question to code sets: (system, code) to (set, effect) for each set that contains the code."""


class Look(Protocol):
    """The look-ups of a mapping. Every question about rows is remembered: when the answer changes, the group is mapped
    again.

    ``listed(system, code)`` asks the code sets of the store. When the sets change, all groups are mapped again. The
    function belongs to the sets and not to the group, so a mapping may cache an answer by the function and its
    arguments.
    """

    feed: Feed

    def row(self, table: str, key: str, publisher: str | None = None) -> Row | None:
        """The kept, not deleted row, or None. ``publisher`` defaults to the group's."""

    def rows(self, group: str, publisher: str | None = None) -> list[Row]:
        """The kept, not deleted rows of no patient in a group, by table and key: what belongs together and has another
        publisher. The group that asks is mapped again when one of them changes, comes or goes."""

    def all(self, table: str, publisher: str | None = None) -> list[Row]:
        """All kept, not deleted rows of a small table (CLD's snapshots), by key."""

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` returns, made once for all groups that are mapped together and need it. The questions that
        ``make`` asks, and the unlisted values that it counts, are remembered for every group that gets the answer: a
        value to be counted for one group only is counted outside. Not to be changed: it is shared."""

    @property
    def listed(self) -> Listed: ...

    def unlisted(self, table: str, column: str, value: str) -> None:
        """Count in the load report, by table and column, a value that no code table of the source lists. The report
        never holds the value itself: a supplier may have put anything there."""

    def warn(self, place: str, reason: str) -> None:
        """Count in the load report something that is lost of a row which is mapped all the same: the field's name
        (``OBX-5``) and why, in fixed words. The report never holds a value."""

    def id(self, resource_type: str, key: str, publisher: str | None = None) -> str:
        """The resource id for a row key: UUIDv5 in the store's own namespace. Never put an NHS number into ``key``."""

    def reference(self, resource_type: str, key: str, publisher: str | None = None) -> dict[str, Any]:
        """``{"reference": "Type/id"}``; may be made before its target arrives."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery in a folder where deliveries arrive, as the names of its files tell it.

    ``files`` are paths in that folder. ``title`` says which delivery it is in words of the source's format, and holds
    no word that a sender chose. ``time`` is when it was extracted, in digits that sort. ``lacks`` names what has not
    come yet, "" for nothing. Deliveries of one ``stream`` follow one another: each begins ``after`` something and ends
    with ``until``, texts that sort. One that begins after more than the last one's end leaves a gap. "" as ``after``
    says that it holds everything, or that nobody can tell.
    """

    files: tuple[str, ...]
    title: str = ""
    time: str = ""
    lacks: str = ""
    stream: str = ""
    after: str = ""
    until: str = ""


ReadFile = Callable[[str], bytes]
"""Returns what a small file of an arrival holds, by its path. Raises ``Refused`` for one that cannot be read."""


def each_alone(names: Iterable[str], read: ReadFile, feed: Feed) -> list[Arrival]:
    """Each file of the folder, and each folder in it, as a delivery of its own: where names tell nothing.

    >>> each_alone(["b/1.hl7", "a.hl7", "b/2.hl7"], lambda name: b"", Feed())
    ... # doctest: +ELLIPSIS
    [Arrival(files=('b/1.hl7', 'b/2.hl7'), title='', ...), Arrival(files=('a.hl7',), title='', ...)]
    """
    by_top: dict[str, list[str]] = {}
    for name in names:
        by_top.setdefault(name.partition("/")[0], []).append(name)
    return [Arrival(tuple(files)) for files in by_top.values()]


@dataclass(frozen=True)
class Source:
    """A supplier's format.

    ``check(path, feed)`` returns the delivery's files in reading order, or raises ``Refused`` naming the file or
    column at fault (not ours, incomplete, unreadable). It reads no more than their beginnings; intake reads each
    whole once, before anything is kept, to see that it is text of its encoding. ``read(file, feed)`` yields rows
    and rejects. ``to_fhir(group, look)`` returns dicts made by ``gateway.fhir.build.resource`` or raises
    ``Invalid("column x")``. ``publisher(row)`` answers who publishes, for the rows that say so. ``hides(group)``:
    whether any row asks for what it tells to be hidden; asked of a group at fault, which keeps what it made last: a
    flag must not wait for a birth date to be mended. ``withdrawn(group, look)``: what its rows take back, asked of
    a group at fault too: minimal resources, entered in error, with the ids that ``to_fhir`` gives them. Those that
    the group holds are written, and nothing else of it changes: no fault may keep a withdrawn result in sight.
    ``default(group, feed)``: what the group says of uncoded results, where its rows know better than the feed that is
    mapped now. ``replaces`` are the tables of which a whole delivery has every row, so that ``load --replace``
    deletes what it lacks; none for a source that cannot say so. ``dated`` are the tables of which ``to_fhir`` reads
    the order of a row, the time of its extract: what says later what it said before is mapped again, in these alone.
    ``unread(file)`` names the columns of a file that the source does not know, with their table. ``settings`` are
    the keys of a feed's table that the source reads, and its README tells. ``version`` is the mapping's: another
    one maps everything again. ``kind_of(code)`` answers the kind of a publisher of this code where a supplier
    serves several kinds, "" for the source's own ``kind``. ``reread(row, feed)`` reads a kept row again with
    today's settings of its feed: the row and those that are made beside it, deleted ones for what it makes no more.
    Raises ``Invalid`` where they do not let it be read. ``remap`` asks it, because keys are made of settings, of
    the rows whose column ``feed`` names the feed; None for a source whose rows are kept as they came. After a
    change of ``version`` nothing is loaded before a remap has ended, by each feed where the source
    ``is_keyed_by_feed``. The mapping document is measured with ``cells(file, feed)``, which takes a sample apart,
    and completed with ``unmapped(table, column)``: why a column is mapped to nothing, "" for one that is mapped.
    ``arrivals(names, read, feed)`` groups the files of a folder where deliveries arrive, by their names, into
    deliveries.
    """

    name: str
    kind: str
    title: str
    version: str
    check: Callable[[Path, Feed], list[File]]
    read: Callable[[File, Feed], Iterator[Row | Reject]]
    to_fhir: Callable[[Group, Look], list[dict[str, Any]]]
    publisher: Callable[[Row], Publisher | None] = lambda row: None
    hides: Callable[[Group], bool] = lambda group: False
    withdrawn: Callable[[Group, Look], list[dict[str, Any]]] = lambda group, look: []
    default: Callable[[Group, Feed], str] = lambda group, feed: feed.default
    never: Mapping[str, frozenset[str]] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    dated: frozenset[str] = frozenset()
    unread: Callable[[File], list[str]] = lambda file: []
    kind_of: Callable[[str], str] = lambda code: ""
    settings: frozenset[str] = frozenset()
    reread: Callable[[Row, Feed], list[Row]] | None = None
    cells: Callable[[File, Feed], Iterable[Cell]] | None = None
    unmapped: Callable[[str, str], str] = lambda table, column: ""
    is_keyed_by_feed: bool = False
    arrivals: Callable[[Iterable[str], ReadFile, Feed], list[Arrival]] = each_alone


def by_family(
    families: Mapping[str, Callable[[Group, Look], list[dict[str, Any]]]],
) -> Callable[[Group, Look], list[dict[str, Any]]]:
    """A source's ``to_fhir`` where the key of a group names its family before a colon (``obs:…``): ``families`` says
    what makes each."""

    def to_fhir(group: Group, look: Look) -> list[dict[str, Any]]:
        family = families.get(group.key.partition(":")[0])
        if family is None:
            raise Invalid("group")
        return family(group, look)

    return to_fhir


def sources() -> dict[str, Source]:
    """Every source in this package by name."""
    packages = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg and module.name != "readers"]
    by_name = {}
    for package in packages:
        source: Source = importlib.import_module(f"{__name__}.{package}").SOURCE
        by_name[source.name] = source
    return by_name
