"""Care Act documents in a real store: a person, an assessment and a plan come in any order and end the same."""

import itertools
import json

import pytest

from gateway.intake import load
from gateway.nhs import labels
from gateway.store.numbers import TYPE_NUMBER
from mappings import Feed, sources
from tests.intake.conftest import state
from tests.mappings.test_care_act import SAMPLE

FEED = Feed(settings={"council": "503"})


@pytest.mark.hazard("HZ-CARE-07")
def test_documents_in_any_order_end_in_the_same_store(new_store, code_sets, tmp_path):
    documents = json.loads(SAMPLE.read_text(encoding="utf-8"))["@graph"]
    paths = []
    for number, document in enumerate(documents):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / f"{number}_2026-08-20.json").write_text(json.dumps(document), encoding="utf-8")
        paths.append(folder)
    ends = []
    for number, order in enumerate(itertools.permutations(paths[:3])):
        store = new_store(f"s{number}")
        for path in (paths[3], *order, order[0]):
            load.load(store, sources()["care_act"], path, FEED, code_sets, workers=0)
        ends.append(state(store))
        with store.read() as session:
            restricted = session.rows(
                "SELECT labels FROM head WHERE deleted = 0 AND type = ? AND labels <> 0", TYPE_NUMBER["Task"]
            )
        assert [bits & labels.CONFIDENTIAL for (bits,) in restricted] == [labels.CONFIDENTIAL]
    assert all(end == ends[0] for end in ends[1:])
    assert ends[0]["resources"] and not ends[0]["quarantine"]
