"""The quality of each publisher's data: counts that are right, on both databases, and name nobody."""

import io
import json

import pytest

from gateway import config, console, feeds
from gateway.errors import Refused
from gateway.intake import load
from gateway.records import quality
from gateway.store.database import open_store
from gateway.synth import world
from gateway.terminology import sets
from mappings import Feed, sources
from tests.intake.conftest import TODAY

CODE_SETS = sets.load(sandbox=True)


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> world.Manifest:
    return world.write(tmp_path_factory.mktemp("world"), 14, 1, TODAY)


def measured(store, sent, stated=None):
    for name in ("emis", "hl7v2", "cld"):
        load.load(store, sources()[name], sent.path(name), Feed(), CODE_SETS, workers=0)
    return quality.measure(store, stated or {})


def counted(store, source: str) -> tuple[int, int]:
    """Patients of a source, and those gathered with another record: counted row by row."""
    with store.read() as session:
        own = session.rows(
            "SELECT h.id_hash FROM head h JOIN publisher b ON b.key = h.publisher WHERE h.type = 0 AND h.deleted = 0 "
            "AND b.source = ?",
            source,
        )
        person = dict(session.rows("SELECT patient, person FROM person"))
    everybody = list(person.values())
    return len(own), sum(everybody.count(person[patient]) > 1 for (patient,) in own)


def test_people_are_counted_by_publisher(store, sent):
    rows, by_source = measured(store, sent)
    assert {row.publisher.source for row in rows} == {"emis", "hl7v2", "cld"}
    for source in ("emis", "hl7v2", "cld"):
        own = [row for row in rows if row.publisher.source == source]
        assert (sum(row.patients for row in own), sum(row.gathered for row in own)) == counted(store, source)
        assert all(row.numbered <= row.patients for row in own) and sum(row.numbered for row in own)
    assert any(row.listed for row in rows if row.publisher.kind == "gp")
    assert all((row.listed is None) == (row.publisher.kind != "gp") for row in rows)
    assert {row.source: row.deliveries for row in by_source} == {"emis": 1, "hl7v2": 1, "cld": 1}
    assert all(0 < row.coded <= row.concepts for row in rows if row.publisher.kind == "gp")


def test_a_list_is_held_against_what_is_stated_of_it(store, sent):
    rows, _ = measured(store, sent)
    practice = next(row for row in rows if row.listed)
    rows = quality.measure(store, {practice.publisher.ods: practice.listed * 2})[0]
    (again,) = [row for row in rows if row.publisher.key == practice.publisher.key]
    assert again.stated == 2 * practice.listed


def test_nobody_can_be_known_from_it(store, sent):
    rows, by_source = measured(store, sent)
    text = json.dumps([row.as_dict() for row in [*rows, *by_source]])
    with store.read() as session:
        numbers = [number for (number,) in session.rows("SELECT number FROM claim")]
    assert numbers and not [number for number in numbers if number in text]


def test_it_is_printed_by_publisher_and_by_source(tmp_path, sent, monkeypatch):
    from tests.schema import sqlite_url

    out = io.StringIO()
    monkeypatch.setattr(console, "out", console._Console(file=out, width=200, highlight=False))
    store = open_store(sqlite_url(tmp_path / "gateway.db"), create="sandbox")
    rows, by_source = measured(store, sent)
    store.close()
    console.quality([row.as_dict() for row in rows], [row.as_dict() for row in by_source], quality.CAUSES)
    text = out.getvalue()
    assert "emis: 1 deliveries in 30 days" in text and all(row.title in text for row in rows)


@pytest.mark.parametrize("text, words", [("list_sizes = 3", "ward: list_sizes"), ('list_sizes = {A1 = "x"}', "ward")])
def test_list_sizes_that_are_no_numbers_are_refused(tmp_path, text, words):
    (tmp_path / "feeds.toml").write_text(f"[ward]\n{text}\n")
    with pytest.raises(Refused, match=words):
        feeds.list_sizes(config.Settings(feeds=tmp_path / "feeds.toml"))
    (tmp_path / "feeds.toml").write_text("[ward]\nlist_sizes = {A1 = 10}\n[other]\nlist_sizes = {A2 = 20}\n")
    assert feeds.list_sizes(config.Settings(feeds=tmp_path / "feeds.toml")) == {"A1": 10, "A2": 20}
