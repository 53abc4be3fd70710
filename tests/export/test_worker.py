"""The worker beside the server: it claims, releases, fails one job and takes the next, and ends with its parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gateway import config, keys
from gateway.errors import Conflict
from gateway.export import approval, asking, national_list, running, standing, worker
from gateway.store import jobs, labelling
from tests.export.conftest import CONTRIBUTORS, ROOT


def state(store, job: str) -> str:
    with store.read() as session:
        return jobs.get(session, job).state


def start(store, project: str = "study") -> str:
    return asking.start(store, project, "tester", optout_days=7)


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
        labelling.changed(session)
    stray = tmp_path / "out" / "Flag.00000.ndjson"
    stray.write_bytes(b"{}\n")
    recut = []
    manifest = running.run(loaded, job, tmp_path / "out", ROOT, workers=1, progress=lambda *step: recut.append(step))
    assert recut, "every part was cut again"
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


def test_the_command_runs_what_waits_and_ends_with_its_parent(loaded, approved, tmp_path):
    far = "2126-12-31"
    approved(
        end=far, contributors=[{"ods": ods, "agreement": ods, "from": "2026-01-01", "to": far} for ods in CONTRIBUTORS]
    )
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
