"""Every command there is: its exit codes, its JSON, its help, and what it must not print or import.

The commands are found by looking, so a new one without a case here fails.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from gateway import commands, composition, config
from gateway.commands import main
from gateway.export import asking, standing
from gateway.identity import review
from gateway.signin.issue import new_key, public_jwks
from gateway.store import subscriptions
from gateway.synth import world
from tests import acts
from tests.project import PROJECT

ROOT = Path(__file__).parents[2]
SECRET = "9990009990"


@dataclass(frozen=True)
class Case:
    """A command line, its exit code, and the names of the JSON object that each line of its output is."""

    words: str
    code: int
    names: frozenset[str] = field(default=frozenset())


def case(words: str, code: int, *names: str) -> Case:
    return Case(words, code, frozenset(names))


REPORT = ("source", "state", "files", "rows", "rejects", "places", "resources", "written", "labels", "people", "ukCore",
          "unmappedCodes", "unlistedValues", "seconds")  # fmt: skip
KEPT = ("number", "source", "feed", "delivery", "place", "reason", "bytes")
MANIFEST = ("transactionTime", "request", "requiresAccessToken", "output", "deleted", "error", "extension")
SUBSCRIPTION = (
    "subscription", "client", "organisation", "type", "state", "waiting", "behind", "events", "failures", "error",
)  # fmt: skip
RULING = ("ruling", "act", "state")
CASES = [
    case("init sandbox --json", 0, "store", "mode"),
    case("init live", 2),
    case("load emis {emis} --json", 0, *REPORT),
    case("load emis {damaged} --json", 1, *REPORT),
    case("load cld {cld}", 0),
    case("load nobody {emis}", 2),
    case("remap cld --json", 0, *REPORT),
    case("remap nobody", 2),
    case("quarantine list --json", 1, "source", "delivery", "place", "reason"),
    case("quarantine list cld", 0),
    case("quarantine list too many", 2),
    case("quarantine replay emis --json", 1, *REPORT),
    case("quarantine replay cld", 0),
    case("quarantine replay nobody", 2),
    case("quarantine replay", 2),
    case("load hl7v2 {unread} --json", 1, *REPORT, "rejectsKept", "warnings"),
    case("rejects list --json", 1, *KEPT),
    case("rejects list --names --json", 1, *KEPT, "file"),
    case("rejects list cld", 0),
    case("rejects list too many", 2),
    case("rejects show 1 --json", 0, *KEPT),
    case("rejects show 99", 2),
    case("rejects replay hl7v2 --json", 1, *REPORT),
    case("rejects replay cld", 0),
    case("rejects replay nobody", 2),
    case("rejects drop 1 --json", 0, "removed"),
    case("rejects drop 1", 1),
    case("rejects drop x", 2),
    case("rejects purge --days 30 --json", 0, "removed"),
    case("rejects purge --days x", 2),
    case("mismatches --as me --json", 0, "number", "source", "publisher", "patient", "why"),
    case("mismatches x", 2),
    case("explain fhir --json", 0, "source", "version", "counts", "columns"),
    case("explain none", 2),
    case("identity review --json", 1, "item", "kind", "why", "records", "numbers"),
    case("identity review --kind superseded", 0),
    case("identity review --kind none", 2),
    case("identity separate {item} {record} --why seen --json", 0, *RULING),
    case("identity separate none {record} --why seen", 2),
    case("identity undo 1 --why again --as me --json", 0, *RULING),
    case("identity undo 99 --why again --as me", 2),
    case("identity confirm {item} --why seen --json", 0, *RULING),
    case("identity confirm none --why seen", 2),
    case("identity join none {record} {record} --why seen --as me", 2),
    case("identity history --json", 0, *RULING[:2], "item", "undoes", "by", "why", "stands", "at"),
    case("identity history x", 2),
    case("identity trace --dry-run --json", 0, "due", "asked", "outcomes", "stopped"),
    case("identity trace", 2),
    case("identity propose --json", 0, "proposals"),
    case("identity propose x", 2),
    case(
        "access explain --user dr-green --act shared --patient {record} --as me --why asked --json",
        0,
        "act",
        "outcome",
        "refusal",
        "policy",
        "steps",
    ),
    case("access explain --user dr-green --claims {valid} --patient {record} --as me --why asked", 2),
    case("access explain --user dr-green --patient {record}", 2),
    case("access explain --claims {unread} --patient {record} --as me --why asked", 2),
    case("access explain 999999", 2),
    case("access explain", 2),
    case("access table --json", 0, "version", "fingerprint", "sections", "includes", "rules"),
    case("access table x", 2),
    case("access diff now now --json", 0, "changes", "alike", "unknown"),
    case("access diff {valid}", 2),
    case("access diff nowhere.json", 2),
    case("validate {valid} --json", 0, "file", "line", "resourceType", "valid", "issues"),
    case("validate {valid} --closely --second", 0, "file", "line", "resourceType", "valid", "issues"),
    case("validate {invalid}", 1, "file", "line", "resourceType", "valid", "issues"),
    case("validate nowhere.json", 2),
    case("token --user dr-green --json", 0, "access_token", "token_type"),
    case("token --user nobody --json", 2),
    case("client add ward {client} --jwks {jwks} --json", 0, "client", "state"),
    case("client add ward {client} --jwks {jwks}", 2),
    case("client add ward {client} --jwks {valid}", 2),
    case("client add near {client} --jwks-url https://10.0.0.1/jwks.json", 2),
    case("client key ward --jwks {jwks} --json", 0, "client", "state"),
    case("client key nobody --jwks {jwks}", 2),
    case("client change ward --scope system/Patient.rs --json", 0, "client", "state"),
    case("client change ward --scope user/*.rs", 2),
    case("client change ward --publisher fhir:A99001", 2),
    case("client change ward", 2),
    case("client change nobody --organisation RZZ", 2),
    case("client disable ward --json", 0, "client", "state"),
    case("client disable nobody", 2),
    case("client enable ward --json", 0, "client", "state"),
    case("client enable nobody", 2),
    case("subscriptions stop {subscription} --json", 0, "subscription", "state"),
    case("subscriptions stop nobody", 2),
    case("subscriptions resume {subscription} --json", 0, "subscription", "state"),
    case("subscriptions resume nobody", 2),
    case("subscriptions list --json", 0, *SUBSCRIPTION),
    case("subscriptions list x", 2),
    case(
        "client list --json",
        0,
        "client",
        "organisation",
        "publishers",
        "projects",
        "scopes",
        "keys",
        "jwksUrl",
        "state",
    ),
    case("client list x", 2),
    case("optout load {optout} --json", 0, "state", "loaded", "count", "hash"),
    case("optout load nowhere.csv", 2),
    case("optout status --json", 0, "state", "loaded", "count", "hash"),
    case("optout status x", 2),
    case("project add {project} --as asker --json", 0, "project", "state"),
    case("project add nowhere.toml", 2),
    case("project approve study --as guardian --json", 0, "project", "state"),
    case("project approve study --as guardian", 2),
    case("project approve study --as controller", 0),
    case("project suspend study --as me --json", 0, "project", "state"),
    case("project suspend study", 2),
    case("project resume study --as me --json", 0, "project", "state"),
    case("project resume none --as me", 2),
    case("project list --json", 0, "project", "version", "state"),
    case("project list x", 2),
    case("export run --project study --out {out} --workers 1 --json", 0, *MANIFEST),
    case("export run --project none --out {none}", 2),
    case("export resume {job} --out {resumed} --workers 1 --json", 0, *MANIFEST),
    case("export resume none --out {none}", 2),
    case("alerts list --json", 0),
    case("alerts list --state none", 2),
    case("alerts find A99001 --as me --json", 0, "organisation", "alerts"),
    case("alerts find A99001 --as me --staff {valid}", 2),
    case("alerts move 99 closed --as me --note looked-into", 2),
    case("attack {out} --as me --json", 0, "release", "whole", "figures", "limits", "over", "notMeasured"),
    case("attack {out} --as me --other {resumed} --limit all.alone.born+sex=0", 1),
    case("attack {none} --as me", 2),
    case("trace {out}/Patient.00000.ndjson --as me --json", 0, "looked_for", "unknown", "origins", "tried"),
    case("trace {optout} --as me", 1),
    case("views {out} --out {tables} --workers 0 --json", 0, "tables", "resources", "unlinked", "noView", "person"),
    case("views {out} --out {viewed} --view {view}", 0),
    case("views {out} --out {tables}", 2),
    case("views {none} --out {viewed}", 2),
    case("trace nowhere.csv --as me", 2),
    case("pull nowhere.toml --into {none}", 2),
    case("work --once", 0),
    case("work --twice", 2),
    case("project expire study --as me --json", 0, "project", "state"),
    case("project expire study --as me", 2),
    case("audit show --limit 2 --json", 0, "seq", "at", "stream", "act", "by", "project"),
    case("audit show --limit many", 2),
    case("audit seal --json", 0, "rows", "sealed", "keyed", "unsealed", "broken"),
    case("audit seal x", 2),
    case("audit verify --json", 0, "rows", "sealed", "keyed", "unsealed", "broken"),
    case("audit verify x", 2),
    case("audit verify --against {none}", 2),
    case("audit checkpoint --json", 0, "checkpoint", "at", "read", "write", "ledger", "key"),
    case("audit checkpoint x", 2),
    case("audit accept --as me --json", 0, "rows", "sealed", "keyed", "unsealed", "broken"),
    case("audit accept", 2),
    case("backup {backup} --as me --json", 0, "files", "at", "root", "checkpoint"),
    case("backup {backup}", 2),
    case("restore {backup} --json", 2),
    case("check --json", 0, "damage"),
    case("check x", 2),
    case("serve --port 85536", 2),
    case("listen --feed none", 2),
    case("watch --feed none", 2),
    case("feeds", 0),
    case("feeds x", 2),
    case("quality --json", 0, "source"),
    case("quality x", 2),
    case("synth --out {drill} --snoopers --json", 0, "seed", "written"),
    case("synth --out {world} --people 10 --json", 0, "people", "seed", "today", "written"),
    case("synth --out {world}", 2),
    case("synth --out {pack} --pack privacy --json", 0, "people", "seed", "today", "written"),
    case("synth --out {pack} --pack nobody", 2),
    case("demo --no-serve --people 9", 2),
]
ELSEWHERE = {"restore": "tests/test_backup.py", "serve": "tests/test_composition.py", "demo": "tests/test_demo.py",
             "listen": "tests/commands/test_listening.py", "watch": "tests/commands/test_watching.py",
             "identity join": "tests/identity/test_operator.py", "pull": "tests/pull/test_pull_command.py",
             "alerts move": "tests/oversight/test_triage.py"}  # fmt: skip
"""Commands whose clean end is shown by a test of their own: they serve, or two people run them."""

UNSEEN = {"work": "tests/export/test_worker.py", "rejects show": "tests/intake/test_rejects.py",
          "identity trace": "tests/identity/test_operator.py",
          "alerts move": "tests/oversight/test_triage.py"}  # fmt: skip
"""Commands that here find nothing to do, would print a patient's data or call out, and where their acts are seen."""


def leaves() -> dict[str, TyperCommand]:
    """Every command and act by its words: ``project add``."""
    by_words: dict[str, TyperCommand] = {}
    for name, command in typer.main.get_command(commands.application()).commands.items():
        if isinstance(command, TyperGroup):
            by_words |= {f"{name} {act}": part for act, part in command.commands.items()}
        else:
            by_words[name] = command
    return by_words


def words_of(line: Case) -> str:
    return next(name for name in leaves() if line.words == name or line.words.startswith(name + " "))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[Case, tuple[int, str, str]]:
    """What each case ended with, run one after the other on one store: (exit code, output, errors)."""
    folder = tmp_path_factory.mktemp("operator")
    sent = world.write(folder / "sent", 10, 3, date(2026, 3, 1))
    places = {name: str(sent.path(name)) for name in ("emis", "cld", "optout")}
    places |= {
        name: str(folder / name)
        for name in (
            "damaged",
            "project.toml",
            "out",
            "none",
            "resumed",
            "backup",
            "world",
            "pack",
            "drill",
            "tables",
            "viewed",
        )  # fmt: skip
    }
    places["project"] = places["project.toml"]
    shutil.copytree(sent.path("emis"), folder / "damaged")
    (patients,) = (folder / "damaged").glob("*Admin_Patient_*")
    patients.write_bytes(re.sub(rb'"\d{4}-\d\d-\d\d"', f'"{SECRET}"'.encode(), patients.read_bytes(), count=1))
    for file in (folder / "damaged").iterdir():
        file.rename(file.with_name(file.name.replace("20260301", "20260302")))
    (folder / "project.toml").write_text(PROJECT)
    places["unread"] = str(folder / "unread.hl7")
    Path(places["unread"]).write_text(f"MSH|^~\\&|PAS|RZZ|||20260101||ADT^A01|1|P|2.4\rPID|1||{SECRET}^^^NHS\r")
    places["view"] = str(folder / "view.json")
    own = {
        "name": "mine",
        "resource": "Patient",
        "select": [{"column": [{"name": "p", "path": "%person", "type": "id"}]}],
    }
    Path(places["view"]).write_text(json.dumps(own))
    places["client"] = "--organisation RZZ --project study --scope system/*.rs"
    places["jwks"] = str(folder / "jwks.json")
    (folder / "jwks.json").write_text(json.dumps(public_jwks(new_key(), "RS384")))
    for name, born in (("valid", "1960-01-01"), ("invalid", SECRET)):
        places[name] = str(folder / f"{name}.json")
        Path(places[name]).write_text(json.dumps({"resourceType": "Patient", "birthDate": born}))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
            patch.delenv(name)
        patch.setenv("GATEWAY_DATA_DIR", str(folder / "data"))
        patch.setenv("GATEWAY_SANDBOX", "1")
        return {line: run(line, folder, places) for line in CASES}


ACTED: dict[str, set[str]] = {}
"""The acts that each line of ``CASES`` wrote into the audit."""


def audited() -> list[str]:
    """The acts in the audit, in the order written."""
    if not (config.read().data_dir / "gateway.db").exists():
        return []
    with composition.open_gateway(config.read()) as gateway, contextlib.closing(gateway.writing_audit()) as audit:
        return [event["act"] for event in audit.events()]


def run(line: Case, folder: Path, places: dict[str, str]) -> tuple[int, str, str]:
    if "{job}" in line.words:
        with composition.open_gateway(config.read()) as gateway:
            places["job"] = asking.start(gateway.store, "study", "operator", optout_days=7, kind=standing.BY_HAND)
    if line.words.startswith("subscriptions stop {"):
        _subscribe(places)
    before = len(audited())
    if line.words.startswith("mismatches --as"):
        with composition.open_gateway(config.read()) as gateway, gateway.store.write() as session:
            session.run("INSERT INTO mismatch (number, patient, why) SELECT 'x', min(patient), 'a test' FROM head")
    if line.words.startswith("identity"):
        _ask_about_identity(places)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([part for word in line.words.split() for part in _written(word, places)])
    ACTED[line.words] = set(audited()[before:])
    return code, out.getvalue(), err.getvalue()


def _written(word: str, places: dict[str, str]) -> list[str]:
    """A word of a command line with its places; ``{client}`` is several."""
    return places["client"].split() if word == "{client}" else [word.format(**places)]


def _subscribe(places: dict[str, str]) -> None:
    """Have a client keep a subscription."""
    with composition.open_gateway(config.read()) as gateway, gateway.store.write() as session:
        row = subscriptions.SubscriptionRow(
            "some-id", "urn:a", "ward", "RZZ", 7, "active", "", "", '{"channel": {}}', ""
        )
        places["subscription"] = subscriptions.add(session, row).id


def _ask_about_identity(places: dict[str, str]) -> None:
    """Have the review ask about one number and those that claim it."""
    with composition.open_gateway(config.read()) as gateway:
        with gateway.store.write() as session:
            number = session.value("SELECT min(number) FROM claim WHERE number NOT LIKE 'patient:%'")
            session.run("DELETE FROM mismatch")
            session.run(
                "INSERT INTO mismatch (number, patient, why) SELECT ?, min(patient), 'a test' FROM head", number
            )
        asked = review.review(gateway.store)
        places["item"] = next((item.id for item in asked.items), "none")
        places["record"] = next(iter(asked.held.values())).id


@pytest.mark.parametrize("line", CASES, ids=lambda line: line.words)
def test_a_command_ends_with_its_code_and_prints_its_json(outcomes, line):
    code, out, err = outcomes[line]
    assert code == line.code, err
    assert SECRET not in out + err and "a bug" not in err and "Traceback" not in err
    if code == 2:
        assert out == "" and err.splitlines()[-1].startswith(f"gateway {line.words.split()[0]}"), err
    if line.names:
        objects = [json.loads(text) for text in out.splitlines()]
        assert objects and all(line.names <= set(each) for each in objects), out


@pytest.mark.parametrize("line", CASES, ids=lambda line: line.words)
def test_a_command_writes_its_acts_into_the_audit_and_no_others(outcomes, line):
    rows = acts.COMMANDS[words_of(line)]
    assert ACTED[line.words] <= (set() if isinstance(rows, str) else set(rows))


def test_every_command_has_its_row_of_acts_and_was_seen_to_write_them(outcomes):
    assert leaves().keys() == acts.COMMANDS.keys()
    seen: dict[str, set[str]] = {}
    for line in CASES:
        seen.setdefault(words_of(line), set()).update(ACTED[line.words])
    expected = {name: set(rows) for name, rows in acts.COMMANDS.items() if not isinstance(rows, str)}
    here = expected.keys() - ELSEWHERE.keys() - UNSEEN.keys()
    assert {name: seen[name] for name in here} == {name: expected[name] for name in here}


def test_every_command_has_cases_for_its_clean_end_its_refusal_and_its_json():
    ends = {(words_of(line), line.code) for line in CASES} | {(name, 0) for name in ELSEWHERE}
    assert not [name for name in leaves() if (name, 0) not in ends], "no clean end"
    assert not [name for name in leaves() if (name, 2) not in ends], "no refusal"
    speaking = {words_of(line) for line in CASES if "--json" in line.words and line.names}
    able = {name for name, command in leaves().items() if any("--json" in part.opts for part in command.params)}
    assert able == speaking | {
        "restore",
        "listen",
        "watch",
        "feeds",
        "identity join",
        "pull",
        "alerts list",
        "alerts move",
    }
    assert leaves().keys() - able == {"serve", "work", "demo"}, "a machine reads all others"


@pytest.mark.parametrize("name", leaves())
def test_every_command_option_and_argument_says_what_it_is(name):
    command = leaves()[name]
    assert command.help and command.help.splitlines()[0].endswith(".")
    for parameter in command.params:
        if not parameter.hidden:
            assert parameter.help and parameter.help.endswith("."), parameter.name


def test_the_exit_code_of_the_process_is_the_commands(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "good.json").write_text('{"resourceType": "Patient"}')
    for file, code in (("good.json", 0), ("bad.json", 1), ("none.json", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "validate", str(tmp_path / file)],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        assert done.returncode == code


# Found by looking


@pytest.fixture
def add_module(tmp_path, monkeypatch) -> Callable[[str, str], list[str]]:
    """Write a module of commands into a folder of its own, and return the folders that are then looked through."""

    def add(name: str, text: str) -> list[str]:
        folder = tmp_path / "more"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"gateway.commands.{name}", raising=False)
        return list(commands.__path__)

    yield add
    for path in tmp_path.rglob("*.py"):
        if path.stem.startswith("new"):
            sys.modules.pop(f"gateway.commands.{path.stem}", None)


GOOD = 'def run() -> int:\n    """Do it."""\n    return 0\n\nVERB = run\n'


def test_a_module_is_a_verb_by_its_own_name(add_module):
    path = add_module("new_verb", GOOD)
    assert "new-verb" in commands.verbs(path)
    assert list(commands.verbs(path)) == sorted(commands.verbs(path))


@pytest.mark.parametrize("text", ["", "VERB = 1\n", GOOD.replace('    """Do it."""\n', "")])
def test_a_module_that_is_no_verb_is_an_error(add_module, text):
    path = add_module("newest", text)
    with pytest.raises(TypeError, match="commands/newest: VERB"):
        commands.verbs(path)


def test_a_second_module_of_one_name_is_an_error(add_module):
    path = add_module("validate", GOOD)
    with pytest.raises(TypeError, match="two modules are validate"):
        commands.verbs(path)


# What a failure prints


def test_a_bug_prints_no_value_of_a_variable_and_no_message(tmp_path):
    (tmp_path / "burst.py").write_text(
        f'def burst() -> int:\n    """Fail."""\n    patient = "{SECRET}"\n    raise KeyError(patient)\n\nVERB = burst\n'
    )
    program = f"import sys; from gateway import commands as c; c.__path__.append({str(tmp_path)!r}); sys.exit(c.main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "burst"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "gateway burst: a bug (KeyError)" in done.stderr and "burst.py:4" in done.stderr
    assert SECRET not in done.stderr and "Traceback" not in done.stderr and "locals" not in done.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (f"audit show --limit {SECRET}x", "gateway audit show: '--limit': Input should be a valid integer"),
        (f"init {SECRET}", "gateway init: 'mode': expected <sandbox|live>"),
        (f"{SECRET}", "gateway: there is no such command"),
        (f"project {SECRET}", "gateway project: there is no such command"),
        (f"optout status {SECRET}", "gateway optout status: there are more arguments than it takes"),
        (f"optout status --{SECRET}", "gateway optout status: there is no such option"),
        ("project", "gateway project: a command is needed"),
        ("token --user", "gateway token: Option '--user' requires an argument."),
    ],
)
def test_words_that_do_not_fit_are_refused_without_repeating_them(capsys, words, said):
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.splitlines()[-1].startswith(said) and SECRET not in printed.err


def test_an_output_that_cannot_show_a_character_shows_another():
    program = "from gateway.commands import main; main(['--version']); print('Bront\\u00eb \\u00b7')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"Bront? ?")


def report() -> dict[str, object]:
    return {
        "source": "toy", "rows": {"read": 1}, "files": 1, "written": 1, "seconds": 1.0, "resources": {}, "people": {},
        "labels": {}, "ukCore": {}, "unmappedCodes": {}, "rejects": {}, "places": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [f"console.load_report({report()!r})", "print('x' * 100_000, flush=True)", "print('x')"],
    ids=["a table", "much text", "text that waits until the end"],
)
def test_a_reader_that_ends_first_is_no_failure(tmp_path, body):
    (tmp_path / "speak.py").write_text(
        "from gateway import console\n\n"
        f'def speak() -> int:\n    """Speak."""\n    {body}\n    return 0\n\nVERB = speak\n'
    )
    program = f"import sys; from gateway import commands as c; c.__path__.append({str(tmp_path)!r}); sys.exit(c.main())"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-c", program, "speak"], cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (0, "")


# Completion, and what is not waited for


@pytest.mark.parametrize("typed, expected", [("gateway pro", {"project"}), ("gateway project s", {"suspend"})])
def test_a_shell_completes_commands_and_acts(typed, expected):
    environment = {**os.environ, "_GATEWAY_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    environment["COMP_CWORD"] = str(len(typed.split()) - 1)
    done = subprocess.run([sys.executable, "-m", "gateway"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and set(done.stdout.split()) == expected


HEAVY = ("sqlalchemy", "fastapi", "uvicorn", "jose", "cryptography", "httpx", "jinja2", "gateway.fhir", "gateway.store")
LOOK = (
    "import sys; from gateway.commands import main; main({words!r}); print(sorted(set({heavy!r}) & set(sys.modules)))"
)


@pytest.mark.parametrize(
    "words, needed",
    [
        (["--help"], []),
        *(([*name.split(), "--help"], []) for name in ("load", "serve", "demo", "export run")),
        (["optout", "status"], ["gateway.fhir", "gateway.store", "sqlalchemy"]),
        (["token", "--user", "nobody"], ["cryptography", "gateway.fhir", "gateway.store", "jose", "sqlalchemy"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_command_imports_what_it_needs_and_no_more(outcomes, tmp_path, words, needed):
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(tmp_path / "data"), "GATEWAY_SANDBOX": "1"}
    if needed:
        composition.create_gateway(config.read(environment), "sandbox").close()
    program = LOOK.format(words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == str(needed), done.stderr
