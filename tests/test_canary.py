"""The canary: fifty people with a token of their own in every string that tells who they are; none is found in
anything that leaves.

Looked through: every byte of an export of either profile with its manifest and ledger row, every log line of every
logger at DEBUG, what the commands print, load reports and quarantine, headers, links and error bodies of the API,
metrics.
"""

import base64
import contextlib
import csv
import dataclasses
import datetime
import http.client
import io
import json
import logging
import logging.config
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pyarrow.parquet as parquet
import pytest
import uvicorn

from gateway import config
from gateway.api.app import create_app
from gateway.commands import main
from gateway.composition import Gateway, create_gateway, open_service
from gateway.errors import GatewayError
from gateway.export import approval, asking, national_list, running
from gateway.intake import load
from gateway.nhs import pseudonym
from gateway.nhs.pseudonym import actions, policy, shapes
from gateway.store import ledger, quarantine
from gateway.store.database import Store
from gateway.synth import canary, world
from gateway.synth.people import people
from gateway.views import release_tables, shipped
from mappings import Feed, sources

TODAY = datetime.date.today()
PEOPLE, SEED, ROOT = 50, 7, bytes(range(32))
SHORTEST = 6
"""Letters or digits of the shortest canary, by which all are looked for."""
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
GUID = re.compile(r"\{?([0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12})\}?")


class Canaries:
    """Strings to look for, whatever their case, in base64 at each of its three places, percent-encoded, without
    spaces."""

    def __init__(self, texts: Iterable[str]):
        self.plain: dict[str, set[str]] = {}
        self.encoded: dict[str, set[str]] = {}
        for text in {text for text in texts if text}:
            for form in (
                text,
                quote(text),
                quote_plus(text),
                re.sub(r"[\s{}]", "", text),
                text.replace(" ", "-"),
                text.encode().hex(),
            ):
                self.plain.setdefault(form.lower()[:SHORTEST], set()).add(form.lower())
            for form in _in_base64(text):
                self.encoded.setdefault(form[:SHORTEST], set()).add(form)

    def found(self, data: bytes | str) -> set[str]:
        """The canaries in some bytes."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        return _among(text.lower(), self.plain) | _among(text, self.encoded)


def _in_base64(text: str) -> Iterator[str]:
    for before in range(3):
        made = base64.b64encode(bytes(before) + text.encode()).decode().rstrip("=")
        inside = made[(0, 2, 3)[before] : len(made) - (0 if (before + len(text.encode())) % 3 == 0 else 1)]
        if len(inside) >= 10:
            yield inside
            yield inside.translate(str.maketrans("+/", "-_"))


def _among(text: str, forms: dict[str, set[str]]) -> set[str]:
    starts = forms.keys()
    return {
        form
        for place in range(len(text) - SHORTEST + 1)
        if (start := text[place : place + SHORTEST]) in starts
        for form in forms[start]
        if text.startswith(form, place)
    }


class Heard(logging.Handler):
    """Every record of every logger, formatted with its trace; child loggers have no level or way out of their own."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {self.format(record)}")

    @contextlib.contextmanager
    def everything(self) -> Iterator[None]:
        names = ("gateway", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.engine.Engine", "sqlalchemy.pool", "httpx", "httpcore", "asyncio",
                 "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "alembic", "fastapi", "starlette", "multipart")  # fmt: skip
        loggers = [logging.getLogger(), *map(logging.getLogger, {*logging.root.manager.loggerDict, *names})]
        before = [(each, each.level, each.propagate, each.handlers) for each in loggers]
        for each in loggers:
            each.handlers, each.propagate = [], True
            each.setLevel(logging.DEBUG)
        logging.getLogger().handlers = [self]
        try:
            yield
        finally:
            for each, level, propagate, handlers in before:
                each.setLevel(level)
                each.propagate, each.handlers = propagate, handlers


@dataclasses.dataclass
class Run:
    """A store into which the canaries were loaded, good rows and bad, and what was said of it."""

    gateway: Gateway
    made: world.Manifest
    numbers: list[str]
    told: Canaries
    ids: Canaries
    heard: Heard
    reports: list[str]

    @property
    def store(self) -> Store:
        return self.gateway.store


# Bad input: each column of each table in turn holds a canary in place of what it should


def spoilt(made: world.Manifest, folder: Path) -> dict[str, Path]:
    """The same deliveries a day later, in which every column of every table is once a canary; and files that are no
    deliveries at all."""
    word = f"{canary.token(3)}text 9990000034"
    emis = folder / "emis"
    emis.mkdir(parents=True)
    later = f"{TODAY:%Y%m%d}233000"
    for path in sorted(made.path("emis").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            heads, *rows = csv.reader(file)
        bad = [
            [*row[:column], word, *row[column + 1 :]]
            for column, row in zip(range(len(heads)), rows * len(heads), strict=False)
        ]
        with (emis / path.name.replace("010000", "233000").replace(f"{TODAY:%Y%m%d}010000", later)).open(
            "w", encoding="utf-8", newline=""
        ) as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                [heads, *bad, *([word], [word] * (len(heads) + 2))[: 2 * bool(rows)]]
            )
    messages = made.path("hl7v2").joinpath("feed-00001.hl7").read_bytes().split(b"\x1c\r")
    hl7 = folder / "hl7v2"
    hl7.mkdir()
    bad_messages = [_spoil(message, place, word) for message in messages[:40] for place in range(2, 60, 3)]
    cut = [message[: len(message) // 2] for message in messages[:9]]
    (hl7 / "feed-00002.hl7").write_bytes(b"\x1c\r".join([*bad_messages, *cut]) + b"\x1c\r")
    cld = folder / "cld"
    cld.mkdir()
    path = sorted(made.path("cld").glob("*.csv"))[-1]
    with path.open(encoding="utf-8-sig", newline="") as file:
        heads, *rows = csv.reader(file)
    bad = [[*row[:column], word, *row[column + 1 :]] for column, row in zip(range(len(heads)), rows * 2, strict=False)]
    with (cld / path.name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heads, *bad, [word], *rows])
    return {"emis": emis, "hl7v2": hl7, "cld": cld}


def _spoil(message: bytes, place: int, word: str) -> bytes:
    """The message with one field of one of its segments a canary."""
    segments = message.split(b"\r")
    number = place % max(1, len(segments) - 1)
    fields = segments[number].split(b"|")
    at = 2 + place // 3 % max(1, len(fields) - 2)
    if at < len(fields):
        fields[at] = word.encode()
    segments[number] = b"|".join(fields)
    return b"\r".join(segments)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("canary")
    made = world.write(folder / "world", PEOPLE, SEED, TODAY, canary=True)
    settings = config.Settings(data_dir=folder / "data", sandbox=True)
    heard = Heard()
    with heard.everything():
        gateway = create_gateway(settings, "sandbox")
        store = gateway.store
        code_sets, reports = gateway.code_sets(), []
        bad = spoilt(made, folder / "bad")
        for name in ("emis", "hl7v2", "cld"):
            for path in (made.path(name), bad[name]):
                reports.append(
                    json.dumps(load.load(store, sources()[name], path, Feed(), code_sets, workers=0).as_dict())
                )
                with store.read() as session:
                    reports.append(json.dumps([list(row) for row in quarantine.waiting(session, None)]))
        national_list.load(store, made.path("optout"))
        everyone = list(people(PEOPLE, SEED, TODAY, canary=True))
        told = [text for person in everyone for text in canary.canaries(person)]
        rows = [path.read_text(encoding="utf-8", errors="replace") for path in made.path("emis").glob("*.csv")]
        told += {guid for text in rows for guid in GUID.findall(text)}
        with store.read() as session:
            ids = [row[0] for row in session.rows("SELECT DISTINCT id FROM head")]
        yield Run(
            gateway,
            made,
            [person.nhs_number for person in everyone],
            Canaries(told),
            Canaries(ids),
            heard,
            reports,
        )
        store.close()


def document(name: str, profile: str, setting: str, **changes) -> dict:
    far = str(TODAY + datetime.timedelta(300))
    dates = {"from": str(TODAY - datetime.timedelta(9)), "to": far}
    return {
        "name": name, "purpose": "A test", "lawful_basis": "UK GDPR 6(1)(e)", "common_law_basis": "s251", "controller": "joint", "recipient": "8A999",
        "people": ["researcher"], "setting": setting, "export_basis": "a test", "profile": profile, "disclosure": "hes", "key_version": 1, "k": 1,
        "start": dates["from"], "end": far, "exclude_sensitive": False,
        "contributors": [{"ods": ods, "agreement": "x", **dates} for ods in ("A99001", "A99002", "RZZ", "990")], **changes,
    }  # fmt: skip


def export(
    run: Run, folder: Path, name: str, profile: str = "sde-research", setting: str = "in-sde", k: int = 1
) -> bytes:
    """Every byte of an export: names and contents of its files, and its ledger row."""
    approval.add(run.store, document(name, profile, setting, k=k), "asker")
    for by in ("guardian", "controller"):
        approval.approve(run.store, name, by)
    job = asking.start(run.store, name, "tester", optout_days=7)
    running.run(run.store, job, folder / name, ROOT, workers=1)
    with run.store.read() as session:
        entry = json.dumps([entry for _, entry, _ in ledger.entries(session)][-1])
    written = [
        path.name.encode() + b"\n" + path.read_bytes() for path in sorted((folder / name).rglob("*")) if path.is_file()
    ]
    return b"\n".join([*written, entry.encode()])


# The tests


def test_the_canaries_are_in_what_was_loaded(run):
    """Else nothing below would say anything: names, numbers, rows and words are held, and bad rows were refused."""
    with run.store.read() as session:
        held = "\n".join(row[0].decode() for row in session.rows("SELECT body FROM version"))
    assert len(run.told.found(held)) > PEOPLE * 10
    rejects = sum(sum(json.loads(report)["rejects"].values()) for report in run.reports if report.startswith("{"))
    assert rejects > 50


def test_no_report_or_quarantine_names_anybody(run):
    for report in run.reports:
        assert not run.told.found(report)


@pytest.mark.hazard("HZ-EXPORT-06")
@pytest.mark.parametrize(
    "profile, setting",
    [
        ("sde-research", "in-sde"),
        ("sde-research", "export"),
        ("minimal", "in-sde"),
        ("minimal", "export"),
        ("planning", "in-sde"),
        ("linkage", "export"),
    ],
)
def test_nothing_of_anybody_is_in_any_byte_of_an_export(run, tmp_path, profile, setting):
    k = 5 if profile in ("planning", "linkage") else 1
    leaving = export(run, tmp_path, f"{profile}-{setting}", profile, setting, k)
    assert leaving.count(b'"resourceType":"Patient"') > PEOPLE, "most people are known to several sources"
    assert not run.told.found(leaving)
    assert not run.ids.found(leaving)


def tables(folder: Path) -> bytes:
    """All that stands in the tables of a release: bytes of files, values, statistics, metadata and names."""
    release_tables.write(folder, folder.with_name(f"{folder.name}-tables"), shipped.definitions())
    parts = []
    for path in sorted(folder.with_name(f"{folder.name}-tables").iterdir()):
        parts += [path.name.encode(), path.read_bytes()]
        if path.suffix == ".parquet":
            metadata = parquet.read_metadata(path)
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            columns = [group.column(number) for group in groups for number in range(group.num_columns)]
            held = [column.statistics for column in columns if column.statistics and column.statistics.has_min_max]
            assert held or not groups, "statistics are written"
            parts += [f"{part.min}\n{part.max}".encode() for part in held]
            parts += [str((metadata, metadata.metadata, parquet.read_schema(path))).encode()]
            parts += [json.dumps(row).encode() for row in parquet.read_table(path).to_pylist()]
    return b"\n".join(parts)


@pytest.mark.slow
@pytest.mark.hazard("HZ-EXPORT-06")
@pytest.mark.parametrize("setting", ["in-sde", "export"])
def test_nothing_of_anybody_is_in_a_table_of_a_release_or_its_statistics(run, tmp_path, setting):
    export(run, tmp_path, f"tabled-{setting}", setting=setting)
    leaving = tables(tmp_path / f"tabled-{setting}")
    assert leaving.count(b'"gender"') > PEOPLE
    assert not run.told.found(leaving)
    assert not run.ids.found(leaving)


@pytest.mark.slow
def test_a_damaged_rule_is_found_out_in_the_tables_too(run, tmp_path, monkeypatch):
    damage_postcode(monkeypatch)
    policy.compiled.cache_clear()
    try:
        export(run, tmp_path, "tabled-damaged")
    finally:
        policy.compiled.cache_clear()
    assert run.told.found(tables(tmp_path / "tabled-damaged"))


def let_through(value, _subject, _drops, _path):
    return value


def damage_postcode(monkeypatch):
    monkeypatch.setitem(actions.CHANGES, ("outward-postcode", "string"), let_through)


def damage_codes(monkeypatch):
    monkeypatch.setitem(shapes.TYPES, "CodeableConcept", dict)
    monkeypatch.setitem(actions.CHANGES, ("code-only", "CodeableConcept"), let_through)


def damage_ids(monkeypatch):
    monkeypatch.setattr(pseudonym.Subject, "pseudonym", lambda _self, text: text.partition(b"/")[2] or b"x")


def damage_profile(monkeypatch):
    text = policy.policy_text().replace(b"[sde-research.Patient]", b'[sde-research.Patient]\n"name.family" = "keep"')
    monkeypatch.setattr(policy, "policy_text", lambda: text)
    monkeypatch.setattr(policy, "_require_declared", lambda lines: None)
    monkeypatch.setattr(policy, "NEVER_NAMES", policy.NEVER_NAMES - {"name"})
    monkeypatch.setattr(policy, "NEVER_TYPES", policy.NEVER_TYPES - {"HumanName"})
    monkeypatch.setitem(policy.ACTIONS, "keep", policy.ACTIONS["keep"] | {"string"})
    monkeypatch.setitem(actions.CHANGES, ("keep", "string"), let_through)


@pytest.mark.parametrize("damage", [damage_postcode, damage_codes, damage_ids, damage_profile])
def test_a_damaged_rule_is_found_out(run, tmp_path, monkeypatch, damage):
    damage(monkeypatch)
    policy.compiled.cache_clear()
    try:
        leaving = export(run, tmp_path, damage.__name__)
    finally:
        policy.compiled.cache_clear()
    assert run.told.found(leaving) or run.ids.found(leaving)


def test_a_profile_that_lets_names_leave_is_refused_by_the_second_list(monkeypatch):
    text = policy.policy_text().replace(b"[sde-research.Patient]", b'[sde-research.Patient]\n"name.family" = "keep"')
    monkeypatch.setattr(policy, "policy_text", lambda: text)
    policy.compiled.cache_clear()
    with pytest.raises(GatewayError, match="never leaves"):
        policy.compiled("sde-research")
    policy.compiled.cache_clear()


@pytest.mark.parametrize(
    "form", [str, str.upper, str.lower, quote, lambda text: base64.b64encode(f"xy{text}z".encode()).decode()]
)
def test_a_canary_is_found_however_it_is_written(form):
    told = Canaries(["Zqaaabfamily", "ZA1 1BG", "999 000 0018", "{755C506D-B0D1-5000-A06A-327F5157AEC3}"])
    assert told.found(f"<{form('Zqaaabfamily')}>".encode()) and told.found(
        f"..{form('{755C506D-B0D1-5000-A06A-327F5157AEC3}')}.."
    )
    assert told.found("number=999+000+0018") and told.found(b"9990000018") and told.found("za11bg")
    assert not told.found("Zqaaacfamily, ZA1, 999")


# The API


@pytest.fixture(scope="module")
def server(run) -> Iterator[tuple[str, int]]:
    """A real server on a free port, its logs among what is heard."""
    app = create_app(open_service(run.gateway))

    @app.get("/bug/{number}")
    def bug(number: str):
        raise ValueError(f"a bug that tells {number}")

    made = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, log_level=None))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not made.started and time.monotonic() < until:
        time.sleep(0.02)
    yield made.servers[0].sockets[0].getsockname()[:2]
    made.should_exit = True
    thread.join(10)


def ask(server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*server, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


FORM, JSON = "application/x-www-form-urlencoded", "application/fhir+json"
BAD = [
    ("GET", "/fhir/Patient/{token}family", None, {}),
    ("GET", "/fhir/Patient/{number}", None, {}),
    ("GET", "/fhir/{token}family", None, {}),
    ("GET", "/fhir/{token}family/{number}/_history/{number}", None, {}),
    ("GET", "/fhir/Patient/{number}/_history/{token}", None, {}),
    ("GET", "/fhir/Patient/{number}/$summary", None, {}),
    ("GET", "/fhir/Patient/{number}/${token}", None, {}),
    ("GET", "/{token}family/{number}", None, {}),
    ("GET", "/static/{token}family.css", None, {}),
    ("GET", "/static/..%2f..%2f{token}family", None, {}),
    ("GET", "/bug/{number}", None, {}),
    ("GET", "/fhir/Patient?birthdate={token}&family={token}family", None, {}),
    ("GET", "/fhir/Patient?family={token}family", None, {}),
    ("GET", "/fhir/Patient?identifier={system}|{number}&_count={token}", None, {}),
    ("GET", "/fhir/Patient?{number}={token}family", None, {}),
    ("GET", "/fhir/Patient?{token}family", None, {}),
    ("GET", "/fhir/Patient?identifier={token}%ff", None, {}),
    ("GET", "/fhir/Observation?patient=Patient/{token}%20family", None, {}),
    ("GET", "/fhir/Observation?patient={number}&date={token}", None, {}),
    ("GET", "/fhir/Observation?patient={number}&_sort={token}family", None, {}),
    ("GET", "/fhir/Observation?patient={number}&_include={token}family", None, {}),
    ("GET", "/fhir/Observation?patient={number}&_cursor={token}family", None, {}),
    ("GET", "/fhir/Observation?patient={number}&code={token}family|{number}|", None, {}),
    ("GET", "/fhir/Observation?patient.identifier={system}|{number}1", None, {}),
    ("GET", "/fhir/Patient/$summary?identifier={system}|{number}9", None, {}),
    ("GET", "/fhir/Patient/$summary?identifier={token}family|{number}", None, {}),
    ("GET", "/fhir/$export?_type={token}-{number}", None, {"Prefer": "respond-async"}),
    ("GET", "/fhir/$export?_outputFormat={token}family", None, {"Prefer": "respond-async"}),
    ("GET", "/fhir/$export?_since={token}family", None, {"Prefer": "respond-async"}),
    ("GET", "/fhir/$export", None, {"Prefer": "{token}family"}),
    ("GET", "/fhir/bulk/{token}family", None, {}),
    ("GET", "/fhir/bulk/{token}family/{number}", None, {}),
    ("DELETE", "/fhir/bulk/{token}family", None, {}),
    ("POST", "/fhir/Patient/_search", "identifier={system}|{number}&_sort={token}family", {"Content-Type": FORM}),
    ("POST", "/fhir/Patient/_search", "{token}family {number}\x00\xff", {"Content-Type": FORM}),
    ("POST", "/fhir/Patient/_search", "identifier={number}", {"Content-Type": "{token}/family"}),
    ("POST", "/fhir/Patient/$summary", '{{"resourceType":"Parameters","parameter":[{{"name":"{token}family","valueString":"{number}"}}]}}',
     {"Content-Type": JSON}),
    ("POST", "/fhir/Patient/$summary", "{token}family {number}", {"Content-Type": JSON}),
    ("POST", "/fhir/Patient", '{{"resourceType":"Patient","name":[{{"family":"{token}family"}}]}}', {"Content-Type": JSON}),
    ("PUT", "/fhir/Patient/{number}", '{{"resourceType":"{token}family"}}', {"Content-Type": JSON}),
    ("POST", "/sandbox/permission", '{{"number":"{number}","basis":"{token}family","reason":"{token}text"}}', {"Content-Type": "application/json"}),
    ("POST", "/sandbox/permission", '{{"number":"{token}family","{token}":1}}', {"Content-Type": "application/json"}),
    ("GET", "/fhir/Patient/1", None, {"Authorization": "Bearer {token}family"}),
    ("GET", "/fhir/Patient/1", None, {"Authorization": "Bearer eyJhbGciOiJub25lIiwia2lkIjoiWnFhYWFiIn0.eyJzdWIiOiJ{token}family.x{number}"}),
    ("GET", "/fhir/Patient/1", None, {"Authorization": "{token}family"}),
    ("GET", "/fhir/Patient/1", None, {"If-None-Match": 'W/"{token}family"', "Accept": "{token}/family", "Cookie": "{token}={number}"}),
    ("GET", "/fhir/Patient/1", None, {"Host": "{token}family", "Referer": "https://{token}/{number}", "X-Forwarded-For": "{number}"}),
    ("GET", "/fhir/Patient/1", None, {"X-Request-ID": "{token} family"}),
    ("{token}", "/fhir/Patient/{number}", None, {}),
]  # fmt: skip


def ask_badly(run: Run, server: tuple[str, int], user: str) -> None:
    """Send every bad request as a user; no answer repeats what was sent."""
    filled = {"token": canary.token(3), "number": run.numbers[2], "system": NHS_NUMBER}
    known = {"Authorization": f"Bearer {run.gateway.sandbox_token(user)}"} if user else {}
    for method, path, body, headers in BAD:
        given = {name: value.format(**filled) for name, value in {**known, **headers}.items()}
        sent = body.format(**filled).encode("latin-1") if body else None
        status, answered, text = ask(
            server, method.format(**filled).upper(), path.format(**filled).replace("|", "%7C"), sent, **given
        )
        told = run.told.found(json.dumps(answered)) | (run.told.found(text) if status >= 400 else set())
        assert not told, f"{method} {path} as {user}: {status}"
        assert status >= 400 or method == "GET" or "_search" in path, f"{method} {path} as {user}: {status}"


@pytest.mark.parametrize("user", ["dr-green", "receptionist", "researcher", ""])
def test_no_error_repeats_what_was_sent(run, server, user):
    ask_badly(run, server, user)


def test_headers_and_links_of_what_is_served_name_nobody(run, server):
    known = {"Authorization": f"Bearer {run.gateway.sandbox_token('dr-green')}"}
    links, resources = [], 0
    for number in run.numbers:
        permission = json.dumps(
            {"number": number, "basis": "permission", "reason": f"asked {canary.token(3)}text"}
        ).encode()
        status, _, _ = ask(server, "POST", "/sandbox/permission", permission, Content_Type="application/json", **known)
        assert status == 201
        asked = {"patient.identifier": f"{NHS_NUMBER}|{number}", "_count": "2"}
        for path in (
            f"/fhir/Observation?{urlencode(asked)}",
            f"/fhir/Patient?{urlencode({'identifier': asked['patient.identifier']})}",
        ):
            status, answered, text = ask(server, "GET", path, **known)
            assert not run.told.found(json.dumps(answered))
            if status == 200:
                links += json.loads(text)["link"]
                resources += len(json.loads(text).get("entry", ()))
        status, answered, _ = ask(
            server, "POST", "/fhir/Observation/_search", urlencode(asked).encode(), Content_Type=FORM, **known
        )
        assert not run.told.found(json.dumps(answered))
        status, answered, text = ask(
            server, "GET", f"/fhir/Patient/$summary?identifier={number}", Accept="text/html", **known
        )
        assert not run.told.found(json.dumps(answered))
    assert resources > PEOPLE and any(link["relation"] == "next" for link in links)
    assert not run.told.found(json.dumps(links))


def test_an_export_over_http_names_nobody_in_its_status_files_or_headers(run, server):
    approval.add(run.store, document("over-http", "sde-research", "in-sde"), "asker")
    for by in ("guardian", "controller"):
        approval.approve(run.store, "over-http", by)
    known = {"Authorization": f"Bearer {run.gateway.sandbox_token('researcher', 'over-http')}"}
    status, headers, _ = ask(server, "GET", "/fhir/$export", Prefer="respond-async", **known)
    job = headers["content-location"].rpartition("/")[2]
    waiting = ask(server, "GET", f"/fhir/bulk/{job}", **known)
    running.run(run.store, job, run.gateway.exports() / job, ROOT, workers=1)
    done = ask(server, "GET", f"/fhir/bulk/{job}", **known)
    answers = [waiting, done]
    for line in json.loads(done[2])["output"]:
        answers.append(ask(server, "GET", "/fhir/" + line["url"].partition("/fhir/")[2], **known))
    assert [status for status, _, _ in answers[:2]] == [202, 200] and {answer[0] for answer in answers[2:]} == {200}
    for _, found, text in answers:
        assert not run.told.found(json.dumps(found)) and not run.told.found(text) and not run.ids.found(text)


def test_metrics_name_nobody(run, server):
    for path in (
        f"/fhir/Patient/{run.numbers[0]}",
        f"/{canary.token(1)}family",
        f"/fhir/{canary.token(1)}family?x={run.numbers[0]}",
    ):
        ask(server, "GET", path)
        ask(server, canary.token(1).upper(), path)
    status, headers, text = ask(server, "GET", "/metrics", Authorization=f"Bearer {run.gateway.sandbox_token('admin')}")
    assert status == 200 and b"gateway_http_requests_total" in text
    assert not run.told.found(text) and not run.told.found(json.dumps(headers))


@pytest.mark.slow
def test_the_commands_print_nobody(run, tmp_path, monkeypatch):
    """Errors of the commands, their reports and their log at DEBUG."""
    word = f"{canary.token(3)}text {run.numbers[2]}"
    given = {
        "notes.csv": word, "project.json": json.dumps({**document("x", "minimal", "in-sde"), "setting": word}),
        "other.json": json.dumps({word: word}), "torn.json": '{"name": "' + word, "optout.csv": f"{run.numbers[0]},\n{word},\n",
        "resource.ndjson": json.dumps({"resourceType": "Patient", "birthDate": word, "name": word, word.split()[0]: word}) + "\n" + word,
    }  # fmt: skip
    for name, text in given.items():
        (tmp_path / name).write_text(text)
    bad = spoilt(run.made, tmp_path / "bad")
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "DEBUG")
    commands = [
        ("init", "sandbox"), ("load", "emis", "notes.csv"), ("load", "cld", "notes.csv"), ("load", "hl7v2", "notes.csv"),
        ("load", "emis", str(bad["hl7v2"])), ("load", "cld", str(bad["emis"])),
        *(("load", name, str(path), "--workers", "0", *form) for name, path in bad.items() for form in ((), ("--json",))),
        ("quarantine", "list"), ("quarantine", "list", "--json"), ("quarantine", "replay", "cld", "--json"),
        ("project", "add", "project.json"), ("project", "add", "other.json"), ("project", "add", "torn.json"), ("optout", "load", "optout.csv"),
        ("validate", "resource.ndjson"), ("export", "run", "--project", "none", "--out", "out"), ("audit", "show"), ("audit", "verify"),
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    codes = []
    for words in commands:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            codes.append(main(list(words)))
        assert not run.told.found(out.getvalue()), words
        assert not run.told.found(err.getvalue()), words
    assert {0, 1, 2} == set(codes)


def test_a_bug_in_a_command_is_told_without_a_value(monkeypatch, capsys):
    def fail(_environment=os.environ):
        raise KeyError(canary.token(1))

    monkeypatch.setattr(config, "read", fail)
    assert main(["optout", "status"]) == 2
    said = capsys.readouterr().err
    assert "KeyError" in said and canary.token(1) not in said


def test_every_log_line_at_debug_names_nobody(run, server, tmp_path):
    """A load, a release and requests good and bad are heard here; and whatever the tests above said in this process."""
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # as libraries do
    export(run, tmp_path, "logged", "minimal", "in-sde")
    for user in ("", "dr-green"):
        ask_badly(run, server, user)
    said = "\n".join(run.heard.lines)
    assert '"event":"request"' in said and '"event":"export.part"' in said and "uvicorn" in said
    assert not [line for line in run.heard.lines if run.told.found(line) or run.ids.found(line)]
    assert not run.told.found(said)
    assert not run.ids.found(said)
