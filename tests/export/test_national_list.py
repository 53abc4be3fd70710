"""The opt-out list is judged: the service's answer, a list cut short, and an old one loaded again are refused."""

import datetime
import json
from pathlib import Path

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.errors import Invalid, Refused
from gateway.export import asking, national_list
from gateway.nhs import identifiers, optout_list
from gateway.store.database import Store
from tests.export.conftest import NOW, Clock

DAY = 86_400_000_000
NUMBERS = [identifiers.synthetic(number) for number in range(7000, 7200)]
TWO = ("A. Guardian", "B. Controller")
TODAY = datetime.date(2026, 3, 2)


def load(store: Store, folder: Path, numbers: list[str], **stated) -> dict:
    (folder / "numbers.csv").write_text("".join(f"{number},\n" for number in numbers))
    return national_list.load(store, folder / "numbers.csv", **stated)


def claimed(store: Store) -> list[str]:
    with store.read() as session:
        sql = "SELECT DISTINCT number FROM claim WHERE number NOT LIKE 'patient:%' ORDER BY number"
        return [number for (number,) in session.rows(sql)]


@pytest.mark.hazard("HZ-EXPORT-17")
@pytest.mark.parametrize("left_out", [0, 1, 2, 5])
def test_the_answer_of_the_service_is_not_taken_for_the_list_of_the_opted_out(loaded, tmp_path, left_out):
    before, held = national_list.status(loaded), claimed(loaded)
    assert len(held) > 12
    with pytest.raises(Refused, match="may be the answer") as refused:
        load(loaded, tmp_path, held[left_out:])
    assert not any(number in str(refused.value) for number in held)
    assert national_list.status(loaded) == before
    assert load(loaded, tmp_path, held[left_out:], confirmed_by=TWO)["count"] == len(held) - left_out


@pytest.mark.hazard("HZ-EXPORT-17")
def test_what_is_stated_to_be_the_answer_is_refused_whoever_is_held(loaded, tmp_path):
    for confirmed in ((), TWO):
        with pytest.raises(Refused, match="NOT opted out"):
            load(loaded, tmp_path, NUMBERS[:5], holds="kept", confirmed_by=confirmed)
    with pytest.raises(Invalid):
        load(loaded, tmp_path, NUMBERS[:5], holds="something")
    assert load(loaded, tmp_path, NUMBERS[:5], holds="opted-out")["count"] == 5


@pytest.mark.hazard("HZ-EXPORT-18")
@pytest.mark.parametrize("size, kept", [(10, 1), (10, 5), (3, 1), (200, 190), (200, 100), (4, 0)])
def test_a_list_that_was_cut_short_is_refused_and_the_old_one_stays(loaded, tmp_path, size, kept):
    load(loaded, tmp_path, NUMBERS[:size], confirmed_by=TWO)
    before = national_list.status(loaded)
    shorter = NUMBERS[:kept] or [identifiers.synthetic(9000)]
    for names in ((), TWO[:1], (TWO[0], "a.  guardian"), ("", " ")):
        with pytest.raises(Refused, match="cut short"):
            load(loaded, tmp_path, shorter, confirmed_by=names)
        assert national_list.status(loaded) == before
    assert load(loaded, tmp_path, shorter, confirmed_by=TWO)["count"] == len(shorter)
    with loaded.read() as session:
        events = [json.loads(text) for (text,) in session.rows("SELECT event FROM audit")]
    assert events[-1]["act"] == "optout.load" and events[-1]["confirmed_by"] == list(TWO) and events[-1]["doubts"]


@pytest.mark.parametrize("size, kept", [(200, 198), (200, 196), (3, 2), (1, 1), (10, 10)])
def test_a_list_may_lose_a_few_and_grow(loaded, tmp_path, size, kept):
    load(loaded, tmp_path, NUMBERS[:size], confirmed_by=TWO)
    assert load(loaded, tmp_path, [*NUMBERS[:kept], identifiers.synthetic(9000)])["count"] == kept + 1


@pytest.mark.hazard("HZ-EXPORT-19")
def test_the_same_old_list_loaded_again_is_not_fresh(loaded, approved, tmp_path):
    approved()
    load(loaded, tmp_path, NUMBERS[:9], confirmed_by=TWO)
    first = national_list.status(loaded)
    loaded.clock.now += 8 * DAY
    again = load(loaded, tmp_path, NUMBERS[:9])
    assert (again["asAt"], again["hash"]) == (first["asAt"], first["hash"]) and again["loaded"] > first["loaded"]
    with pytest.raises(Refused, match="stale"):
        asking.ask(loaded, "study", "tester", optout_days=7)
    with pytest.raises(Refused, match="same as a list of an earlier date"):
        load(loaded, tmp_path, NUMBERS[:9], as_at=TODAY + datetime.timedelta(8))
    load(loaded, tmp_path, NUMBERS[:9], as_at=TODAY + datetime.timedelta(8), confirmed_by=TWO)
    asking.ask(loaded, "study", "tester", optout_days=7)


@pytest.mark.hazard("HZ-EXPORT-19")
def test_the_lists_own_date_decides_how_fresh_it_is(loaded, approved, tmp_path):
    approved()
    with pytest.raises(Invalid, match="future"):
        load(loaded, tmp_path, NUMBERS[:9], as_at=TODAY + datetime.timedelta(1))
    with pytest.raises(Refused, match="older than the list in force"):
        load(loaded, tmp_path, NUMBERS[:9], as_at=TODAY - datetime.timedelta(20))
    load(loaded, tmp_path, NUMBERS[:9], as_at=TODAY - datetime.timedelta(20), confirmed_by=TWO)
    with pytest.raises(Refused, match="stale"):
        asking.ask(loaded, "study", "tester", optout_days=7)
    load(loaded, tmp_path, NUMBERS[:10], as_at=TODAY - datetime.timedelta(6))
    asking.ask(loaded, "study", "tester", optout_days=7)
    loaded.clock.now += 2 * DAY
    with pytest.raises(Refused, match="stale"):
        asking.ask(loaded, "study", "tester", optout_days=7)


def test_a_live_store_wants_to_be_told_what_the_file_holds_and_of_which_day(tmp_path):
    with create_gateway(config.Settings(data_dir=tmp_path / "live"), "live", clock=Clock(NOW)) as gateway:
        for stated in ({}, {"holds": "opted-out"}, {"as_at": TODAY}):
            with pytest.raises(Refused, match="say what the file holds"):
                load(gateway.store, tmp_path, NUMBERS[:2], **stated)
        assert load(gateway.store, tmp_path, NUMBERS[:2], holds="opted-out", as_at=TODAY)["count"] == 2


@pytest.mark.parametrize(
    "held, listed, doubted",
    [(1, 1, False), (2, 2, False), (3, 3, True), (20, 10, False), (20, 12, True), (100, 25, False), (100, 26, True), (10_000, 600, False)],
)  # fmt: skip
def test_how_many_of_the_people_held_may_be_on_a_list(held, listed, doubted):
    assert bool(optout_list.doubts(held=held, listed=listed, before=0, after=listed, lost=0)) is doubted


def test_both_databases_count_who_is_held_and_what_is_lost_alike(postgres_url, tmp_path):
    from gateway.store import optouts
    from gateway.store.database import open_store

    counts = []
    for url in (f"sqlite:///{tmp_path / 'gateway.db'}", postgres_url):
        store = open_store(url, create="sandbox", clock=Clock(NOW))
        with store.write() as session:
            claims = [(number, NUMBERS[number], b"") for number in range(6)] + [
                (1, "patient:x", b""),
                (9, NUMBERS[0], b""),
            ]
            session.insert("claim", "patient, number, evidence", claims)
            first = optouts.replace(session, NUMBERS[4:9], session.now)
            second = optouts.replace(session, NUMBERS[5:8], session.now)
            counts.append((optouts.held(session, first.key), optouts.lost(session, first.key, second.key),
                           optouts.known_as_at(session, NUMBERS[4:9]) == first.as_at, optouts.known_as_at(session, NUMBERS)))  # fmt: skip
        store.close()
    assert counts == [((6, 2), 2, True, None)] * 2
