"""The operator's verbs: exit codes, reports, and bad input, refused by its place and never by its value, with nothing
half-written."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import mappings
from gateway.commands import main
from gateway.intake import load, take
from gateway.nhs.sandbox import USERS
from gateway.store.database import open_store
from gateway.synth import world
from gateway.terminology import sets
from tests.index_plans import without
from tests.project import PROJECT

ROOT = Path(__file__).parents[1]
SECRET = "9990009990"
"""Stands in every bad input where a value would; no message may tell it."""
VERBS = (
    "init", "load", "remap", "quarantine", "rejects", "mismatches", "validate", "serve", "work", "token", "project", "optout", "export", "audit", "backup",
    "restore", "check", "demo",
)  # fmt: skip


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> world.Manifest:
    """What ten people's GP, hospital and council send."""
    return world.write(tmp_path_factory.mktemp("sent"), 10, 3, date(2026, 3, 1))


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """The operator's settings: a data folder of their own, and the sandbox on."""
    for name in list(os.environ):
        if name.startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    return tmp_path / "data"


@pytest.fixture
def gateway(data, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a verb on a new sandbox store: (exit code, output, errors)."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as left:
            code = left.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    assert run("init", "sandbox")[0] == 0
    return run


def held(data: Path) -> tuple[int, int, int]:
    """How many deliveries, rows and resources the store holds."""
    store = open_store(f"sqlite:///{data / 'gateway.db'}")
    try:
        with store.read() as session:
            return tuple(session.value(f"SELECT count(*) FROM {table}") for table in ("delivery", "kept", "head"))
    finally:
        store.close()


# Verbs and their exit codes


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_is_for(gateway, verb):
    code, out, _ = gateway(verb, "--help")
    assert code == 0 and f"Usage: gateway {verb}" in out and len(out.splitlines()) > 3


def test_without_a_verb_the_verbs_are_listed(gateway):
    code, out, _ = gateway()
    assert code == 2
    assert all(re.search(rf"^\W+{verb}\b", out, re.M) for verb in VERBS)


@pytest.mark.parametrize(
    "words, code, said",
    [
        ("--version", 0, ""),
        ("init sandbox", 0, "a sandbox store"),
        ("init live", 2, "born sandbox"),
        ("load emis", 2, "Missing argument 'path'"),
        ("load nobody x", 2, "there are care_act, cds, cld, community, emis, fhir, gp_connect, hl7v2, tpp"),
        ("load emis nowhere", 2, "no such file or folder"),
        ("load emis nowhere --feed x", 2, "no such file or folder"),
        ("remap nobody", 2, "there are care_act, cds, cld, community, emis, fhir, gp_connect, hl7v2, tpp"),
        ("remap cld", 0, "cld"),
        ("remap cld --feed ward", 2, "no table of that name"),
        ("quarantine list", 0, ""),
        ("quarantine replay", 2, "Missing argument 'source'"),
        ("quarantine replay cld", 0, "cld"),
        ("quarantine burn", 2, "there is no such command"),
        ("validate nowhere.json", 2, "cannot be read"),
        ("validate", 2, "Missing argument"),
        ("work --once", 0, ""),
        ("token --user dr-green", 0, "eyJ"),
        ("token --user nobody", 2, "dr-green"),
        ("project list", 0, ""),
        ("project add nowhere.toml", 2, "cannot be read"),
        ("project approve study --as me", 2, "no project of that name"),
        ("project suspend study --as me", 2, ""),
        ("optout status", 0, "absent"),
        ("optout load nowhere.csv", 2, "cannot be read"),
        ("export run --project study --out x", 2, "no project of that name"),
        ("export resume 1 --out x", 2, "no such job"),
        ("audit show", 0, ""),
        ("audit seal", 0, '"broken": []'),
        ("audit verify", 0, '"broken": []'),
        ("burn", 2, "there is no such command"),
    ],
)
def test_verbs_on_an_empty_store(gateway, words, code, said):
    done = gateway(*words.split())
    assert done[0] == code, done
    assert said in done[1] + done[2]
    assert "Traceback" not in done[2] and "bug" not in done[2]


def test_an_unknown_user_is_told_the_names_there_are(gateway):
    code, _, err = gateway("token", "--user", "nobody")
    assert code == 2
    assert all(name in err for name in USERS)


def test_a_token_is_refused_without_the_sandbox_setting(gateway, monkeypatch):
    monkeypatch.delenv("GATEWAY_SANDBOX")
    code, out, err = gateway("token", "--user", "dr-green")
    assert (code, out) == (2, "") and "GATEWAY_SANDBOX" in err


@pytest.mark.parametrize(
    "host, set_to, expected",
    [
        ("127.0.0.1", "", "http://127.0.0.1:{}/fhir"), ("0.0.0.0", "", "http://127.0.0.1:{}/fhir"),
        ("::1", "", "http://[::1]:{}/fhir"),
        ("127.0.0.1", "https://gateway.example/", "https://gateway.example/fhir"),
    ],
)  # fmt: skip
def test_links_lead_to_where_it_serves_unless_an_address_is_set(gateway, data, host, set_to, expected):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    here = f"http://{'[::1]' if ':' in host else '127.0.0.1'}:{port}/fhir/metadata"
    more = {"GATEWAY_SANDBOX": "1", "GATEWAY_BASE_URL": set_to}
    with _start(
        ["serve", "--host", host, "--port", str(port), "--no-work"], data, more, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert _statement(here)["implementation"]["url"] == expected.format(port)
        finally:
            process.terminate()


def _statement(url: str) -> dict:
    """What a server that is starting says of itself, once it answers."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError("it does not serve")


def test_a_project_is_in_force_when_two_people_have_approved_it(gateway, tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(PROJECT)
    assert gateway("project", "add", file)[:2] == (0, "study: draft\n")
    assert gateway("project", "approve", "study", "--as", "one")[0] == 0
    assert gateway("project", "approve", "study", "--as", "one")[0] == 2, "nobody approves twice"
    assert gateway("project", "approve", "study", "--as", "two")[:2] == (0, "study: approved\n")
    assert "approved" in gateway("project", "list")[1]


def test_an_export_without_an_opt_out_list_is_refused_and_with_one_is_told(gateway, sent, tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(PROJECT)
    for words in (
        ("load", "emis", sent.path("emis")),
        ("project", "add", file),
        *(("project", "approve", "study", "--as", w) for w in "ab"),
    ):
        assert gateway(*words)[0] == 0
    out = tmp_path / "release"
    refused = gateway("export", "run", "--project", "study", "--out", out)
    assert refused[0] == 2 and "opt-out" in refused[2] and not out.exists()
    assert gateway("optout", "load", sent.path("optout"))[0] == 0
    code, told, _ = gateway("export", "run", "--project", "study", "--out", out)
    assert code == 0 and "Patient.00000.ndjson" in told and "kB" in told
    assert (out / "manifest.json").is_file()
    again = gateway("export", "resume", json.loads(gateway("audit", "show")[1].splitlines()[-1])["job"], "--out", out)
    assert again[0] == 2 and "already released" in again[2]


SETS = """
[later]
name = "sensitive"
file = "more.csv"
version = "2"
date = "2026-06-01"
origin = "a later release"
"""


def test_with_new_code_sets_nothing_is_shown_before_the_sources_are_mapped_again(gateway, sent, tmp_path, monkeypatch):
    assert gateway("load", "cld", sent.path("cld"))[0] == 0
    new = tmp_path / "sets"
    new.mkdir()
    (new / "index.toml").write_text(SETS)
    (new / "more.csv").write_text("system,code,effect\nhttp://snomed.info/sct,109006,gender\n")
    monkeypatch.setenv("GATEWAY_CODE_SETS", str(new))
    for words in (
        ("serve", "--port", "1"),
        ("work", "--once"),
        ("export", "run", "--project", "study", "--out", tmp_path / "out"),
    ):
        code, _, said = gateway(*words)
        assert code == 2 and "labels were made with other code sets or rules: run `gateway remap` for cld" in said
    assert gateway("remap", "cld")[0] == 0
    assert gateway("work", "--once")[0] == 0


def test_with_new_search_parameters_nothing_is_shown_before_the_sources_are_mapped_again(gateway, sent, tmp_path):
    with without("Observation"):
        assert gateway("load", "cld", sent.path("cld"))[0] == 0
    for words in (
        ("serve", "--port", "1"),
        ("work", "--once"),
        ("export", "run", "--project", "study", "--out", tmp_path / "out"),
    ):
        code, _, said = gateway(*words)
        assert code == 2
        assert "search index was made with other search parameters: run `gateway remap` for cld" in said
    assert gateway("remap", "cld")[0] == 0
    assert gateway("work", "--once")[0] == 0


def test_a_release_written_into_the_ledger_by_hand_is_told(gateway, data, sent):
    assert gateway("optout", "load", sent.path("optout"))[0] == 0
    assert gateway("audit", "verify")[0] == 0
    store = open_store(f"sqlite:///{data / 'gateway.db'}")
    with store.write() as session:
        session.run("INSERT INTO ledger (at, entry, hash) VALUES (1, '{}', 'invented')")
    store.close()
    code, out, _ = gateway("audit", "verify")
    assert code == 1 and json.loads(out)["broken"] == ["ledger of releases"]


def test_a_broken_audit_is_told_by_its_exit_code(gateway, data, sent):
    assert gateway("optout", "load", sent.path("optout"))[0] == 0
    assert gateway("audit", "seal")[0] == 0
    store = open_store(f"sqlite:///{data / 'gateway.db'}")
    with store.write() as session:
        for (name,) in session.rows("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"):
            session.run(f"DROP TRIGGER {name}")
        session.run("UPDATE audit SET event = '{}'")
    store.close()
    code, out, _ = gateway("audit", "verify")
    assert code == 1 and json.loads(out)["broken"]


@pytest.mark.parametrize(
    "content, code, valid",
    [
        ('{"resourceType": "Patient", "birthDate": "1960-01-01"}', 0, [True]),
        ('{"resourceType": "Patient", "birthDate": "9990009990"}', 1, [False]),
        ('{"resourceType": "Patient"}\n{"resourceType": "Patient", "birthDate": "9990009990"}\n', 1, [True, False]),
        ('{"resourceType": "Patient", "id": "9990009990", "id": "b"}', 1, [False]),
        ('{"resourceType": "Patient", "9990009990', 1, [False]),
        ("[" * 100_000, 1, [False]),
    ],
    ids=["valid", "a bad date", "NDJSON", "a key twice", "not JSON", "a depth bomb"],
)
def test_validate_says_a_line_a_resource_and_never_a_value(gateway, tmp_path, content, code, valid):
    file = tmp_path / "file.json"
    file.write_text(content)
    done, out, err = gateway("validate", file)
    assert (done, [json.loads(line)["valid"] for line in out.splitlines()]) == (code, valid)
    assert SECRET not in out.replace(str(file), "") + err


def test_another_projects_package_of_our_name_is_refused(data, tmp_path):
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "__init__.py").write_text("")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    words = [sys.executable, "-m", "gateway", "init", "sandbox"]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 2 and "the package mappings is another project's" in done.stderr


# Settings


@pytest.mark.parametrize(
    "name, value",
    [
        ("GATEWAY_NOTHING", SECRET),
        ("GATEWAY_SANDBOX", SECRET),
        ("GATEWAY_OPTOUT_DAYS", f"{SECRET}x"),
        ("GATEWAY_OPTOUT_DAYS", "0"),
        ("GATEWAY_BODY_LIMIT", "-1"),
        ("GATEWAY_LOG_LEVEL", SECRET),
        ("GATEWAY_DATABASE_URL", f"mysql://user:{SECRET}@host/db"),
        ("GATEWAY_DATABASE_URL", f"postgresql://user:{SECRET}@127.0.0.1:1/db"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_its_name(gateway, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    code, out, err = gateway("audit", "verify")
    assert (code, out) == (2, "")
    assert (name in err or "database" in err) and SECRET not in err and "Traceback" not in err


@pytest.mark.parametrize(
    "toml, said",
    [
        ("ward = 1", "ward is no table"),
        (f'[ward]\nencoding = "{SECRET}"', "ward: encoding"),
        (f'[ward]\nzone = "{SECRET}"', "ward: zone"),
        (f'[ward]\ndefault = "{SECRET}"', "ward: default"),
        (f"[ward]\n{SECRET} =", "cannot be read as TOML"),
        (f'[ward]\nzone = "Europe/London"\n{SECRET} = "withhold"', "ward: a key that no source knows, number 2"),
        ("[clinic]", "no table of that name"),
    ],
)
def test_a_feed_that_cannot_be_used_is_refused_by_its_key(gateway, sent, monkeypatch, tmp_path, toml, said):
    (tmp_path / "feeds.toml").write_text(toml)
    monkeypatch.setenv("GATEWAY_FEEDS", str(tmp_path / "feeds.toml"))
    code, _, err = gateway("load", "hl7v2", sent.path("hl7v2"), "--feed", "ward")
    assert code == 2 and said in err and SECRET not in err


# Deliveries that cannot be taken: nothing of them is kept


def _file(folder: Path, part: str) -> Path:
    return next(path for path in sorted(folder.iterdir()) if part in path.name)


def _changed(folder: Path, part: str, change: Callable[[bytes], bytes]) -> None:
    file = _file(folder, part)
    file.write_bytes(change(file.read_bytes()))


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)


def _dangling(folder: Path) -> None:
    target = sorted(folder.iterdir())[0]
    target.rename(folder.parent / "moved")
    target.symlink_to(folder / "nowhere")


PATIENTS = "Admin_Patient_"
REFUSED = {
    "no such path": ("emis", _nothing, "no such file or folder"),
    "empty emis folder": ("emis", _empty, "no files"),
    "empty hl7v2 folder": ("hl7v2", _empty, "no .hl7, .txt or .dat file"),
    "empty cld folder": ("cld", _empty, "no .csv file"),
    "unreadable emis file": ("emis", _dangling, "cannot be read"),
    "unreadable hl7v2 file": ("hl7v2", _dangling, "file 1: cannot be read"),
    "unreadable cld file": ("cld", _dangling, "cannot be read"),
    "missing emis table": ("emis", lambda folder: _file(folder, PATIENTS).unlink(), "Admin_Patient"),
    "missing emis column": (
        "emis",
        lambda f: _changed(f, PATIENTS, lambda b: b.replace(b"NhsNumber", b"Nobody", 1)),
        "column NhsNumber is missing",
    ),
    "missing cld column": (
        "cld",
        lambda f: _changed(f, "", lambda b: re.sub(rb"(?i)event type", b"Nobody", b, count=1)),
        "column",
    ),
    "emis column twice": (
        "emis",
        lambda f: _changed(f, PATIENTS, lambda b: b.replace(b"Surname", b"NhsNumber", 1)),
        "column NhsNumber twice",
    ),
    "emis not UTF-8": (
        "emis",
        lambda f: _changed(f, PATIENTS, lambda b: b + f"{SECRET} Ros\xe9".encode("latin-1")),
        "not utf-8",
    ),
    "emis with a NUL": ("emis", lambda f: _changed(f, PATIENTS, lambda b: b + f"{SECRET}\0".encode()), "a NUL byte"),
    "emis without a header": ("emis", lambda f: _changed(f, PATIENTS, lambda b: b""), "line 1"),
    "not hl7v2": ("hl7v2", lambda f: _changed(f, "", lambda b: f"{SECRET},a,b\r\n".encode()), "file 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_delivery_that_is_not_whole_is_refused_by_its_place_and_nothing_is_kept(gateway, data, sent, tmp_path, name):
    source, damage, said = REFUSED[name]
    folder = tmp_path / "delivery"
    shutil.copytree(sent.path(source), folder)
    damage(folder)
    code, out, err = gateway("load", source, folder)
    assert (code, out) == (2, ""), err
    assert said in err and SECRET not in err and "Traceback" not in err and len(err.splitlines()) == 1
    assert held(data) == (0, 0, 0)


@pytest.mark.parametrize("of", ("emis", "hl7v2", "cld"))
@pytest.mark.parametrize("source", ("emis", "hl7v2", "cld"))
def test_another_sources_files_are_refused(gateway, data, sent, source, of):
    code, _, err = gateway("load", source, sent.path(of))
    if source == of:
        assert code == 0
    else:
        assert code == 2 and "Traceback" not in err
        assert held(data) == (0, 0, 0)


# Deliveries with faults: what is at fault is turned away by its place, the rest is taken


def _no_end(content: bytes) -> bytes:
    """The first message ends in the middle of its PID."""
    first, *others = content.split(b"MSH|")[1:]
    return b"MSH|" + first[: first.index(b"PID|") + 2] + b"\r" + b"".join(b"MSH|" + each for each in others)


def _words_between(content: bytes) -> bytes:
    first, *others = content.split(b"MSH|")[1:]
    return b"MSH|" + first + f"{SECRET}\r".encode() + b"".join(b"MSH|" + each for each in others)


REJECTS = {
    "ragged emis row": ("emis", lambda f: _changed(f, PATIENTS, lambda b: b + f'"{SECRET}","a"\r\n'.encode()), "number of fields", "line"),
    "open quote in emis": ("emis", lambda f: _changed(f, PATIENTS, lambda b: b + f'"{SECRET}'.encode()), "quoting", "line"),
    "ragged cld row": ("cld", lambda f: _changed(f, "", lambda b: b + f"{SECRET},a\r\n".encode()), "fields", "line"),
    "truncated message": ("hl7v2", lambda f: _changed(f, "", _no_end), "truncated message", "message 1"),
    "words between messages": ("hl7v2", lambda f: _changed(f, "", _words_between), "segment", "message 1"),
    "birth date that is none": (
        "emis", lambda f: _changed(f, PATIENTS, lambda b: re.sub(rb'"\d{4}-\d\d-\d\d"', f'"{SECRET}"'.encode(), b, count=1)), "DateOfBirth", "line 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTS)
def test_what_is_at_fault_is_turned_away_by_its_place_and_the_rest_is_taken(gateway, data, sent, tmp_path, name):
    source, damage, reason, place = REJECTS[name]
    folder = tmp_path / "delivery"
    shutil.copytree(sent.path(source), folder)
    damage(folder)
    code, out, err = gateway("load", source, folder, "--json")
    report = json.loads(out)
    assert code == 1 and sum(report["rejects"].values()) == 1, report["rejects"]
    assert reason in report["places"][0] and place in report["places"][0], report["places"]
    assert report["written"] > 50
    assert SECRET not in out + err
    code, told, _ = gateway("load", source, folder)
    assert SECRET not in told


def test_a_group_that_is_not_valid_waits_in_quarantine_and_is_listed_by_place(gateway, sent, tmp_path):
    folder = tmp_path / "delivery"
    shutil.copytree(sent.path("emis"), folder)
    REJECTS["birth date that is none"][1](folder)
    assert gateway("load", "emis", folder)[0] == 1
    code, out, _ = gateway("quarantine", "list", "--json")
    assert code == 1 and json.loads(out)["place"].startswith("Admin_Patient line 2")
    assert gateway("quarantine", "replay", "emis")[0] == 1, "nothing was mended"
    mended = tmp_path / "20260302010000"
    mended.mkdir()
    for file in sent.path("emis").iterdir():
        shutil.copy(file, mended / file.name.replace("20260301", "20260302"))
    assert gateway("load", "emis", mended)[0] == 0
    assert gateway("quarantine", "list")[:2] == (0, "")


# The report


def test_the_report_is_the_same_for_people_and_for_programs(gateway, sent):
    code, out, _ = gateway("load", "emis", sent.path("emis"), "--json")
    report = json.loads(out)
    assert code == 0 and report["source"] == "emis" and report["state"] == "done" and report["files"] == 21
    rows = sent.written["emis"] + 10  # each patient's registration is a row of its own
    assert report["rows"]["read"] == report["rows"]["new"] == rows
    assert report["resources"]["Patient"] == {"created": 10} and report["people"]["patients"] == 10
    code, told, _ = gateway("load", "emis", sent.path("emis"))
    assert (
        code == 0
        and f"{rows:,} rows read from 21 files ({rows:,} unchanged), 0 resources written" in told
        and "10 patient records" in told
    )


BROKEN = '''
"""A source whose allergies have no code: R4 has them, UK Core does not."""
from gateway.fhir import build
from mappings import Row, Source, Values
from mappings.readers.files import File

UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"

def read(file, feed):
    yield Row("Line", "1", "A99001", 1, Values(text="x"), patient="1", groups=("line:1",), line=1)

def to_fhir(group, look):
    patient = build.resource("Patient", look.id("Patient", "1"), gender="female")  # no profile: an empty meta
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    status = {"coding": [{"system": system, "code": "active"}]}
    allergy = look.id("AllergyIntolerance", "1")
    whose = look.reference("Patient", "1")
    profile = UK_CORE + "AllergyIntolerance"
    return [patient, build.resource("AllergyIntolerance", allergy, profile, clinicalStatus=status, patient=whose)]

SOURCE = Source("lines", "gp", "Lines", "1", lambda path, feed: [File(path)], read, to_fhir)
'''


def test_strict_tells_broken_constraints_of_uk_core_by_the_exit_code(gateway, tmp_path, monkeypatch):
    (tmp_path / "sources" / "lines_without_codes").mkdir(parents=True)
    (tmp_path / "sources" / "lines_without_codes" / "__init__.py").write_text(BROKEN)
    (tmp_path / "lines.txt").write_text("x")
    monkeypatch.setattr(mappings, "__path__", [*mappings.__path__, str(tmp_path / "sources")])
    code, out, _ = gateway("load", "lines", tmp_path / "lines.txt", "--json")
    assert code == 0, json.loads(out)["places"]
    assert json.loads(out)["ukCore"] == {"AllergyIntolerance: AllergyIntolerance.code: 1..* in UK Core": 1}
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "strict"))
    assert gateway("init", "sandbox")[0] == 0
    assert gateway("load", "lines", tmp_path / "lines.txt", "--strict")[0] == 1


@pytest.mark.parametrize("line, code", [('{}["SECRET"]', 1), ('assert "SECRET" == 1', 2)], ids=["data", "reason"])
def test_a_bug_of_a_mapping_is_told_by_its_place(gateway, tmp_path, monkeypatch, caplog, line, code):
    """One that odd data may cause costs its group, one that is against our own reasoning ends the load."""
    folder = tmp_path / "sources" / f"lines_with_a_bug_{code}"
    folder.mkdir(parents=True)
    broken = BROKEN.replace("    patient = build", f"    {line.replace('SECRET', SECRET)}\n    patient = build")
    (folder / "__init__.py").write_text(broken)
    (tmp_path / "lines.txt").write_text("x")
    monkeypatch.setattr(mappings, "__path__", [*mappings.__path__, str(tmp_path / "sources")])
    ended, out, err = gateway("load", "lines", tmp_path / "lines.txt", "--json")
    told = out + err + caplog.text
    assert ended == code and f"{folder.name}/__init__.py:13" in told and SECRET not in told
    assert ("a bug of the mapping" in out) if code == 1 else ("a bug (AssertionError)" in err and not out)


# On a terminal, and interrupted


@pytest.mark.parametrize("source", ["emis", "hl7v2", "cld"])
def test_progress_counts_rows_and_soon_knows_how_many_there_will_be(gateway, data, sent, monkeypatch, source):
    monkeypatch.setattr(take, "ROWS_AT_ONCE", 10)
    told: list[tuple[int, int]] = []
    store = open_store(f"sqlite:///{data / 'gateway.db'}")
    found = mappings.sources()[source]
    load.load(
        store, found, sent.path(source), mappings.Feed(), sets.load(sandbox=True), workers=0,
        progress=lambda phase, done, of: told.append((done, of)) if phase == "rows kept" else None,
    )  # fmt: skip
    store.close()
    assert told.pop(0) == (0, 1)
    all_rows = told[-1][0]
    assert told[-1] == (all_rows, all_rows) and all_rows >= sent.written[source]
    assert [done for done, _ in told[:-1]] == [
        *range(10, all_rows, 10),
        *([all_rows] if told[-2][0] == all_rows else []),
    ]
    assert all(done <= of for done, of in told)
    assert all(all_rows / 2 <= of <= all_rows * 2 for done, of in told if done > all_rows / 2)


def _start(words: list[str], data: Path, more: dict[str, str] | None = None, **options) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment |= {"GATEWAY_DATA_DIR": str(data), "COLUMNS": "120", **(more or {})}
    return subprocess.Popen([sys.executable, "-m", "gateway", *words], cwd=ROOT, env=environment, **options)


def test_a_terminal_shows_progress_with_rows_a_second_and_time_left(gateway, data, sent):
    ours, theirs = pty.openpty()
    with _start(
        ["load", "emis", str(sent.path("emis"))], data, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        report = process.stdout.read()
        assert process.wait() == 0
    os.close(ours)
    assert b"rows kept" in shown and b"groups mapped" in shown and b"100 %" in shown
    assert b"rows/s" in shown and b"left" in shown
    assert "\x1b" not in report and "resources written" in report


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> world.Manifest:
    """An extract that takes a while to load, in a pool of processes."""
    return world.write(tmp_path_factory.mktemp("many"), 540, 5, date(2026, 3, 1))


@pytest.mark.slow
def test_an_interrupted_load_ends_cleanly_and_goes_on_when_run_again(gateway, data, many):
    with _start(
        ["load", "emis", str(many.path("emis"))],
        data,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        for _ in range(600):
            if held(data)[1] > 0:
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.stderr.read()
        assert process.wait(timeout=60) == 2
    assert "interrupted" in errors and "Traceback" not in errors
    code, out, err = gateway("load", "emis", many.path("emis"), "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["rows"]["read"] == held(data)[1] == many.written["emis"] + many.known["gp"]
    assert report["people"]["patients"] == many.known["gp"]


def test_a_world_of_synthetic_people_is_written_once_and_for_as_many_as_there_are_numbers(gateway, tmp_path):
    out = tmp_path / "world"
    code, told, _ = gateway("synth", "--out", out, "--people", "12", "--today", "2026-03-01", "--json")
    people = (out / "truth" / "people.ndjson").read_text(encoding="utf-8").splitlines()
    assert code == 0 and json.loads(told)["written"]["emis"] > 100 and len(people) == 12
    for words, reason in (
        (("--out", out), "--out: a new or an empty folder"),
        (("--out", tmp_path / "more", "--today", "soon"), "--today"),
        (("--out", tmp_path / "more", "--people", "900000"), "--people: at most 800000"),
    ):
        code, _, refused = gateway("synth", *words)
        assert code == 2 and reason in refused and not (tmp_path / "more").exists()
