"""The main job, shown: synthetic people of three sources in, one person's summary, a refusal, a pseudonymised export,
the audit of it all.

A new sandbox store each time, no network but this machine's own, nothing of the operator's settings. Everything shown
after the load goes through the HTTP application.
"""

from __future__ import annotations

import json
import shlex
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table
from rich.text import Text

from gateway import config, console, log
from gateway.api import sandbox
from gateway.api.app import create_app
from gateway.errors import Refused
from gateway.export import approval, asking, national_list, running, worker
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import moment
from gateway.intake import load
from gateway.nhs import pseudonym
from gateway.nhs.sandbox import COUNCIL, OTHER_PRACTICE, PRACTICE, TRUST
from gateway.store.database import open_store
from gateway.synth import world
from gateway.terminology import sets
from mappings import Feed, sources

LEAST_PEOPLE = 10
PROJECT = "demo"
SOURCES = ("emis", "hl7v2", "cld")
SERVED = ("dr-green", "receptionist", "dr-ward", "researcher")
"""Whose tokens are printed when it ends serving."""
IN_EXPORT = {
    "demo": "known to all three: the same pseudonym on each of her records",
    "merged": "two hospital numbers made one: seen together, never merged",
    "sensitive": "without her item of the sensitive set and what is linked to it",
    "type-1": "Type 1 objection: the practice's record stays at home",
    "opted-out": "national data opt-out",
    "restricted": "restricted by the practice: shown to nobody, in no export",
}
"""The fixed people whose presence in the export is looked up, and why each is in it or not."""


def run(*, people: int, seed: int, out: Path | None, serve: bool, today: date | None = None) -> int:
    """Show the main job; return the exit code. Raises ``Refused`` for fewer than ten people or a folder that is not
    empty."""
    if people < LEAST_PEOPLE:
        raise Refused(f"--people: at least {LEAST_PEOPLE}")
    out = _folder(out)
    log.configure("WARNING")
    started = time.monotonic()
    shown = _Demo(out, people, seed, today or datetime.now(UTC).date())
    shown.write()
    shown.load()
    with shown.client() as client:
        shown.summary(client)
        shown.refusal(client)
        shown.export(client)
        shown.audit()
    console.out.print(f"\nDone in {time.monotonic() - started:.1f} s. Everything shown is in [bold]{out}[/]\n")
    if serve:
        shown.serve()
    return 0


def _folder(out: Path | None) -> Path:
    if out is None:
        return Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused("--out: a new or an empty folder is needed")
    out.mkdir(parents=True, exist_ok=True)
    return out


class _Demo:
    """One showing: its folder, its store and its application."""

    def __init__(self, out: Path, people: int, seed: int, today: date):
        self.out, self.people, self.seed, self.today = out, people, seed, today
        self.settings = config.Settings(data_dir=out / "data", sandbox=True)
        config.prepare_data_dir(self.settings)
        self.store = open_store(self.settings.url, create="sandbox")
        self.world: world.Manifest | None = None

    def write(self) -> None:
        """Step 1: people, written as each source would write them."""
        console.step(1, f"{self.people} synthetic people, in the sources' own formats")
        self.world = world.write(self.out / "sources", self.people, self.seed, self.today)
        known = self.world.known
        console.out.print(
            f"GP extracts (EMIS CSV) {self.world.written['emis']:,} lines · hospital messages (HL7 v2) "
            f"{self.world.written['hl7v2']:,} · "
            f"council returns (CLD) {self.world.written['cld']:,} lines\nknown to all three: {known['everywhere']} "
            f"of {self.people}"
        )

    def load(self) -> None:
        """Step 2: each delivery through the one door in."""
        console.step(2, "Loaded: kept, mapped to FHIR R4 (UK Core), checked, labelled, gathered")
        found, code_sets = [], sets.load(sandbox=True)
        for name in SOURCES:
            with console.progress(name) as progress:
                report = load.load(
                    self.store, sources()[name], self.world.path(name), Feed(), code_sets, progress=progress
                )
            found.append({**report.as_dict(), "people": {}})
            console.load_report(found[-1])
        console.people(dict(report.people))
        self._keep("load-report.json", {"people": dict(sorted(report.people.items())), "sources": found})

    def client(self) -> httpx.Client:
        """A client of the application itself: the real routes, without a socket."""
        self.app = create_app(self.settings, self.store)
        self.tokens = {
            user: sandbox.issue(self.settings, self.store, user, PROJECT) for user in (*SERVED, "researcher")
        }
        return httpx.Client(transport=_InProcess(self.app), base_url="http://gateway.test", timeout=60)

    def _as(self, user: str, **headers: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[user]}", **headers}

    def summary(self, client: httpx.Client) -> None:
        """Step 3: the summary of one person, for their GP."""
        who = self.world.people["demo"]
        console.step(3, "One person's summary, asked for by a GP of the practice where she is registered")
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "identifier", "valueIdentifier": {"system": NHS_NUMBER, "value": who.nhs_number}}],
        }
        document = client.post("/fhir/Patient/$summary", json=body, headers=self._as("dr-green"))
        document.raise_for_status()
        page = client.post("/fhir/Patient/$summary", json=body, headers=self._as("dr-green", Accept="text/html"))
        page.raise_for_status()
        self.subject = document.json()["entry"][0]["resource"]["subject"]["reference"].split("/")[-1]
        self.patient = document.json()["entry"][1]["resource"]
        self._keep("summary.json", document.json())
        (self.out / "summary.html").write_text(_standalone(page.text, client), encoding="utf-8")
        console.summary(document.json())
        console.out.print("\nWhole in summary.json, and as a page in summary.html.")

    def refusal(self, client: httpx.Client) -> None:
        """Step 4: the same request, refused."""
        console.step(4, "The same request by a receptionist of the same practice")
        answer = client.get(f"/fhir/Patient/{self.subject}/$summary", headers=self._as("receptionist"))
        if answer.status_code != 403:
            raise AssertionError("the receptionist was not refused")
        self._keep("refusal.json", {"status": answer.status_code, "body": answer.json()})
        console.panel(f"HTTP {answer.status_code}\n{answer.json()['issue'][0]['details']['text']}", "refused")

    def export(self, client: httpx.Client) -> None:
        """Step 5: an approved project's pseudonymised export, asked for and fetched over HTTP."""
        console.step(5, "A pseudonymised export for an approved project; who opted out is not in it")
        national_list.load(self.store, self.world.path("optout"))
        approval.add(self.store, _project(self.today), "requester")
        for approver in ("caldicott-guardian", "data-controller"):
            approval.approve(self.store, PROJECT, approver)
        kicked = client.get(
            "/fhir/$export", headers=self._as("researcher", Prefer="respond-async", Accept="application/fhir+json")
        )
        kicked.raise_for_status()
        status = httpx.URL(kicked.headers["content-location"]).path
        job = status.rsplit("/", 1)[-1]
        root = config.key_file(self.settings, "export-root.key", asking.new_root_key)
        with console.progress("export", "parts") as progress:
            running.run(self.store, job, self.settings.data_dir / "exports" / job, root, workers=1, progress=progress)
        answer = client.get(status, headers=self._as("researcher"))
        answer.raise_for_status()
        folder = self.out / "export"
        folder.mkdir()
        manifest = answer.json()
        for line in manifest["output"]:
            file = client.get(httpx.URL(line["url"]).path, headers=self._as("researcher"))
            file.raise_for_status()
            line["url"] = line["url"].rsplit("/", 1)[-1]
            (folder / line["url"]).write_bytes(file.content)
        self._keep("export/manifest.json", manifest)
        console.export_report(manifest, folder)
        self._compare(folder, self._names(root, manifest["extension"]))

    def _names(self, root: bytes, about: dict[str, Any]) -> dict[str, pseudonym.Subject]:
        """The fixed people as this project's key names them: only who holds the key can say who is who."""
        project = _project(self.today)
        key = pseudonym.project_key(root, project["controller"], project["name"], about["keyVersion"])
        maker = pseudonym.Pseudonymiser(about["profile"], about["setting"], key)
        return {role: maker.subject(f"number:{who.nhs_number}", (), bool) for role, who in self.world.people.items()}

    def _compare(self, folder: Path, names: dict[str, pseudonym.Subject]) -> None:
        """Who is in the export and who is not; one person beside what left of her; and a search for what must not have
        left."""
        patients = [
            json.loads(line) for line in (folder / "Patient.00000.ndjson").read_text(encoding="utf-8").splitlines()
        ]
        counted = Counter(patient["identifier"][0]["value"] for patient in patients)
        people = self.world.people
        left = {
            role: counted[names[role].pseudonym(f"person:number:{people[role].nhs_number}".encode()).decode()]
            for role in IN_EXPORT
        }
        console.absences(
            (people[role].name, _records(people[role]), left[role], why) for role, why in IN_EXPORT.items()
        )
        if left["opted-out"] or left["restricted"]:
            raise AssertionError("somebody is in the export who must not be")
        own = names["demo"].pseudonym(f"Patient/{self.patient['id']}".encode()).decode()
        console.released(_beside(self.patient, next(patient for patient in patients if patient["id"] == own)))
        told = [
            text
            for who in people.values()
            for text in (who.name, who.nhs_number, who.hospital_number, who.council_number, who.emis_patient)
        ]
        content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
        found = sum(text.encode() in content for text in told if text)
        console.out.print(
            f"Names and numbers of the {len(people)} fixed people, looked for in every byte of the export: {found} "
            f"found"
        )

    def audit(self) -> None:
        """Step 6: the audit of it all, its chain verified."""
        console.step(6, "The audit: every read was on disk before its answer left")
        audit = self.app.state.door.audit
        audit.seal()
        events = list(audit.events())
        with open(self.out / "audit.ndjson", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
        table = Table(box=None, pad_edge=False)
        for name in ("when", "who", "role", "act", "outcome", "why"):
            table.add_column(name)
        for (*row, first), count in _told(events):
            table.add_row(first, *row[:2], row[2] + (f" × {count}" if count > 1 else ""), *row[3:])
        console.out.print(table)
        verdict = audit.verify()
        console.out.print(
            f"\n{verdict.rows} events, {verdict.sealed} sealed, chain {'whole' if not verdict.broken else 'BROKEN'}"
        )

    def serve(self) -> None:
        """Serve on a free port until interrupted, with tokens to try."""
        from gateway.api.server import serve

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        self.app.state.base = f"{url}/fhir"
        console.step(7, f"Serving on {url} (Ctrl-C ends it)")
        folder = self.out / "tokens"
        folder.mkdir(mode=0o700)
        for user in SERVED:
            (folder / user).write_text(self.tokens[user], encoding="ascii")
            console.out.print(f"[bold]{user}[/]  {self.tokens[user]}\n", soft_wrap=True)
        console.out.print("Each token is also a file: try, and then as receptionist\n")
        bearer = f'"Authorization: Bearer $(cat {shlex.quote(str((folder / SERVED[0]).resolve()))})"'
        console.out.print(
            Text(f"curl -H {bearer} -H 'Accept: text/html' '{url}/fhir/Patient/{self.subject}/$summary'\n"),
            soft_wrap=True,
        )
        with self._worker():
            serve(self.app, "127.0.0.1", port)

    @contextmanager
    def _worker(self) -> Iterator[None]:
        """Whoever tries ``$export`` gets one: the worker, in a thread of this process."""
        stop, root = threading.Event(), config.key_file(self.settings, "export-root.key", asking.new_root_key)
        thread = threading.Thread(
            target=worker.work, args=(self.store, self.settings.data_dir / "exports", root, stop), kwargs={"workers": 1}
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _keep(self, name: str, content: dict[str, Any]) -> None:
        (self.out / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _project(today: date) -> dict[str, Any]:
    start, end = (today - timedelta(days=1)).isoformat(), (today + timedelta(days=365)).isoformat()
    return {
        "name": PROJECT, "purpose": "Show what an approved project receives", "lawful_basis": "UK GDPR 6(1)(e), 9(2)(j)",
        "common_law_basis": "anonymised-in-context", "controller": "Vellshire controllers", "recipient": "8A999", "people": ["researcher"],
        "contributors": [{"ods": ods, "agreement": f"DSA-{ods}", "from": start, "to": end} for ods in (PRACTICE, OTHER_PRACTICE, TRUST, COUNCIL)],
        "setting": "in-sde", "profile": "sde-research", "disclosure": "hes", "key_version": 1, "start": start, "end": end,
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
    yield "born", held["birthDate"], left["birthDate"]
    yield "sex", held["gender"], left.get("gender", "")
    yield (
        "address",
        ", ".join((*address["line"], address["city"], address["postalCode"])),
        left["address"][0]["postalCode"],
    )
    yield "telephone", held["telecom"][0]["value"], ""


def _told(events: list[dict[str, Any]]) -> list[tuple[tuple[str, ...], int]]:
    """Events as rows of (who, role, act, outcome, why, when), the same one after the other told once with their
    count."""
    rows: list[list[Any]] = []
    for event in events:
        who = event.get("name") or event.get("user") or event.get("by", "")
        why = event.get("refusal") or event.get("basis") or event.get("project", "")
        row = (who, event.get("role", ""), event["act"], event.get("outcome", "ok"), why)
        if rows and rows[-1][0][:-1] == row:
            rows[-1][1] += 1
        else:
            rows.append([(*row, moment(event["at"]).strftime("%H:%M:%S")), 1])
    return [(row, count) for row, count in rows]


def _standalone(page: str, client: httpx.Client) -> str:
    """The page with its style sheet inside, so that the kept file can be opened from a folder."""
    for link in {part.split('"')[0] for part in page.split('href="')[1:]}:
        if link.startswith("/static/") and link.endswith(".css"):
            style = client.get(link)
            page = page.replace(f'<link rel="stylesheet" href="{link}">', f"<style>{style.text}</style>")
    return page


class _InProcess(httpx.BaseTransport):
    """Requests straight into the application, on an event loop of their own."""

    def __init__(self, app):
        self._inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        import asyncio

        async def ask() -> httpx.Response:
            again = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self._inner.handle_async_request(again)
            content = await answer.aread()
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)

        return asyncio.run(ask())
