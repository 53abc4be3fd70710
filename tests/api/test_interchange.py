"""Batch and transaction: all or nothing together, each by itself, in the order of the specification."""

import json
from itertools import count

import pytest

from gateway.errors import Unavailable
from gateway.intake import take
from tests.api.people import uid
from tests.api.test_contributing import PATIENT, ask, made, observation, stands

PRACTITIONER = {"resourceType": "Practitioner", "identifier": [{"system": "urn:test:gmc", "value": "C1"}]}


def entry(method, url, resource=None, full_url="", **request):
    return {
        **({"fullUrl": full_url} if full_url else {}),
        **({"resource": resource} if resource else {}),
        "request": {"method": method, "url": url, **request},
    }


def bundle(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def statuses(answer):
    assert answer.status_code == 200, answer.text
    return [each["response"]["status"][:3] for each in answer.json()["entry"]]


def send(api, *entries, kind="transaction", headers=None):
    return ask(api, "POST", "", bundle(*entries, kind=kind), headers)


def test_a_transaction_resolves_what_its_entries_call_one_another(clinic):
    gone = made(clinic, PATIENT)
    answer = send(
        clinic,
        entry("POST", "Observation", {**observation("x"), "subject": {"reference": "urn:uuid:1"},
                                      "performer": [{"reference": "Practitioner?identifier=urn:test:gmc|C1"}, {"reference": "Practitioner/tmp"}]}),
        entry("PUT", "Patient/ward-2", {**PATIENT, "id": "ward-2", "generalPractitioner": [{"reference": "urn:uuid:2"}]}, "urn:uuid:1"),
        entry("POST", "Practitioner", PRACTITIONER, "urn:uuid:2", ifNoneExist="identifier=urn:test:gmc|C1"),
        entry("POST", "Practitioner", {"resourceType": "Practitioner"}, "https://ward.example/fhir/Practitioner/tmp"),
        entry("DELETE", f"Patient/{gone}"),
        headers={"Prefer": "return=representation"},
    )  # fmt: skip
    assert statuses(answer) == ["201", "201", "201", "201", "204"]
    seen, patient, gp, other, _ = answer.json()["entry"]
    assert seen["resource"]["subject"]["reference"] == "Patient/ward-2"
    assert [each.get("reference") for each in seen["resource"]["performer"]][
        1
    ] == f"Practitioner/{other['resource']['id']}"
    assert patient["resource"]["generalPractitioner"][0]["reference"] == f"Practitioner/{gp['resource']['id']}"
    assert [version["response"]["etag"] for version in (seen, patient)] == ['W/"1"'] * 2
    again = send(clinic, entry("POST", "Practitioner", PRACTITIONER, ifNoneExist="identifier=urn:test:gmc|C1"))
    assert statuses(again) == ["200"] and again.json()["entry"][0]["fullUrl"].endswith(gp["resource"]["id"])


GOOD_ENTRY = entry("POST", "Patient", PATIENT)


def test_a_batch_does_what_it_can(ward):
    answer = send(
        ward,
        entry("POST", "Patient", PATIENT),
        entry("POST", "Patient", {**PATIENT, "birthDate": "Zebedee"}),
        entry("DELETE", f"Patient/{uid(1)}"),
        entry("POST", "Consent", {"resourceType": "Consent"}),
        entry("GET", "Patient/1"),
        kind="batch",
    )
    assert statuses(answer) == ["201", "422", "404", "405", "401"], "a contributor's client reads nothing"
    (issue,) = answer.json()["entry"][1]["response"]["outcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[1].resource.birthDate"] and "Zebedee" not in answer.text


READS = (
    f"Patient/{uid(1)}", f"Observation/{uid(3)}", f"Observation/{uid(3)}?_elements=status", f"Observation/{uid(3)}/_history/1",
    f"Observation?patient={uid(1)}", f"Patient/{uid(1)}/Observation", f"Patient/{uid(1)}/Observation?_summary=count",
    "Patient/none", f"Patient/{uid(1)}/_history/2", f"Observation?patient={uid(1)}&zebra=1", "Zebra/1", f"Observation?patient={uid(1)}&_summary=no",
    "Observation?status=final", f"Patient/{uid(1)}/Zebra",
)  # fmt: skip


@pytest.mark.hazard("HZ-WRITE-13")
@pytest.mark.parametrize("user", ["dr-green", "dr-ward", "receptionist"])
def test_a_batch_reads_what_the_same_requests_read_with_the_same_audit(ward, user):
    before = len(ward.audit())
    answer = ask(ward, "POST", "", bundle(*(entry("GET", url) for url in READS), kind="batch"), user=user)
    assert answer.status_code == 200, answer.text
    together, before = _events(ward, before), len(ward.audit())
    for url, shown in zip(READS, answer.json()["entry"]):
        single = ask(ward, "GET", url, user=user)
        assert shown["response"]["status"][:3] == str(single.status_code), url
        if single.status_code == 200:
            body = _without_times(single.json())
            assert _without_times(shown["resource"]) == body
            assert shown["response"].get("etag") == single.headers.get("etag")
        else:
            (issue,), (other,) = shown["response"]["outcome"]["issue"], single.json()["issue"]
            assert (issue["code"], issue["details"].get("coding")) == (other["code"], other["details"].get("coding")), url  # fmt: skip
    assert together == _events(ward, before) and together


def _without_times(resource):
    """What is the same however often it is asked: a searchset has a moment, and an address of what was asked."""
    return {name: value for name, value in resource.items() if name not in ("meta", "id", "link")}


def _events(api, after):
    """What was audited since, of each request what it asked and what became of it."""
    kept = ("act", "type", "outcome", "resources", "patients", "user", "names")
    return [{name: event.get(name) for name in kept} for event in api.audit()[after:]]


MIXED = [
    ("a write of who may only read", "dr-green", [entry("GET", "Patient/1"), GOOD_ENTRY], "batch", 403),
    ("a read of who may do neither", "researcher", [entry("GET", "Patient/1")], "batch", 401),
    ("a transaction of who may only read", "dr-green", [entry("GET", "Patient/1")], "transaction", 403),
    ("too many reads", "dr-green", [entry("GET", "Patient/1")] * 51, "batch", 413),
]  # fmt: skip


@pytest.mark.parametrize(
    ("user", "entries", "kind", "status"), [case[1:] for case in MIXED], ids=[case[0] for case in MIXED]
)
def test_a_batch_is_refused_to_who_may_not_ask_it(ward, user, entries, kind, status):
    assert ask(ward, "POST", "", bundle(*entries, kind=kind), user=user).status_code == status


REFUSED_URLS = ("$export", f"Patient/{uid(1)}/$everything", "", "metadata/x/y", "Patient/_history", "Patient/_search")


def test_a_batch_asks_for_no_operation(ward):
    answer = ask(ward, "POST", "", bundle(*(entry("GET", url) for url in REFUSED_URLS), kind="batch"), user="dr-green")
    assert set(statuses(answer)) <= {"400", "404"}


TWIN, STOOD = {"system": "urn:test:x", "value": "1"}, "stood"
GOOD = GOOD_ENTRY
LOOKED_FOR = {**observation("x"), "subject": {"reference": "Patient?identifier=urn:test:none|1"}}
REFUSED = [
    ("a fault of R4", [GOOD, entry("POST", "Patient", {**PATIENT, "gender": "Zebedee"})], 422, "Bundle.entry[1].resource.gender"),
    ("what the mapping refuses", [GOOD, entry("POST", "Patient", {**PATIENT, "implicitRules": "urn:a"})], 422, "Bundle.entry[1]"),
    ("a urn of nothing", [GOOD, entry("POST", "Observation", {**observation("x"), "subject": {"reference": "urn:uuid:9"}})], 422,
     "Bundle.entry[1].resource.subject.reference"),
    ("somebody else's subject", [GOOD, entry("POST", "Observation", observation(uid(1)))], 422, "Bundle.entry[1].resource.subject.reference"),
    ("a condition that matches nothing", [GOOD, entry("POST", "Observation", LOOKED_FOR)], 412, "Bundle.entry[1]"),
    ("another version", [GOOD, entry("PUT", "Patient/no", {**PATIENT, "id": "no"}, ifMatch='W/"4"')], 412, "Bundle.entry[1]"),
    ("one id twice", [entry("PUT", "Patient/a", {**PATIENT, "id": "a"}), entry("DELETE", "Patient/a")], 400, "twice"),
    ("one address twice", [{**GOOD, "fullUrl": "urn:uuid:1"}] * 2, 400, "twice"),
    ("one id of two types", [entry("PUT", "Patient/a", {**PATIENT, "id": "a"}),
                             entry("PUT", "Observation/a", {**observation("a"), "id": "a"})], 409, "taken"),
    ("one condition twice", [entry("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:test:x|1")] * 2, 400, "twice"),
    ("what another entry's condition matches", [
        entry("POST", "Patient", {**PATIENT, "identifier": [TWIN]}, ifNoneExist="identifier=urn:test:x|1"),
        entry("POST", "Patient", {**PATIENT, "identifier": [TWIN]}, ifNoneExist="identifier=urn:test:x|1&gender=female"),
    ], 400, "same resource"),
    ("a condition that two entries match", [
        entry("POST", "Patient", {**PATIENT, "identifier": [TWIN]}), entry("POST", "Patient", {**PATIENT, "identifier": [TWIN]}),
        entry("POST", "Observation", {**observation("x"), "subject": {"reference": "Patient?identifier=urn:test:x|1"}}),
    ], 412, "Bundle.entry[2]"),
    ("what stands already", [GOOD, entry("PUT", f"Patient/{STOOD}", {**PATIENT, "id": STOOD}, ifNoneMatch="*")], 412, "Bundle.entry[1]"),
    ("a subject that goes", [GOOD, entry("DELETE", f"Patient/{STOOD}"), entry("POST", "Observation", observation(STOOD))], 422,
     "Bundle.entry[2].resource.subject.reference"),
    ("a read", [GOOD, entry("GET", "Patient/1")], 400, "Bundle.entry[1]"),
    ("no request", [GOOD, {"resource": PATIENT}], 400, "Bundle.entry[1]"),
    ("no resource", [GOOD, entry("POST", "Patient")], 400, "Bundle.entry[1]"),
    ("an operation", [GOOD, entry("POST", "Patient/$validate", PATIENT)], 400, "Bundle.entry[1]"),
    ("an id for a POST", [GOOD, entry("POST", "Patient/a", PATIENT)], 400, "Bundle.entry[1]"),
    ("10,000 entries", [GOOD] * 10_000, 413, "more than 1000"),
]  # fmt: skip


@pytest.mark.parametrize("entries, status, place", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_transaction_that_is_refused_anywhere_changes_nothing(ward, entries, status, place):
    ask(ward, "PUT", f"Patient/{STOOD}", {**PATIENT, "id": STOOD})
    before = stands(ward)
    answer = send(ward, *entries)
    assert answer.status_code == status and place in answer.text, answer.text
    assert "Zebedee" not in answer.text and stands(ward) == before


@pytest.mark.parametrize("body", [
    b"{", b"[]", b'{"resourceType":"Bundle"}', b'{"resourceType":"Bundle","type":"collection","entry":[]}',
    b'{"resourceType":"Bundle","type":"batch","entry":{}}', b'{"resourceType":"Bundle","type":"batch","entry":[1]}',
    json.dumps(PATIENT).encode(),
])  # fmt: skip
def test_what_is_no_batch_and_no_transaction_is_refused(ward, body):
    assert ask(ward, "POST", "", body).status_code == 400


def test_entries_that_point_at_one_another_in_a_circle_are_taken(ward):
    first = {"resourceType": "Organization", "name": "A", "partOf": {"reference": "urn:uuid:2"}}
    second = {"resourceType": "Organization", "name": "B", "partOf": {"reference": "urn:uuid:1"}}
    answer = send(
        ward, entry("POST", "Organization", first, "urn:uuid:1"), entry("POST", "Organization", second, "urn:uuid:2")
    )
    assert statuses(answer) == ["201", "201"]


@pytest.mark.hazard("HZ-WRITE-09")
def test_a_batch_that_has_to_wait_in_vain_says_what_stands_already(ward, monkeypatch):
    """Who sends a whole answer of 503 again would write the first entries twice."""
    alone, calls = take.alone, count()

    def busy(*asked):
        if next(calls) == 2:
            raise Unavailable("a delivery is loaded")
        return alone(*asked)

    monkeypatch.setattr(take, "alone", busy)
    answer = send(ward, *[entry("POST", "Patient", PATIENT)] * 5, kind="batch")
    assert statuses(answer) == ["201", "201", "503", "503", "503"] and next(calls) == 3
    assert answer.json()["entry"][4]["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_criteria_are_of_what_the_transaction_leaves(ward):
    value = {"system": "urn:test:left", "value": "1"}
    by_value = "identifier=urn:test:left|1"
    old = made(ward, {**PATIENT, "identifier": [value]})
    answer = send(
        ward,
        entry("POST", "Observation", {**observation("x"), "subject": {"reference": f"Patient?{by_value}"}}),
        entry("POST", "Patient", {**PATIENT, "identifier": [value]}, ifNoneExist=by_value),
        entry("DELETE", f"Patient/{old}"),
        headers={"Prefer": "return=representation"},
    )
    assert statuses(answer) == ["201", "201", "204"]
    seen, patient, _ = answer.json()["entry"]
    assert seen["resource"]["subject"]["reference"] == f"Patient/{patient['resource']['id']}" != f"Patient/{old}"


def test_one_transaction_moves_what_was_recorded_of_a_patient_and_deletes_them(ward):
    wrong, right = made(ward, PATIENT), made(ward, PATIENT)
    seen = made(ward, observation(wrong))
    moved = entry("PUT", f"Observation/{seen}", {**observation(right), "id": seen})
    assert send(ward, entry("DELETE", f"Patient/{wrong}")).status_code == 409
    assert statuses(send(ward, entry("DELETE", f"Patient/{wrong}"), moved)) == ["204", "200"]
