"""Linkage measured against labels: our gathering never joins two people, and what it and Splink find has floors.

The numbers of the privacy officer's guide are from ``python -m tests.identity WORLD`` at 2,000 people.
"""

from datetime import date

import pytest

from gateway.identity import proposing
from gateway.intake import load
from gateway.store.database import open_store
from gateway.synth import world
from gateway.terminology import sets
from mappings import Feed, sources
from tests.identity import linkage
from tests.schema import sqlite_url


@pytest.fixture
def fake_1000(shared):
    return shared / "data" / "reference" / "linkage_fake_1000.csv"


@pytest.mark.hazard("HZ-ID-15")
@pytest.mark.corpora
@pytest.mark.parametrize("number, recall", [("none", 0.0), ("right", 0.025), ("wrong", 0.02), ("verified", 0.18)])
def test_our_gathering_joins_nobody_wrongly_in_records_that_others_labelled(fake_1000, number, recall):
    evidence, truth = linkage.fake_1000(fake_1000, number)
    scored = linkage.score(linkage.gathered(evidence), truth)
    assert scored.precision == 1 and scored.recall >= recall, scored.line(number)


@pytest.mark.corpora
@pytest.mark.slow
def test_splinks_proposals_are_right_in_records_that_others_labelled(fake_1000):
    evidence, truth = linkage.fake_1000(fake_1000)
    pairs = {(pair.first, pair.other) for pair in proposing.compared(evidence)}
    scored = linkage.score(pairs, truth)
    assert scored.precision >= 0.99 and scored.recall >= 0.12, scored.line("splink")


@pytest.mark.hazard("HZ-ID-15")
@pytest.mark.slow
def test_gathering_and_proposals_have_floors_in_a_synthetic_world(tmp_path):
    written = world.write(tmp_path / "world", 300, 1, date(2026, 3, 1))
    store = open_store(sqlite_url(tmp_path / "gateway.db"), create="sandbox")
    for name in ("emis", "hl7v2", "cld"):
        load.load(store, sources()[name], written.path(name), Feed(), sets.load(sandbox=True))
    loaded = linkage.world(store, written.folder)
    store.close()
    ours = linkage.score(loaded.gathered, loaded.truth)
    assert ours.precision == 1 and ours.recall >= 0.88, ours.line("ours")
    pairs = {(pair.first, pair.other) for pair in proposing.compared(loaded.evidence)}
    splinks = linkage.score(pairs, loaded.truth)
    assert splinks.precision >= 0.99 and splinks.recall >= 0.95, splinks.line("splink")
