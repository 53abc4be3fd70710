"""Every column of every table changes a resource, or is named with the reason why it does not; measured on the
samples."""

import csv
from functools import cache
from pathlib import Path

import pytest

from mappings import Row, Values
from mappings.emis import SOURCE
from mappings.emis.columns import NOT_MAPPED, TABLES, reason
from mappings.emis.delivery import Named, registrations, row
from mappings.emis.tables import PATIENT
from mappings.emis.tables import TABLES as ABOUT
from tests.mappings.harness import by_group, keep
from tests.mappings.harness_emis import AGREEMENT, EXTRACTED

BULK = Path(__file__).parents[2] / "mappings" / "emis" / "samples" / "bulk"
CASES = [(table, column) for table, columns in TABLES.items() for column in columns]
OTHER = {"true": "false", "false": "true", "0": "1", "1": "0", "Booked": "Left"}
TELLING = {
    ("Admin_Organisation", "ParentOrganisationGuid"): "{0F30B81C-D956-4A05-89DF-58CC877FD7BB}",
    ("Admin_Organisation", "CCGOrganisationGuid"): "{0F30B81C-D956-4A05-89DF-58CC877FD7BB}",
    ("Admin_Patient", "NHSNumberStatus"): "02",
    ("CareRecord_Observation", "ObservationType"): "Allergy",
    ("CareRecord_Consultation", "ConsultationSourceCodeId"): "101",
    ("CareRecord_Problem", "LastReviewDatePrecision"): "Y",
    ("Coding_ClinicalCode", "SnomedCTDescriptionId"): "301485011",
    ("Prescribing_DrugRecord", "ExpiryDate"): "2024-09-01",
}
"""A value that a column must have for a difference to be seen."""


@cache
def _sample() -> tuple[tuple[str, dict[str, str], tuple[Row, ...]], ...]:
    """Table, columns and rows of each row of the sample, in reading order."""
    answer = []
    for table in ABOUT:
        (path,) = BULK.glob(f"1-2_{table}_*.csv")
        with path.open(encoding="utf-8-sig", newline="") as file:
            for values in csv.DictReader(file):
                answer.append((table, values, _read(table, values, len(answer))))
    return tuple(answer)


def _read(table: str, values: dict[str, str], number: int) -> tuple[Row, ...]:
    never = ABOUT[table].never | {"ProcessingId"}
    filled = Values({name: text for name, text in values.items() if text and name not in never})
    read = row(Named("20240601010000", AGREEMENT, table), ABOUT[table], filled, EXTRACTED + number, number)
    if not isinstance(read, Row):
        return ()
    return (read, *(registrations(read) if table == PATIENT else ()))


def _resources(changed: int = -1, other: tuple[Row, ...] = (), only: frozenset[tuple[str, str]] | None = None):
    """What each group makes, or each of ``only``, with other rows for one of the sample."""
    sent = [each for number, (_, _, rows) in enumerate(_sample()) for each in (other if number == changed else rows)]
    kept = keep(sent, SOURCE)
    return by_group(SOURCE, kept, only)


@cache
def _before() -> dict[tuple[str, str], str]:
    return _resources()


LOOKED_UP = {"Admin_Organisation", "Coding_ClinicalCode", "Coding_DrugCode", "Agreements_SharingOrganisation", "Appointment_Session",
             "Appointment_SessionUser"}  # fmt: skip
"""Tables whose rows are read for groups that they are not in."""


def _publishes(rows: tuple[Row, ...]) -> list[object]:
    return [(SOURCE.publisher(each), each.deleted, each.groups) for each in rows]


def is_read(table: str, column: str) -> bool:
    """Whether a row of the sample makes something else without the column, or with another value in it."""
    for number, (of, values, before) in enumerate(_sample()):
        if of != table:
            continue
        written = values.get(column, "")
        plain = OTHER.get(written, "9999" if written.isdigit() else "Other")
        for value in {"", TELLING.get((table, column), plain)} - {written}:
            after = _read(table, {**values, column: value}, number)
            if _publishes(after) != _publishes(before):
                return True
            touched = frozenset((each.publisher, key) for each in (*before, *after) for key in each.groups)
            only = None if table in LOOKED_UP else touched
            resources = _resources(number, after, only)
            if resources != {place: _before().get(place) for place in resources} or only and only - resources.keys():
                return True
    return False


@pytest.mark.parametrize(("table", "column"), CASES, ids=lambda part: part)
def test_a_column_changes_a_resource_or_has_its_reason(table, column):
    assert is_read(table, column) != bool(reason(table, column)), reason(table, column) or "nothing reads it"


def test_a_reason_is_of_a_column():
    for table, column in NOT_MAPPED:
        tables = [table] if table else list(TABLES)
        assert any(column in TABLES[name] for name in tables), (table, column)
    assert all(len(text) > 10 or text.startswith("as ") for text in NOT_MAPPED.values())


def test_what_is_never_kept_has_its_reason():
    assert not [
        (table, column) for table, about in ABOUT.items() for column in about.never if not reason(table, column)
    ]
