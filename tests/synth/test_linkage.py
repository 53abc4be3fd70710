"""What the gateway gathers, scored against the truth by kind of mess."""

from datetime import date
from pathlib import Path

import pytest

from gateway.intake import load
from gateway.store.database import Store, open_store
from gateway.synth import places, world
from gateway.terminology import sets
from mappings import Feed, sources
from tests.synth import linkage

TODAY = date(2026, 3, 1)
SOURCES = ("emis", "tpp", "hl7v2", "cld")
GOLDEN = Path(__file__).parents[1] / "golden" / "linkage.txt"


def loaded(folder: Path, count: int) -> tuple[world.Manifest, Store]:
    """A world of the England mix, and a store that has all of it."""
    practices = places.practices(3, tpp=1)
    written = world.write(folder / "w", count, 1, TODAY, practices=practices, mix="england", formats=world.ALL_FORMATS)
    store = open_store(f"sqlite:///{folder / 'gateway.db'}", create="sandbox")
    for name in SOURCES:
        load.load(store, sources()[name], written.path(name), Feed(), sets.load(sandbox=True), workers=0)
    return written, store


def scores(folder: Path, count: int) -> dict[str, linkage.Score]:
    written, store = loaded(folder, count)
    groups = linkage.gathered(store)
    store.close()
    truth = linkage.truth_links(written.folder)
    assert truth.keys() <= groups.keys() | hidden(written.folder), "a record is not in the store"
    return linkage.score(truth, groups, linkage.kinds_of(written.folder))


def hidden(folder: Path) -> set[linkage.Record]:
    """Retired numbers: the store may hold them on the survivor or alone."""
    return {
        linkage.record(link["source"], link["record"]) for link in linkage.lines(folder, "links") if "retired" in link
    }


@pytest.mark.hazard("HZ-SYNTH-01")
@pytest.mark.slow
def test_whoever_every_source_knows_rightly_is_one_person_and_nobody_is_gathered_with_another(tmp_path):
    by_kind = scores(tmp_path, 300)
    clean = by_kind[linkage.CLEAN]
    assert clean.pairs > 150 and clean.recall == 1.0
    assert not [kind for kind, score in by_kind.items() if score.wrong]


@pytest.mark.slow
def test_linkage_by_kind_of_mess(tmp_path, golden):
    by_kind = scores(tmp_path, 3_000)
    assert not [kind for kind, score in by_kind.items() if score.wrong]
    golden(GOLDEN, linkage.table(by_kind))
