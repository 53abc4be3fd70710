"""Community submissions in a real store: any order ends the same, a month sent again replaces it, safeguarding is
hidden, and a referral is a relationship for as long as it is open."""

import itertools
import json
import re
from pathlib import Path

import pytest

from gateway.fhir.build import decode
from gateway.intake import load
from gateway.nhs import labels, relationship
from gateway.store import registry
from gateway.store.database import open_store
from gateway.store.numbers import TYPE_NUMBER
from mappings import Feed, sources
from tests.intake.conftest import state
from tests.mappings.harness_community import PROVIDER, SAMPLES, sample_rows, write

SUBMISSIONS = ("january", "february", "january_again")
MARCH_20 = 1_710_936_000_000_000
"""2024-03-20 in µs UTC."""


@pytest.fixture
def take(code_sets):
    def one(store, path: Path):
        return load.load(store, sources()["community"], path, Feed(), code_sets, workers=0)

    return one


@pytest.mark.hazard("HZ-COMM-17")
def test_submissions_in_any_order_and_sent_twice_end_in_the_same_store(new_store, take):
    ends = []
    for number, order in enumerate(itertools.permutations(SUBMISSIONS)):
        store = new_store(f"s{number}")
        for name in (*order, order[0]):
            take(store, SAMPLES / name)
        ends.append(state(store))
    assert all(end == ends[0] for end in ends[1:])
    assert ends[0]["resources"] and not ends[0]["quarantine"]


@pytest.mark.hazard("HZ-COMM-17")
def test_the_same_on_postgresql(postgres_url, take):
    store = open_store(postgres_url, create="sandbox")
    for name in reversed(SUBMISSIONS):
        assert not take(store, SAMPLES / name).rejects
    with store.read() as session:
        held = session.rows("SELECT type, count(*) FROM head WHERE deleted = 0 GROUP BY type")
    goldens = json.loads((SAMPLES / "february.fhir.json").read_text(encoding="utf-8"))
    assert sum(count for _, count in held) == len(goldens)
    store.close()


@pytest.mark.hazard("HZ-COMM-11")
def test_what_a_month_that_is_sent_again_lacks_is_gone_from_the_store(new_store, take):
    store = new_store()
    take(store, SAMPLES / "january")
    count = "SELECT count(*) FROM head WHERE deleted = 0 AND type = ?"
    with store.read() as session:
        before = [session.value(count, TYPE_NUMBER[name]) for name in ("Condition", "Encounter")]
    take(store, SAMPLES / "january_again")
    with store.read() as session:
        after = [session.value(count, TYPE_NUMBER[name]) for name in ("Condition", "Encounter")]
    assert after == [before[0] - 1, before[1] - 1]


@pytest.mark.hazard("HZ-COMM-06")
def test_safeguarding_is_confidential_in_the_store(new_store, take):
    store = new_store()
    take(store, SAMPLES / "january")
    with store.read() as session:
        flags = session.rows("SELECT labels FROM head WHERE deleted = 0 AND type = ?", TYPE_NUMBER["Flag"])
        kinds = {publisher.code: publisher.kind for publisher in registry.publishers(session).values()}
    assert len(flags) == 4 and all(bits & labels.CONFIDENTIAL for (bits,) in flags)
    assert kinds == {PROVIDER: "community"}


@pytest.mark.hazard("HZ-COMM-04")
def test_an_open_referral_is_a_relationship_and_a_closed_one_is_none(new_store, take):
    current = {}
    for name, samples in (("open", ("january",)), ("closed", SUBMISSIONS)):
        store = new_store(name)
        for sample in samples:
            take(store, SAMPLES / sample)
        with store.read() as session:
            sql = "SELECT v.body FROM head h JOIN version v ON v.key = h.body WHERE h.deleted = 0 AND h.type IN (?, ?)"
            types = (TYPE_NUMBER["ServiceRequest"], TYPE_NUMBER["EpisodeOfCare"])
            made = [decode(bytes(body)) for (body,) in session.rows(sql, *types)]
        current[name] = sorted(
            each["resourceType"]
            for each in made
            if relationship.is_current("community", each, MARCH_20, MARCH_20, MARCH_20)
        )
    assert current == {"open": ["EpisodeOfCare", "ServiceRequest"], "closed": []}


WORDS = ("Zanzibarre text 9990000034", "99999999999999999999", "a  b", "\u00a0")


@pytest.mark.hazard("HZ-COMM-18")
@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_a_column_that_holds_anything_crashes_nothing_and_is_told_by_its_place(new_store, take, tmp_path, caplog, word):
    """Each column of each table in turn holds what it should not."""
    rows = []
    for table, values in sample_rows():
        if table != "CYP000Header":
            rows += [(table, {**values, column: word}) for column in values]
    store = new_store()
    report = take(store, write(tmp_path / "bad", rows))
    with store.read() as session:
        waiting = session.rows("SELECT place, reason FROM quarantine")
        held = session.value("SELECT count(*) FROM head WHERE deleted = 0")
    told = f"{json.dumps(report.as_dict())} {waiting} {caplog.text}"
    assert held > 50 and report.rows["read"] > 150
    assert "Zanzibarre" not in told and "9990000034" not in told
    assert not [reason for _, reason in waiting if not re.fullmatch(r"column \w+|[A-Z]\w+", reason)]


@pytest.mark.hazard("HZ-COMM-17")
def test_a_month_that_is_sent_again_unchanged_is_as_known_on_its_own_day(new_store, take, tmp_path):
    """A contact that was ahead of the first submission is past for the second, whichever is loaded first, and although
    the table cannot be read whole."""
    rows = [
        ("CYP001MPI", {"LocalPatientID": "C1"}),
        ("CYP101Referral", {"ServiceRequestID": "R1", "LocalPatientID": "C1"}),
        ("CYP201CareContact", {"CareContactID": "K1", "ServiceRequestID": "R1", "Contact_Date": "2024-03-01"}),
        ("CYP201CareContact", {"CareContactID": "K2"}),  # turned away: nothing tells that the table was read whole
    ]
    early = write(tmp_path / "early", rows, made="2024-02-16T09:30")
    late = write(tmp_path / "late", rows, made="2024-03-18T08:00")
    ends = []
    for name, order in (("one", (early, late)), ("two", (late, early))):
        store = new_store(name)
        for path in order:
            take(store, path)
        ends.append(state(store))
    assert ends[0] == ends[1]
