"""A release survives who leaves it: parts that nobody was given are cut again, others are closed."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import Conflict, NotFound, Unavailable
from gateway.export import approval, asking, cut, gather, handing, manifest, part_files, recut, worker
from gateway.nhs import identifiers
from gateway.store import jobs, labelling, ledger
from gateway.store.database import Store, open_store
from tests import toy
from tests.export.conftest import NOW, ROOT, Clock, document
from tests.export.test_standing import client as client
from tests.export.test_standing import contents, is_in, put_list, released, signed

NUMBERS = [identifiers.synthetic(number) for number in range(7000, 7004)]
NOBODY = identifiers.synthetic(7999)


def patient(place: int, number: str) -> dict:
    return toy.resource(
        "Patient", f"{place + 1:08x}-0000-5000-8000-000000000000", gender="female", birthDate=f"196{place}-01-01",
        identifier=[{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}],
    )  # fmt: skip


def observation(place: int) -> dict:
    of = f"Patient/{place + 1:08x}-0000-5000-8000-000000000000"
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    return toy.resource(
        "Observation",
        f"{place + 101:08x}-0000-5000-8000-000000000000",
        status="final",
        code=code,
        subject={"reference": of},
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def four(request, tmp_path, monkeypatch) -> Iterator[Store]:
    """A store on each database with one trust and four people, two a part; only the first has an observation."""
    monkeypatch.setattr(gather, "PERSONS_A_PART", 2)
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'gateway.db'}" if is_file else request.getfixturevalue("postgres_url")
    store = open_store(url, create="sandbox", clock=Clock(NOW))
    rows = [toy.row(f"p{place}", patient(place, number)) for place, number in enumerate(NUMBERS)]
    rows.append(toy.row("o0", observation(0)))
    toy.deliver(store, [toy.says("P1", 1, ods="RZZ", state="active"), *rows], kind="hospital")
    approval.add(store, document(), "asker")
    for by in ("guardian", "controller"):
        approval.approve(store, "study", by)
    put_list(store, tmp_path, NOBODY)
    with store.read() as session:
        store.patients = [session.value("SELECT patient FROM claim WHERE number = ?", number) for number in NUMBERS]
    yield store
    store.close()


def release(store: Store, tmp_path: Path) -> jobs.Job:
    id_ = asking.ask(store, "study", "researcher", optout_days=7)
    assert worker.work_once(store, tmp_path / "exports", ROOT, workers=1)
    return job_of(store, id_)


def job_of(store: Store, id_: str) -> jobs.Job:
    with store.read() as session:
        return jobs.get(session, id_)


def part_of(store: Store, job: jobs.Job, place: int) -> int:
    """The part that a person is in."""
    with store.read() as session:
        sql = "SELECT part FROM part_member WHERE job = ? AND patient = ?"
        return session.value(sql, job.id, store.patients[place])


def name_of(store: Store, job: jobs.Job, place: int) -> str:
    """What a person is pseudonymised by."""
    with store.read() as session:
        sql = "SELECT name FROM part_member WHERE job = ? AND patient = ?"
        return session.value(sql, job.id, store.patients[place])


def file_of(store: Store, job: jobs.Job, place: int, resource_type: str = "Patient") -> str:
    return f"{resource_type}.{part_of(store, job, place):05d}.ndjson"


def other_part(store: Store, job: jobs.Job, place: int) -> int:
    return next(other for other in range(4) if part_of(store, job, other) != part_of(store, job, place))


def opt_out(store: Store, tmp_path: Path) -> None:
    put_list(store, tmp_path, NOBODY, NUMBERS[0])


def restrict(store: Store, tmp_path: Path) -> None:
    with store.write() as session:
        sql = "UPDATE head SET labels = labels | 4, own = own | 4 WHERE patient = ? AND type = 0"
        session.run(sql, store.patients[0])
        labelling.changed(session)


def relink(store: Store, tmp_path: Path) -> None:
    """The person becomes known under a number of somebody who has opted out."""
    put_list(store, tmp_path, NOBODY)
    toy.deliver(store, [toy.row("p0", patient(0, NOBODY), order=2)], kind="hospital")


LEAVES: list[Callable[[Store, Path], None]] = [opt_out, restrict, relink]


@pytest.mark.hazard("HZ-EXPORT-26")
@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_a_part_that_nobody_was_given_is_cut_again_without_who_left(four, tmp_path, leave):
    job = release(four, tmp_path)
    folder, name, other = tmp_path / "exports" / job.id, file_of(four, job, 0), other_part(four, job, 0)
    before = contents(folder)
    handing.hand_out(four, job, file_of(four, job, other))
    leave(four, tmp_path)
    with pytest.raises(Unavailable, match="cut again"):
        handing.hand_out(four, job_of(four, job.id), name)
    assert job_of(four, job.id).state == "changed" and contents(folder) == before
    assert worker.recut_once(four, ROOT, workers=1) and not worker.recut_once(four, ROOT, workers=1)
    now = job_of(four, job.id)
    assert handing.hand_out(four, now, name) == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert now.state == "done" and is_in(folder, name_of(four, job, 1)) and not is_in(folder, name_of(four, job, 0))
    assert contents(folder).keys() == before.keys(), "no name comes or goes"
    assert {file: text for file, text in contents(folder).items() if text != before[file]}.keys() == {
        file for file in before if f".{part_of(four, job, 0):05d}." in file
    }
    assert contents(folder)[file_of(four, job, 0, "Observation")] == b""
    handing.hand_out(four, now, file_of(four, job, other))


@pytest.mark.hazard("HZ-EXPORT-33")
@pytest.mark.parametrize("k", [1, 2])
def test_a_part_is_cut_again_under_the_decision_of_its_release(four, tmp_path, k):
    """The code that one person holds is masked where the project has a k, also in a part that was cut again."""
    approval.add(four, document("crowd", k=k), "asker")
    for by in ("guardian", "controller"):
        approval.approve(four, "crowd", by)
    id_ = asking.ask(four, "crowd", "researcher", optout_days=7)
    assert worker.work_once(four, tmp_path / "exports", ROOT, workers=1)
    job = job_of(four, id_)
    partner = next(place for place in (1, 2, 3) if part_of(four, job, place) == part_of(four, job, 0))
    put_list(four, tmp_path, NOBODY, NUMBERS[partner])
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, file_of(four, job, 0))
    assert worker.recut_once(four, ROOT, workers=1)
    now, folder = job_of(four, id_), tmp_path / "exports" / id_
    assert now.outcome["manifest"]["extension"]["kAnonymity"] == job.outcome["manifest"]["extension"]["kAnonymity"]
    (line,) = contents(folder)[file_of(four, job, 0, "Observation")].splitlines()
    assert (b"718-7" in line) == (k == 1)
    assert len(contents(folder)[file_of(four, job, 0)].splitlines()) == 1


def test_a_part_whose_decision_is_lost_is_closed(four, tmp_path):
    approval.add(four, document("crowd", k=2), "asker")
    for by in ("guardian", "controller"):
        approval.approve(four, "crowd", by)
    id_ = asking.ask(four, "crowd", "researcher", optout_days=7)
    assert worker.work_once(four, tmp_path / "exports", ROOT, workers=1)
    job = job_of(four, id_)
    for path in (tmp_path / "exports" / id_).glob(".decision.*"):
        path.unlink()
    opt_out(four, tmp_path)
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, file_of(four, job, 0))
    assert worker.recut_once(four, ROOT, workers=1) and not worker.recut_once(four, ROOT, workers=1)
    with pytest.raises(Conflict, match="who may be in it has changed"):
        handing.hand_out(four, job_of(four, id_), file_of(four, job, 0))


@pytest.mark.hazard("HZ-EXPORT-26")
def test_the_manifest_the_ledger_and_the_folder_say_which_files_were_cut_again_and_not_why(four, tmp_path):
    job = release(four, tmp_path)
    name = file_of(four, job, 0)
    opt_out(four, tmp_path)
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, name)
    worker.recut_once(four, ROOT, workers=1)
    now, folder = job_of(four, job.id), tmp_path / "exports" / job.id
    document_ = now.outcome["manifest"]
    assert document_["extension"]["revision"] == 1 and name in document_["extension"]["recut"]
    digests = {line["url"]: line["sha256"] for line in document_["output"]}
    assert digests == {file: hashlib.sha256(text).hexdigest() for file, text in contents(folder).items()}
    assert digests[name] != {line["url"]: line["sha256"] for line in job.outcome["manifest"]["output"]}[name]
    assert "opt" not in json.dumps({**document_, "request": ""}) and "left" not in json.dumps(document_)
    with four.read() as session:
        entries = [entry for _, entry, _ in ledger.entries(session)]
        assert ledger.is_whole(session) and not ledger.unlisted(session, jobs.released(session, ("export",)))
    text = (folder / "manifest.json").read_bytes()
    assert [entry["revision"] for entry in entries] == [0, 1]
    assert entries[1]["manifest"] == hashlib.sha256(text).hexdigest() and json.loads(text) == document_


@pytest.mark.hazard("HZ-EXPORT-27")
@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_a_part_of_which_a_file_was_given_is_closed_and_never_cut_again(four, tmp_path, leave):
    job = release(four, tmp_path)
    folder, before = tmp_path / "exports" / job.id, contents(tmp_path / "exports" / job.id)
    handing.hand_out(four, job, file_of(four, job, 0))
    leave(four, tmp_path)
    for resource_type in ("Patient", "Observation"):
        with pytest.raises(Conflict, match="who may be in it has changed"):
            handing.hand_out(four, job, file_of(four, job, 0, resource_type))
    assert not worker.recut_once(four, ROOT, workers=1) and contents(folder) == before
    handing.hand_out(four, job_of(four, job.id), file_of(four, job, other_part(four, job, 0)))


@pytest.mark.hazard("HZ-EXPORT-28")
@pytest.mark.parametrize("step", ["place", "revise", "finish_part"])
def test_who_is_killed_while_a_part_is_cut_again_leaves_nothing_that_is_given(four, tmp_path, monkeypatch, step):
    job = release(four, tmp_path)
    name, whole = file_of(four, job, 0), tmp_path / "whole"
    opt_out(four, tmp_path)
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, name)
    module = {"place": part_files, "revise": manifest, "finish_part": jobs}[step]
    real = getattr(module, step)

    class Killed(BaseException):
        pass

    def kill(*args):
        real(*args)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, step, kill)
        worker.recut_once(four, ROOT, workers=1)
    put_list(four, tmp_path, NOBODY)  # they are as they were when the part was first cut
    with pytest.raises(Unavailable):
        handing.hand_out(four, job_of(four, job.id), name)
    assert not worker.recut_once(four, ROOT, workers=1), "until its lease"
    opt_out(four, tmp_path)
    four.clock.now += jobs.LEASE + 1
    assert worker.recut_once(four, ROOT, workers=1)
    now = job_of(four, job.id)
    assert now.outcome["manifest"]["extension"]["revision"] == 1 and not list((tmp_path / "exports").rglob(".*.part"))
    digest = handing.hand_out(four, now, name)
    assert digest == hashlib.sha256((tmp_path / "exports" / job.id / name).read_bytes()).hexdigest()
    whole.mkdir()
    with four.read() as session:
        outcome = jobs.part(session, job.id, part_of(four, job, 0))[1]
    key = cut.Part(
        four.url,
        job.id,
        job.pins,
        part_of(four, job, 0),
        str(whole),
        7,
        standing_key(job),
        revision=1,
        types=("Patient",),
    )
    assert cut.cut(key)[1]["files"][-1]["sha256"] == digest and outcome["revision"] == 1, "the same bytes again"


def standing_key(job: jobs.Job) -> bytes:
    from gateway.export import standing

    return standing.key_of(job.pins, ROOT)


def test_a_file_is_given_or_cut_again_but_not_both(four, tmp_path, monkeypatch):
    """Somebody else has the part cut again between the question and the note."""
    job, real = release(four, tmp_path), handing._note
    name = file_of(four, job, 0)

    def then_another(*args, **options):
        session, noted, number, _ = args
        jobs.note_changed(session, noted.id, number)
        return real(*args, **options)

    with monkeypatch.context() as patch, pytest.raises(Unavailable):
        patch.setattr(handing, "_note", then_another)
        handing.hand_out(four, job, name)
    assert worker.recut_once(four, ROOT, workers=1) and handing.hand_out(four, job_of(four, job.id), name)


def test_a_cancelled_release_is_not_cut_again_and_a_name_that_it_has_not_is_not_given(four, tmp_path, monkeypatch):
    job, real = release(four, tmp_path), cut.cut
    name, folder = file_of(four, job, 0), tmp_path / "exports" / job.id
    with pytest.raises(NotFound):
        handing.hand_out(four, job, "Flag.00000.ndjson")
    opt_out(four, tmp_path)
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, name)

    def then_cancelled(part):
        with four.write() as session:
            jobs.finish(session, job.id, "cancelled", {})
        return real(part)

    monkeypatch.setattr(cut, "cut", then_cancelled)
    assert worker.recut_once(four, ROOT, workers=1) and not list(folder.iterdir())
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, name)
    assert job_of(four, job.id).state == "cancelled"


def test_a_release_that_nobody_may_have_is_not_cut_again_until_they_may(four, tmp_path):
    job = release(four, tmp_path)
    name = file_of(four, job, 0)
    opt_out(four, tmp_path)
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, name)
    approval.change(four, "study", "suspended", "controller")
    assert worker.recut_once(four, ROOT, workers=1) and job_of(four, job.id).state == "done"
    assert not worker.recut_once(four, ROOT, workers=1)
    approval.change(four, "study", "active", "controller")
    with pytest.raises(Unavailable):
        handing.hand_out(four, job_of(four, job.id), name)
    assert worker.recut_once(four, ROOT, workers=1) and handing.hand_out(four, job_of(four, job.id), name)


def test_a_fault_while_a_part_is_cut_again_is_met_again_after_the_lease(four, tmp_path, monkeypatch):
    job = release(four, tmp_path)
    opt_out(four, tmp_path)
    with pytest.raises(Unavailable):
        handing.hand_out(four, job, file_of(four, job, 0))

    def fails(*_args, **_options):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(recut, "again", fails)
        assert worker.recut_once(four, ROOT, workers=1) and not worker.recut_once(four, ROOT, workers=1)
    four.clock.now += jobs.LEASE + 1
    assert worker.recut_once(four, ROOT, workers=1) and job_of(four, job.id).state == "done"


def test_neither_an_outage_nor_a_bug_ends_the_thread_that_cuts_again(loaded, monkeypatch):
    stop, faults_ = threading.Event(), [Unavailable("away", "database"), RuntimeError()]

    def fails(*_args, **_options):
        if not faults_:
            stop.set()
            return False
        raise faults_.pop()

    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(worker, "recut_once", fails)
    worker._recut(loaded, ROOT, stop, threading.Event())
    assert stop.is_set() and not faults_


@pytest.mark.hazard("HZ-EXPORT-21")
def test_over_http_a_release_goes_on_after_an_opt_out(loaded, approved, client, made, tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "PERSONS_A_PART", 4)
    approved()
    id_ = released(client, loaded, tmp_path)
    demo, headers, folder = made.people["demo"].nhs_number, signed(client, loaded), tmp_path / "exports" / id_
    with loaded.read() as session:
        part = session.value("SELECT part FROM part_member WHERE job = ? AND name = ?", id_, f"number:{demo}")
    put_list(loaded, tmp_path, made.people["opted-out"].nhs_number, demo)

    def statuses() -> dict[str, int]:
        urls = [line["url"] for line in client.get(f"/fhir/bulk/{id_}", headers=headers).json()["output"]]
        return {url.rpartition("/")[2]: client.get(url, headers=headers).status_code for url in urls}

    answers = statuses()
    assert {name for name, status in answers.items() if status == 503} == {
        name for name in answers if f".{part:05d}." in name
    }
    assert set(answers.values()) == {200, 503}
    while worker.recut_once(loaded, ROOT, workers=1):
        pass
    assert set(statuses().values()) == {200} and not is_in(folder, f"number:{demo}")
    answer = client.get(f"/fhir/bulk/{id_}/Patient.{part:05d}.ndjson", headers=headers)
    assert answer.headers["etag"].strip('"') == hashlib.sha256(answer.content).hexdigest()
    other = client.get(f"/fhir/bulk/{id_}/Patient.{(part + 1) % 2:05d}.ndjson", headers=headers)
    assert answer.headers["last-modified"] == other.headers["last-modified"], "the time of a cut tells nothing"
    refused = [
        (event["file"], event["why"])
        for event in client.app.state.door.audit.events()
        if event["act"] == "export.download" and event["outcome"] == "refused"
    ]
    assert refused and {why for _, why in refused} == {handing.RECUT}


def test_a_last_part_of_few_people_is_joined_to_the_one_before(loaded, approved, tmp_path, monkeypatch):
    """A part is what a change is told of: one of three people would name them."""
    approved()
    sizes = {}
    for size in (1000, 8, 7, 6, 5, 4):
        monkeypatch.setattr(gather, "PERSONS_A_PART", size)
        id_ = asking.start(loaded, "study", "tester", optout_days=7, root=ROOT)
        with loaded.read() as session:
            sql = "SELECT count(DISTINCT person) FROM part_member WHERE job = ? GROUP BY part ORDER BY part"
            sizes[size] = [count for (count,) in session.rows(sql, id_)]
    everyone = sizes[1000][0]
    for size, parts in sizes.items():
        assert sum(parts) == everyone and all(part >= min(size // 2, everyone) for part in parts), parts
        assert all(part == size for part in parts[:-1]) and parts[-1] < size * 3 // 2 + 1
