"""The cases of the FHIR API, asked of one served sandbox: each folder of ../shared/cases/api is a row here, with the
facts that are right beside it in ``api.toml``."""

import http.client
import itertools
import json
import re
import threading
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway import config
from gateway.api import server
from gateway.api.app import create_app
from gateway.composition import create_gateway, open_service
from gateway.intake import load
from mappings import Feed, sources
from tests.cases.corpus import facts, folders

pytestmark = pytest.mark.corpora

FACTS = facts("api")
NHS = "https://fhir.nhs.uk/Id/nhs-number"
NUMBER = "9990000018"
JOAN = f"{NHS}|{NUMBER}"
HTML, FHIR = "text/html", "application/fhir+json"
PID = (
    f"PID|1||{NUMBER}^^^NHS^NH~H0000001^^^RZZ^PI||Testing^Tess^^^Mrs^^L||19500101|2|||1 Test Road^^Testham^Testshire"
    "^ZA1 1AA^GBR^H|||||||||||A||||||||||NSTS01"
)


class Api:
    """A served sandbox and whoever asks it."""

    def __init__(self, gateway, port: int):
        self.gateway, self.port, self.base = gateway, port, f"http://127.0.0.1:{port}/fhir"
        self.http = httpx.Client(timeout=30)
        self.tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        if user not in self.tokens:
            self.tokens[user] = self.gateway.sandbox_token(user)
        return self.tokens[user]

    def ask(self, path: str, user: str = "dr-green", method: str = "GET", headers=(), **more) -> httpx.Response:
        url = path if path.startswith("http") else f"{self.base}/{path}"
        known = {"Authorization": f"Bearer {self.token(user)}", "Accept": "*/*"}
        return self.http.request(method, url, headers={**known, **dict(headers)}, **more)

    def found(self, path: str, user: str = "dr-green", **more) -> list[dict]:
        answer = self.ask(path, user, **more)
        assert answer.status_code == 200, answer.text
        return matches(answer.json())


def matches(bundle: dict) -> list[dict]:
    return [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]


def link(bundle: dict, relation: str) -> str:
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), "")


@contextmanager
def serving(settings):
    """Serve a store on a free port, in a thread."""
    from gateway.composition import open_gateway

    with open_gateway(settings) as gateway, open_service(gateway) as service:
        listeners = server.listen("127.0.0.1", 0)
        port = listeners[0].getsockname()[1]
        app = create_app(service, config.address("127.0.0.1", port))
        ends = threading.Event()
        thread = threading.Thread(target=server.serve, args=(app, listeners, ends), daemon=True)
        thread.start()
        api = Api(gateway, port)
        for _ in range(100):
            try:
                api.http.get(f"http://127.0.0.1:{port}/livez")
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield api
        api.http.close()
        ends.set()
        thread.join(20)


def filled(folder: Path, *deliveries) -> config.Settings:
    settings = config.Settings(data_dir=folder / "data", sandbox=True)
    with create_gateway(settings, "sandbox") as gateway:
        for source, path in deliveries:
            load.load(gateway.store, sources()[source], path, Feed(), gateway.code_sets(), workers=0)
    return settings


@pytest.fixture(scope="module")
def joan(shared, tmp_path_factory):
    """The person of the cases: a practice, a hospital and a council know her."""
    inputs = shared / "cases/api/inputs/joan"
    settings = filled(tmp_path_factory.mktemp("joan"), *((name, inputs / name) for name in ("emis", "hl7v2", "cld")))
    with serving(settings) as api:
        yield api


def message(kind: str, number: str, at: str, *segments: str, sender: str = "LAB") -> str:
    head = f"MSH|^~\\&|{sender}|RZZ|TIE|QZZ|{at}||{kind}|{number}|T|2.4|||||GBR|UNICODE|EN"
    return "\r".join((head, *segments)) + "\r"


def report(number: int, at: str, values: list[str], filler: str = "", taken: str = "") -> str:
    filler, taken = filler or f"R{number}", taken or at
    obr = f"OBR|1|P{filler}^RZZ|{filler}^RZZLAB|FBC^Full blood count^RZZLAB|||{at}|||||||{at}||||||||{at}||LAB|F"
    obx = [f"OBX|{n}|NM|T{n}^T{n}^RZZLAB||{value}|g/L|1-99||||F|||{taken}" for n, value in enumerate(values, start=1)]
    return message("ORU^R01^ORU_R01", f"M{number}", at, PID, obr, *obx)


def known(at: str = "20260101080000") -> str:
    return message("ADT^A28^ADT_A05", "C1", at, f"EVN|A28|{at}", PID, sender="PAS")


def visit(number: int, at: str, event: str, left: str = "") -> str:
    pv1 = f"PV1|1|I|W1^^^RZZ01||||||||||||||||V01^^^RZZ|||||||||||||||||||||||||202006011000|{left}"
    return message(f"ADT^{event}^ADT_{event}", f"A{number}", at, f"EVN|{event}|{at}", PID, pv1, sender="PAS")


def hospital(folder: Path, *deliveries: list[str]) -> config.Settings:
    """A store with deliveries of one hospital, one after another."""
    paths = []
    for number, messages in enumerate(deliveries):
        path = folder / f"feed{number}.hl7"
        path.write_text("".join(messages), newline="")
        paths.append(("hl7v2", path))
    return filled(folder, *paths)


@contextmanager
def ward(folder: Path, *deliveries: list[str]):
    """A hospital's store, served, and the id of its one Patient."""
    with serving(hospital(folder, *deliveries)) as api:
        (patient,) = api.found("Patient?identifier=H0000001", "dr-ward")
        yield api, patient["id"]


def first(api: Api) -> dict:
    return api.found("Patient/_search", method="POST", data={"identifier": JOAN})[0]


def include_cut(facts, joan, tmp_path):
    days = [f"202602{i % 28 + 1:02d}{8 + i // 28:02d}0000" for i in range(26)]
    reports = [report(i, day, [str(n + 1) for n in range(10)]) for i, day in enumerate(days)]
    with ward(tmp_path, [known(), *reports]) as (api, patient):
        path, seen, named = f"DiagnosticReport?patient={patient}&_include=DiagnosticReport:result", set(), set()
        while path:
            page = api.ask(path, "dr-ward").json()
            seen |= {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in page["entry"]}
            named |= {r["reference"] for e in page["entry"] for r in e["resource"].get("result", ())}
            path = link(page, "next")
    assert (len(named), named - seen) == (facts["results"], set())


def the_person_as_one(facts, joan, tmp_path):
    people = joan.found("Patient/_search", method="POST", data={"identifier": JOAN})
    ids = {patient["id"] for patient in people}
    assert len(ids) == facts["patients"]
    assert people[0]["meta"]["source"].startswith(facts["first"])
    for patient in people:
        linked = {each["other"]["reference"].partition("/")[2] for each in patient["link"]}
        assert linked == ids - {patient["id"]}
        assert joan.ask(f"Patient/{patient['id']}").json()["link"] == patient["link"]
    whole = joan.found("AllergyIntolerance/_search", method="POST", data={"patient.identifier": JOAN})
    assert len(whole) == facts["allergies"]
    for patient in people:
        bundle = joan.ask(f"AllergyIntolerance?patient={patient['id']}").json()
        is_told = any(entry["search"]["mode"] == "outcome" for entry in bundle.get("entry", ()))
        assert is_told == (len(matches(bundle)) < len(whole))


def substitution(facts, joan, tmp_path):
    from fhir.resources.R4B.medicationrequest import MedicationRequest

    requests = joan.found(
        "MedicationRequest/_search", method="POST", data={"patient.identifier": JOAN, "_count": "250"}
    )
    assert len(requests) >= facts["least"]
    for request in requests:
        MedicationRequest.model_validate(request)


def next_links(facts, joan, tmp_path):
    settings = hospital(tmp_path, [known(), report(1, "202602010800", ["0", "1", "2", "3"])])

    def moved(url: str, api: Api) -> httpx.Response:
        return api.ask(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{api.port}", url), "dr-ward")

    with serving(settings) as api, serving(settings) as other:
        (patient,) = api.found("Patient?identifier=H0000001", "dr-ward")
        url = link(api.ask(f"Observation?patient={patient['id']}&_count=2", "dr-ward").json(), "next")
        statuses = [moved(url, api).status_code, moved(url, other).status_code]
    with serving(settings) as again:
        statuses.append(moved(url, again).status_code)
    assert statuses == facts["statuses"]


def ips(facts, joan, tmp_path):
    """What the International Patient Summary and the national one ask of a document, one fact a name."""
    bundle = joan.ask("Patient/$summary", method="POST", data={"identifier": JOAN}).json()
    entries = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    composition = bundle["entry"][0]["resource"]
    assert bundle["type"] == facts["type"] and composition["resourceType"] == "Composition"
    sections = [(codes_of(section), section) for section in composition["section"]]
    codes = [code for listed, _ in sections for code in listed]
    held = [
        (code, resolved(entries, reference["reference"])["resourceType"])
        for listed, section in sections
        for code in listed
        for reference in section.get("entry", ())
    ]
    patients = [resource for resource in entries.values() if resource["resourceType"] == "Patient"]
    holds = {
        "each section code once": all(codes.count(code) <= 1 for code in facts["allowed"]),
        "a code for each section": all(section.get("code", {}).get("coding") for _, section in sections),
        "no type that a section may not hold": all(kind in facts["allowed"].get(code, [kind]) for code, kind in held),
        "one patient": len(patients) == 1,
        "the author is an entry": all(resolved(entries, author["reference"]) for author in composition["author"]),
        "narrative of the composition": facts["title"] in words_of(composition),
        "narrative of the patient": all(NUMBER in words_of(patient).replace(" ", "") for patient in patients),
    }
    assert holds == facts["holds"]


def codes_of(section: dict) -> list[str]:
    return [each["code"] for each in section.get("code", {}).get("coding", ()) if each["system"] == "http://loinc.org"]


def resolved(entries: dict[str, dict], reference: str) -> dict:
    """The entry that a reference of a document leads to."""
    return next(resource for url, resource in entries.items() if url == reference or url.endswith(f"/fhir/{reference}"))


def words_of(resource: dict) -> str:
    """The words of a resource's narrative."""
    return re.sub(r"<[^>]+>", " ", resource.get("text", {}).get("div", ""))


def summary_by_post(facts, joan, tmp_path):
    id_ = first(joan)["id"]
    profile = {"name": "profile", "valueCanonical": facts["profile"]}
    text = {"name": "identifier", "valueString": JOAN}
    whole = {"name": "identifier", "valueIdentifier": {"system": NHS, "value": NUMBER}}

    def post(path: str, *parameters: dict) -> int:
        body = {"resourceType": "Parameters", **({"parameter": list(parameters)} if parameters else {})}
        return joan.ask(path, method="POST", content=json.dumps(body), headers={"Content-Type": FHIR}).status_code

    statuses = [
        post(f"Patient/{id_}/$summary"),
        post(f"Patient/{id_}/$summary", profile),
        post("Patient/$summary", text),
        post("Patient/$summary", whole, profile),
        post("Patient/$summary", text, {"name": "profile", "valueCanonical": "http://example.org/none"}),
        joan.ask(f"Patient/{id_}/$summary?profile=http://example.org/none").status_code,
        joan.ask(f"Patient/{id_}/$summary", method="POST").status_code,
    ]
    assert statuses == facts["statuses"]


def summary_negotiation(facts, joan, tmp_path):
    id_ = first(joan)["id"]
    for query, accept, expected in facts["rows"]:
        answer = joan.ask(f"Patient/{id_}/$summary{query}", headers={"Accept": accept})
        assert answer.status_code == 200 and answer.headers["content-type"].split(";")[0] == expected, (query, accept)


def count_zero(facts, joan, tmp_path):
    who = f"Observation?patient.identifier={JOAN}"
    total = joan.ask(f"{who}&_total=accurate").json()["total"]
    assert total > 0
    for query in facts["queries"]:
        bundle = joan.ask(f"{who}&{query}").json()
        assert (bundle["total"], bundle.get("entry", [])) == (total, []), query


def any_code_of_a_system(facts, joan, tmp_path):
    who = f"Condition?patient.identifier={JOAN}&_count=250"
    conditions = joan.found(who)
    expected = [
        each["id"]
        for each in conditions
        if any(coding["system"] == facts["system"] for coding in each["code"]["coding"])
    ]
    assert expected and [each["id"] for each in joan.found(f"{who}&code={facts['system']}|")] == expected
    assert joan.found(f"{who}&code=urn:none|") == []


def charset(facts, joan, tmp_path):
    for path in ("metadata", "Patient/none", f"Patient?identifier={JOAN}", "Nothing"):
        assert joan.ask(path).headers["content-type"] == facts["type"], path


def self_link(facts, joan, tmp_path):
    id_ = first(joan)["id"]
    page = joan.ask(f"Observation?patient={id_}&_count=5").json()
    second = joan.ask(link(page, "next")).json()
    again = joan.ask(link(second, "self")).json()
    assert [each["id"] for each in matches(again)] == [each["id"] for each in matches(second)] != []
    large = link(joan.ask(f"Observation?patient={id_}&_count=1000").json(), "self")
    assert f"_count={facts['most']}" in large and "1000" not in large
    bundle = joan.ask("Patient/_search", method="POST", data={"identifier": JOAN}).json()
    assert NUMBER not in link(bundle, "self")
    assert len(joan.found(link(bundle, "self"))) == len(matches(bundle))


def promises(facts, joan, tmp_path):
    value = {"token": "x", "date": "2020", "string": "abc", "uri": "urn:x", "quantity": "1"}
    for resource in joan.ask("metadata").json()["rest"][0]["resource"]:
        if resource["type"] in ("Binary", "Group", "Subscription"):  # of our own making, with no search of a person
            continue
        assert resource["profile"] and resource["supportedProfile"]
        assert resource["conditionalRead"] == facts["conditionalRead"]
        refused = [
            param["name"]
            for param in resource["searchParam"]
            if param["name"] not in ("identifier", "patient.identifier") and param["type"] in value
            and joan.ask(f"{resource['type']}?{param['name']}={value[param['type']]}").status_code != 200
        ]  # fmt: skip
        is_told = any("search-parameter-combination" in each["url"] for each in resource.get("extension", ()))
        assert is_told or not refused, (resource["type"], refused)


def accept_and_format(facts, joan, tmp_path):
    id_ = first(joan)["id"]
    for path, accept, status in facts["rows"]:
        connection = http.client.HTTPConnection("127.0.0.1", joan.port)
        connection.putrequest("GET", f"/fhir/{path.format(id=id_)}")
        connection.putheader("Authorization", f"Bearer {joan.token('dr-green')}")
        for each in accept:
            connection.putheader("Accept", each)
        connection.endheaders()
        assert connection.getresponse().status == status, (path, accept)
        connection.close()


def words_of_an_error(facts, joan, tmp_path):
    (issue,) = joan.ask("Observation?patient=x&foo=1").json()["issue"]
    assert issue["diagnostics"] == issue["details"]["text"] == facts["words"]


def straddling(facts, joan, tmp_path):
    stay = [visit(1, "202006011000", "A01"), visit(2, "202107011000", "A03", "202107011000")]
    with ward(tmp_path, [known("20200101080000"), *stay]) as (api, patient):
        counts = {
            value: len(api.found(f"Encounter?patient={patient}&date={value}", "dr-ward")) for value in facts["found"]
        }
    assert counts == facts["found"]


def history_parameters(facts, joan, tmp_path):
    at = "202602010800"
    later = [report(2, "202602020800", ["2"], filler="R1", taken=at)]
    with ward(tmp_path, [known(), report(1, at, ["1"])], later) as (api, patient):
        (observation,) = api.found(f"Observation?patient={patient}", "dr-ward")
        path = f"Observation/{observation['id']}/_history"
        whole = api.ask(path, "dr-ward").json()
        page = api.ask(f"{path}?_count=1", "dr-ward").json()
        second = api.ask(link(page, "next"), "dr-ward").json()
        since = api.ask(f"{path}?_since={observation['meta']['lastUpdated']}", "dr-ward").json()
        bad = api.ask(f"{path}?_since=x", "dr-ward").status_code
    versions = [
        [entry["resource"]["meta"]["versionId"] for entry in each["entry"]] for each in (whole, page, second, since)
    ]
    assert versions == facts["versions"] and bad == 400
    assert (page["total"], link(second, "next")) == (2, "")
    assert whole["entry"][-1]["request"] == {"method": "POST", "url": facts["url"]}


def full_url(facts, joan, tmp_path):
    bundle = joan.ask("Patient/$summary", method="POST", data={"identifier": JOAN}).json()
    assert all(entry["fullUrl"].startswith((f"{joan.base}/", "urn:uuid:")) for entry in bundle["entry"])
    assert facts["base"] not in json.dumps(bundle)


def head(facts, joan, tmp_path):
    root = joan.base.removesuffix("/fhir")
    for path in ("metadata", f"Patient/{first(joan)['id']}", f"{root}/livez", f"{root}/readyz"):
        answer = joan.ask(path, method="HEAD")
        assert (answer.status_code, answer.content) == (facts["status"], b""), path


def pages(facts, joan, tmp_path):
    at = "202602010800"
    reports = [report(i, at, [str(n) for n in range(9)]) for i in range(5)]
    with ward(tmp_path, [known(), *reports]) as (api, patient):

        def walk(path: str, **more) -> list[list[str]]:
            walked, bundle = [], api.ask(path, "dr-ward", **more).json()
            while True:
                walked.append([each["id"] for each in matches(bundle)])
                if not link(bundle, "next"):
                    return walked
                bundle = api.ask(link(bundle, "next"), "dr-ward").json()

        for sort in ("date", "-date", "_lastUpdated", "-_lastUpdated"):
            ids = list(itertools.chain(*walk(f"Observation?patient={patient}&_sort={sort}&_count=7")))
            assert (len(ids), len(set(ids))) == (45, 45), sort
        assert [len(page) for page in walk(f"Observation?_id={','.join(ids[:12])}&_count=5")] == facts["of_ids"]
        form = {"patient.identifier": JOAN, "_count": "20", "_sort": "-date"}
        assert [len(page) for page in walk("Observation/_search", method="POST", data=form)] == facts["posted"]
        system = "https://fhir.nhs.uk/RZZ/CodeSystem/RZZLAB"
        both = [
            len(api.found(f"Observation?patient={patient}&code=T1&code={system}|{code}", "dr-ward"))
            for code in ("T1", "T2")
        ]
        assert both == facts["both"]


def old_versions(facts, joan, tmp_path):
    at = "202602010800"
    later = [report(2, "202602020800", ["2"], filler="R1", taken=at)]
    with ward(tmp_path, [known(), report(1, at, ["1", "1"])], later) as (api, patient):
        observations = api.found(f"Observation?patient={patient}", "dr-ward")
        new = next(each for each in observations if each["meta"]["versionId"] == "2")
        moment = new["meta"]["lastUpdated"]
        counts = {
            prefix: len(api.found(f"Observation?_id={new['id']}&_lastUpdated={prefix}{moment}", "dr-ward"))
            for prefix in facts["own_moment"]
        }
        assert counts == facts["own_moment"]
        for tag, status in facts["tags"]:
            answer = api.ask(f"Observation/{new['id']}", "dr-ward", headers={"If-None-Match": tag})
            assert answer.status_code == status, tag


def days_of_london(facts, joan, tmp_path):
    days = {"w": "20260115003000+0000", "s": "20260615003000+0100", "n": "20260614233000+0000"}
    reports = [report(i, day, ["1"]).replace("T1^T1", f"T{name}^T{name}") for i, (name, day) in enumerate(days.items())]
    with ward(tmp_path, [known(), *reports]) as (api, patient):
        for day, codes in facts["found"].items():
            path = f"Observation?patient={patient}&date={urllib.parse.quote(day)}"
            found = sorted(each["code"]["coding"][0]["code"] for each in api.found(path, "dr-ward"))
            assert found == codes, day


CASES = {
    "01-include-cut-at-250": include_cut,
    "02-nhs-number-then-patient-id": the_person_as_one,
    "03-substitution-unreadable-by-clients": substitution,
    "04-next-link-dies-with-the-process": next_links,
    "05-summary-against-ips-and-scr-ips": ips,
    "06-summary-by-post": summary_by_post,
    "08-summary-negotiation": summary_negotiation,
    "09-count-zero": count_zero,
    "10-token-any-code-of-a-system": any_code_of_a_system,
    "11-charset": charset,
    "12-self-link": self_link,
    "13-capability-statement-promises": promises,
    "15-accept-and-format": accept_and_format,
    "16-words-of-an-error": words_of_an_error,
    "18-le-and-ge-of-a-straddling-period": straddling,
    "19-history-parameters": history_parameters,
    "20-fullurl-base-that-leads-nowhere": full_url,
    "21-head": head,
    "30-pages-ties-ids-post": pages,
    "31-old-versions-and-tags": old_versions,
    "32-the-day-is-londons": days_of_london,
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_of_the_api(case, joan, tmp_path):
    CASES[case](FACTS[case], joan, tmp_path)


def test_every_case_of_the_api_is_here(shared):
    assert CASES.keys() == FACTS.keys() and folders(shared, "api") == {f"api/{case}" for case in CASES}
