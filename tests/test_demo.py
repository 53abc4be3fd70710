"""The demo, run as its operator runs it: what it keeps, what it shows, what must not be in the export, and how it
ends."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gateway.commands import main
from gateway.synth.codes import SENSITIVE

ROOT = Path(__file__).parents[1]
KINDS = ("Quillbank Surgery", "Hospital RZZ", "Council 990")
"""How the summary names what sends: a practice, a trust, a council."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo of ten people: (folder, what it printed). The operator's database setting points at nothing that
    exists."""
    out = tmp_path_factory.mktemp("demo") / "out"
    arguments = ["demo", "--no-serve", "--people", "10", "--seed", "3", "--out", str(out)]
    done = _gateway(arguments, {"GATEWAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"})
    assert (done.returncode, done.stderr) == (0, "")
    return out, done.stdout


@pytest.mark.slow
def test_what_a_demo_keeps_is_its_owners_to_read(demo):
    kept = [demo[0], *demo[0].rglob("*")]
    assert len(kept) > 30 and not [path for path in kept if path.stat().st_mode & 0o077]


def _gateway(arguments: list[str], settings: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        env=_environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )


def _environment(settings: dict[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return {**kept, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8", **(settings or {})}


def _kept(demo, name: str) -> dict:
    return json.loads((demo[0] / name).read_text(encoding="utf-8"))


def _people(demo) -> dict[str, dict]:
    return _kept(demo, "sources/manifest.json")["people"]


def _exported(demo) -> dict[str, list[dict]]:
    files = sorted((demo[0] / "export").glob("*.ndjson"))
    return {
        path.name.split(".")[0]: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in files
    }


def test_it_keeps_everything_it_shows(demo):
    kept = {str(path.relative_to(demo[0])) for path in demo[0].rglob("*") if path.is_file()}
    assert {
        "load-report.json",
        "summary.json",
        "summary.html",
        "refusal.json",
        "export/manifest.json",
        "audit.ndjson",
    } <= kept
    manifest = _kept(demo, "export/manifest.json")
    assert {line["url"] for line in manifest["output"]} == {path.name for path in (demo[0] / "export").glob("*.ndjson")}
    assert "Patient" in _exported(demo) and "Observation" in _exported(demo)


def test_every_source_is_loaded_without_a_reject_and_people_are_gathered(demo):
    report = _kept(demo, "load-report.json")
    assert [source["source"] for source in report["sources"]] == ["emis", "hl7v2", "cld"]
    for source in report["sources"]:
        assert source["state"] == "done" and source["written"] and not source["rejects"] and not source["ukCore"], (
            source["source"]
        )
    assert report["people"]["gathered"] > 20
    assert report["people"]["notGathered"] == 2, "the twin and the mismatch"


def test_a_second_number_of_one_hospital_is_gathered_with_the_first(demo):
    who = _people(demo)["merged"]
    assert who["hospital_number"] and who["retired_number"]
    assert re.search(rf"{who['name']} +4 +3 ", demo[1]), "the retired record does not leave"


def test_the_summary_tells_rows_of_all_three_kinds_with_source_and_date(demo):
    document = _kept(demo, "summary.json")
    composition = document["entry"][0]["resource"]
    told = "".join(section["text"]["div"] for section in composition["section"] if "entry" in section)
    page = (demo[0] / "summary.html").read_text(encoding="utf-8")
    for name in KINDS:
        assert f"<td>{name}</td>" in told and name in page and name in demo[1], name
    assert re.search(r"Metformin 500mg tablets +\d\d-\w{3}-\d{4} .*Quillbank Surgery", demo[1])
    assert "NHS number 999 000 0018" in demo[1]
    assert "<style>" in page and 'rel="stylesheet"' not in page, "the kept page needs no other file"


def test_every_entry_of_the_summary_is_in_the_document(demo):
    document = _kept(demo, "summary.json")
    held = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in document["entry"]}
    named = {
        entry["reference"]
        for section in document["entry"][0]["resource"]["section"]
        for entry in section.get("entry", ())
    }
    assert len(named) > 50 and named <= held


def test_the_receptionist_is_refused(demo):
    refusal = _kept(demo, "refusal.json")
    assert refusal["status"] == 403
    assert refusal["body"]["resourceType"] == "OperationOutcome"
    assert "HTTP 403" in demo[1]


def test_who_opted_out_or_is_restricted_is_in_no_line_of_the_export(demo):
    people = _people(demo)
    for role in ("opted-out", "restricted"):
        assert re.search(rf"{people[role]['name']} +3 +0 ", demo[1]), role
    assert re.search(rf"{people['type-1']['name']} +3 +2 ", demo[1]), (
        "a Type 1 objection keeps the practice's record at home"
    )
    records = sum(
        bool(who[key])
        for who in people.values()
        for key in ("emis_patient", "hospital_number", "retired_number", "council_number")
    )
    retired = sum(bool(who["retired_number"]) for who in people.values())
    assert len(_exported(demo)["Patient"]) == records - 3 - 3 - 1 - retired


def test_nothing_in_the_export_names_anyone(demo):
    content = b"".join(path.read_bytes() for path in (demo[0] / "export").iterdir())
    for who in _people(demo).values():
        for text in (
            *who["name"].split(),
            who["nhs_number"],
            who["hospital_number"],
            who["council_number"],
            who["emis_patient"].strip("{}").lower(),
        ):
            assert text.encode() not in content, who["role"]
    assert "of the export: 0 found" in demo[1]


def test_the_sensitive_item_is_not_in_the_export_but_its_person_is(demo):
    loaded = b"".join(path.read_bytes() for path in (demo[0] / "sources" / "emis").rglob("*.csv"))
    content = b"".join(path.read_bytes() for path in (demo[0] / "export").iterdir())
    assert SENSITIVE.encode() in loaded
    assert SENSITIVE.encode() not in content
    assert re.search(rf"{_people(demo)['sensitive']['name']} +3 +3 ", demo[1])


def test_birth_dates_are_years_and_postcodes_outward(demo):
    for patient in _exported(demo)["Patient"]:
        assert re.fullmatch(r"\d{4}", patient["birthDate"])
        assert all(re.fullmatch(r"[A-Z]{2}\d", address["postalCode"]) for address in patient.get("address", ()))


def test_the_audit_tells_of_the_view_the_refusal_and_the_release(demo):
    events = [json.loads(line) for line in (demo[0] / "audit.ndjson").read_text(encoding="utf-8").splitlines()]
    told = {(event["act"], event.get("outcome", "ok")) for event in events}
    assert {("shared", "ok"), ("shared", "refused"), ("export.release", "ok"), ("export.download", "ok")} <= told
    assert sum(event["act"] == "project.approve" for event in events) == 2
    assert "chain whole" in demo[1]


def test_the_operators_database_is_not_touched(demo):
    assert (demo[0] / "data" / "gateway.db").is_file()


@pytest.mark.slow
def test_the_same_seed_makes_the_same_people_and_tells_the_same_of_them_on_any_terminal(demo, tmp_path):
    out = tmp_path / "again"
    arguments = ["demo", "--no-serve", "--people", "10", "--seed", "3", "--out", str(out)]
    done = _gateway(arguments, {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.isascii() and "chain whole" in done.stdout
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in (root / "sources").rglob("*") if path.is_file()}
        for root in (demo[0], out)
    )
    assert first == second
    sections = [
        [
            section["text"]["div"]
            for section in json.loads((root / "summary.json").read_text())["entry"][0]["resource"]["section"]
        ]
        for root in (demo[0], out)
    ]
    assert sections[0] == sections[1]


def test_fewer_than_ten_people_are_refused(tmp_path, capsys):
    assert main(["demo", "--no-serve", "--people", "9", "--out", str(tmp_path / "out")]) == 2
    assert "--people: at least 10" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["demo", "--no-serve", "--people", "10", "--out", str(tmp_path)]) == 2
    assert "--out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_it_ends_serving_until_it_is_interrupted(tmp_path):
    arguments = [sys.executable, "-m", "gateway", "demo", "--people", "10", "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        arguments, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("curl "):
                    break
            url = shlex.split(lines[-1])[-1]
            tokens = dict(
                line.split() for line in lines if re.match(r"(dr-green|receptionist|dr-ward|researcher) +\S+$", line)
            )
            with _get(url, tokens["dr-green"]) as page:
                assert page.status == 200 and "Shared record" in page.read().decode()
            with pytest.raises(urllib.error.HTTPError, match="403"):
                _get(url, tokens["receptionist"])
            assert (tmp_path / "out" / "tokens" / "dr-green").read_text() == tokens["dr-green"]
            base = url.split("/fhir/")[0] + "/fhir"
            with _get(
                f"{base}/$export", tokens["researcher"], Accept="application/fhir+json", Prefer="respond-async"
            ) as kicked:
                status = kicked.headers["Content-Location"]
            assert _released(status, tokens["researcher"])["output"]
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def _released(status: str, token: str) -> dict:
    """The manifest of an export, once it is released."""
    for _ in range(300):
        with _get(status, token) as answer:
            if answer.status == 200:
                return json.load(answer)
        time.sleep(0.1)
    raise AssertionError("the export is not released")


def _get(url: str, token: str, **headers: str):
    """Fetch a page, waiting while the server starts."""
    request = urllib.request.Request(
        url, headers={"Authorization": f"Bearer {token}", "Accept": "text/html", **headers}
    )
    for _ in range(100):
        try:
            return urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError("the demo does not answer")
