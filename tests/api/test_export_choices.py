"""What a client chooses of its export: types, filters, elements, and what a lenient server ignores. A choice is judged
by what leaves, so it tells nothing that the release does not."""

import json

import pytest

from gateway.export import chosen
from gateway.fhir import build
from tests.api.test_export import ASYNC, LENIENT, approved, ask, work

__all__ = ["approved"]
NOW = 0
OBSERVATION = {
    "resourceType": "Observation", "id": "o1", "status": "final",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}, "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-02", "valueQuantity": {"value": 5, "unit": "g/L"},
}  # fmt: skip
LINE = build.encode(OBSERVATION)
KEPT = {
    "category=laboratory": True, "category=social-history,vital-signs,laboratory": True, "category=exam": False, "status=final&code=718-7": True,
    "status=final&code=718-8": False, "patient=p1": True, "subject=Patient/p2": False, "date=2026-02": True, "date=2026-02-14": False,
    "date=ge2026-02": True, "_id=o1": True, "_id=o2": False, "code:not=718-7": False, "value-quantity=gt4": True, "component-code:missing=true": True,
}  # fmt: skip


def started(api, query: str, headers=ASYNC, method: str = "GET", path: str = "/fhir/$export", **sent):
    answer = api.client.request(
        method, path + query, headers={"Authorization": f"Bearer {api.token('researcher', 'study')}", **headers}, **sent
    )
    assert answer.status_code == 202, answer.text
    work(api)
    manifest = ask(api, "GET", answer.headers["content-location"]).json()
    lines = {}
    for line in manifest["output"] + manifest["error"]:
        text = ask(api, "GET", line["url"]).text
        lines.setdefault(line["type"], []).extend(map(json.loads, text.splitlines()))
    return manifest, lines


@pytest.mark.parametrize("query", KEPT)
def test_a_filter_keeps_what_its_search_would_find_among_what_leaves(query):
    choice = chosen.Choice([f"Observation?{query}"], (), NOW)
    assert (choice.line("Observation", LINE) == LINE) is KEPT[query]
    assert choice.line("Condition", LINE) == LINE, "a filter is of its own type"


def test_of_several_filters_of_a_type_one_is_enough():
    choice = chosen.Choice(["Observation?category=exam", "Observation?status=final"], (), NOW)
    assert choice.line("Observation", LINE) == LINE


REFUSED = [
    "Observation", "Observation?", "Observation?category", "Foo?a=b", "Observation?foo=bar", "Observation?_lastUpdated=gt2020", "Observation?_sort=date",
    "Observation?_include=Observation:subject", "Observation?patient.gender=male", "Patient?_has:Observation:patient:code=718-7",
    "Observation?category=", "?status=final", "Observation?date=yesterday", "Observation?status=%ff",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_filter_that_is_none_is_refused_by_its_name(town, approved, text):
    answer = ask(approved, "GET", "/fhir/$export?_typeFilter=" + text.replace("%", "%25").replace("&", "%26"), **ASYNC)
    assert answer.status_code == 400 and answer.json()["issue"][0]["details"]["text"].startswith("parameter")


@pytest.mark.hazard("HZ-EXPORT-25")
def test_a_filter_tells_nothing_that_does_not_leave(approved):
    """A name, a day and a number find nobody, though the store holds people with them."""
    with approved.store.read() as session:
        (number,) = session.rows("SELECT number FROM claim WHERE number NOT LIKE 'patient:%' LIMIT 1")[0]
    everyone = started(approved, "?_type=Patient")[1]["Patient"]
    assert everyone
    asked = [f"Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|{number}", f"Patient?identifier={number}",
             "Patient?family:contains=a", "Patient?name:contains=e", "Patient?address:contains=road"]  # fmt: skip
    for text in asked:
        manifest, lines = started(approved, "?_type=Patient&_typeFilter=" + text.replace("|", "%7C"))
        assert manifest["output"] == [] and lines == {}, text


@pytest.mark.hazard("HZ-EXPORT-25")
@pytest.mark.parametrize("text", ["Patient?identifier=9990000018", "Patient?birthdate=1960-01-01"])
def test_a_filter_is_asked_of_the_line_that_leaves(text):
    leaving = build.encode({"resourceType": "Patient", "id": "p1", "identifier": [{"value": "x"}], "birthDate": "1960"})
    assert chosen.Choice([text], (), NOW).line("Patient", leaving) is None


def test_filters_and_types_choose_from_the_whole_release(approved):
    whole = started(approved, "")[1]
    chosen_lines = started(approved, "?_type=Patient,Observation&_typeFilter=Observation%3Fstatus%3Dfinal")[1]
    assert chosen_lines["Patient"] == whole["Patient"]
    final = [line for line in whole["Observation"] if line["status"] == "final"]
    assert chosen_lines["Observation"] == final and len(final) > 0


@pytest.mark.parametrize("elements", ["Patient.birthDate", "birthDate"])
def test_elements_keep_what_is_named_and_what_r4_requires_and_say_that_it_is_a_part(approved, elements):
    lines = started(approved, f"?_type=Patient,Condition&_elements={elements}")[1]
    for patient in lines["Patient"]:
        assert {"resourceType", "id", "meta"} <= patient.keys() <= {"resourceType", "id", "meta", "birthDate", "active"}
        assert {tag["code"] for tag in patient["meta"]["tag"]} == {"SUBSETTED"}
        assert {label["code"] for label in patient["meta"]["security"]} == {"PSEUDED"}
    assert all("tag" not in condition["meta"] for condition in lines["Condition"])


@pytest.mark.parametrize("elements", ["Patient.foo", "foo", "Foo.birthDate", "Patient.name.given"])
def test_an_element_that_nothing_has_is_refused(approved, elements):
    answer = ask(approved, "GET", f"/fhir/$export?_elements={elements}", **ASYNC)
    assert answer.status_code == 400 and answer.json()["issue"][0]["details"]["text"] == "parameter _elements"


def test_what_a_lenient_server_ignores_is_told_in_a_file_of_its_own_and_by_name_alone(approved):
    query = "?_type=Patient&_since=2024-01-01T00:00:00Z&includeAssociatedData=x&9990000018=1&_since=x"
    manifest, lines = started(approved, query, headers=LENIENT)
    (note,) = manifest["error"]
    assert note["type"] == "OperationOutcome" and note["url"].startswith("http")
    told = [(issue["severity"], issue["diagnostics"]) for line in lines["OperationOutcome"] for issue in line["issue"]]
    assert told == [("warning", f"ignored: {name}") for name in
                    ("parameter _since", "parameter includeAssociatedData", "parameter")]  # fmt: skip
    assert lines["Patient"] and "9990000018" not in json.dumps(lines["OperationOutcome"])


def parameters(*pairs: tuple[str, str]) -> dict:
    return {"resourceType": "Parameters", "parameter": [{"name": name, "valueString": value} for name, value in pairs]}


@pytest.mark.parametrize("path", ["/fhir/$export", "/fhir/Patient/$export"])
def test_a_kick_off_in_a_body_is_the_same_export(approved, path):
    pairs = [
        ("_type", "Patient"),
        ("_type", "Observation"),
        ("_typeFilter", "Observation?status=final,amended&code:missing=false"),
    ]
    by_post = started(approved, "", method="POST", path=path, json=parameters(*pairs))[1]
    query = "?_type=Patient,Observation&_typeFilter=Observation%3Fstatus%3Dfinal%252Camended%26code%3Amissing%3Dfalse"
    assert by_post == started(approved, query, path=path)[1] and by_post["Observation"]


def test_the_body_of_a_kick_off_is_read_strictly_and_only_for_who_may_export(approved):
    def sent(token: str, **body):
        headers = {"Authorization": f"Bearer {token}", **ASYNC}
        return approved.client.post("/fhir/$export", headers=headers, **body)

    own = approved.token("researcher", "study")
    assert sent(own, json=parameters(("_since", "2024-01-01T00:00:00Z"))).status_code == 400
    assert sent(own, json={"resourceType": "Patient"}).status_code == 400
    assert sent(approved.token("dr-green"), json=parameters()).status_code == 403
