"""Exports: who may have one, who is in it, and that it is the same bytes whenever it is cut."""

import dataclasses
import datetime
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from gateway.errors import Conflict, Refused
from gateway.export import approval, asking, national_list, running
from gateway.store import jobs, ledger
from tests.export.conftest import ROOT, document

DAY = 86_400_000_000


def run(store, tmp_path, project="study", name="out", **options):
    job = asking.start(store, project, "tester", optout_days=7, root=ROOT, **options)
    folder = tmp_path / name
    return running.run(store, job, folder, ROOT, workers=1), folder


def lines(folder, resource_type: str) -> list[dict]:
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{resource_type}.*.ndjson"))
        for line in path.read_text().splitlines()
    ]


def people(folder) -> set[str]:
    return {patient["identifier"][0]["value"] for patient in lines(folder, "Patient")}


def test_no_project_or_one_not_approved_by_two_others_gets_nothing(loaded):
    with pytest.raises(Refused):
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    approval.add(loaded, document(), "asker")
    with pytest.raises(Refused):
        approval.approve(loaded, "study", "asker")
    assert approval.approve(loaded, "study", "guardian") == "draft"
    with pytest.raises(Refused):
        approval.approve(loaded, "study", "guardian")
    with pytest.raises(Refused):
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)


@pytest.mark.parametrize("state", ["suspended", "expired"])
def test_a_project_that_is_no_longer_in_force_gets_nothing(loaded, approved, state):
    approval.change(loaded, approved(), state, "controller")
    with pytest.raises(Refused):
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)


def test_a_project_out_of_date_gets_nothing(loaded, approved):
    approved(end="2026-03-01")
    with pytest.raises(Refused):
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)


def test_a_stale_or_absent_opt_out_list_releases_nobody(loaded, approved):
    approved()
    loaded.clock.now += 8 * DAY
    with pytest.raises(Refused, match="stale"):
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    with loaded.write() as session:
        session.run("DELETE FROM optout_list")
    with pytest.raises(Refused, match="nobody is released"):
        asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)


def test_a_list_with_a_bad_line_names_the_line_and_leaves_the_old_list_in_force(loaded, tmp_path):
    before = national_list.status(loaded)
    bad = tmp_path / "bad.csv"
    bad.write_text("9990000018,\n9990000019,\n")
    with pytest.raises(Exception, match="line 2") as refused:
        national_list.load(loaded, bad)
    assert "999" not in str(refused.value)
    assert national_list.status(loaded) == before


@pytest.mark.hazard("HZ-EXPORT-01")
def test_who_opted_out_is_not_in_the_release_under_any_number_they_claim(loaded, approved, made, tmp_path):
    approved()
    _, folder = run(loaded, tmp_path)
    everyone = people(folder)
    nobody = tmp_path / "none.csv"
    nobody.write_text("9999999468,\n")
    national_list.load(loaded, nobody)
    _, all_folder = run(loaded, tmp_path, name="all")
    with loaded.read() as session:
        opted = session.value("SELECT count(DISTINCT number) FROM optout WHERE list = 1")
    assert opted >= 1 and everyone < people(all_folder)
    assert len(people(all_folder) - everyone) >= opted


@pytest.mark.hazard("HZ-EXPORT-02")
def test_restricted_people_and_type_1_rows_of_the_practice_stay(loaded, approved, tmp_path):
    approved()
    with loaded.read() as session:
        restricted = {row[0] for row in session.rows("SELECT patient FROM head WHERE type = 0 AND labels & 4 <> 0")}
        type1 = {row[0] for row in session.rows("SELECT patient FROM head WHERE type = 0 AND labels & 256 <> 0")}
        assert restricted and type1
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    with loaded.read() as session:
        members = {row[0] for row in session.rows("SELECT patient FROM part_member WHERE job = ?", job)}
    assert not members & restricted
    _, folder = run(loaded, tmp_path)
    text = "".join(path.read_text() for path in folder.glob("*.ndjson"))
    assert "9Nu0" not in text


def test_one_person_has_one_pseudonym_across_sources_and_every_reference_resolves(loaded, approved, tmp_path):
    approved()
    _, folder = run(loaded, tmp_path)
    patients = lines(folder, "Patient")
    by_person: dict[str, int] = {}
    for patient in patients:
        by_person[patient["identifier"][0]["value"]] = by_person.get(patient["identifier"][0]["value"], 0) + 1
    assert max(by_person.values()) >= 3
    everything = [json.loads(line) for path in folder.glob("*.ndjson") for line in path.read_text().splitlines()]
    there = {f"{each['resourceType']}/{each['id']}" for each in everything}

    def references(value):
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str):
                yield value["reference"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    found = [reference for each in everything for reference in references(each)]
    assert found and set(found) <= there


def test_another_project_has_other_pseudonyms_and_a_key_of_its_own(loaded, approved, tmp_path):
    approved()
    approved("other")
    _, one = run(loaded, tmp_path)
    _, two = run(loaded, tmp_path, "other", "two")
    assert people(one) and not people(one) & people(two)
    assert len(people(one)) == len(people(two))


def test_the_same_pins_are_the_same_bytes(loaded, approved, tmp_path):
    approved()
    first, one = run(loaded, tmp_path)
    second, two = run(loaded, tmp_path, name="two")
    files = sorted(path.name for path in one.glob("*.ndjson"))
    assert files == sorted(path.name for path in two.glob("*.ndjson"))
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    assert [line["sha256"] for line in first["output"]] == [line["sha256"] for line in second["output"]]


KILLED = """
import sys, time
from gateway import commands
from gateway.export import asking, cut, gather, running
gather.PERSONS_A_PART = 2
real = cut.cut
def slow(part):
    if part.number == 2 and sys.argv[1] == "slow":
        print("cutting", flush=True); time.sleep(60)
    return real(part)
cut.cut = slow
sys.exit(commands.main(["export", "run", "--project", "study", "--out", sys.argv[2], "--workers", "1"]))
"""


@pytest.fixture
def operator(loaded, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Run the operator's commands on the loaded store, now: ``operator("project", "list")``."""
    loaded.close()
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(tmp_path)}

    def run(*words: str, program: tuple[str, ...] = ("-m", "gateway")) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *program, *words], capture_output=True, text=True, env=environment, check=False
        )

    run.environment = environment
    today = datetime.date.today()
    given = document(start=str(today - datetime.timedelta(1)), end=str(today + datetime.timedelta(9)))
    given["contributors"] = [{**each, "from": given["start"], "to": given["end"]} for each in given["contributors"]]
    (tmp_path / "project.json").write_text(json.dumps(given))
    return run


def approve(operator, tmp_path, made) -> None:
    assert operator("project", "add", str(tmp_path / "project.json"), "--as", "asker").returncode == 0
    for name in ("guardian", "controller"):
        assert operator("project", "approve", "study", "--as", name).returncode == 0
    stated = ("--holds", "opted-out", "--as-at", str(datetime.date.today()))
    again = operator("optout", "load", str(made.path("optout")), *stated)
    assert again.returncode == 2 and "same as a list of an earlier date" in again.stderr
    confirmed = ("--confirmed-by", "guardian", "--confirmed-by", "controller")
    assert operator("optout", "load", str(made.path("optout")), *stated, *confirmed).returncode == 0


@pytest.mark.slow
def test_a_command_killed_half_way_is_resumed_by_part_and_is_byte_identical(operator, made, tmp_path):
    approve(operator, tmp_path, made)
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    done = operator("-", str(whole), program=("-c", KILLED))
    assert done.returncode == 0, done.stderr
    child = subprocess.Popen([sys.executable, "-c", KILLED, "slow", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=operator.environment)  # fmt: skip
    assert child.stdout.readline() == "cutting\n"
    child.send_signal(signal.SIGKILL)
    _, said = child.communicate()
    assert list(folder.glob("*.ndjson")) and not (folder / "manifest.json").exists()
    job = next(
        event["job"]
        for line in said.splitlines()
        if line.startswith("{") and (event := json.loads(line))["event"] == "export.started"
    )
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.ndjson")}
    assert operator("export", "resume", job, "--out", str(whole)).returncode == 2, "a folder that holds something else"
    again = operator("export", "resume", job, "--out", str(folder), "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert {name: (folder / name).stat().st_mtime_ns for name in stamps} == stamps, (
        "parts that were cut are not cut again"
    )
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    assert all((folder / path.name).read_bytes() == path.read_bytes() for path in whole.glob("*.ndjson"))
    assert operator("export", "resume", job, "--out", str(folder)).returncode == 2, "released once"


def test_a_release_is_as_at_its_moment_and_its_labels_are_of_today(loaded, approved, tmp_path):
    approved()
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    with loaded.write() as session:
        key, patient = session.row("SELECT key, patient FROM head WHERE type = 5 AND labels = 0 AND kind = 1 LIMIT 1")
        session.run("UPDATE head SET labels = 1, own = 1 WHERE key = ?", key)
        session.run("UPDATE clock SET label_seq = ? WHERE id = 1", session.commit_seq)
        id_ = session.value("SELECT id FROM head WHERE key = ?", key)
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    from gateway.nhs import pseudonym

    project = approval.rules.parse(document())
    worker = pseudonym.Pseudonymiser(
        project.profile, project.setting, pseudonym.project_key(ROOT, project.controller, project.name, 1)
    )
    hidden = worker.subject("x", (), lambda target: True).pseudonym(f"Observation/{id_}".encode()).decode()
    assert hidden not in "".join(path.read_text() for path in (tmp_path / "out").glob("Observation.*"))


def test_a_released_job_is_not_run_again_and_is_in_the_ledger(loaded, approved, tmp_path):
    approved()
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    with pytest.raises(Conflict):
        running.run(loaded, job, tmp_path / "again", ROOT, workers=1)
    with loaded.read() as session:
        entries = list(ledger.entries(session))
        assert ledger.is_whole(session)
    assert entries[0][1]["release"] == job and entries[0][1]["pins"]["optout_hash"]
    assert not re.search(r"\b999\d{7}\b", json.dumps(entries[0][1]))
    with loaded.write() as session:
        session.run("DROP TRIGGER ledger_is_append_only" + (" ON ledger" if session.postgres else ""))
        session.run("UPDATE ledger SET entry = '{}'")
    with loaded.read() as session:
        assert not ledger.is_whole(session)


def test_a_contributor_without_an_agreement_gives_nothing(loaded, approved, tmp_path):
    approved(contributors=[{"ods": "RZZ", "agreement": "x", "from": "2026-01-01", "to": "2026-12-31"}])
    _, folder = run(loaded, tmp_path)
    assert lines(folder, "Encounter") and not list(folder.glob("MedicationRequest.*")), (
        "the hospital sends no medicines"
    )


def test_small_counts_are_not_shown_to_the_recipient(loaded, approved, tmp_path):
    approved()
    manifest, _ = run(loaded, tmp_path)
    counts = manifest["extension"]["counts"].values()
    assert not any("count" in line for line in manifest["output"]), "a rounded count is no count of the standard's"
    assert all(count == "*" or count % 5 == 0 for count in counts) and "*" in counts


def test_counts_are_of_people_and_not_of_rows(loaded, approved, tmp_path):
    """A hundred results of one person are one person, in the files and in what was left out of them."""
    approved()
    job = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    with loaded.read() as session:
        _, outcome = jobs.part(session, job, 0)
    assert all(1 <= file["people"] <= outcome["persons"] for file in outcome["files"])
    assert any(file["count"] > 5 * file["people"] for file in outcome["files"])
    assert outcome["dropped_people"].keys() == outcome["dropped"].keys()
    assert all(
        people <= min(outcome["persons"], outcome["dropped"][path])
        for path, people in outcome["dropped_people"].items()
    )


@pytest.mark.slow
def test_the_operators_verbs(operator, made, tmp_path):
    def export(name: str = "out") -> subprocess.CompletedProcess:
        return operator("export", "run", "--project", "study", "--out", str(tmp_path / name), "--json")

    assert operator("project", "add", str(tmp_path / "project.json"), "--as", "asker").returncode == 0
    assert export().returncode == 2, "a draft"
    approve(operator, tmp_path, made)
    done = export()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] and (tmp_path / "out" / "manifest.json").exists()
    (tmp_path / "file").write_text("")
    for name, why in (("out", "not empty"), ("file", "is a file")):
        refused = export(name)
        assert refused.returncode == 2 and why in refused.stderr
    assert operator("audit", "show").stdout.count('"act": "export.start"') == 1, "what is refused starts nothing"
    key = tmp_path / "keys" / "export-root.key"
    assert not key.stat().st_mode & 0o077
    key.chmod(0o640)
    refused = export("second")
    assert refused.returncode == 2 and "chmod 600" in refused.stderr and not (tmp_path / "second").exists()
    key.chmod(0o600)
    key.write_bytes(b"")
    refused = export("second")
    assert refused.returncode == 2 and "32 bytes" in refused.stderr and not (tmp_path / "second").exists()


def test_the_project_is_plain_data():
    assert dataclasses.is_dataclass(approval.rules.parse(document()))
