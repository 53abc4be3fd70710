"""Every column of every table changes a resource, or is named with the reason why it does not; measured on the
samples."""

import csv
from functools import cache

import msgspec
import pytest

from mappings import Feed, Reject, Row, Values
from mappings.tpp import SOURCE
from mappings.tpp.columns import NOT_MAPPED, TABLES, reason
from mappings.tpp.delivery import row
from mappings.tpp.tables import LEFT, REQUIRED
from mappings.tpp.tables import TABLES as ABOUT
from tests.mappings.harness import by_group, keep
from tests.mappings.harness_tpp import EXTRACTED, SAMPLES, sample_rows

CASES = [(table, column) for table, columns in TABLES.items() for column in columns]
OTHER = {"TRUE": "FALSE", "FALSE": "TRUE", "0": "1", "1": "0"}


@cache
def _sample() -> tuple[tuple[str, dict[str, str], Row], ...]:
    """Table, columns and row of each row of the sample, in reading order."""
    answer = []
    for number, (table, values) in enumerate(sample_rows()):
        read = _read(table, values, number)
        assert isinstance(read, Row)
        answer.append((table, values, read))
    return tuple(answer)


def _read(table: str, values: dict[str, str], number: int) -> Row | Reject | None:
    filled = Values({name: text for name, text in values.items() if text})
    return row(table, ABOUT[table], filled, EXTRACTED + number, number, Feed())


def _made(
    changed: int = -1, other: Row | None = None, only: frozenset[tuple[str, str]] | None = None
) -> dict[tuple[str, str], str]:
    """What each group makes, or each of ``only``, with another row for one of the sample (None: without it)."""
    sent = [other if number == changed else read for number, (_, _, read) in enumerate(_sample())]
    kept = keep([each for each in sent if each is not None], SOURCE)
    return by_group(SOURCE, kept, only)


@cache
def _before() -> dict[tuple[str, str], str]:
    return _made()


def is_read(table: str, column: str) -> bool:
    """Whether a row of the sample makes something else without the column, or with another value in it."""
    for number, (of, values, before) in enumerate(_sample()):
        if of != table:
            continue
        written = values.get(column, "")
        for value in {"", OTHER.get(written, "9999" if written.isdigit() else "Other")} - {written}:
            after = _read(table, {**values, column: value}, number)
            if after is None:
                continue  # nothing comes of it, and the row that is held stays
            now = after if isinstance(after, Row) else None
            touched = frozenset((each.publisher, key) for each in (before, now) if each for key in each.groups)
            only = touched if before.groups else None  # a code is looked up by any group
            made = _made(number, now, only)
            if made != {place: _before().get(place) for place in made} or now is None or only and only - made.keys():
                return True
    return False


@pytest.mark.parametrize(("table", "column"), CASES, ids=lambda part: part)
def test_a_column_changes_a_resource_or_has_its_reason(table, column):
    assert is_read(table, column) != bool(reason(table, column)), reason(table, column) or "nothing reads it"


def test_a_reason_is_of_a_column():
    for table, column in NOT_MAPPED:
        tables = [table] if table else list(TABLES)
        assert any(column in TABLES[name] for name in tables), (table, column)
    assert all(len(text) > 10 or text.startswith("as ") for text in (*NOT_MAPPED.values(), *LEFT.values()))


def test_every_table_is_in_one_place():
    assert TABLES.keys() == ABOUT.keys() and not TABLES.keys() & LEFT.keys()
    for table, columns in TABLES.items():
        assert set(REQUIRED[table]) | ABOUT[table].never <= set(columns), table


@pytest.mark.corpora
def test_the_published_tables_and_columns_are_all_known(shared):
    published = msgspec.json.decode((shared / "data" / "schema" / "tpp_csv_schema.json").read_bytes())
    headers = {
        name.rpartition("/")[2].removesuffix(".java"): {
            column for each in layout["variants"] for column in each["cols"]
        }
        for name, layout in published.items()
    }
    assert len(headers) == 166
    assert headers.keys() - TABLES.keys() - LEFT.keys() == set()
    assert {table: columns - set(TABLES[table]) for table, columns in headers.items() if table in TABLES} == {
        table: set() for table in TABLES
    }


@pytest.mark.corpora
def test_every_published_header_has_what_is_required(shared):
    published = msgspec.json.decode((shared / "data" / "schema" / "tpp_csv_schema.json").read_bytes())
    variants = [
        (table, set(variant["cols"]))
        for name, layout in published.items()
        for variant in layout["variants"]
        if (table := name.rpartition("/")[2].removesuffix(".java")) in TABLES
    ]
    assert len(variants) == 99
    assert [table for table, columns in variants if not set(REQUIRED[table]) <= columns] == []


def test_the_samples_hold_what_their_headers_say():
    for table in TABLES:
        with (SAMPLES / "bulk" / f"{table}.csv").open(encoding="cp1252", newline="") as file:
            assert set(next(csv.reader(file))) <= set(TABLES[table])
