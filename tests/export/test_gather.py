"""The members of an export are gathered in short transactions, at one moment, and count only when all are there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.errors import Refused
from gateway.export import approval, asking, folder, gather, national_list, running, standing, worker
from gateway.records import membership
from gateway.store import jobs, labelling, members
from gateway.store.database import Store
from gateway.store.session import Session
from tests.export.conftest import ROOT, document

NOBODY = "9999999468"


def ask(store: Store, project: str = "study", **options) -> str:
    return asking.ask(store, project, "researcher", optout_days=7, **options)


def placed(store: Store, job: str) -> list[tuple]:
    with store.read() as session:
        return session.rows(
            "SELECT part, person, patient, name FROM part_member WHERE job = ? ORDER BY part, person, patient", job
        )


def rows(store: Store, table: str, job: str) -> int:
    with store.read() as session:
        return session.value(f"SELECT count(*) FROM {table} WHERE job = ?", job)


def job_of(store: Store, id_: str) -> jobs.Job:
    with store.read() as session:
        return jobs.get(session, id_)


@pytest.fixture
def small(monkeypatch) -> None:
    """Pages, buckets and parts so small that there are many of each."""
    monkeypatch.setattr(membership, "PAGE", 3)
    monkeypatch.setattr(gather, "PATIENTS_A_BUCKET", 7)
    monkeypatch.setattr(gather, "PERSONS_A_PART", 2)
    monkeypatch.setattr(gather, "PARTS_A_WRITE", 2)
    monkeypatch.setattr(gather, "ROWS_A_DELETE", 2)


class Killed(BaseException):
    """What a kill looks like from inside."""


@contextmanager
def killed_at(monkeypatch, name: str, call: int) -> Iterator[None]:
    """Kill the process, so to speak, at so many calls of a function of ``members``."""
    calls, real = [], getattr(members, name)

    def counting(*args):
        calls.append(args)
        if len(calls) == call:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(members, name, counting)
        yield


def test_asking_writes_no_member_and_gathering_pins_them_all(loaded, approved):
    approved()
    job = ask(loaded)
    assert job_of(loaded, job).state == "accepted" and not placed(loaded, job)
    assert "as_of" not in job_of(loaded, job).pins
    gather.gather(loaded, job, ROOT)
    gathered = job_of(loaded, job)
    assert gathered.state == "gathered" and gathered.lease == 0 and len(placed(loaded, job)) > 10
    assert {"as_of", "optout", "optout_hash", "policy", "contributors", "left_out", "label_seq"} <= gathered.pins.keys()
    assert gathered.pins["left_out"]["opted out"] > 0 and not rows(loaded, "gathered", job)


def test_small_pages_and_buckets_make_the_members_that_large_ones_make(loaded, approved, monkeypatch, request):
    approved()
    whole = asking.start(loaded, "study", "researcher", optout_days=7, root=ROOT)
    monkeypatch.setattr(gather, "PERSONS_A_PART", 2)
    two = asking.start(loaded, "study", "researcher", optout_days=7, root=ROOT)
    request.getfixturevalue("small")
    pieces = asking.start(loaded, "study", "researcher", optout_days=7, root=ROOT)
    assert placed(loaded, pieces) == placed(loaded, two)
    assert [row[1:] for row in placed(loaded, pieces)] == [row[1:] for row in placed(loaded, whole)]
    assert job_of(loaded, pieces).pins["left_out"] == job_of(loaded, whole).pins["left_out"]
    by_part: dict[int, set[int]] = {}
    for part, place, _, _ in placed(loaded, pieces):
        by_part.setdefault(part, set()).add(place)
    assert len(by_part) > 3 and all(len(places) == 2 for places in list(by_part.values())[:-1])
    with loaded.read() as session:
        assert [number for number, _, _ in jobs.parts(session, pieces)] == sorted(by_part)


def test_a_job_is_not_claimed_to_run_before_its_membership_is_complete(loaded, approved, small, monkeypatch):
    approved()
    job = ask(loaded)
    with killed_at(monkeypatch, "place", 2):
        gather.gather(loaded, job, ROOT)
    assert job_of(loaded, job).state == "gathering" and placed(loaded, job)
    with loaded.write() as session:
        assert jobs.claim(session, standing.KIND) is None
    loaded.clock.now += jobs.LEASE + 1
    with loaded.write() as session:
        assert jobs.claim(session, standing.KIND).state == "gathering", "to be gathered anew"


@pytest.mark.parametrize("name, call", [("stage", 1), ("stage", 4), ("place", 1), ("place", 3), ("unstage", 2)])
def test_a_gathering_that_is_killed_starts_over_and_leaves_nothing_behind(
    loaded, approved, small, monkeypatch, tmp_path, name, call
):
    approved()
    whole, job = asking.start(loaded, "study", "researcher", optout_days=7, root=ROOT), ask(loaded)
    with loaded.write() as session:
        jobs.finish(session, whole, "cancelled", {})
    with killed_at(monkeypatch, name, call):
        gather.gather(loaded, job, ROOT)
    loaded.clock.now += jobs.LEASE + 1
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert job_of(loaded, job).state == "done"
    assert placed(loaded, job) == placed(loaded, whole) and not rows(loaded, "gathered", job)


def test_an_operator_s_job_that_was_killed_while_gathering_is_resumed(loaded, approved, small, monkeypatch, tmp_path):
    approved()
    job = ask(loaded, kind=standing.BY_HAND)
    with killed_at(monkeypatch, "place", 1):
        gather.gather(loaded, job, ROOT)
    assert running.run(loaded, job, tmp_path / "out", ROOT, workers=1)["output"]


def test_all_members_are_of_one_moment_whatever_is_loaded_meanwhile(loaded, approved, small, monkeypatch, tmp_path):
    """A load while the members are gathered moves a person behind the place that was reached: nobody is in twice or
    left out."""
    approved()
    before = asking.start(loaded, "study", "researcher", optout_days=7, root=ROOT)
    job, real, calls = ask(loaded), members.stage, []

    def moving(session: Session, id_: str, bucketed) -> None:
        real(session, id_, bucketed)
        calls.append(id_)
        if len(calls) == 2:
            session.run("UPDATE person SET person = 9223372036854775000 - patient % 1000")

    monkeypatch.setattr(members, "stage", moving)
    gather.gather(loaded, job, ROOT)
    assert len(calls) > 3 and placed(loaded, job) == placed(loaded, before)


def test_a_list_or_a_restriction_that_comes_while_gathering_counts(
    loaded, approved, small, made, monkeypatch, tmp_path
):
    approved()
    first, real = ask(loaded), members.place
    number = made.people["demo"].nhs_number

    def listing(session: Session, *args) -> None:
        real(session, *args)
        if args[1] == 0:
            patient = session.value("SELECT patient FROM part_member WHERE job = ? LIMIT 1", args[0])
            session.run("UPDATE head SET labels = labels | 4, own = own | 4 WHERE patient = ? AND type = 0", patient)
            labelling.changed(session)

    monkeypatch.setattr(members, "place", listing)
    gather.gather(loaded, first, ROOT)
    monkeypatch.setattr(members, "place", real)
    restricted = placed(loaded, first)[0]
    running.run(loaded, first, tmp_path / "out", ROOT, workers=1)
    assert rows(loaded, "part_member", first) and restricted[3] in {row[3] for row in placed(loaded, first)}
    with loaded.read() as session:
        persons = sum(outcome["persons"] for _, _, outcome in jobs.parts(session, first))
    assert persons < len({row[1] for row in placed(loaded, first)}), "who is restricted has not left"
    second = ask(loaded)
    gather.gather(loaded, second, ROOT)
    (tmp_path / "list.csv").write_text(f"{NOBODY},\n{number},\n")
    national_list.load(loaded, tmp_path / "list.csv")
    running.run(loaded, second, tmp_path / "two", ROOT, workers=1)
    with loaded.read() as session:
        left = sum(outcome["persons"] for _, _, outcome in jobs.parts(session, second))
    assert left == len({row[1] for row in placed(loaded, second)}) - 1, "who is on the newer list has not left"


def test_the_list_in_force_when_it_is_gathered_is_the_one_that_counts(loaded, approved, made, tmp_path):
    approved()
    job, number = ask(loaded), made.people["demo"].nhs_number
    (tmp_path / "list.csv").write_text(f"{number},\n")
    national_list.load(loaded, tmp_path / "list.csv")
    gather.gather(loaded, job, ROOT)
    assert f"number:{number}" not in {name for _, _, _, name in placed(loaded, job)}
    assert running.run(loaded, job, tmp_path / "out", ROOT, workers=1)["output"]


def test_the_audit_names_the_list_and_the_policy_that_members_were_gathered_by(loaded, approved, tmp_path):
    approved()
    job = ask(loaded)
    (tmp_path / "list.csv").write_text(f"{NOBODY},\n")
    national_list.load(loaded, tmp_path / "list.csv")
    gather.gather(loaded, job, ROOT)
    with loaded.read() as session:
        texts = [text for (text,) in session.rows("SELECT event FROM audit WHERE stream = 'write' ORDER BY seq")]
        in_force = national_list.require_fresh(session, loaded.clock(), 7)
    start, gathered = [event for event in map(json.loads, texts) if event.get("job") == job]
    assert (start["act"], gathered["act"]) == ("export.start", "export.gather")
    assert start["optouts"] != gathered["optouts"] == in_force.hash
    pins = job_of(loaded, job).pins
    assert (gathered["policy"], gathered["left_out"]) == (pins["policy"], pins["left_out"])


def test_a_project_that_was_changed_before_it_is_gathered_gets_nothing(loaded, approved, tmp_path):
    approved()
    job = ask(loaded)
    approval.add(loaded, document(), "asker")
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert job_of(loaded, job).state == "failed" and not placed(loaded, job)
    with pytest.raises(Refused):
        gather.gather(loaded, job, ROOT)


def test_a_job_cancelled_while_it_is_gathered_leaves_no_members(loaded, approved, small, monkeypatch, tmp_path):
    approved()
    job, real = ask(loaded), members.place

    def cancelling(session: Session, *args) -> None:
        real(session, *args)
        jobs.finish(session, job, "cancelled", {})

    monkeypatch.setattr(members, "place", cancelling)
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert job_of(loaded, job).state == "cancelled"
    assert not rows(loaded, "gathered", job) and not rows(loaded, "part_member", job)


def test_of_two_that_gather_one_job_the_later_goes_on_and_the_job_has_not_failed(loaded, approved, tmp_path):
    approved()
    job = ask(loaded)
    earlier, later = gather._pin(loaded, job, ROOT, None), gather._pin(loaded, job, ROOT, None)
    with pytest.raises(gather.Stopped), loaded.write() as session:
        gather.hold(session, earlier)
    worker._fail(loaded, earlier, tmp_path / "exports" / job, gather.Stopped(gather.STOPPED))
    assert job_of(loaded, job).state == "gathering"
    with loaded.write() as session:
        gather.hold(session, later)


@pytest.mark.parametrize("name", ["unstage", "unplace"])
def test_a_stale_gatherer_deletes_nothing_of_the_one_that_took_the_job(loaded, approved, small, monkeypatch, name):
    """The stale one stops before each delete, and goes on when another has gathered."""
    approved()
    job, real, calls = ask(loaded), getattr(gather, "discard" if name == "unplace" else "_unstage"), []

    def stalling(store: Store, *args) -> None:
        calls.append(args)
        if len(calls) == 1:
            gather.gather(loaded, job, ROOT)
        real(store, *args)

    monkeypatch.setattr(gather, "discard" if name == "unplace" else "_unstage", stalling)
    with pytest.raises(gather.Stopped):
        gather.gather(loaded, job, ROOT)
    assert job_of(loaded, job).state == "gathered" and len(placed(loaded, job)) > 10


def test_what_another_has_staged_is_not_cleared_away_after_the_parts_are_written(loaded, approved, monkeypatch):
    approved()
    job, real, calls = ask(loaded), gather._unstage, []

    def overtaken(store: Store, *args) -> None:
        calls.append(args)
        if len(calls) == 2:
            with loaded.write() as session:
                jobs.take(session, job)
                members.stage(session, job, [(0, (1, 1, "another's"))])
        real(store, *args)

    monkeypatch.setattr(gather, "_unstage", overtaken)
    with pytest.raises(gather.Stopped):
        gather.gather(loaded, job, ROOT)
    with loaded.read() as session:
        assert (1, 1, "another's") in members.staged(session, job, 0)


def test_every_transaction_that_deletes_members_asks_first(loaded, approved, small, monkeypatch):
    approved()
    job, events = ask(loaded), []
    with killed_at(monkeypatch, "place", 2):
        gather.gather(loaded, job, ROOT)
    for name in ("unstage", "unplace"):
        real = getattr(members, name)
        monkeypatch.setattr(members, name, lambda *args, name=name, real=real: (events.append(name), real(*args))[1])
    gather.discard(loaded, job, lambda session: events.append("require"))
    deletes = events[1::2]
    assert events[::2] == ["require"] * len(deletes) and {"unstage", "unplace"} == set(deletes) and len(deletes) > 4
    assert not placed(loaded, job) and not rows(loaded, "gathered", job)


@pytest.mark.parametrize("table", ["gathered", "part_member"])
def test_members_that_are_lost_while_they_are_gathered_fail_the_job(
    loaded, approved, small, monkeypatch, tmp_path, table
):
    approved()
    job, real = ask(loaded), members.place

    def losing(session: Session, *args) -> None:
        real(session, *args)
        session.run(f"DELETE FROM {table} WHERE job = ?", job)

    monkeypatch.setattr(members, "place", losing)
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert job_of(loaded, job).state == "failed" and not (tmp_path / "exports" / job).exists()


def test_members_that_a_killed_worker_staged_for_a_cancelled_job_are_swept(
    loaded, approved, small, monkeypatch, tmp_path
):
    approved()
    job = ask(loaded)
    with killed_at(monkeypatch, "stage", 3):
        gather.gather(loaded, job, ROOT)
    worker.sweep(loaded, tmp_path / "exports")
    assert rows(loaded, "gathered", job), "somebody may still gather it"
    with loaded.write() as session:
        jobs.finish(session, job, "cancelled", {})
    worker.sweep(loaded, tmp_path / "exports")
    assert not rows(loaded, "gathered", job)


def test_an_export_of_nobody_is_released_with_no_files(loaded, approved, tmp_path):
    approved(contributors=[{"ods": "ZZ9", "agreement": "x", "from": "2026-01-01", "to": "2026-12-31"}])
    job = asking.start(loaded, "study", "researcher", optout_days=7, root=ROOT)
    assert job_of(loaded, job).state == "gathered" and not placed(loaded, job)
    manifest = running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    assert manifest["output"] == [] and json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    assert not folder.discard(loaded, job, tmp_path / "out")
