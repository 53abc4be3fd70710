"""The worker beside the server: it claims, releases, fails one job and takes the next, and ends with its parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gateway import config, keys
from gateway.errors import Conflict
from gateway.export import approval, asking, folder, gather, national_list, running, standing, worker
from gateway.fhir.dates import microseconds_now
from gateway.store import jobs, labelling
from tests.export.conftest import CONTRIBUTORS, ROOT


def state(store, job: str) -> str:
    with store.read() as session:
        return jobs.get(session, job).state


def start(store, project: str = "study") -> str:
    return asking.start(store, project, "tester", optout_days=7, root=ROOT)


def test_waiting_exports_are_run_one_after_the_other(loaded, approved, tmp_path):
    approved()
    asked = [start(loaded), start(loaded)]
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert [state(loaded, job) for job in asked] == ["done", "gathered"]
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert not worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert [(tmp_path / "exports" / job / "manifest.json").is_file() for job in asked] == [True, True]


def test_a_job_that_fails_is_marked_and_the_next_one_runs(loaded, approved, tmp_path):
    approved()
    approved("other")
    refused, good = start(loaded), start(loaded, "other")
    approval.change(loaded, "study", "suspended", "controller")
    while worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1):
        pass
    assert (state(loaded, refused), state(loaded, good)) == ("failed", "done")
    assert not (tmp_path / "exports" / refused / "manifest.json").exists()


def test_a_job_that_is_held_by_a_worker_is_not_claimed_until_its_lease_runs_out(loaded, approved):
    approved()
    job = start(loaded)
    with loaded.write() as session:
        assert jobs.claim(session, standing.KIND).id == job
    with loaded.write() as session:
        assert jobs.claim(session, standing.KIND) is None
    loaded.clock.now += jobs.LEASE + 1
    with loaded.write() as session:
        assert jobs.claim(session, standing.KIND).id == job


def test_a_job_cancelled_while_it_runs_is_not_released(loaded, approved, tmp_path):
    approved()
    job = start(loaded)

    def cancel(_phase, _done, _of):
        with loaded.write() as session:
            jobs.finish(session, job, "cancelled", {})

    with pytest.raises(Conflict):
        running.run(loaded, job, tmp_path / "out", ROOT, workers=1, progress=cancel)
    assert state(loaded, job) == "cancelled"
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_project_suspended_while_its_export_runs_gets_nothing(loaded, approved, tmp_path):
    approved()
    job = start(loaded)
    with pytest.raises(Exception, match="suspended|not approved|in force"):
        running.run(
            loaded,
            job,
            tmp_path / "out",
            ROOT,
            workers=1,
            progress=lambda *_: approval.change(loaded, "study", "suspended", "controller"),
        )
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_parts_cut_before_a_label_changed_are_cut_again_when_a_killed_export_resumes(loaded, approved, tmp_path):
    approved()
    job = start(loaded)

    class Killed(Exception):
        pass

    def kill(_phase, done, of):
        if done == of:
            raise Killed

    with pytest.raises(Killed):
        running.run(loaded, job, tmp_path / "out", ROOT, workers=1, progress=kill)
    with loaded.write() as session:
        session.run("UPDATE head SET labels = 1, own = 1 WHERE key = (SELECT min(key) FROM head WHERE type = 5)")
        labelling.changed(session)
    stray = tmp_path / "out" / "Flag.00000.ndjson"
    stray.write_bytes(b"{}\n")
    recut = []
    manifest = running.run(loaded, job, tmp_path / "out", ROOT, workers=1, progress=lambda *step: recut.append(step))
    assert recut, "the part of whom it is was cut again"
    assert not stray.exists()
    assert {path.name for path in (tmp_path / "out").glob("*.ndjson")} == {line["url"] for line in manifest["output"]}


def test_a_release_whose_time_is_over_loses_its_files(loaded, approved, made, tmp_path):
    approved()
    folder = tmp_path / "exports"
    old = start(loaded)
    worker.work_once(loaded, folder, ROOT, workers=1)
    loaded.clock.now += standing.KEPT_FOR // 2
    national_list.load(loaded, made.path("optout"))
    new = start(loaded)
    worker.work_once(loaded, folder, ROOT, workers=1)
    loaded.clock.now += standing.KEPT_FOR // 2
    worker.sweep(loaded, folder)
    assert not list((folder / old).glob("*.*")) and (folder / new / "manifest.json").is_file()


def members_of(store, job: str) -> int:
    with store.read() as session:
        return sum(
            session.value(f"SELECT count(*) FROM {table} WHERE job = ?", job) for table in ("part_member", "gathered")
        )


def asked(store, **options) -> str:
    return asking.ask(store, "study", "tester", optout_days=7, **options)


def is_claimable(store) -> bool:
    with store.read() as session:
        return jobs.is_waiting(session, standing.KIND, store.clock())


def test_whoever_gathered_a_job_keeps_it_to_run(loaded, approved, tmp_path, monkeypatch):
    approved()
    job, claimable, real = asked(loaded), [], running._begin
    monkeypatch.setattr(running, "_begin", lambda *args: (claimable.append(is_claimable(loaded)), real(*args))[1])
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert claimable == [False] and state(loaded, job) == "done"


def test_a_failure_between_gathering_and_running_is_the_end_of_the_job(loaded, approved, tmp_path, monkeypatch):
    approved()
    job = asked(loaded)

    def fails(*_):
        raise RuntimeError

    monkeypatch.setattr(folder, "take", fails)
    assert worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    assert state(loaded, job) == "failed" and not members_of(loaded, job)
    assert not worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)


@pytest.mark.parametrize("before", ["accepted", "gathering", "gathered", "running"])
def test_a_job_fails_from_any_state_and_only_under_its_claim(loaded, approved, before):
    approved()
    job = asked(loaded)
    with loaded.write() as session:
        session.run("UPDATE job SET state = ? WHERE id = ?", before, job)
        former = jobs.get(session, job)
        mine = former if before in ("accepted", "gathered") else jobs.take(session, job)
        assert former == mine or not jobs.fail(session, former)
        assert jobs.fail(session, mine) and jobs.get(session, job).state == "failed"


def test_a_run_that_lost_its_job_touches_no_file_that_was_released(loaded, approved, tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "PERSONS_A_PART", 2)
    approved()
    job, out, released = asked(loaded), tmp_path / "out", {}

    def files() -> dict[str, tuple[int, int, bytes]]:
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}

    def overtake(*_):
        running.run(loaded, job, out, ROOT, workers=1)
        released.update(files())

    with pytest.raises(gather.Stopped):
        running.run(loaded, job, out, ROOT, workers=1, progress=overtake)
    assert state(loaded, job) == "done" and "manifest.json" in released
    assert files() == released


def test_a_worker_that_lost_its_job_neither_cuts_nor_fails_it(loaded, approved, tmp_path):
    approved()
    job = start(loaded)
    with loaded.write() as session:
        earlier = jobs.claim(session, standing.KIND)
    loaded.clock.now += jobs.LEASE + 1
    with loaded.write() as session:
        later = jobs.claim(session, standing.KIND)
    with pytest.raises(gather.Stopped) as stopped:
        running.run(loaded, job, tmp_path / "out", ROOT, claimed=earlier, workers=1)
    assert not (tmp_path / "out").exists()
    worker._fail(loaded, earlier, tmp_path / "out", stopped.value)
    assert state(loaded, job) == "running" and members_of(loaded, job)
    assert running.run(loaded, job, tmp_path / "out", ROOT, claimed=later, workers=1)["output"]


def test_files_that_a_killed_run_left_without_a_name_are_not_in_the_release(loaded, approved, tmp_path):
    approved()
    job, out = start(loaded), tmp_path / "out"

    def leave(*_):
        (out / ".Flag.00099.ndjson.7.part").write_bytes(b"{}\n")

    running.run(loaded, job, out, ROOT, workers=1, progress=leave)
    assert (out / "manifest.json").exists() and not list(out.glob(".*"))


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_the_members_of_a_job_that_ended_without_a_release_are_swept(loaded, approved, tmp_path, ended):
    approved()
    job = start(loaded)
    assert members_of(loaded, job)
    with loaded.write() as session:
        jobs.finish(session, job, ended, {})
    worker.sweep(loaded, tmp_path / "exports")
    assert not members_of(loaded, job)


def test_the_members_of_a_release_are_kept_while_its_files_are_answered(loaded, approved, tmp_path):
    approved()
    job, by_hand = (
        start(loaded),
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT, kind=standing.BY_HAND),
    )
    for id_ in (job, by_hand):
        running.run(loaded, id_, tmp_path / id_, ROOT, workers=1)
    worker.sweep(loaded, tmp_path / "exports")
    assert members_of(loaded, job) and not members_of(loaded, by_hand), "nobody is asked about at a download by hand"
    loaded.clock.now += standing.KEPT_FOR
    worker.sweep(loaded, tmp_path / "exports")
    assert not members_of(loaded, job) and state(loaded, job) == "done"


@pytest.mark.parametrize("before", ["gathering", "gathered", "running"])
def test_a_job_that_nobody_works_on_by_the_end_of_its_time_has_failed(loaded, approved, tmp_path, before):
    approved()
    job = start(loaded)
    with loaded.write() as session:
        session.run("UPDATE job SET state = ?, lease = ? WHERE id = ?", before, session.now + standing.KEPT_FOR, job)
    worker.sweep(loaded, tmp_path / "exports")
    assert members_of(loaded, job)
    loaded.clock.now += standing.KEPT_FOR - 1_000_000
    worker.sweep(loaded, tmp_path / "exports")
    assert members_of(loaded, job) and state(loaded, job) == before
    loaded.clock.now += 2_000_000
    worker.sweep(loaded, tmp_path / "exports")
    assert not members_of(loaded, job) and state(loaded, job) == "failed"
    with pytest.raises(Conflict):
        running.run(loaded, job, tmp_path / "out", ROOT, workers=1)


def test_a_job_that_is_worked_on_past_its_time_is_left_alone(loaded, approved, tmp_path):
    approved()
    job = start(loaded)
    loaded.clock.now += standing.KEPT_FOR
    with loaded.write() as session:
        jobs.take(session, job)
    worker.sweep(loaded, tmp_path / "exports")
    assert members_of(loaded, job) and state(loaded, job) == "running"


def test_a_job_that_was_taken_after_it_was_listed_keeps_its_members(loaded, approved, tmp_path, monkeypatch):
    approved()
    job, real = start(loaded), worker.members.left
    loaded.clock.now += standing.KEPT_FOR

    def then_taken(session, *args) -> list[str]:
        left = real(session, *args)
        with loaded.write() as writing:
            jobs.take(writing, job)
        return left

    monkeypatch.setattr(worker.members, "left", then_taken)
    worker.sweep(loaded, tmp_path / "exports")
    assert members_of(loaded, job) and state(loaded, job) == "running"


def test_what_is_left_is_looked_for_by_job_and_not_through_all_members(loaded):
    plans = []
    with loaded.read() as session:
        real = session.rows
        session.rows = lambda sql, *params: plans.extend(real(f"EXPLAIN QUERY PLAN {sql}", *params)) or []
        worker.members.left(session, standing.KIND, 0, 0)
    steps = [step for *_, step in plans]
    assert steps and all("SCAN j" in step or "SEARCH" in step or "SUBQUERY" in step for step in steps), steps


def test_the_command_runs_what_waits_and_ends_with_its_parent(loaded, approved, tmp_path):
    far = "2126-12-31"
    approved(
        end=far, contributors=[{"ods": ods, "agreement": ods, "from": "2026-01-01", "to": far} for ods in CONTRIBUTORS]
    )
    loaded.clock.now = microseconds_now()  # the command's clock: a job whose time is over would be swept
    job = asking.start(loaded, "study", "tester", optout_days=36500)
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_OPTOUT_DAYS": "36500"}
    keys.read_or_create(config.read(environment).keys, keys.EXPORT_ROOT, lambda: ROOT)
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway", "work", "--with-parent"], stdin=subprocess.PIPE, env=environment
    )
    try:
        until = time.monotonic() + 60
        while state(loaded, job) not in ("done", "failed") and time.monotonic() < until:
            time.sleep(0.2)
        child.stdin.close()
        assert child.wait(30) == 0
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
    assert state(loaded, job) == "done"
