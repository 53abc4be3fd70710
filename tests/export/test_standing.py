"""What was true when an export was asked for is asked again: before it runs, before it leaves, and at every
download."""

import csv
import errno
import json
import os
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gateway import config
from gateway.api.app import create_app
from gateway.composition import Gateway, open_service
from gateway.errors import Conflict, Refused, Throttled, Unavailable
from gateway.export import (
    approval,
    asking,
    cut,
    national_list,
    part_files,
    running,
    standing,
    worker,
)
from gateway.intake import load
from gateway.nhs import identifiers, pseudonym, sandbox
from gateway.nhs.roles import caller_from_claims
from gateway.store import jobs, labelling
from gateway.store.database import Store, open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.export.conftest import CONTRIBUTORS, NOW, ROOT, Clock, document

DAY = 86_400_000_000
UNKNOWN = "9999999468"


def start(store: Store, name: str = "study", **options) -> str:
    return asking.start(store, name, "researcher", optout_days=7, root=ROOT, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.ndjson")}


def put_list(store: Store, tmp_path: Path, *numbers: str) -> None:
    (tmp_path / "list.csv").write_text("".join(f"{number},\n" for number in numbers))
    national_list.load(store, tmp_path / "list.csv")


def is_in(folder: Path, name: str) -> bool:
    """Whether a person of this name in the job is in the files."""
    key = pseudonym.project_key(ROOT, "joint", "study", 1)
    subject = pseudonym.Pseudonymiser("sde-research", "in-sde", key).subject("x", (), bool)
    return subject.pseudonym(f"person:{name}".encode()) in b"".join(contents(folder).values())


def reload(store: Store, made, tmp_path: Path, change) -> None:
    """Take a later extract of the practices in, in which ``change`` was made to the rows of patients by their
    numbers."""
    folder = tmp_path / "20260302110000"
    folder.mkdir()
    for path in made.path("emis").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            heads, *rows = csv.reader(file)
        rows = [dict(zip(heads, row, strict=True)) for row in rows]
        if "_Patient_" in path.name:
            change({row["NhsNumber"]: row for row in rows})
        with (folder / path.name.replace("20260301010000", folder.name)).open(
            "w", encoding="utf-8", newline=""
        ) as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([heads, *(row.values() for row in rows)])
    report = load.load(store, sources()["emis"], folder, Feed(), sets.load(sandbox=True), workers=0)
    assert not report.rejects


def number(made, role: str) -> str:
    return made.people[role].nhs_number


# Before it leaves


def lapse_list(store, _tmp_path, _made):
    store.clock.now += 8 * DAY


def suspend(store, _tmp_path, _made):
    approval.change(store, "study", "suspended", "controller")


def expire(store, tmp_path, _made):
    store.clock.now += 365 * DAY
    put_list(store, tmp_path, UNKNOWN)


def add_again(store, _tmp_path, _made):
    approval.add(store, document(), "asker")


def change_project(store, _tmp_path, _made):
    approval.add(store, document(contributors=document()["contributors"][:2]), "asker")
    for by in ("guardian", "controller"):
        approval.approve(store, "study", by)


def end_agreement(store, tmp_path, made):
    store.clock.now += 2 * DAY
    put_list(store, tmp_path, UNKNOWN, number(made, "opted-out"))


ENDS = [
    (lapse_list, Refused, "stale"),
    (suspend, Refused, "suspended"),
    (expire, Refused, "not in date"),
    (add_again, Refused, "draft"),
    (change_project, Refused, "has changed since the request"),
    (end_agreement, Conflict, "who may be in it has changed"),
]


def approve(store: Store, change) -> None:
    """The project as it is approved before ``change``: where an agreement is to end, the council's ends tomorrow."""
    given = document()
    if change is end_agreement:
        given["contributors"][-1]["to"] = "2026-03-03"
    approval.add(store, given, "asker")
    for by in ("guardian", "controller"):
        approval.approve(store, "study", by)


@pytest.mark.hazard("HZ-EXPORT-03")
@pytest.mark.parametrize("when", ["before it runs", "before it leaves"])
@pytest.mark.parametrize("change, kind, why", ENDS, ids=lambda each: getattr(each, "__name__", None))
def test_an_export_does_not_leave_when_what_it_was_made_with_no_longer_stands(
    loaded, made, tmp_path, change, kind, why, when
):
    approve(loaded, change)
    job = start(loaded)
    if when == "before it runs":
        change(loaded, tmp_path, made)
    with pytest.raises(kind, match=why):
        running.run(loaded, job, tmp_path / "out", ROOT, workers=1, progress=lambda *_: change(loaded, tmp_path, made))
    assert not (tmp_path / "out" / "manifest.json").exists()
    with loaded.read() as session:
        assert jobs.get(session, job).state != "done" and not session.rows("SELECT * FROM ledger")


def test_a_fresh_list_with_nobody_of_the_export_on_it_changes_nothing(loaded, approved, made, tmp_path):
    job = start(loaded, approved())
    put_list(loaded, tmp_path, UNKNOWN, number(made, "opted-out"))
    assert running.run(loaded, job, tmp_path / "out", ROOT, workers=1)["output"]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_list_is_silence_and_the_old_one_stays(loaded, tmp_path, text):
    before = national_list.status(loaded)
    (tmp_path / "empty.csv").write_text(text)
    with pytest.raises(Refused, match="silence"):
        national_list.load(loaded, tmp_path / "empty.csv")
    assert national_list.status(loaded) == before


# Pinned, but for what hides


def test_a_load_meanwhile_changes_no_byte(loaded, approved, made, tmp_path):
    approved()
    first, second = start(loaded), start(loaded)
    running.run(loaded, first, tmp_path / "first", ROOT, workers=1)

    def renumber(rows):
        rows[number(made, "demo")].update(NhsNumber=UNKNOWN, DateOfBirth="1901-02-03", Sex="U")

    reload(loaded, made, tmp_path, renumber)
    running.run(loaded, second, tmp_path / "second", ROOT, workers=1)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert is_in(tmp_path / "second", f"number:{number(made, 'demo')}")
    running.run(loaded, start(loaded), tmp_path / "third", ROOT, workers=1)
    assert contents(tmp_path / "third") != contents(tmp_path / "second"), "the load did change something"


def test_people_leave_in_an_order_that_tells_nothing_of_their_source(loaded, approved, made, tmp_path):
    job = start(loaded, approved())
    with loaded.read() as session:
        placed = session.rows(
            "SELECT person, min(patient), min(name) FROM part_member WHERE job = ? GROUP BY person ORDER BY person", job
        )
    assert len(placed) > 9
    for order in ([patient for _, patient, _ in placed], [name for _, _, name in placed]):
        assert order not in (sorted(order), sorted(order, reverse=True))
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    told = [
        json.loads(line)["identifier"][0]["value"]
        for line in contents(tmp_path / "out")["Patient.00000.ndjson"].splitlines()
    ]
    key = pseudonym.project_key(ROOT, "joint", "study", 1)
    subject = pseudonym.Pseudonymiser("sde-research", "in-sde", key).subject("x", (), bool)
    assert list(dict.fromkeys(told)) == [subject.pseudonym(f"person:{name}".encode()).decode() for _, _, name in placed]


@pytest.mark.hazard("HZ-EXPORT-04")
def test_who_is_restricted_meanwhile_leaves_from_no_source(loaded, approved, made, tmp_path):
    job = start(loaded, approved())
    name = f"number:{number(made, 'demo')}"
    with loaded.write() as session:
        patients = session.rows("SELECT DISTINCT patient FROM part_member WHERE job = ? AND name = ?", job, name)
        assert len(patients) > 1, "known to several sources, of which one says so"
        session.run(
            "UPDATE head SET labels = labels | 4, own = own | 4 WHERE patient = ? AND type = 0", patients[-1][0]
        )
        labelling.changed(session)
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    assert contents(tmp_path / "out") and not is_in(tmp_path / "out", name)


@pytest.mark.hazard("HZ-EXPORT-05")
def test_two_persons_who_surely_claim_one_number_have_two_pseudonyms(loaded, approved, made, tmp_path):
    demo = number(made, "demo")

    def renumber(rows):
        rows[number(made, "merged")].update(NhsNumber=demo)

    reload(loaded, made, tmp_path, renumber)
    job = start(loaded, approved())
    with loaded.read() as session:
        patients = {row[0] for row in session.rows("SELECT patient FROM claim WHERE number = ?", demo)}
        names = dict(session.rows("SELECT patient, name FROM part_member WHERE job = ?", job))
        persons = dict(session.rows("SELECT patient, person FROM person"))
    shared = [(persons[patient], names[patient]) for patient in patients if patient in names]
    assert len({person for person, _ in shared}) >= 2
    assert len({person for person, _ in shared}) == len({name for _, name in shared})
    assert f"number:{demo}" not in {name for _, name in shared}


# Folders, keys and jobs


def test_folders_and_files_are_the_owner_s_alone(loaded, approved, tmp_path):
    before = os.umask(0)
    try:
        running.run(loaded, start(loaded, approved()), tmp_path / "out", ROOT, workers=1)
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}


def test_a_folder_with_anything_in_it_is_not_written_into(loaded, approved, tmp_path):
    job = start(loaded, approved())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "Patient.00099.ndjson").write_text("{}\n")
    with pytest.raises(Refused, match="not empty"):
        running.run(loaded, job, tmp_path / "out", ROOT, workers=1)


def test_a_part_whose_files_lie_elsewhere_is_cut_again(loaded, approved, tmp_path):
    job = start(loaded, approved())

    class Killed(Exception):
        pass

    def kill(*_):
        raise Killed

    with pytest.raises(Killed):
        running.run(loaded, job, tmp_path / "one", ROOT, workers=1, progress=kill)
    manifest = running.run(loaded, job, tmp_path / "two", ROOT, workers=1)
    assert (
        {line["url"] for line in manifest["output"]}
        == set(contents(tmp_path / "two"))
        == set(contents(tmp_path / "one"))
    )


def test_a_full_disk_is_told_as_one_and_the_run_goes_on_from_there(loaded, approved, tmp_path, monkeypatch):
    job, real = start(loaded, approved()), part_files.PartFile.close

    def full(file):
        file.file.close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(part_files.PartFile, "close", full)
    with pytest.raises(Unavailable, match="full"):
        running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    monkeypatch.setattr(part_files.PartFile, "close", real)
    assert running.run(loaded, job, tmp_path / "out", ROOT, workers=1)["output"] and not list(
        (tmp_path / "out").glob(".*")
    )


def test_a_worker_leaves_the_operator_s_jobs_alone(loaded, approved, tmp_path):
    start(loaded, approved(), kind=standing.BY_HAND)
    assert not worker.work_once(loaded, tmp_path, ROOT, workers=1)


def test_what_a_failed_job_cut_is_removed(loaded, approved, tmp_path, monkeypatch):
    job, real = start(loaded, approved()), cut.cut

    def suspends(part):
        outcome = real(part)
        approval.change(loaded, "study", "suspended", "controller")
        return outcome

    monkeypatch.setattr(cut, "cut", suspends)
    assert worker.work_once(loaded, tmp_path, ROOT, workers=1)
    assert (tmp_path / job).is_dir() and not list((tmp_path / job).iterdir())


# Over HTTP


@pytest.fixture
def client(loaded, tmp_path) -> TestClient:
    gateway = Gateway(config.Settings(data_dir=tmp_path, sandbox=True), loaded)
    with open_service(gateway) as service:
        client = TestClient(create_app(service), headers={"Prefer": "respond-async"})
        client.gateway = gateway
        yield client


def signed(client: TestClient, store: Store, project: str = "study", user: str = "researcher") -> dict[str, str]:
    return {"Authorization": f"Bearer {client.gateway.sandbox_token(user, project)}"}


def released(client: TestClient, store: Store, tmp_path: Path, path: str = "/fhir/$export") -> str:
    answer = client.get(path, headers=signed(client, store))
    assert answer.status_code == 202, answer.text
    assert worker.work_once(store, tmp_path / "exports", ROOT, workers=1)
    return answer.headers["content-location"].rpartition("/")[2]


STATUSES = [(change, 409 if kind is Conflict else 403) for change, kind, _ in ENDS]


@pytest.mark.parametrize("change, status", STATUSES, ids=lambda each: getattr(each, "__name__", None))
def test_no_file_is_given_once_what_it_was_made_with_no_longer_stands(loaded, made, client, tmp_path, change, status):
    approve(loaded, change)
    job = released(client, loaded, tmp_path)
    url = f"/fhir/bulk/{job}/Patient.00000.ndjson"
    assert client.get(url, headers=signed(client, loaded)).status_code == 200
    if change is not lapse_list and change is not expire:
        change(loaded, tmp_path, made)
        assert client.get(url, headers=signed(client, loaded)).status_code == status
    else:
        change(loaded, tmp_path, made)
        assert client.get(url, headers=signed(client, loaded)).status_code == 404, "by then its time is over too"


ASTRAY = [
    "..%2f..%2fgateway.db", "..%2fPatient.00000.ndjson", "%2fetc%2fpasswd", "%2e%2e", ".job", "manifest.json", "Patient.00000.ndjson%0a",
    "Patient.00099.ndjson", "Patient.00000.ndjson%2f..", "Patient.00000.ndjson%00",
]  # fmt: skip


@pytest.mark.parametrize("name", ASTRAY)
def test_a_download_gives_files_of_the_release_only(loaded, approved, client, tmp_path, name):
    approved()
    job = released(client, loaded, tmp_path)
    assert client.get(f"/fhir/bulk/{job}/{name}", headers=signed(client, loaded)).status_code == 404


def test_a_job_is_its_client_s_its_project_s_and_for_its_time(loaded, approved, client, tmp_path):
    approved()
    approved("other")
    job = released(client, loaded, tmp_path)
    by_hand = start(loaded, kind=standing.BY_HAND)
    for headers, id_ in (
        (signed(client, loaded, "other"), job),
        (signed(client, loaded, user="dr-green"), job),
        (signed(client, loaded), by_hand),
    ):
        for path in (f"/fhir/bulk/{id_}", f"/fhir/bulk/{id_}/Patient.00000.ndjson"):
            assert client.get(path, headers=headers).status_code in (403, 404)
        assert client.delete(f"/fhir/bulk/{id_}", headers=headers).status_code in (403, 404)
    with loaded.write() as session:
        session.run("UPDATE job SET owner = 'another client' WHERE id = ?", job)
    assert client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).status_code == 404
    with loaded.write() as session:
        session.run("UPDATE job SET owner = 'researcher' WHERE id = ?", job)
    assert client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).status_code == 200
    loaded.clock.now += 7 * DAY
    assert client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).status_code == 404


def test_a_cancelled_release_loses_its_files(loaded, approved, client, tmp_path):
    approved()
    job = released(client, loaded, tmp_path)
    assert client.delete(f"/fhir/bulk/{job}", headers=signed(client, loaded)).status_code == 202
    assert not list((tmp_path / "exports" / job).iterdir())
    assert client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).status_code == 404


def test_what_is_refused_is_in_the_audit_too(loaded, approved, client, made, tmp_path):
    approved()
    job = released(client, loaded, tmp_path)
    client.get(f"/fhir/bulk/{job}/Patient.00000.ndjson", headers=signed(client, loaded))
    put_list(loaded, tmp_path, number(made, "opted-out"), number(made, "demo"))
    client.get(f"/fhir/bulk/{job}/Patient.00000.ndjson", headers=signed(client, loaded))
    suspend(loaded, tmp_path, made)
    client.get("/fhir/$export", headers=signed(client, loaded))
    refused = [
        (event["act"], event.get("job", ""))
        for event in client.app.state.door.audit.events()
        if event.get("outcome") == "refused"
    ]
    assert refused == [("export.download", job), ("export.start", "")]


@pytest.mark.parametrize("query, status", [("_since=2026-01-01", 400), ("_typeFilter=Patient", 400), ("patient=x", 400), ("_type=Pat-ient", 400),
                                           ("_outputFormat=csv", 400), ("_type=Patient,Nonsense", 400), ("_type=patient", 400), ("_outputFormat=ndjson", 202)])  # fmt: skip
def test_what_an_export_may_be_asked(loaded, approved, client, query, status):
    approved()
    answer = client.get(f"/fhir/$export?{query}", headers=signed(client, loaded))
    assert answer.status_code == status
    if status == 400:
        assert query.partition("=")[0] in answer.text


def test_types_asked_for_narrow_and_never_widen(loaded, approved, client, tmp_path):
    approved(types=["Patient", "Encounter"])
    job = released(client, loaded, tmp_path, "/fhir/$export?_type=Patient,Observation,Practitioner")
    assert {name.partition(".")[0] for name in contents(tmp_path / "exports" / job)} == {"Patient"}
    for nothing in ("Practitioner", "Observation", "Practitioner,Medication"):
        answer = client.get(f"/fhir/$export?_type={nothing}", headers=signed(client, loaded))
        assert answer.status_code == 400 and "_type" in answer.text, "an empty release would tell nothing"


def test_a_lenient_client_s_unknown_types_are_ignored_and_none_is_not_all(loaded, approved, client, tmp_path):
    approved()
    lenient = {**signed(client, loaded), "Prefer": "respond-async, handling=lenient"}
    assert client.get("/fhir/$export?_type=Foo", headers=lenient).status_code == 400
    answer = client.get("/fhir/$export?_type=Foo,Patient", headers=lenient)
    assert answer.status_code == 202 and worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    job = answer.headers["content-location"].rpartition("/")[2]
    assert {name.partition(".")[0] for name in contents(tmp_path / "exports" / job)} == {"Patient"}


def test_the_manifest_repeats_the_address_of_the_request(loaded, approved, client, tmp_path):
    approved()
    path = "/fhir/Patient/$export?_type=Patient&_outputFormat=ndjson"
    job = released(client, loaded, tmp_path, path)
    manifest = client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).json()
    base = client.app.state.base.removesuffix("/fhir")
    assert manifest["request"] == base + path and manifest["request"].startswith("http")


def test_a_client_with_many_unfinished_exports_waits(loaded, approved, client, monkeypatch):
    approved()
    monkeypatch.setattr(asking, "MOST_UNFINISHED", 2)
    answers = [client.get("/fhir/$export", headers=signed(client, loaded)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429] and "retry-after" in answers[2].headers
    job = answers[0].headers["content-location"].rpartition("/")[2]
    client.delete(f"/fhir/bulk/{job}", headers=signed(client, loaded))
    assert client.get("/fhir/$export", headers=signed(client, loaded)).status_code == 202


def test_a_client_of_the_same_name_at_another_issuer_does_not_use_up_a_turn(loaded, approved, monkeypatch):
    monkeypatch.setattr(asking, "MOST_UNFINISHED", 1)
    approved()
    client = caller_from_claims({**sandbox.claims("researcher", "study"), "iss": "https://one.example"})
    for issuer in ("https://one.example", "https://other.example"):
        asked = replace(client, issuer=issuer)
        asking.ask(loaded, "study", client.user, optout_days=7, client=asked)
        with pytest.raises(Throttled):
            asking.ask(loaded, "study", client.user, optout_days=7, client=asked)


def test_references_into_types_that_do_not_leave_are_cut_and_counted(loaded, approved, client, tmp_path):
    approved(types=["Observation"])
    job = released(client, loaded, tmp_path)
    lines = b"".join(contents(tmp_path / "exports" / job).values())
    assert lines.count(b"\n") > 50 and b'"reference"' not in lines
    dropped = client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).json()["extension"]["dropped"]
    assert "Observation.subject: out of the release" in dropped
    assert [line for line in lines.splitlines() if len(json.loads(line).get("effectiveDateTime", "")) == 10], (
        "the person's birth date is known, whatever types the project has"
    )


def test_a_recipient_sees_no_small_number_anywhere(loaded, approved, client, tmp_path):
    approved()
    job = client.get("/fhir/$export", headers=signed(client, loaded)).headers["content-location"].rpartition("/")[2]
    waiting = client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded))
    assert waiting.headers["x-progress"] == "accepted: 0 %"
    worker.work_once(loaded, tmp_path / "exports", ROOT, workers=1)
    manifest = client.get(f"/fhir/bulk/{job}", headers=signed(client, loaded)).json()
    about = manifest["extension"]
    shown = [*about["dropped"].values(), about["persons"], *about["counts"].values()]
    assert "*" in shown and all(each == "*" or each % 5 == 0 for each in shown)
    assert "left_out" not in json.dumps(manifest) and "opted" not in json.dumps(manifest)


def test_the_numbers_used_here_are_nobody_s(made):
    assert identifiers.is_valid(UNKNOWN) and UNKNOWN not in {who.nhs_number for who in made.people.values()}
    assert len(CONTRIBUTORS) == 4


def test_both_databases_release_the_same_bytes(postgres_url, made, tmp_path):
    namespace, found = uuid.UUID(int=7), []
    for number_, url in enumerate((f"sqlite:///{tmp_path / 'gateway.db'}", postgres_url)):
        store = open_store(url, create="sandbox", namespace=namespace, clock=Clock(NOW))
        for name in ("emis", "hl7v2", "cld"):
            load.load(store, sources()[name], made.path(name), Feed(), sets.load(sandbox=True), workers=0)
        national_list.load(store, made.path("optout"))
        approve(store, None)
        running.run(store, start(store), tmp_path / str(number_), ROOT, workers=1)
        found.append(contents(tmp_path / str(number_)))
        store.close()
    assert found[0] and found[0] == found[1]
