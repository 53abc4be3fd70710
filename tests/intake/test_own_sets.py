"""The store's own code sets reach the mapping of a delivery, and what no table lists reaches the load report."""

import pytest

from gateway.intake import load
from gateway.nhs.codesets import SNOMED, CodeSet, CodeSets
from mappings import Feed, sources
from tests.mappings.harness_emis import AGREEMENT, dated, write

WITHOUT, WITH = CodeSets(), CodeSets((CodeSet("allergy", {(SNOMED, "195967001"): "drug"}),))


def delivery(folder):
    codes = {"CodeId": "5", "Term": "Worded otherwise", "SnomedCTConceptId": "195967001"}
    entry = dated(ObservationGuid="{O1}", CodeId="5")
    rows = [
        ("Coding_ClinicalCode", {**codes, "EmisCodeCategoryDescription": "Something new"}),
        ("CareRecord_Observation", entry),
    ]
    return write(folder, rows)


def current(store) -> list[int]:
    with store.read() as session:
        return [row[0] for row in session.rows("SELECT type FROM head WHERE deleted = 0 ORDER BY type")]


@pytest.mark.hazard("HZ-EMIS-33")
def test_an_allergy_of_the_stores_own_set_is_an_allergy_from_the_day_it_is_listed(new_store, tmp_path):
    store = new_store()
    path = delivery(tmp_path / AGREEMENT)
    first = load.load(store, sources()["emis"], path, Feed(), WITHOUT, workers=0)
    assert first.resources["Condition", "created"] == 1
    second = load.load(store, sources()["emis"], path, Feed(), WITH, workers=0)
    assert second.resources["AllergyIntolerance", "created"] == 1 and second.resources["Condition", "deleted"] == 1
    assert len(current(store)) == 1


def test_a_category_that_no_table_lists_is_in_the_report(new_store, tmp_path):
    path = delivery(tmp_path / AGREEMENT)
    report = load.load(new_store(), sources()["emis"], path, Feed(), WITHOUT, workers=0)
    assert report.as_dict()["unlistedValues"] == {"Coding_ClinicalCode EmisCodeCategoryDescription": 1}
