"""Every column of every table changes a resource, or is named with the reason why it does not; measured on the
samples."""

from functools import cache

import pytest

from mappings import Reject, Row, Values
from mappings.community import SOURCE
from mappings.community.columns import LEFT, NOT_MAPPED, TABLES
from mappings.community.delivery import number, row
from mappings.community.tables import REQUIRED
from mappings.community.tables import TABLES as ABOUT
from tests.mappings.harness import by_group, keep
from tests.mappings.harness_community import FEED, MADE, MONTH, PROVIDER, sample_rows

CASES = [(table, column) for table, columns in TABLES.items() for column in columns]
OTHER = {"Y": "N", "N": "Y"}
Made = dict[tuple[str, str], str]


@cache
def _sample() -> tuple[tuple[str, dict[str, str], Row], ...]:
    """Table, columns and row of each row of the sample, in reading order."""
    answer = []
    for line, (table, values) in enumerate(sample_rows(), 2):
        read = _read(table, values, line)
        assert isinstance(read, Row)
        answer.append((table, values, read))
    return tuple(answer)


def _read(table: str, values: dict[str, str], line: int) -> Row | Reject:
    kept = {name: text for name, text in values.items() if name not in ABOUT[table].never}
    return row(table, Values(kept), PROVIDER, MONTH, number(f"{MONTH}-01", MADE) + line, line, FEED)


def _made(changed: int = -1, other: Row | None = None) -> Made:
    """What each group makes, with another row for one of the sample (None: without it)."""
    sent = [other if place == changed else read for place, (_, _, read) in enumerate(_sample())]
    kept = keep([each for each in sent if each is not None], SOURCE)
    return by_group(SOURCE, kept, feed=FEED)


@cache
def _before() -> Made:
    return _made()


def is_read(table: str, column: str) -> bool:
    """Whether a row of the sample makes something else without the column, or with another value in it."""
    for place, (of, values, _) in enumerate(_sample()):
        if of != table:
            continue
        written = values.get(column, "")
        for value in {"", OTHER.get(written, "9999" if written.isdigit() else "Other")} - {written}:
            after = _read(table, {**values, column: value}, place + 2)
            if _resources(_made(place, after if isinstance(after, Row) else None)) != _resources(_before()):
                return True
    return False


def _resources(made: Made) -> set[str]:
    """What is made, whatever the group: a row whose key changes makes the same under another."""
    return set(made.values())


@pytest.mark.parametrize(("table", "column"), CASES, ids=lambda part: part)
def test_a_column_changes_a_resource_or_has_its_reason(table, column):
    reason = NOT_MAPPED.get((table, column), "")
    is_named = column in REQUIRED[table] or column in ABOUT[table].key  # names the row: another value is another row
    assert is_read(table, column) != bool(reason) or bool(reason) and is_named, reason or "nothing reads it"


def test_a_reason_is_of_a_column():
    assert all(column in TABLES[table] for table, column in NOT_MAPPED)
    assert all(len(text) >= 9 for text in (*NOT_MAPPED.values(), *LEFT.values()))


def test_every_table_is_in_one_place():
    assert TABLES.keys() == ABOUT.keys() and not TABLES.keys() & LEFT.keys()
    for table, columns in TABLES.items():
        assert set(REQUIRED[table]) | set(ABOUT[table].key) | ABOUT[table].never <= set(columns), table
    assert len(TABLES) + len(LEFT) == 37, "the tables of version 1.6"
