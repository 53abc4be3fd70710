"""Cases of access: what users found of scopes, tokens, choices, relationships and exports, asked at the front door."""

import csv
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.export import approval, national_list, worker
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import microseconds
from gateway.intake import load
from gateway.nhs import sandbox
from gateway.signin.issue import issue
from gateway.signin.sandbox import AUDIENCE, ISSUER
from gateway.synth import world
from mappings import Feed, sources
from tests.api.conftest import Api, Clock
from tests.cases.corpus import facts
from tests.export.conftest import ROOT, document

pytestmark = pytest.mark.corpora

EXPECTED = facts("security_access")
UNKNOWN = "00000000-0000-5000-8000-000000000000"
HALF_A_DAY = 43_200_000_000
WRITTEN = date(2026, 11, 27)
"""The day the cases were written: their messages hold birth dates that the synthetic people have on that day."""
NOW = microseconds(datetime(2026, 11, 27, 12, tzinfo=UTC))


@pytest.mark.parametrize("folder", EXPECTED)
def test_a_case_is_as_it_was_when_its_expectation_was_written(shared, folder):
    words = (shared / "cases" / folder / "case.md").read_text(encoding="utf-8")
    assert words.startswith(f"fault: {'yes' if EXPECTED[folder]['fault'] else 'no'}")


@pytest.fixture(scope="module")
def box(tmp_path_factory, shared) -> Api:
    """The synthetic people, one with issues in a confidential consultation, and the messages of two cases."""
    folder = tmp_path_factory.mktemp("box")
    manifest = world.write(folder / "world", 10, 1, WRITTEN)
    _issue_in_confidence(manifest.path("emis"), EXPECTED["security/07-a-next-link-tells-what-is-in-a-hidden-encounter"])
    paths = {name: [manifest.path(name)] for name in ("emis", "hl7v2", "cld")}
    for case in ("17-dissent-from-the-summary-never-acts", "18-a-bed-of-2011-is-a-relationship-today"):
        paths["hl7v2"].append(shared / "cases" / "security" / case / "a.hl7")
    api = _opened(folder, paths)
    national_list.load(api.store, manifest.path("optout"))
    approval.add(api.store, document("falls"), "asker")
    for name in ("guardian", "controller"):
        approval.approve(api.store, "falls", name)
    yield api
    api.close()
    api.store.close()


def _opened(folder: Path, paths: dict[str, list[Path]]) -> Api:
    settings = config.Settings(data_dir=folder / "data", sandbox=True)
    gateway = create_gateway(settings, "sandbox", clock=Clock(NOW - HALF_A_DAY))
    for name, deliveries in paths.items():
        for path in deliveries:
            load.load(gateway.store, sources()[name], path, Feed(), gateway.code_sets(), workers=0)
    return Api(gateway.store, settings.data_dir)


def _edit(source: Path, table: str, edit) -> None:
    """Change the rows of one table of an EMIS delivery."""
    (path,) = source.rglob(f"1-2_{table}_2*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0])
    edit(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


def _issue_in_confidence(source: Path, case: dict) -> None:
    def consult(rows: list[dict[str, str]]) -> None:
        held = next(row for row in rows if row["PatientGuid"] == case["patient"])
        changes = {"ConsultationGuid": case["consultation"], "IsConfidential": "true", "ProcessingId": "990001"}
        rows.append({**held, **changes})

    def issue_(rows: list[dict[str, str]]) -> None:
        for row in [row for row in rows if row["PatientGuid"] == case["patient"]][: case["issues"]]:
            row["ConsultationGuid"] = case["consultation"]

    _edit(source, "CareRecord_Consultation", consult)
    _edit(source, "Prescribing_IssueRecord", issue_)


def ask(api: Api, method: str, path: str, user: str = "dr-green", project: str = "", headers=(), more=None, **changes):
    """An answer to a token of a user whose claims are changed; ``None`` takes a claim away."""
    claims = {**sandbox.claims(user, project), **changes}
    held = {name: value for name, value in claims.items() if value is not None}
    token = issue(api.gateway.sandbox_key(), ISSUER, AUDIENCE, held, api.store.clock())
    path = path.removeprefix(api.app.state.base.removesuffix("/fhir"))
    return api.client.request(
        method, path, headers={"Authorization": f"Bearer {token}", **dict(headers)}, **(more or {})
    )


def numbered(number: str) -> str:
    return f"{NHS_NUMBER}|{number}"


def read(api: Api, number: str = "9990000018", user: str = "dr-green", **changes) -> int:
    path = f"/fhir/Patient?identifier={numbered(number)}"
    return ask(api, "GET", path, user, **changes).status_code


# Exports


def kicked_off(api: Api, **changes):
    return ask(api, "GET", "/fhir/$export", "researcher", "falls", {"Prefer": "respond-async"}, **changes)


def released_types(api: Api, kicked, **changes) -> tuple[list[str], dict[str, int]]:
    """The types of a release, and the status of each of its files and of one that is not among them."""
    while worker.work_once(api.store, api.settings.data_dir / "exports", ROOT, workers=1):
        pass
    place = kicked.headers["content-location"]
    manifest = ask(api, "GET", place, "researcher", "falls", **changes).json()
    files = [line["url"] for line in manifest["output"]] + [f"{place}/Observation.00000.ndjson"]
    status = {
        url.rsplit("/", 1)[1]: ask(api, "GET", url, "researcher", "falls", **changes).status_code for url in files
    }
    return sorted({line["type"] for line in manifest["output"]}), status


CHANGES = {"client mallory": {"client_id": "mallory"}, "organisation 8A111": {"org_code": "8A111"}}


@pytest.mark.parametrize("folder", ["security/01-export-ignores-scope", "export/10-scopes-are-not-asked"])
def test_an_export_is_narrowed_to_scopes_client_and_recipient(box, folder):
    for words, status in EXPECTED[folder]["kick_off"].items():
        changes = CHANGES.get(words, {"scope": words})
        kicked = kicked_off(box, **changes)
        assert kicked.status_code == status, words
        if status == 202:
            assert released_types(box, kicked, **changes) == (
                ["Patient"],
                {"Patient.00000.ndjson": 200, "Observation.00000.ndjson": 403},
            )


def test_people_and_recipient_are_asked(box):
    expected = EXPECTED["export/11-people-and-recipient-are-not-asked"]
    assert kicked_off(box, client_id="stranger", org_code="8A111").status_code == expected["status"]


# Scopes


def test_a_scope_that_cannot_be_read_opens_nothing(box):
    expected = EXPECTED["security/02-unreadable-scope-opens-everything"]
    assert read(box) == 200
    for scope in expected["scopes"]:
        assert read(box, scope=scope) == expected["status"], scope
    for scopes in expected["lists"]:
        assert read(box, scp=scopes) == expected["status"]


def test_what_scopes_hide_is_told_as_withheld(box):
    expected = EXPECTED["security/03-scope-hides-allergies-and-the-summary-says-nothing-recorded"]

    def sections(**changes) -> dict[str, str | int]:
        path = f"/fhir/Patient/$summary?identifier={numbered(expected['number'])}"
        shown = ask(box, "GET", path, **changes).json()["entry"][0]["resource"]["section"]
        return {
            section["title"]: section["emptyReason"]["coding"][0]["code"] if "emptyReason" in section else len(section["entry"])
            for section in shown
            if "emptyReason" in section or "entry" in section
        }  # fmt: skip

    whole, narrowed = sections(), sections(scope=expected["scope"])
    assert {title: narrowed[title] for title in expected["entries"]} == expected["entries"]
    assert all(isinstance(whole[title], int) for title in expected["entries"])
    assert narrowed["Problems and diagnoses"] == whole["Problems and diagnoses"]


def test_a_scope_to_read_records_no_permission(box):
    expected = EXPECTED["security/04-a-read-only-scope-records-permission"]
    body = {"number": "9990000018", "basis": "permission"}
    for scope in expected["scopes"]:
        answer = ask(box, "POST", "/sandbox/permission", "dr-ward", more={"json": body}, scope=scope)
        assert answer.status_code == expected["status"]


# Relationships and choices


def test_no_link_tells_of_a_hidden_encounter(box):
    expected = EXPECTED["security/07-a-next-link-tells-what-is-in-a-hidden-encounter"]
    assert box.permit(expected["number"], "dr-ward").status_code == 201
    entries = box.get(f"/fhir/Patient?identifier={numbered(expected['number'])}").json()["entry"]
    patient = next(entry["resource"]["id"] for entry in entries if "emis" in entry["resource"]["meta"]["source"])
    issued = box.get(f"/fhir/MedicationRequest?patient={patient}&_count=100").json()["entry"]
    visits = [entry["resource"].get("encounter", {}).get("reference", "") for entry in issued]
    (hidden,) = {visit for visit in visits if visit and box.get(f"/fhir/{visit}", "dr-ward").status_code == 404}
    assert visits.count(hidden) == expected["issues"]

    def links(encounter: str) -> list[list[str]]:
        path = f"/fhir/MedicationRequest?patient={patient}&encounter={encounter}&_count="
        answers = [box.get(f"{path}{count}", "dr-ward").json() for count in (1, 2, 3)]
        modes = [entry["search"]["mode"] for answer in answers for entry in answer.get("entry", ())]
        assert "match" not in modes
        return [[link["relation"] for link in answer["link"]] for answer in answers]

    assert links(hidden) == links(f"Encounter/{UNKNOWN}") == [["self"]] * 3


def test_dissent_from_the_summary_acts(box):
    expected = EXPECTED["security/17-dissent-from-the-summary-never-acts"]
    assert box.permit(expected["number"], "dr-ward").status_code == 201
    path = f"/fhir/Patient/$summary?identifier={numbered(expected['number'])}"
    own, others = box.get(path, "dr-green"), box.get(path, "dr-ward")
    shown = {
        user: [s["title"] for s in answer.json()["entry"][0]["resource"]["section"] if s["title"] == "Medicines" and "entry" in s]
        for user, answer in (("own", own), ("others", others))
    }  # fmt: skip
    assert others.status_code == 200 and len(shown["others"]) == expected["medicines"]
    assert shown["own"], "the practice has its own record"
    assert box.get(f"{path}&view=summary", "dr-ward").status_code == 403


def test_a_bed_of_2011_is_no_relationship_today(box):
    expected = EXPECTED["security/18-a-bed-of-2011-is-a-relationship-today"]
    assert box.permit(expected["number"], "dr-ward").status_code == 201
    entries = box.get(f"/fhir/Patient?identifier={numbered(expected['number'])}", "dr-ward").json()["entry"]
    assert [entry["resource"]["meta"]["source"].partition("#")[0].rsplit(":", 1)[1] for entry in entries] == expected[
        "publishers"
    ]
    refused = box.get(f"/fhir/Patient/$summary?identifier={numbered(expected['number'])}", "dr-ward")
    assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "no-relationship"


# Tokens, cursors, markup

KINDS = {
    "an ID token": {"nonce": "n", "at_hash": "h", "azp": "other"},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    "bound to a key that nobody proves to hold": {"cnf": {"x5t#S256": "a"}},
    "a password": {"acr": "AAL1_USERPASS", "id_assurance_level": "0"},
}


@pytest.mark.parametrize("claims", KINDS.values(), ids=KINDS)
def test_a_token_of_another_kind_is_nobody(box, claims):
    assert read(box, **claims) == EXPECTED["security/21-an-id-token-is-an-access-token"]["status"]


def test_a_cursor_is_of_one_caller_and_one_query(box):
    expected = EXPECTED["security/30-cursors-and-links"]
    number = numbered(expected["number"])
    first = box.get("/fhir/Observation", **{"patient.identifier": number, "_count": 2}).json()
    (link,) = (link["url"] for link in first["link"] if link["relation"] == "next")
    cursor = unquote(link).split("_cursor=")[1]
    assert {
        user: box.get("/fhir/Observation", user, _count=2, _cursor=cursor).status_code for user in expected["users"]
    } == expected["users"]
    assert box.get("/fhir/Observation", _count=3, _cursor=cursor).status_code == 400
    assert box.get("/fhir/Condition", _count=2, _cursor=cursor).status_code == 400
    for at in range(12, 120, 9):
        tampered = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        assert box.get("/fhir/Observation", _count=2, _cursor=tampered).status_code == 400

    def subjects(**more) -> set[str]:
        answer = box.get("/fhir/Observation", **{"_count": 2, "_cursor": cursor, **more}).json()
        return {entry["resource"]["subject"]["reference"] for entry in answer["entry"]}

    assert subjects() == subjects(**{"patient.identifier": numbered(expected["other"])})


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"
TABLES = {
    "Admin_Patient": ("Surname", "Title", "HouseNameFlatNumber"), "Coding_DrugCode": ("Term",), "Prescribing_DrugRecord": ("Dosage",),
    "Coding_ClinicalCode": ("Term",), "Admin_Organisation": ("OrganisationName",),
}  # fmt: skip


def test_markup_in_names_is_text(tmp_path):
    number = numbered(EXPECTED["security/31-markup-and-direction-in-names"]["number"])
    source = world.write(tmp_path / "world", 10, 1, WRITTEN).path("emis")
    for table, columns in TABLES.items():
        _edit(
            source,
            table,
            lambda rows, columns=columns: [row.update({n: row[n] + MARKUP for n in columns}) for row in rows],
        )
    api = _opened(tmp_path, {"emis": [source]})
    path = f"/fhir/Patient/$summary?identifier={number}"
    page = api.get(path, "dr-green", {"Accept": "text/html"})
    assert ("<script" in page.text, "<img" in page.text, "{{7*7}}" in page.text) == (False, False, True)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for section in api.get(path).json()["entry"][0]["resource"]["section"]:
        ElementTree.fromstring(section["text"]["div"])
        assert "<script" not in section["text"]["div"] and "<img" not in section["text"]["div"]
    api.close()
    api.store.close()
    shutil.rmtree(tmp_path / "data")
