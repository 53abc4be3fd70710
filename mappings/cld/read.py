"""Files of Client Level Data to rows: what each event says, what is said of its person, and which snapshots there are.

Everything that orders a submission is in the file itself: the reporting period in its rows, the submission date in its
name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from hashlib import blake2b
from pathlib import Path

from msgspec import structs

from gateway.errors import Invalid, Refused
from gateway.nhs.identifiers import is_valid, normalise
from mappings import Feed, Reject, Row, Values
from mappings.cld import codes
from mappings.cld.columns import COLUMNS, DISCRIMINATORS, EVENT, PERSON
from mappings.cld.snapshots import (
    END,
    FULL,
    MONTHS,
    PARTIAL,
    SAMPLE,
    SNAPSHOT,
    START,
    STATE,
    SUBMISSION,
    TYPES,
    LastDays,
    Snapshot,
    remember,
    sampled,
)
from mappings.cld.times import iso
from mappings.readers.cells import Cell, csv_cells
from mappings.readers.csv import check_header, csv_rows, unknown_columns
from mappings.readers.files import File, delivered

LA, PERSON_ID = "LA Code", "LA Person Unique Identifier"
DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)([-_]?)(\d\d)\2(\d\d)(?!\d)")
VERSION_IN_NAME = re.compile(r"(?<![A-Za-z])v(\d{1,3})(?!\d)", re.IGNORECASE)
LA_CODE = re.compile(r"[A-Za-z0-9]{2,9}")
NOTHING = frozenset({"null", "n/a", "#n/a", "nan", "(null)", "<null>"})
"""What exports write into a field that has no value."""


def check(path: Path, feed: Feed) -> list[File]:
    """Return the CSV files at ``path``: in UTF-8, else in the feed's encoding. Raises ``Refused`` naming the file, and
    the column it lacks."""
    files = delivered(path, (".csv",), tuple(dict.fromkeys(("utf-8", feed.encoding))))
    if not files:
        raise Refused("the delivery: no .csv file")
    for file in files:
        check_header(file, COLUMNS, rename=column)
    return files


def unread(file: File) -> list[str]:
    """Return the columns that Client Level Data does not have."""
    return unknown_columns(file, COLUMNS, rename=column)


_COLUMNS = {codes.fold(name): name for name in COLUMNS}


def column(name: str) -> str:
    """Return our name of a column: neither case nor spaces nor punctuation counts. So DHSC's SQL names are known
    too."""
    return _COLUMNS.get(codes.fold(name), name)


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://www.ardengemcsu.nhs.uk/adult-social-care-client-level-data/

    Yield the rows of a file: events and people as they come, its councils and snapshots at the end.
    """
    submission = submitted(file.stem)
    people = People()
    tallies: dict[str, dict[Snapshot, Tally]] = {}
    rejects = 0
    for item in csv_rows(file, rename=column, keep=COLUMNS):
        if isinstance(item, Reject):
            rejects += 1
            yield item
            continue
        line, cells = item
        values = filled(cells)
        if not values:
            continue
        try:
            snapshot, kind = identified(values, submission)
        except Invalid as error:
            rejects += 1
            yield Reject(f"line {line}", str(error))
            continue
        tallies.setdefault(values[LA], {}).setdefault(snapshot, Tally()).add(values, kind, snapshot)
        yield event(values, snapshot, kind, line)
        yield from people.tell(values, snapshot, line)
    for la, by_snapshot in tallies.items():
        yield Row("Authority", la, la, 0, Values({LA: la}), groups=(f"la:{la}",))
        yield from snapshots(la, by_snapshot, whole=not rejects)


def filled(cells: Values) -> Values:
    """Return the columns that have a value.

    >>> filled(Values({"NHS Number": "NULL", "Gender": " Female "}))
    {'Gender': 'Female'}
    """
    stripped = ((name, text.strip()) for name, text in cells.items())
    return Values((name, text) for name, text in stripped if text and text.casefold() not in NOTHING)


def submitted(name: str) -> int:
    """Return the submission a file name tells, as yyyymmddvvv: its last date and its version; 0 without a date.

    >>> submitted("CLD_503_20250101-20251231_2026-01-20_v2")
    20260120002
    """
    days = []
    for year, _, month, day in DATE_IN_NAME.findall(name):
        try:
            days.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    version = max((int(number) for number in VERSION_IN_NAME.findall(name)), default=0)
    return int(f"{max(days):%Y%m%d}") * 1000 + version if days else version


def identified(values: Values, submission: int) -> tuple[Snapshot, str]:
    """Return the snapshot and event type of a row that says whose event it is. Raises ``Invalid`` naming the column
    that does not."""
    if not LA_CODE.fullmatch(values[LA]):
        raise Invalid(f"column {LA}")
    if not values[PERSON_ID] or is_nhs_number(values[PERSON_ID], values["NHS Number"]):
        raise Invalid(f"column {PERSON_ID}")  # an NHS number is never a key
    start, end = iso(values[START], START), iso(values[END], END)
    if not start or not end or start > end:
        raise Invalid(f"column {END if start else START}")
    kind = codes.event_type(values["Event Type"])
    if not kind:
        raise Invalid("column Event Type")
    if not iso(values["Event Start Date"], "Event Start Date"):
        raise Invalid("column Event Start Date")
    if submission < 10**9:  # no date in the file's name: submitted when its period ended
        submission += int(end.replace("-", "")) * 1000
    return Snapshot(end, start, submission), kind


def is_nhs_number(person: str, number: str) -> bool:
    """Whether a council gives its person the NHS number as id: the row's own, or, where the row has none, what may be
    one."""
    return normalise(person) == normalise(number) if number else is_valid(person)


def event(values: Values, snapshot: Snapshot, kind: str, line: int) -> Row:
    """Return what one submission says of one event. Lines that differ stay apart: which of them counts is for the
    mapping to say."""
    said = {column: values[column] for column in EVENT if column in values}
    key = f"{event_key(values, kind)}|{codes.word('Client Type', values['Client Type'])}"
    return Row(
        "Event", f"{key}|{snapshot.id}|{digest(said)}", values[LA], snapshot.submission,
        Values(said | {SUBMISSION: str(snapshot.submission)}), patient=values[PERSON_ID], groups=event_groups(values, kind),
        line=line, by_content=True,
    )  # fmt: skip


def event_groups(values: Values, kind: str) -> tuple[str, ...]:
    return (f"event:{event_key(values, kind)}",)


def reread(row: Row, feed: Feed) -> list[Row]:
    """Return a kept event with the group that today's rule puts it into; nothing of other rows, whose groups are their
    keys."""
    if row.table != "Event":
        return []
    return [
        structs.replace(
            row, groups=event_groups(row.values, codes.event_type(row.values["Event Type"])), by_content=True
        )
    ]


def event_key(values: Values, kind: str) -> str:
    """Return the key of an event's group: DHSC's unique event without what ``stated`` tells apart. Its reference is of
    no use as a key."""
    words = [codes.word(column, values[column]) for column in DISCRIMINATORS[kind]]
    started = iso(values["Event Start Date"], "Event Start Date")
    return "|".join(
        (
            values[LA],
            values[PERSON_ID],
            kind,
            started,
            "/".join(words),
        )
    )


class People:
    """What a file says of its people, each thing once, however many events repeat it."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, Snapshot, str], list[str]] = {}

    def tell(self, values: Values, snapshot: Snapshot, line: int) -> Iterator[Row]:
        """Yield the person's row, unless this snapshot already gave the same content with the same number. The NHS
        number is no part of the key, nor of the digest in it."""
        said = {column: values[column] for column in PERSON if column in values}
        number = said.get("NHS Number", "")
        same = digest({column: text for column, text in said.items() if column != "NHS Number"})
        numbers = self._told.setdefault((values[LA], values[PERSON_ID], snapshot, same), [])
        if number in numbers:
            return
        numbers.append(number)
        yield Row(
            "Person", f"{values[PERSON_ID]}|{snapshot.id}|{same}|{len(numbers)}", values[LA], snapshot.submission,
            Values(said | {SUBMISSION: str(snapshot.submission)}),
            patient=values[PERSON_ID], groups=(f"person:{values[PERSON_ID]}",), line=line,
        )  # fmt: skip


class Tally:
    """What a snapshot's silence is judged by: its events by type and month of their end, its people by type and the
    last day they are in care or an event, and when the services began that began in its period."""

    def __init__(self) -> None:
        self.count = 0
        self.types: set[str] = set()
        self.months: Counter[tuple[str, str]] = Counter()
        self.people: LastDays = {}
        self.starts: dict[str, tuple[str, set[str]]] = {}

    def add(self, values: Values, kind: str, snapshot: Snapshot) -> None:
        """Count a row. An end that is no date counts as none: the mapping names it."""
        end = date_or_none(values["Event End Date"])
        self.count += 1
        self.types.add(kind)
        if end:
            self.months[end[:7], kind] += 1
        person = digest({LA: values[LA], PERSON_ID: values[PERSON_ID]})[:8]
        last = end if end or kind == "Service" else iso(values["Event Start Date"], "Event Start Date")
        remember(self.people, kind, person, last)
        started = iso(values["Event Start Date"], "Event Start Date")
        if kind == "Service" and snapshot.start <= started:
            self.starts.setdefault(service_name(values), (values[PERSON_ID], set()))[1].add(started)


def date_or_none(text: str) -> str:
    try:
        return iso(text, "Event End Date")
    except Invalid:
        return ""


def service_name(values: Values) -> str:
    """Return what names a service of a person, whenever it began."""
    columns = (*DISCRIMINATORS["Service"], "Client Type")
    return "|".join((values[PERSON_ID], *(codes.word(column, values[column]) for column in columns)))


def snapshots(la: str, tallies: dict[Snapshot, Tally], whole: bool) -> Iterator[Row]:
    """Yield the snapshots of a file, and the services that began in each. One period is the file's; one that only some
    rows name is a slip, and its silence means nothing."""
    main = max(tallies, key=lambda snapshot: (tallies[snapshot].count, snapshot))
    for snapshot, tally in tallies.items():
        types, state = " ".join(sorted(tally.types)), FULL if whole and snapshot == main else PARTIAL
        said = {
            MONTHS: ";".join(f"{month} {kind} {count}" for (month, kind), count in sorted(tally.months.items())),
            SAMPLE: sampled(tally.people),
        }
        values = {
            LA: la,
            START: snapshot.start,
            END: snapshot.end,
            SUBMISSION: str(snapshot.submission),
            TYPES: types,
            STATE: state,
            **said,
        }
        key = f"{la}|{snapshot.id}|{types}|{state}|{digest(said)}"
        yield Row(SNAPSHOT, key, la, snapshot.submission, Values(values))
        for name, (person, starts) in tally.starts.items():
            yield Row(
                "Start", f"{name}|{snapshot.id}", la, snapshot.submission, Values(Starts=" ".join(sorted(starts))),
                patient=person, groups=(f"person:{person}",),
            )  # fmt: skip


def digest(said: dict[str, str]) -> str:
    return blake2b(
        "\x1f".join(f"{column}\x1e{text}" for column, text in said.items()).encode(), digest_size=8
    ).hexdigest()


def cells(file: File, feed: Feed) -> Iterator[Cell]:
    """Yield the cells of a sample file."""
    return csv_cells(file, "Client Level Data", file.encoding)
