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

from gateway.errors import Invalid, Refused
from gateway.nhs.identifiers import is_valid, normalise
from mappings import Feed, Reject, Row, Values
from mappings.cld import codes
from mappings.cld.columns import COLUMNS, DISCRIMINATORS, EVENT, PERSON
from mappings.cld.snapshots import END, FULL, PARTIAL, SNAPSHOT, START, STATE, SUBMISSION, TYPES, Snapshot
from mappings.cld.times import iso
from mappings.readers.csv import check_header, csv_rows
from mappings.readers.files import File, delivered

LA, PERSON_ID = "LA Code", "LA Person Unique Identifier"
DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)([-_]?)(\d\d)\2(\d\d)(?!\d)")
VERSION_IN_NAME = re.compile(r"(?<![A-Za-z])v(\d{1,3})(?!\d)", re.IGNORECASE)
LA_CODE = re.compile(r"[A-Za-z0-9]{2,9}")


def check(path: Path, feed: Feed) -> list[File]:
    """Return the CSV files at ``path``: in UTF-8, else in the feed's encoding. Raises ``Refused`` naming the file, and
    the column it lacks."""
    files = delivered(path, (".csv",), tuple(dict.fromkeys(("utf-8", feed.encoding))))
    if not files:
        raise Refused("the delivery: no .csv file")
    for file in files:
        check_header(file, COLUMNS, rename=column)
    return files


_COLUMNS = {codes.fold(name): name for name in COLUMNS}


def column(name: str) -> str:
    """Return our name of a column: neither case nor spaces nor punctuation counts. So DHSC's SQL names are known
    too."""
    return _COLUMNS.get(codes.fold(name), name)


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """Yield the rows of a file: events and people as they come, its councils and snapshots at the end."""
    submission = submitted(file.stem)
    people = People()
    counts: dict[str, dict[Snapshot, Counter[str]]] = {}
    rejects = 0
    for item in csv_rows(file, rename=column, keep=COLUMNS):
        if isinstance(item, Reject):
            rejects += 1
            yield item
            continue
        line, cells = item
        values = Values((name, text.strip()) for name, text in cells.items() if text.strip())
        if not values:
            continue
        try:
            snapshot, kind = identified(values, submission)
        except Invalid as error:
            rejects += 1
            yield Reject(f"line {line}", str(error))
            continue
        counts.setdefault(values[LA], {}).setdefault(snapshot, Counter())[kind] += 1
        yield event(values, snapshot, kind, line)
        yield from people.tell(values, snapshot, line)
    for la, found in counts.items():
        yield Row("Authority", la, la, 0, Values({LA: la}), groups=(f"la:{la}",))
        yield from snapshots(la, found, whole=not rejects)


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
    version = max((int(found) for found in VERSION_IN_NAME.findall(name)), default=0)
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
    kind = codes.clean("Event Type", values["Event Type"])
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
    key = event_key(values, kind)
    return Row(
        "Event", f"{key}|{snapshot.id}|{digest(said)}", values[LA], snapshot.submission,
        Values(said | {SUBMISSION: str(snapshot.submission)}), patient=values[PERSON_ID], groups=(f"event:{key}",), line=line,
    )  # fmt: skip


def event_key(values: Values, kind: str) -> str:
    """Return the key of an event: DHSC's unique event. Its reference is of no use as a key, its end may be
    corrected."""
    words = [codes.word(column, values[column]) for column in DISCRIMINATORS[kind]]
    started = iso(values["Event Start Date"], "Event Start Date")
    return "|".join(
        (
            values[LA],
            values[PERSON_ID],
            kind,
            started,
            "/".join(words),
            codes.word("Client Type", values["Client Type"]),
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


def snapshots(la: str, found: dict[Snapshot, Counter[str]], whole: bool) -> Iterator[Row]:
    """Yield the snapshots of a file. One period is the file's; one that only some rows name is a slip, and its silence
    means nothing."""
    main = max(found, key=lambda snapshot: (found[snapshot].total(), snapshot))
    for snapshot, kinds in found.items():
        types, state = " ".join(sorted(kinds)), FULL if whole and snapshot == main else PARTIAL
        values = {
            LA: la,
            START: snapshot.start,
            END: snapshot.end,
            SUBMISSION: str(snapshot.submission),
            TYPES: types,
            STATE: state,
        }
        yield Row(SNAPSHOT, f"{la}|{snapshot.id}|{types}|{state}", la, snapshot.submission, Values(values))


def digest(said: dict[str, str]) -> str:
    return blake2b(
        "\x1f".join(f"{column}\x1e{text}" for column, text in said.items()).encode(), digest_size=8
    ).hexdigest()
