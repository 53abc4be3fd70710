"""The demo: loads synthetic people and shows a summary, a refusal, an export and the audit.

Each time it uses a new sandbox store, no network but this machine's own, and none of the operator's settings. All that
is shown after the load goes through the HTTP application. Each step is a function over one frozen ``Showing``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from rich.table import Table
from rich.text import Text

from gateway import composition, config, console, log
from gateway.api import server
from gateway.api.app import create_app
from gateway.errors import Refused
from gateway.export import approval, national_list, running, worker
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import moment
from gateway.intake import load
from gateway.nhs import pseudonym
from gateway.nhs.sandbox import COUNCIL, OTHER_PRACTICE, PRACTICE, TRUST
from gateway.store.audit import Audit
from gateway.synth import world
from mappings import Feed, sources

LEAST_PEOPLE = 10
PROJECT = "demo"
SOURCES = ("emis", "hl7v2", "cld")
SERVED = ("dr-green", "receptionist", "dr-ward", "researcher")
"""The users whose tokens are printed when it serves at the end."""
IN_EXPORT = {
    "demo": "known to all three: the same pseudonym on each of her records",
    "merged": "two hospital numbers of one person: the retired record is left out, and what it holds is kept",
    "sensitive": "without her item of the sensitive set and what is linked to it",
    "type-1": "Type 1 opt-out: the practice's record is not exported",
    "opted-out": "national data opt-out",
    "restricted": "restricted by the practice: shown to nobody, in no export",
}
"""The fixed people who are looked up in the export, and why each is in it or not."""


@dataclass(frozen=True)
class Showing:
    """One run of the demo: its folder, its day, its people as written, and its gateway."""

    out: Path
    today: date
    world: world.Manifest
    gateway: composition.Gateway


@dataclass(frozen=True)
class Asking:
    """An HTTP client of the demo's application, with the tokens of the sandbox's users."""

    app: FastAPI
    client: httpx.Client
    tokens: Mapping[str, str]

    def headers(self, user: str, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[user]}", **more}

    def get(self, path: str, user: str, **more: str) -> httpx.Response:
        """Return the answer to a GET. Raises ``httpx.HTTPStatusError`` for a refusal."""
        return self.client.get(path, headers=self.headers(user, **more)).raise_for_status()


@dataclass(frozen=True)
class Subject:
    """The person whose summary is shown: the id she is asked by, and her first Patient as held."""

    id: str
    patient: dict[str, Any]


def run(*, people: int, seed: int, out: Path | None, serve: bool, today: date | None = None) -> int:
    """Show the main job; return the exit code. Raises ``Refused`` for fewer than ten people or a folder that is not
    empty."""
    if people < LEAST_PEOPLE:
        raise Refused(f"--people: at least {LEAST_PEOPLE}")
    out, today = _folder(out), today or datetime.now(UTC).date()
    log.configure("WARNING")
    started = time.monotonic()
    with ExitStack() as opened:
        opened.callback(os.umask, os.umask(0o077))  # what a demo keeps is its owner's to read
        settings = config.Settings(data_dir=out / "data", sandbox=True)
        gateway = opened.enter_context(composition.create_gateway(settings, "sandbox"))
        showing = Showing(out, today, _write(out, people, seed, today), gateway)
        _load(showing)
        service = opened.enter_context(composition.open_service(gateway))
        listeners = server.listen(config.HOST, 0) if serve else []
        asking = _ask(gateway, create_app(service, _url(listeners)))
        with asking.client:
            subject = _show_summary(showing, asking)
            _show_refusal(showing, asking, subject)
            _show_export(showing, asking, subject)
        _show_audit(showing, service.door.audit)
        console.out.print(f"\nDone in {time.monotonic() - started:.1f} s. Everything shown is in [bold]{out}[/]\n")
        if serve:
            _serve(showing, asking, subject, listeners)
    return 0


def _folder(out: Path | None) -> Path:
    if out is None:
        return Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused("--out: a new or an empty folder is needed")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    return out


def _url(listeners: list[socket.socket]) -> str:
    return config.address(config.HOST, listeners[0].getsockname()[1]) if listeners else ""


def _write(out: Path, people: int, seed: int, today: date) -> world.Manifest:
    """Step 1: people, written as each source would write them."""
    console.step(1, f"{people} synthetic people, in the sources' own formats")
    manifest = world.write(out / "sources", people, seed, today)
    console.out.print(
        f"GP extracts (EMIS CSV) {manifest.written['emis']:,} lines · hospital messages (HL7 v2) "
        f"{manifest.written['hl7v2']:,} · "
        f"council returns (CLD) {manifest.written['cld']:,} lines\nknown to all three: "
        f"{manifest.known['everywhere']} of {people}"
    )
    return manifest


def _load(showing: Showing) -> None:
    """Step 2: load each delivery."""
    console.step(2, "Loaded: kept, mapped to FHIR R4 (UK Core), checked, labelled, gathered")
    reports, people, code_sets = [], {}, showing.gateway.code_sets()
    for name in SOURCES:
        with console.progress(name) as progress:
            report = load.load(
                showing.gateway.store, sources()[name], showing.world.path(name), Feed(), code_sets, progress=progress
            )
        people = dict(report.people)
        reports.append({**report.as_dict(), "people": {}})
        console.load_report(reports[-1])
    console.people(people)
    _keep(showing, "load-report.json", {"people": dict(sorted(people.items())), "sources": reports})


def _ask(gateway: composition.Gateway, app: FastAPI) -> Asking:
    """The application itself as a client reaches it: the real routes, without a socket."""
    client = httpx.Client(transport=_InProcess(app), base_url="http://gateway.test", timeout=60)
    return Asking(app, client, {user: gateway.sandbox_token(user, PROJECT) for user in SERVED})


def _show_summary(showing: Showing, asking: Asking) -> Subject:
    """Step 3: the record of one person from all sources, for their GP."""
    console.step(3, "One person's shared record, asked for by a GP of the practice where she is registered")
    identifier = {"system": NHS_NUMBER, "value": showing.world.people["demo"].nhs_number}
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "identifier", "valueIdentifier": identifier}],
    }
    path, client = "/fhir/Patient/$summary", asking.client
    document = client.post(path, json=body, headers=asking.headers("dr-green")).raise_for_status().json()
    page = client.post(path, json=body, headers=asking.headers("dr-green", Accept="text/html")).raise_for_status()
    _keep(showing, "summary.json", document)
    (showing.out / "summary.html").write_text(_standalone(page.text, client), encoding="utf-8")
    console.summary(document, "Shared record: what all sources hold")
    console.out.print("\nThe whole document is in summary.json, and as a page in summary.html.")
    reference: str = document["entry"][0]["resource"]["subject"]["reference"]
    return Subject(reference.rsplit("/", 1)[-1], document["entry"][1]["resource"])


def _show_refusal(showing: Showing, asking: Asking, subject: Subject) -> None:
    """Step 4: the same request, refused."""
    console.step(4, "The same request by a receptionist of the same practice")
    answer = asking.client.get(f"/fhir/Patient/{subject.id}/$summary", headers=asking.headers("receptionist"))
    if answer.status_code != 403:
        raise AssertionError("the receptionist was not refused")
    _keep(showing, "refusal.json", {"status": answer.status_code, "body": answer.json()})
    console.panel(f"HTTP {answer.status_code}\n{answer.json()['issue'][0]['details']['text']}", "refused")


def _show_export(showing: Showing, asking: Asking, subject: Subject) -> None:
    """Step 5: an approved project's pseudonymised export, requested and fetched over HTTP."""
    console.step(5, "A pseudonymised export for an approved project, without the people who opted out")
    _approve(showing)
    status = _run_export(showing, asking)
    folder = showing.out / "export"
    manifest = _fetch_export(asking, status, folder)
    _keep(showing, "export/manifest.json", manifest)
    console.export_report(manifest, folder)
    names = _names(showing, manifest["extension"])
    patients = [patient for path in sorted(folder.glob("Patient.*.ndjson")) for patient in _lines(path)]
    _show_absences(showing, patients, names)
    _show_released(subject, patients, names["demo"])
    _search_for_names(showing, folder)


def _approve(showing: Showing) -> None:
    store = showing.gateway.store
    national_list.load(store, showing.world.path("optout"))
    approval.add(store, _project(showing.today), "requester")
    for approver in ("caldicott-guardian", "data-controller"):
        approval.approve(store, PROJECT, approver)


def _run_export(showing: Showing, asking: Asking) -> str:
    """Request an export and run it; return the path of its status."""
    kick_off = asking.get("/fhir/$export", "researcher", Prefer="respond-async", Accept="application/fhir+json")
    status = httpx.URL(kick_off.headers["content-location"]).path
    job, gateway = status.rsplit("/", 1)[-1], showing.gateway
    with console.progress("export", "parts") as progress:
        running.run(gateway.store, job, gateway.exports() / job, gateway.export_root(), workers=1, progress=progress)
    return status


def _fetch_export(asking: Asking, status: str, folder: Path) -> dict[str, Any]:
    """Fetch every file of a release into a new folder; return its manifest, which names them there."""
    folder.mkdir()
    manifest: dict[str, Any] = asking.get(status, "researcher").json()
    for line in manifest["output"]:
        file = asking.get(httpx.URL(line["url"]).path, "researcher")
        line["url"] = line["url"].rsplit("/", 1)[-1]
        (folder / line["url"]).write_bytes(file.content)
    return manifest


def _names(showing: Showing, about: dict[str, Any]) -> dict[str, pseudonym.Subject]:
    """The fixed people as this project's key names them: only who holds the key can say who is who."""
    project = _project(showing.today)
    root = showing.gateway.export_root()
    key = pseudonym.project_key(root, project["controller"], project["name"], about["keyVersion"])
    maker = pseudonym.Pseudonymiser(about["profile"], about["setting"], key)
    people = showing.world.people.items()
    return {role: maker.subject(f"number:{who.nhs_number}", (), bool) for role, who in people}


def _show_absences(showing: Showing, patients: list[dict[str, Any]], names: Mapping[str, pseudonym.Subject]) -> None:
    """Print which of the fixed people are in the export and which are not."""
    people = showing.world.people
    counts = Counter(patient["identifier"][0]["value"] for patient in patients)
    left = {
        role: counts[names[role].pseudonym(f"person:number:{people[role].nhs_number}".encode()).decode()]
        for role in IN_EXPORT
    }
    console.absences((people[role].name, _records(people[role]), left[role], why) for role, why in IN_EXPORT.items())
    if left["opted-out"] or left["restricted"]:
        raise AssertionError("somebody is in the export who must not be")


def _show_released(subject: Subject, patients: list[dict[str, Any]], name: pseudonym.Subject) -> None:
    """Print one person's data beside the data released."""
    own = name.pseudonym(f"Patient/{subject.patient['id']}".encode()).decode()
    console.released(_beside(subject.patient, next(patient for patient in patients if patient["id"] == own)))


def _search_for_names(showing: Showing, folder: Path) -> None:
    """Search every byte of the export for data that must not leave."""
    people = showing.world.people.values()
    words = [
        word
        for who in people
        for word in (who.name, who.nhs_number, who.hospital_number, who.council_number, who.emis_patient)
    ]
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    hits = sum(word.encode() in content for word in words if word)
    console.out.print(
        f"Names and numbers of the {len(people)} fixed people, searched in every byte of the export: {hits} found"
    )


def _show_audit(showing: Showing, audit: Audit) -> None:
    """Step 6: the audit of it all, its chain verified."""
    console.step(6, "The audit: every read was on disk before its answer left")
    audit.seal()
    events = list(audit.events())
    with open(showing.out / "audit.ndjson", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    table = Table(box=None, pad_edge=False)
    for name in ("when", "who", "role", "act", "outcome", "why"):
        table.add_column(name)
    for (*row, when), count in _repeated(events):
        table.add_row(when, *row[:2], row[2] + (f" × {count}" if count > 1 else ""), *row[3:])
    console.out.print(table)
    verdict = audit.verify()
    console.out.print(
        f"\n{verdict.rows} events, {verdict.sealed} sealed, chain {'whole' if not verdict.broken else 'BROKEN'}"
    )


def _serve(showing: Showing, asking: Asking, subject: Subject, listeners: list[socket.socket]) -> None:
    """Serve on a free port until interrupted, with tokens to try, and run the exports that are requested."""
    url = _url(listeners)
    console.step(7, f"Serving on {url} (Ctrl-C ends it)")
    folder = showing.out / "tokens"
    folder.mkdir(mode=0o700)
    for user in SERVED:
        (folder / user).write_text(asking.tokens[user], encoding="ascii")
        console.out.print(f"[bold]{user}[/]  {asking.tokens[user]}\n", soft_wrap=True)
    console.out.print("Each token is also a file: try, and then as receptionist\n")
    bearer = f'"Authorization: Bearer $(cat {shlex.quote(str((folder / SERVED[0]).resolve()))})"'
    address = f"{url}/fhir/Patient/{subject.id}/$summary"
    console.out.print(Text(f"curl -H {bearer} -H 'Accept: text/html' '{address}'\n"), soft_wrap=True)
    number = showing.world.people["demo"].nhs_number
    console.out.print(f"Or open {url} in a browser, sign in as {SERVED[0]}, and look for {number}\n")
    gateway = showing.gateway
    with worker.beside(gateway.store, gateway.exports(), gateway.export_root(), workers=1):
        server.serve(asking.app, listeners)


def _keep(showing: Showing, name: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (showing.out / name).write_text(text, encoding="utf-8")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _project(today: date) -> dict[str, Any]:
    start, end = (today - timedelta(days=1)).isoformat(), (today + timedelta(days=365)).isoformat()
    return {
        "name": PROJECT, "purpose": "Show what an approved project receives", "lawful_basis": "UK GDPR 6(1)(e), 9(2)(j)",
        "common_law_basis": "anonymised-in-context", "controller": "Vellshire controllers", "recipient": "8A999", "people": ["researcher"],
        "contributors": [{"ods": ods, "agreement": f"DSA-{ods}", "from": start, "to": end} for ods in (PRACTICE, OTHER_PRACTICE, TRUST, COUNCIL)],
        "setting": "in-sde", "profile": "sde-research", "disclosure": "hes", "key_version": 1, "start": start, "end": end,
        "k": 1,  # too few people to hide one among: a real project leaves this out
    }  # fmt: skip


def _records(who: world.Who) -> int:
    """How many Patients the sources hold of a fixed person."""
    return sum(
        bool(number) for number in (who.emis_patient, who.hospital_number, who.retired_number, who.council_number)
    )


def _beside(held: dict[str, Any], left: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A Patient and what was released of it, element by element, as (name, held, released)."""
    name, address = held["name"][0], held["address"][0]
    yield "name", " ".join((*name["given"], name["family"])), ""
    yield (
        "NHS number",
        next(i["value"] for i in held["identifier"] if i["system"] == NHS_NUMBER),
        left["identifier"][0]["value"],
    )
    yield "id", held["id"], left["id"]
    yield "born", held["birthDate"], left.get("birthDate", "")
    yield "sex", held["gender"], left.get("gender", "")
    yield (
        "address",
        ", ".join((*address["line"], address["city"], address["postalCode"])),
        next((address["postalCode"] for address in left.get("address", ())), ""),
    )
    yield "telephone", held["telecom"][0]["value"], ""


def _repeated(events: list[dict[str, Any]]) -> list[tuple[tuple[str, ...], int]]:
    """Events as rows of (who, role, act, outcome, why, when), each with how often it follows itself. Who is the account
    of the operating system where nobody signed in; a load names its source."""
    rows: list[tuple[tuple[str, ...], int]] = []
    for event in events:
        who = event.get("name") or event.get("user") or event.get("by") or event.get("account", "")
        why = next((event[name] for name in ("refusal", "basis", "project", "source") if event.get(name)), "")
        row = (who, event.get("role", ""), event["act"], event.get("outcome", "ok"), why)
        if rows and rows[-1][0][:-1] == row:
            rows[-1] = (rows[-1][0], rows[-1][1] + 1)
        else:
            rows.append(((*row, moment(event["at"]).strftime("%H:%M:%S")), 1))
    return rows


def _standalone(page: str, client: httpx.Client) -> str:
    """The page with its style sheet inside, so that the kept file can be opened from a folder."""
    for link in {part.split('"')[0] for part in page.split('href="')[1:]}:
        if link.startswith("/static/") and link.endswith(".css"):
            style = client.get(link)
            page = page.replace(f'<link rel="stylesheet" href="{link}">', f"<style>{style.text}</style>")
    return page


class _InProcess(httpx.BaseTransport):
    """Sends requests to the application without a socket, on an event loop of its own."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            again = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self._inner.handle_async_request(again)
            content = b"".join([part async for part in answer.aiter_raw()])  # as sent: it may be compressed
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)

        return asyncio.run(ask())
