"""A row that a group looks up is the row as kept now, whether it is at hand, was remembered, or has to be fetched."""

import pytest
from msgspec.structs import replace

from gateway.intake.producers import AtHand
from gateway.intake.take import take
from gateway.nhs.codesets import CodeSets
from gateway.store.sent import row_hash
from mappings import Feed, Values
from mappings.emis import SOURCE, entry
from tests.mappings import harness_emis as emis
from tests.toy import deliver, resource, row

MADE = resource("Organization", "organisation-1", name="Mill Lane")


@pytest.mark.parametrize("is_near", [True, False], ids=["in the same delivery", "in an earlier one"])
@pytest.mark.parametrize(("deleted", "mapped"), [(False, 1), (True, 0)], ids=["there", "deleted"])
def test_a_deleted_row_is_not_found(store, is_near, deleted, mapped):
    asked, asker = row("asked", deleted=deleted), row("asker", MADE, ask="asked")
    for delivery in [[asked, asker]] if is_near else [[asked], [asker]]:
        report = deliver(store, delivery)
    assert report.as_dict()["written"] == mapped


def test_a_row_that_comes_is_found_and_one_that_goes_is_not(store):
    assert deliver(store, [row("asker", MADE, ask="asked")]).as_dict()["written"] == 0
    assert deliver(store, [row("asked")]).resources["Organization", "created"] == 1
    assert sum(deliver(store, [row("asked", order=2, deleted=True)]).rejects.values()) == 1


def test_the_rows_of_a_blood_pressure_are_read_once_for_all_their_groups(store, monkeypatch):
    read = []

    class Counted(entry.Entry):
        def __post_init__(self):
            read.append(self.key)

    monkeypatch.setattr(entry, "Entry", Counted)
    biological = "Biological values"
    codes = [
        emis.code("1", "Blood pressure reading", biological, "246..", "75367002"),
        emis.code("2", "Systolic blood pressure", biological, "2469.", "72313002"),
        emis.code("3", "Diastolic blood pressure", biological, "246A.", "1091811000000102"),
    ]
    parts = [
        emis.observation(guid, code, ParentObservationGuid="{O1}", Value=value, NumericUnit="mmHg")
        for guid, code, value in (("O2", "2", "120"), ("O3", "3", "80"))
    ]
    report = take(
        store, SOURCE, AtHand([emis.patient(), *codes, emis.observation("O1", "1"), *parts]), Feed(), CodeSets()
    )
    assert report.resources["Observation", "created"] == 1 and not report.rejects
    assert sorted(read) == ["o1", "o2", "o3"]
    with store.read() as session:
        asked = row_hash("emis", emis.AGREEMENT, "Coding_ClinicalCode", "2")
        askers = session.value("SELECT count(*) FROM depends WHERE dep = ?", asked)
    assert askers == 2, "what was asked once is remembered for every group that used the answer"
    later = replace(codes[1], order=codes[1].order + 1, values=Values({**codes[1].values, "Term": "Systolic pressure"}))
    report = take(store, SOURCE, AtHand([later]), Feed(), CodeSets())
    assert report.resources["Observation", "updated"] == 1
