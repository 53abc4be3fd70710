"""The sample submissions and what they become: read the difference before accepting a new golden file."""

import csv
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from mappings.cld import SOURCE, codes
from mappings.cld.columns import COLUMNS, EVENT, NEVER, PERSON
from mappings.vocabulary import code_table
from tests.mappings.harness import faults, written
from tests.mappings.harness_cld import map_path

SAMPLES = Path(__file__).parents[2] / "mappings" / "cld" / "samples"


@pytest.mark.parametrize("path", [*sorted(SAMPLES.glob("*.csv")), SAMPLES], ids=lambda path: path.name)
def test_a_sample_becomes_its_golden_file(path, golden):
    resources = map_path(path)
    beside = path / "together.fhir.json" if path.is_dir() else path.with_name(path.name + ".fhir.json")
    golden(beside, written(resources))
    assert faults(resources) == []


def test_every_column_is_kept_once_but_the_free_text():
    kept = set(PERSON) | set(EVENT)
    assert kept | {NEVER} == set(COLUMNS) and len(COLUMNS) == len(set(COLUMNS)) == 50
    assert SOURCE.never["Event"] == {NEVER}


ETHNICITIES = [row["value"] for row in code_table("mappings.cld", "codes_values") if row["list"] == "Ethnicity"]


def test_every_spelling_cleans_to_a_value_of_its_list():
    folder = Path(codes.__file__).parent
    with (folder / "codes_cleaning.csv").open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(each for each in opened if not each.startswith("#")))
    assert rows
    for row in rows:
        assert codes.clean(row["list"], row["value"]) == row["value"], row
        assert codes.clean(row["list"], row["sent"]) == row["value"], row
    for row in code_table("mappings.cld", "codes_ethnicity_part"):
        assert any(row["value"] in value for value in ETHNICITIES), row
    for name, targets in (("ethnicity", "Ethnicity"), ("gender", "Gender")):
        with (folder / f"codes_{name}.csv").open(encoding="utf-8") as opened:
            for row in csv.DictReader(each for each in opened if not each.startswith("#")):
                assert codes.clean(targets, row["code"]) == row["code"], row


@pytest.mark.corpora
def test_the_constructed_submission_is_read_whole(shared):
    resources = map_path(shared / "data" / "constructed" / "cld")
    kinds = Counter(each["resourceType"] for each in resources)
    assert (kinds["Patient"], kinds["EpisodeOfCare"], kinds["Task"], kinds["ServiceRequest"]) == (2, 2, 3, 1)
    assert {each["status"] for each in resources if each["resourceType"] == "EpisodeOfCare"} == {"active"}
    assert faults(resources) == []


@pytest.mark.corpora
def test_the_columns_are_those_of_the_specification(shared):
    spec = msgspec.json.decode((shared / "data" / "schema" / "cld_spec.json").read_bytes())
    assert tuple(spec["columns"]) == COLUMNS
    for name, values in spec["release2_values"].items():
        if name != "Cost Frequency (Unit Type)":
            assert [value for value in values if codes.clean(name, value) != value] == []
