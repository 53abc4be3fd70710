"""Bulk data over HTTP: asked for, waited for, fetched and cancelled by the one client whose project it is."""

import json

import pytest

from gateway.export import approval, worker
from gateway.nhs import disclosure, sandbox
from gateway.signin.issue import issue, public_jwks
from gateway.signin.sandbox import AUDIENCE, ISSUER
from tests.api.conftest import Api
from tests.export.conftest import ROOT, document

ASYNC = {"Prefer": "respond-async"}
LENIENT = {"Prefer": "respond-async, handling=lenient"}
BASE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def approved(town):
    """The town with two projects in force, and one that is only asked for."""
    for name in ("study", "other"):
        approval.add(town.store, document(name), "asker")
        approval.approve(town.store, name, "guardian")
        approval.approve(town.store, name, "controller")
    approval.add(town.store, document("asked-for"), "asker")
    return town


def ask(api, method: str, path: str, project: str = "study", token: str = "", **headers: str):
    known = {"Authorization": f"Bearer {token or api.token('researcher', project)}"}
    return api.client.request(
        method, path.removeprefix(BASE), headers={**known, **{n.replace("_", "-"): v for n, v in headers.items()}}
    )


def kick_off(api, query: str = "", path: str = "/fhir/$export", **more) -> str:
    answer = ask(api, "GET", path + query, Prefer="respond-async", **more)
    assert (answer.status_code, answer.content) == (202, b""), answer.text
    return answer.headers["content-location"]


def work(api) -> None:
    while worker.work_once(api.store, api.settings.data_dir / "exports", ROOT, workers=1):
        pass


@pytest.fixture(scope="module")
def released(approved) -> tuple[str, dict]:
    """Where a released job is asked about, and its manifest."""
    place = kick_off(approved)
    work(approved)
    return place, ask(approved, "GET", place).json()


@pytest.mark.parametrize("path", ["/fhir/$export", "/fhir/Patient/$export"])
def test_an_export_is_asked_for_waited_for_fetched_and_deleted(approved, path):
    place = kick_off(approved, path=path)
    assert place.startswith(f"{BASE}/fhir/bulk/")
    waiting = ask(approved, "GET", place)
    assert (waiting.status_code, waiting.headers["x-progress"], waiting.content) == (202, "accepted: 0 %", b"")
    assert waiting.headers["retry-after"] == "2"
    work(approved)
    done = ask(approved, "GET", place)
    manifest = done.json()
    assert (done.status_code, done.headers["content-type"]) == (
        200,
        "application/json; charset=utf-8",
    ) and done.headers["expires"].endswith("GMT")
    assert {"transactionTime", "request", "requiresAccessToken", "output", "error"} <= manifest.keys() and manifest[
        "requiresAccessToken"
    ] is True
    for line in manifest["output"]:
        assert line["url"].startswith(place + "/")
        file = ask(approved, "GET", line["url"])
        assert (file.status_code, file.headers["content-type"]) == (200, "application/fhir+ndjson")
        resources = [json.loads(text) for text in file.content.splitlines()]
        assert {each["resourceType"] for each in resources} == {line["type"]}
        people = {each.get(key, {}).get("reference") for each in resources for key in ("subject", "patient", "for")}
        told = manifest["extension"]["counts"][line["url"].rpartition("/")[2]]
        if line["type"] != "Patient":  # of whom a person may have several
            assert told == "*" or told <= disclosure.shown(len(people - {None}), "hes"), (
                "people, by fewer names than rows"
            )
    assert ask(approved, "DELETE", place).status_code == 202
    for gone in (place, manifest["output"][0]["url"]):
        assert ask(approved, "GET", gone).status_code == 404
    assert ask(approved, "DELETE", place).status_code == 404


def test_a_job_cancelled_while_it_waits_is_not_run(approved):
    place = kick_off(approved)
    assert ask(approved, "DELETE", place).status_code == 202
    work(approved)
    assert ask(approved, "GET", place).status_code == 404
    assert not (approved.settings.data_dir / "exports" / place.rpartition("/")[2]).exists()


@pytest.mark.parametrize("query, types", [
    ("?_type=Patient", {"Patient"}), ("?_type=Patient,Appointment", {"Patient"}),
    ("?_type=Patient&_type=Condition", {"Patient", "Condition"}),
    ("?_type=Patient&_outputFormat=application/fhir+ndjson", {"Patient"}),
    ("?_type=Patient&_outputFormat=application%2Ffhir%2Bndjson", {"Patient"}), ("?_type=Patient&_outputFormat=ndjson", {"Patient"}),
])  # fmt: skip
def test_types_the_project_does_not_have_are_left_out(approved, query, types):
    place = kick_off(approved, query)
    work(approved)
    assert {line["type"] for line in ask(approved, "GET", place).json()["output"]} == types


def client(api, key: bytes, **changes) -> str:
    claims = {**sandbox.claims("researcher", "study"), **changes}
    named = {name: value for name, value in claims.items() if value is not None}
    return issue(key, ISSUER, AUDIENCE, named, api.store.clock())


OTHERS = [
    {"client_id": "another", "sub": "another"}, {"project": "other"}, {"client_id": "Researcher"}, {"org_code": "8A111"},
]  # fmt: skip


@pytest.mark.parametrize("changes", OTHERS)
def test_another_clients_job_is_as_one_that_is_not_there(approved, released, issuer_key, changes):
    place, manifest = released
    unknown = f"{BASE}/fhir/bulk/{'0' * 32}"
    token = client(approved, issuer_key, **changes)
    file = manifest["output"][0]["url"]
    for method, path, absent in (
        ("GET", place, unknown),
        ("GET", file, file.replace(place, unknown)),
        ("DELETE", place, unknown),
    ):
        answer, none = ask(approved, method, path, token=token), ask(approved, method, absent, token=token)
        assert (answer.status_code, answer.content) == (404, none.content)
    assert ask(approved, "GET", place).status_code == 200, "and it still stands"


def test_a_cancel_that_is_refused_is_in_the_audit_with_who_asked(approved, released, issuer_key):
    place, _ = released
    token = client(approved, issuer_key, scope="system/Patient.rs")
    before = len(approved.audit())
    assert ask(approved, "DELETE", place, token=token).status_code == 403
    (event,) = approved.audit()[before:]
    assert (event["act"], event["outcome"], event["job"]) == ("export.cancel", "refused", place.rpartition("/")[2])
    assert (event["project"], event["issuer"], event["user"]) == ("study", ISSUER, "researcher") and event["why"]


def test_what_a_system_is_refused_early_is_in_the_audit_with_its_project(approved, issuer_key):
    token = client(approved, issuer_key, scope="system/nonsense")
    before = len(approved.audit())
    assert ask(approved, "GET", "/fhir/$export", token=token, Prefer="respond-async").status_code == 403
    assert ask(approved, "GET", "/fhir/Patient/1", token=token).status_code == 403
    events = approved.audit()[before:]
    assert [(event["outcome"], event["project"]) for event in events] == [("refused", "study")] * 2


REFUSED_CLIENTS = {
    "one of nobody's people": ({"client_id": "mallory"}, "not-approved"),
    "the name of one of the people in other letters": ({"client_id": "RESEARCHER"}, "not-approved"),
    "for another organisation": ({"org_code": "8A111"}, "not-approved"),
    "for a contributor": ({"org_code": "RZZ"}, "not-approved"),
    "for no organisation": ({"org_code": ""}, "organisation"),
    "a scope to create": ({"scope": "system/Observation.c"}, "scope"),
    "a scope to read and not to search": ({"scope": "system/*.r"}, "scope"),
    "a scope that cannot be read": ({"scope": "system/nonsense"}, "scope"),
    "the beginning of a scope": ({"scope": "system/"}, "scope"),
    "a granular scope": ({"scope": "system/Observation.rs?category=laboratory"}, "scope"),
    "a scope on a type that the project has not": ({"scope": "system/Organization.rs"}, "scope"),
    "a scope in a list": ({"scope": None, "scp": ["system/Observation.c"]}, "scope"),
}


@pytest.mark.hazard("HZ-ACCESS-21")
@pytest.mark.parametrize("changes, reason", REFUSED_CLIENTS.values(), ids=REFUSED_CLIENTS)
def test_only_an_approved_client_of_the_recipient_is_given_an_export(approved, released, issuer_key, changes, reason):
    """At the kick-off with the reason; a job and its files are as ones that are not there, or refused for the scope."""
    token = client(approved, issuer_key, **changes)
    answer = ask(approved, "GET", "/fhir/$export", token=token, Prefer="respond-async")
    assert (answer.status_code, refused(answer)) == (403, reason)
    place, manifest = released
    for method, path in (("GET", place), ("GET", manifest["output"][0]["url"])):
        assert ask(approved, method, path, token=token).status_code in (403, 404)
    assert ask(approved, "DELETE", place, token=token).status_code in (403, 404)
    assert ask(approved, "GET", place).status_code == 200, "and it still stands"


def refused(answer) -> str:
    detail = answer.json()["issue"][0]["details"]["coding"][0]["code"]
    return str(detail)


SCOPED = [
    ("system/Patient.rs", "", {"Patient"}), ("system/Patient.read", "", {"Patient"}), ("system/Patient.rs openid", "", {"Patient"}),
    ("system/Patient.rs system/Condition.cruds system/Observation.c", "", {"Patient", "Condition"}),
    ("system/Patient.rs", "?_type=Patient,Condition", {"Patient"}), ("system/*.rs", "?_type=Condition", {"Condition"}),
]  # fmt: skip


@pytest.mark.parametrize("scope, query, types", SCOPED)
def test_an_export_holds_the_types_that_the_scopes_cover(approved, issuer_key, scope, query, types):
    token = client(approved, issuer_key, scope=scope)
    place = kick_off(approved, query, token=token)
    work(approved)
    assert {line["type"] for line in ask(approved, "GET", place, token=token).json()["output"]} == types


def test_a_type_that_the_scopes_do_not_cover_is_refused_at_the_kick_off(approved, issuer_key):
    token = client(approved, issuer_key, scope="system/Patient.rs")
    answer = ask(approved, "GET", "/fhir/$export?_type=Condition", token=token, Prefer="respond-async")
    assert (answer.status_code, refused(answer)) == (403, "scope")


@pytest.mark.hazard("HZ-ACCESS-21")
def test_status_and_file_ask_for_the_scopes_again(approved, released, issuer_key):
    place, manifest = released
    files = {line["type"]: line["url"] for line in manifest["output"]}
    fewer = client(approved, issuer_key, scope="system/Patient.rs")
    status = ask(approved, "GET", place, token=fewer)
    assert (status.status_code, refused(status)) == (403, "scope")
    assert ask(approved, "GET", files["Patient"], token=fewer).status_code == 200
    for type_, url in files.items():
        if type_ != "Patient":
            assert ask(approved, "GET", url, token=fewer).status_code == 403, type_
    (event,) = [e for e in approved.audit() if e["act"] == "export.status" and e["outcome"] == "refused"][-1:]
    assert event["user"] == "researcher" and "scopes" in event["why"]


@pytest.mark.hazard("HZ-ACCESS-21")
def test_another_issuers_client_of_the_same_name_sees_nothing(approved, released, issuer_key, tmp_path):
    """An issuer may vouch for the project's clients, and its client be one of the people: the job is another's."""
    (tmp_path / "jwks.json").write_text(json.dumps(public_jwks(issuer_key)))
    table = {
        "iss": "https://other.example",
        "audience": "other",
        "algorithms": ["RS256"],
        "jwks": str(tmp_path / "jwks.json"),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**table, "projects": ["study"]}.items()]
    (tmp_path / "issuers.toml").write_text("\n".join(["[other]", *lines]))
    api = Api(approved.store, approved.settings.data_dir, issuers=tmp_path / "issuers.toml")
    claims = sandbox.claims("researcher", "study")
    token = issue(issuer_key, "https://other.example", "other", claims, api.store.clock())
    own = kick_off(api, token=token)
    assert ask(api, "GET", own, token=token).status_code == 202
    for place in (released[0], released[1]["output"][0]["url"]):
        assert ask(api, "GET", place, token=token).status_code == 404
    assert ask(api, "DELETE", released[0], token=token).status_code == 404
    assert ask(api, "GET", own, token=client(api, issuer_key)).status_code == 404
    assert ask(api, "DELETE", own, token=token).status_code == 202
    api.close()


@pytest.mark.parametrize("change", [{"people": ["somebody else"]}, {"recipient": "8A111"}])
def test_a_project_that_no_longer_approves_a_client_gives_it_nothing_more(approved, change):
    name = f"leaver-{next(iter(change))}"
    _approve(approved, document(name))
    place = kick_off(approved, project=name)
    work(approved)
    url = ask(approved, "GET", place, name).json()["output"][0]["url"]
    _approve(approved, document(name, **change))
    for path in (place, url):
        assert ask(approved, "GET", path, name).status_code == 403
    assert ask(approved, "DELETE", place, name).status_code == 202


def test_a_suspended_project_tells_its_client_nothing(approved):
    _approve(approved, document("paused"))
    place = kick_off(approved, project="paused")
    work(approved)
    approval.change(approved.store, "paused", "suspended", "guardian")
    answer = ask(approved, "GET", place, "paused")
    assert (answer.status_code, refused(answer)) == (403, "export-refused")


def _approve(api, project: dict) -> None:
    approval.add(api.store, project, "asker")
    for name in ("guardian", "controller"):
        approval.approve(api.store, project["name"], name)


@pytest.mark.parametrize("user", ["dr-green", "receptionist", "admin", "privacy-officer"])
def test_no_person_is_given_an_export_or_anothers_files(approved, released, user):
    place, manifest = released
    assert approved.get("/fhir/$export", user, ASYNC).status_code == 403
    for path in (place, manifest["output"][0]["url"]):
        assert approved.get(path.removeprefix(BASE), user).status_code in (403, 404)


@pytest.mark.parametrize(
    "name", ["..%2f..%2fgateway.db", "manifest.json", "Patient.99999.ndjson", ".job", "Patient.00001.ndjson%00", "x"]
)
def test_only_released_files_are_fetched(approved, released, name):
    assert ask(approved, "GET", f"{released[0]}/{name}").status_code == 404


REFUSED = [
    ("study", "", {}, 400, "Prefer: respond-async is needed"), ("study", "", {"Prefer": "no-respond-async"}, 400, "Prefer: respond-async is needed"),
    ("study", "?_since=2024", ASYNC, 400, "parameter _since"), ("study", "?patient=9990000018", ASYNC, 400, "parameter patient"),
    ("study", "?9990000018=1", ASYNC, 400, "parameter"), ("study", "?_outputFormat=csv", ASYNC, 400, "_outputFormat"),
    ("study", "?_type=Pat-9990000018", ASYNC, 400, "_type"), ("study", "?_type=%ff", ASYNC, 400, "encoding of the parameters"),
    ("study", "?_type=", ASYNC, 400, "_type: no type is named"), ("study", "?_type=,&_type=", LENIENT, 400, "_type: no type is named"),
    ("asked-for", "", ASYNC, 403, None), ("none", "", ASYNC, 403, None),
]  # fmt: skip


@pytest.mark.parametrize("project, query, headers, status, expected", REFUSED)
def test_a_kick_off_that_cannot_be_is_refused_by_its_place(approved, project, query, headers, status, expected):
    answer = ask(approved, "GET", f"/fhir/$export{query}", project, **headers)
    assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"
    assert expected is None or answer.json()["issue"][0]["details"]["text"] == expected
    assert "9990000018" not in answer.text


def test_several_preferences_are_read(approved):
    assert ask(approved, "GET", "/fhir/$export", Prefer="handling=strict, Respond-Async; wait=1").status_code == 202


def test_who_asked_and_who_fetched_is_in_the_audit(approved, released):
    ask(approved, "GET", released[1]["output"][0]["url"], X_Request_ID="fetched")
    job = released[0].rpartition("/")[2]
    told = [event["act"] for event in approved.audit() if event.get("job") == job]
    assert told[0] == "export.start" and "export.download" in told
    (event,) = [event for event in approved.audit() if event.get("request") == "fetched"]
    assert (event["act"], event["user"], event["project"]) == ("export.download", "researcher", "study")
