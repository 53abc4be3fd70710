"""Every column of every format changes a resource, or is named with the reason why it does not; measured on the
samples. A column that repeats is measured by its first repetition; that the others stand where they should is
measured by their places."""

import csv
import re
from collections import Counter
from functools import cache

import msgspec
import pytest

from mappings import Feed, Reject, Row, Values
from mappings.cds import SOURCE
from mappings.cds.columns import FIXED, FORMATS, REASONS, columns, length
from mappings.cds.delivery import check, sent
from mappings.cds.record import row
from mappings.cds.replaced import Replacements
from mappings.readers.files import whole
from tests.mappings.harness import by_group, keep
from tests.mappings.harness_cds import SAMPLES, mapped, stay

CASES = [
    (form, column)
    for form in FORMATS
    for column in columns(form)
    if column.reason != "other" and not re.search(r"(?<!\d)([2-9]|[1-5]\d)$", column.name)
]


@cache
def _records(form: str) -> tuple[tuple[int, Values], ...]:
    """Line and items of each record of the samples in a format."""
    answer = []
    for file in check(SAMPLES / "first", Feed()):
        if file.title == form:
            for item in sent(whole(file), Feed()):
                assert not isinstance(item, Reject), item
                answer.append(item)
    return tuple(answer)


@cache
def _replacements() -> tuple[Row, ...]:
    """A later bulk replacement of each group, sender and period in the samples, which takes all back."""
    found = Replacements()
    for form in FORMATS:
        for line, values in _records(form):
            if values["Protocol"] == "020":
                later = row(form, line, Values({**values, "ExtractDate": "2024-05-02"}), Feed())
                found.see(later)
    return tuple(found.rows())


def _made(read: Row) -> str:
    """What one record makes in its groups, and what it is in the store."""
    answer = [read.publisher, read.table, read.key, str(read.order), str(read.deleted), str(read.groups)]
    kept = keep([read, *_replacements()], SOURCE)
    made = by_group(SOURCE, kept, {(read.publisher, key) for key in read.groups})
    return "\n".join([*answer, *made.values()])


@cache
def _before(form: str) -> tuple[str, ...]:
    return tuple(
        _made(read) for line, values in _records(form) if isinstance(read := row(form, line, values, Feed()), Row)
    )


OTHER = ("", "1", "9", "20240312", "101010", "2024-03-12", "10:10", "12/03/2024")
CONTROLS = {
    "Version",
    "Type",
    "Protocol",
    "UpdateType",
    "PeriodStart",
    "PeriodEnd",
    "ActivityDate",
    "ApplicableDate",
    "Test",
    "Attended",
}
"""Items that decide whether a record counts at all: another value of them is refused."""


def is_read(form: str, column: str, others: tuple[str, ...] = OTHER) -> bool:
    """Whether a record of the samples becomes something else without the column, or with another value in it. That a
    value is refused is no reading of it, but for what decides whether the record counts."""
    for (line, values), before in zip(_records(form), _before(form)):
        for value in {*others} - {values[column]}:
            rest = {name: text for name, text in values.items() if name != column}
            after = row(form, line, Values({**rest, column: value} if value else rest), Feed())
            result = "" if isinstance(after, Reject) else _made(after)
            is_refused = not result or "fault: " in result and "fault: " not in before
            if result != before and (not is_refused or column in CONTROLS):
                return True
    return False


@pytest.mark.parametrize(("form", "column"), CASES, ids=lambda part: part if isinstance(part, str) else part.name)
def test_a_column_changes_a_resource_or_has_its_reason(form, column):
    if column.name in ("DiagnosisSchemeInUse", "ProcedureSchemeInUse", "InvestigationSchemeinUse"):
        return  # test_cds_delivery.py: a scheme that is not known refuses the record
    if column.reason:
        assert not is_read(form, column.kept_as, OTHER[:4]), column.reason
    else:
        assert is_read(form, column.kept_as), "nothing reads it"


def test_a_column_has_an_item_or_a_reason():
    for form in FORMATS:
        for column in columns(form):
            assert bool(column.item) != bool(column.reason), (form, column)
            assert not column.reason or column.reason in REASONS, (form, column)
        kept = [(column.line, column.kept_as) for column in columns(form)]
        assert len(kept) == len(set(kept)), form


@pytest.mark.parametrize("form", [*FIXED, "lines"])
def test_the_columns_of_fixed_width_stand_side_by_side(form):
    """No character of a line belongs to two columns or to none."""
    for line in sorted({column.line for column in columns(form)}):
        place = 38 if line else 1
        for column in sorted((c for c in columns(form) if c.line == line), key=lambda c: c.start):
            assert column.start == place, (line, column)
            place += column.length
        assert place - 1 == length(form, line)


def test_the_lengths_are_those_that_are_published():
    assert [length(form) for form in FIXED] == [6429, 4592, 5916]


@pytest.mark.corpora
def test_the_most_used_codes_of_english_hospitals_are_read(shared):
    """As CDS sends them, without the point: what each becomes, by type."""
    folder, kinds = shared / "data" / "reference", Counter()
    for name, item in (("icd10_usage_top2000", "Diagnosis"), ("opcs4_usage_top2000", "Procedure")):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            codes = [record[name.partition("_")[0] + "_code"] for record in csv.DictReader(file)]
        for number, code in enumerate(codes):
            result = mapped(
                stay(UniqueId=f"E{number}", **{f"{item}1": "A011" if item == "Procedure" else code, f"{item}2": code})
            )
            assert not result.unlisted, code
            text = str(result.resources("Procedure" if item == "Procedure" else "Condition"))
            kinds["inactive"] += "'inactive'" in text
            kinds.update(name for name in ("FamilyMemberHistory", "AllergyIntolerance") if result.resources(name))
            kinds.update(name for name in ("bodySite", "partOf") if item == "Procedure" and f"'{name}'" in text)
    assert kinds == {
        "FamilyMemberHistory": 28,
        "AllergyIntolerance": 10,
        "inactive": 27,
        "bodySite": 367,
        "partOf": 219,
    }


@pytest.mark.corpora
def test_every_published_offset_is_known(shared):
    published = msgspec.json.decode((shared / "data" / "schema" / "barts_cds_fixed.json").read_bytes())
    for form, name in (("inpatient", "SusInpatient"), ("outpatient", "SusOutpatient"), ("emergency", "SusEmergency")):
        starts = {column.start for column in columns(form)}
        ends = {column.start + column.length for column in columns(form)}
        fields = published[name]
        assert [f for f in fields if f["start"] not in starts or f["start"] + f["length"] not in ends] == []


@pytest.mark.corpora
def test_every_published_column_of_emergency_care_is_known_in_its_place(shared):
    published = msgspec.json.decode((shared / "data" / "schema" / "barts_schema.json").read_bytes())
    name = next(name for name in published if name.endswith("SusEmergencyCareDataSet.java"))
    assert [column.name for column in columns("ecds")] == published[name]["variants"][0]["cols"]
