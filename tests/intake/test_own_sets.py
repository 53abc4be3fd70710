"""The store's own code sets reach the mapping of a delivery, and what no table lists reaches the load report."""

import pytest

from gateway.intake import load
from gateway.intake.mapping import Context, Looker
from gateway.intake.producers import AtHand
from gateway.intake.take import take
from gateway.nhs.codesets import SNOMED, CodeSet, CodeSets
from mappings import Feed, sources
from mappings.emis import SOURCE
from tests.mappings import harness_emis as emis
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


COLUMN = "Coding_ClinicalCode EmisCodeCategoryDescription"
TRIPLE = (
    ("1", "Blood pressure reading", "246..", "75367002"),
    ("2", "Systolic blood pressure", "2469.", "72313002"),
    ("3", "Diastolic blood pressure", "246A.", "1091811000000102"),
)


@pytest.mark.parametrize(
    ("unlisted", "count"), [("1", 1), ("2", 1), ("23", 2), ("123", 3)], ids=["panel", "part", "parts", "all"]
)
def test_a_category_of_a_shared_blood_pressure_counts_once_for_its_own_group(store, unlisted, count):
    """The entries of the three rows are shared between their three groups, which read each other."""
    codes = [
        emis.code(number, term, "Something new" if number in unlisted else "Biological values", read, snomed)
        for number, term, read, snomed in TRIPLE
    ]
    parts = [
        emis.observation(f"O{number}", number, ParentObservationGuid="{O1}", Value="90", NumericUnit="mmHg")
        for number in "23"
    ]
    rows = [emis.patient(), *codes, emis.observation("O1", "1"), *parts]
    report = take(store, SOURCE, AtHand(rows), Feed(), WITHOUT, workers=0)
    assert report.resources["Observation", "created"] == 1 and not report.rejects
    assert report.unlisted == {COLUMN: count}


def test_what_is_counted_in_making_a_shared_answer_counts_for_every_group_that_gets_it():
    context = Context(SOURCE, Feed(), b"", {}, WITHOUT)
    shared = {}
    looks = [Looker(None, context, "P1", {}, shared) for _ in range(2)]

    def outer(look):
        look.unlisted("T", "outer", "new")
        return look.once("inner", lambda: look.unlisted("T", "inner", ""))

    for look in looks:
        look.unlisted("T", "before", "new")
        look.once("outer", lambda look=look: outer(look))
        assert look.values_unlisted == ["T before", "T outer", "T inner (empty)"]
    looks[0].once("inner", lambda: None)
    assert looks[0].values_unlisted[3:] == ["T inner (empty)"]
