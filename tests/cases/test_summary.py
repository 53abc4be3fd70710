"""Cases of the record page: what users were misled by, asked at the front door; the page and the document of each."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gateway import config, records
from gateway.api.app import create_app
from gateway.composition import create_gateway, open_service
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import microseconds
from gateway.intake import load
from gateway.nhs import roles, sandbox, summary
from gateway.summary.document import summary_bundle
from mappings import Feed, sources
from tests.cases.corpus import facts

pytestmark = pytest.mark.corpora

EXPECTED = facts("summary")
NOW = microseconds(datetime(2026, 11, 27, 12, tzinfo=UTC))
CSS = Path(__file__).parents[2] / "gateway/web/static/gateway.css"


def test_every_case_has_an_expectation(shared):
    folders = {path.name for path in (shared / "cases" / "summary").iterdir() if path.is_dir()}
    assert folders == set(EXPECTED)


class Asked:
    """One case, loaded and asked: the page, the document, and the sections as the page has them."""

    def __init__(self, folder: Path, home: Path, of: str = ""):
        asked = (folder / "ask.txt").read_text().split() if (folder / "ask.txt").exists() else ["dr-ward", "9990000018"]
        user, number = asked
        gateway = create_gateway(config.Settings(data_dir=home, sandbox=True), "sandbox", clock=lambda: NOW)
        for name in ("emis", "hl7v2", "cld"):
            if (folder / name).is_dir():
                load.load(gateway.store, sources()[name], folder / name, Feed(), gateway.code_sets(), workers=0)
        service = open_service(gateway)
        client = TestClient(create_app(service))
        headers = {"Authorization": f"Bearer {gateway.sandbox_token(user)}"}
        client.post(
            "/sandbox/permission", json={"number": number, "basis": "permission", "reason": ""}, headers=headers
        )
        url, params = "/fhir/Patient/$summary", {"identifier": f"{NHS_NUMBER}|{number}"}
        if of:
            found = client.get("/fhir/Patient", params=params, headers=headers).json()["entry"]
            patients = (entry["resource"] for entry in found)
            id_ = next(patient["id"] for patient in patients if patient["meta"]["source"].startswith(f"urn:{of}"))
            url, params = f"/fhir/Patient/{id_}/$summary", {}
        page = client.get(url, params=params, headers={**headers, "Accept": "text/html"})
        self.status, self.page = page.status_code, page.text
        self.document = client.get(url, params=params, headers=headers).json()
        self.record, self.sections = None, {}
        if self.status == 200:
            caller = roles.caller_from_claims(sandbox.claims(user))
            self.record = records.person(client.app.state.door, caller, "r", number=number)
            self.sections = {section.id: section for section in summary.sections(self.record)}
        service.close()
        gateway.close()

    def rows(self, section: str) -> list[str]:
        return [f"{row.title} | {row.detail} | {'; '.join(row.flags)}" for row in self.sections[section].rows]

    def coded(self) -> dict[str, dict]:
        made = self.document["entry"][0]["resource"]["section"]
        assert len({section["code"]["coding"][0]["code"] for section in made}) == len(made), "one section a code"
        return {section["code"]["coding"][0]["code"]: section for section in made}


@pytest.fixture(scope="module", params=list(EXPECTED))
def case(request, shared, tmp_path_factory):
    expected = EXPECTED[request.param]
    folder = shared / "cases" / "summary" / request.param
    is_fault = (folder / "case.md").read_text(encoding="utf-8").startswith("fault: yes")
    assert is_fault is expected["fault"]
    return expected, Asked(folder, tmp_path_factory.mktemp("case"), expected.get("of", ""))


def test_a_case_says_what_is_right(case):
    expected, asked = case
    assert asked.status in expected.get("status", [200])
    words = asked.page.replace("\u2011", "-")
    for said in expected.get("lacks", ()):
        without_grid = words.partition('<table class="grid">')[0] if said in expected.get("grid_may_say", ()) else words
        assert said not in without_grid.partition("<nav")[0] + without_grid.partition("</nav>")[2]
    if asked.status != 200:
        return
    for said in expected.get("has", ()):
        assert said in words
    for section, wanted in expected.get("rows", {}).items():
        rows = asked.rows(section)
        assert len(rows) == len(wanted)
        assert all(word in row for row, said in zip(rows, wanted) for word in said), rows
    for section, wanted in expected.get("holds", {}).items():
        rows = asked.rows(section)
        assert all(any(all(word in row for word in said) for row in rows) for said in wanted), rows
    for section, reason in expected.get("reasons", {}).items():
        assert asked.sections[section].reason == reason


def test_the_document_of_a_case_says_the_same(case):
    expected, asked = case
    if asked.status != 200:
        return
    coded = asked.coded()
    assert {"48765-2", "10160-0", "11450-4"} <= set(coded)
    bundle = summary_bundle(asked.record)
    assert bundle["entry"][0]["resource"]["subject"] == asked.document["entry"][0]["resource"]["subject"]
    for code in expected.get("once", ()):
        assert code in coded
    for code, counts in expected.get("entries", {}).items():
        types = Counter(entry["reference"].partition("/")[0] for entry in coded[code]["entry"])
        assert types == counts
    for said in expected.get("narrative", ()):
        assert any(said in section["text"]["div"] for section in coded.values())
    for code, reason in expected.get("empty", {}).items():
        assert coded[code]["emptyReason"]["coding"][0]["code"] == reason
    for said in expected.get("css", ()):
        assert said in CSS.read_text(encoding="utf-8")
