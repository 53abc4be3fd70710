"""Writes of contributors over HTTP: what is made, what stands then, and what is refused with nothing written."""

import json

import pytest

from gateway.intake import load, ownership
from gateway.records import quality
from gateway.store.resources import of_publisher
from mappings import WRITTEN, Feed, sources
from tests.api.people import ANN, uid

JSON = {"Content-Type": "application/fhir+json"}
PATIENT = {"resourceType": "Patient", "gender": "female", "birthDate": "1980-02-29"}
CODE = {"coding": [{"system": "http://snomed.info/sct", "code": "27113001", "display": "Body weight"}]}


def observation(patient, **elements):
    return {
        "resourceType": "Observation", "status": "final", "code": CODE, "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": 1, "unit": "kg"}, **elements,
    }  # fmt: skip


def ask(api, method, path, body=None, headers=None, user="tester"):
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return api.ask(method, f"/fhir/{path}", user, {**JSON, **(headers or {})}, content=content)


def made(api, body):
    answer = ask(api, "POST", body["resourceType"], body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def stands(api):
    """All that the store holds of versions, rows and indexes: what a refused write must not change."""
    tables = ("head", "version", "kept", "entry", "touched", "quarantine", "claim", "person", "rejected", "delivery")
    with api.store.read() as session:
        return {table: session.value(f"SELECT count(*) FROM {table}") for table in tables}


def test_a_resource_is_created_updated_and_deleted(clinic):
    answer = ask(clinic, "POST", "Patient", {**PATIENT, "id": "mine"})
    id_ = answer.json()["id"]
    assert answer.status_code == 201 and id_ != "mine" and answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"].endswith(f"/fhir/Patient/{id_}/_history/1") and answer.headers["last-modified"]
    assert answer.json()["meta"]["versionId"] == "1" and answer.json()["meta"]["source"].startswith("urn:fhir:8A998#")
    changed = {**PATIENT, "id": id_, "gender": "male"}
    assert ask(clinic, "PUT", f"Patient/{id_}", changed, {"If-Match": 'W/"7"'}).status_code == 412
    answer = ask(clinic, "PUT", f"Patient/{id_}", changed, {"If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["gender"]) == (200, 'W/"2"', "male")
    again = ask(clinic, "PUT", f"Patient/{id_}", changed)
    assert again.headers["etag"] == 'W/"2"', "equal bytes make no new version"
    assert ask(clinic, "DELETE", f"Patient/{id_}").status_code == 204
    assert ask(clinic, "DELETE", f"Patient/{id_}").status_code == 204
    answer = ask(clinic, "PUT", f"Patient/{id_}", changed)
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"4"')


def test_the_client_may_name_a_free_id_and_its_own_references_hold(clinic):
    assert ask(clinic, "PUT", "Patient/ward-1", {**PATIENT, "id": "ward-1"}).status_code == 201
    id_ = made(clinic, observation("ward-1"))
    body = ask(clinic, "PUT", f"Observation/{id_}", {**observation("ward-1"), "id": id_, "status": "amended"}).json()
    assert body["subject"] == {"reference": "Patient/ward-1"} and body["status"] == "amended"
    assert ask(clinic, "PUT", "Observation/ward-1", {**observation("ward-1"), "id": "ward-1"}).status_code == 409
    answer = ask(clinic, "DELETE", "Patient/ward-1")
    assert answer.status_code == 409, "an observation would be nobody's"
    assert ask(clinic, "DELETE", f"Observation/{id_}").status_code == 204
    assert ask(clinic, "DELETE", "Patient/ward-1").status_code == 204


@pytest.mark.hazard("HZ-WRITE-12")
def test_what_others_name_is_deleted_with_them_or_not_at_all(clinic):
    patient = made(clinic, PATIENT)
    stay = made(clinic, {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": f"Patient/{patient}"}})  # fmt: skip
    named = {"encounter": {"reference": f"Encounter/{stay}"}}
    id_ = made(clinic, observation(patient, **named))
    answer = ask(clinic, "DELETE", f"Encounter/{stay}")
    assert answer.status_code == 409 and "Observation.encounter" in answer.text and stay not in answer.text
    moved = {**observation(patient), "id": id_}
    entries = [
        {"request": {"method": "DELETE", "url": f"Encounter/{stay}"}},
        {"resource": moved, "request": {"method": "PUT", "url": f"Observation/{id_}"}},
    ]
    answer = ask(clinic, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, "what no more names it goes with it"


PREFERENCES = {"minimal": None, "representation": "Patient", "OperationOutcome": "OperationOutcome"}


@pytest.mark.parametrize("preference, type_", PREFERENCES.items())
def test_the_client_gets_as_much_as_it_prefers(clinic, preference, type_):
    answer = ask(clinic, "POST", "Patient", PATIENT, {"Prefer": f"respond-async, return={preference}"})
    assert answer.status_code == 201 and answer.headers["location"]
    assert answer.json()["resourceType"] == type_ if type_ else answer.content == b""


def test_xml_is_taken_and_given(clinic):
    headers = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}
    body = b'<Patient xmlns="http://hl7.org/fhir"><gender value="female"/></Patient>'
    answer = ask(clinic, "POST", "Patient", body, headers)
    assert answer.status_code == 201 and b'<gender value="female"/>' in answer.content


def test_what_is_written_is_gathered_labelled_and_audited_as_what_is_loaded(clinic):
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": ANN}
    id_ = made(clinic, {**PATIENT, "identifier": [number]})
    with clinic.store.read() as session:
        assert session.value("SELECT count(*) FROM claim WHERE number = ?", ANN) == 3
    hidden = made(clinic, observation(id_, meta={"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}))  # fmt: skip
    with clinic.store.read() as session:
        assert session.value("SELECT own FROM head WHERE id = ?", hidden) == 1
    event = [event for event in clinic.audit() if event["act"] == "create"][-1]
    assert (
        event["stream"] == "write" and event["resources"] == [f"Observation/{hidden}/1"] and event["user"] == "tester"
    )
    assert event["patients"] == [id_] and event["outcome"] == "created"


def test_what_is_written_counts_in_the_quality_of_its_publisher(clinic):
    assert quality.WRITTEN == WRITTEN
    patient = made(clinic, PATIENT)
    id_ = made(clinic, observation(patient))
    ask(clinic, "PUT", f"Observation/{id_}", {**observation(patient, code={"text": "words"}), "id": id_})
    publishers, by_source = quality.measure(clinic.store)
    (row,) = [row for row in publishers if row.publisher.source == WRITTEN]
    assert (row.patients, row.concepts, row.coded) == (1, 2, 1)
    (source,) = [source for source in by_source if source.source == WRITTEN]
    assert (source.deliveries, source.causes["rows"]) == (1, {"Patient": 1, "Observation": 2})


def nested(depth):
    return (
        b'{"resourceType":"Patient","extension":'
        + b'[{"url":"urn:a","extension":' * depth
        + b"[]"
        + b"}]" * depth
        + b"}"
    )


DASHED = f"{ANN[:3]}-{ANN[3:6]}-{ANN[6:]}"
REFUSED = [
    ("not JSON", "POST", "Patient", b"{", 400),
    ("an exponent that no decimal holds", "POST", "Observation", b'{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1e-99999999999999999999}}', 400),
    ("NaN", "POST", "Patient", b'{"resourceType":"Patient","multipleBirthInteger":NaN}', 400),
    ("a name twice", "POST", "Patient", b'{"resourceType":"Patient","active":true,"active":false}', 400),
    ("half a pair", "POST", "Patient", b'{"resourceType":"Patient","language":"\\ud800"}', 400),
    ("no UTF-8", "POST", "Patient", b'{"resourceType":"Patient","language":"\xff"}', 400),
    ("a list", "POST", "Patient", b"[]", 400),
    ("200 deep", "POST", "Patient", nested(100), 413),
    ("a huge value", "POST", "Patient", {**PATIENT, "name": [{"text": "x" * 1_100_000}]}, 422),
    ("a huge number", "POST", "Observation", observation(uid(1), valueQuantity={"value": 10**400}), 422),
    ("another type", "POST", "Observation", PATIENT, 400),
    ("another id", "PUT", "Patient/a", {**PATIENT, "id": "b"}, 400),
    ("no id", "PUT", "Patient/a", PATIENT, 400),
    ("an NHS number as id", "PUT", f"Patient/{ANN}", {**PATIENT, "id": ANN}, 400),
    ("an NHS number in the id", "PUT", f"Patient/x-{ANN}", {**PATIENT, "id": f"x-{ANN}"}, 400),
    ("an NHS number in groups", "PUT", f"Patient/{DASHED}", {**PATIENT, "id": DASHED}, 400),
    ("an NHS number with dots", "PUT", f"Patient/a.{DASHED.replace('-', '.')}", {**PATIENT, "id": f"a.{DASHED.replace('-', '.')}"}, 400),
    ("more to be found by than is taken", "POST", "Patient", {**PATIENT, "name": [{"given": [f"n{n}" for n in range(2001)]}]}, 413),
    ("a fault of R4", "POST", "Patient", {**PATIENT, "birthDate": "Zebedee"}, 422),
    ("a part", "POST", "Patient", {**PATIENT, "meta": {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]}}, 422),
    ("a modifier", "POST", "Patient", {**PATIENT, "modifierExtension": [{"url": "urn:a", "valueBoolean": True}]}, 422),
    ("somebody else's subject", "POST", "Observation", observation(uid(1)), 422),
    ("nobody's subject", "POST", "Observation", observation("none"), 422),
    ("no subject", "POST", "Observation", {key: value for key, value in observation("a").items() if key != "subject"}, 422),
    ("an urn of nothing", "POST", "Observation", {**observation("a"), "subject": {"reference": "urn:uuid:0"}}, 422),
    ("somebody else's resource", "PUT", f"Patient/{uid(1)}", {**PATIENT, "id": uid(1)}, 404),
    ("somebody else's, deleted", "DELETE", f"Patient/{uid(1)}", None, 404),
    ("nothing, deleted", "DELETE", "Patient/none", None, 404),
    ("a consent", "POST", "Consent", {"resourceType": "Consent"}, 405),
    ("a type that is not served", "POST", "Zebra", PATIENT, 404),
    ("a condition that nobody knows", "POST", "Patient?name=x", PATIENT, 400),
]  # fmt: skip


@pytest.mark.parametrize(
    "method, path, body, status", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
@pytest.mark.hazard("HZ-WRITE-02")
def test_a_refused_write_changes_nothing_and_repeats_no_value(ward, method, path, body, status):
    before = stands(ward)
    answer = ask(ward, method, path, body)
    assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome", answer.text
    assert stands(ward) == before
    assert "Zebedee" not in answer.text and ANN not in answer.text


def test_a_fault_is_told_with_its_place(ward):
    (issue,) = ask(ward, "POST", "Observation", observation(uid(1))).json()["issue"]
    assert issue["expression"] == ["Observation.subject.reference"]
    issues = ask(ward, "POST", "Patient", {**PATIENT, "birthDate": "Zebedee", "gender": "Zebedee"}).json()["issue"]
    assert {issue["expression"][0] for issue in issues} == {"Patient.birthDate", "Patient.gender"}


@pytest.mark.parametrize(
    "user, status", [("dr-green", 403), ("admin", 403), ("researcher", 403), ("no-role", 401), ("", 401)]
)
def test_nobody_but_a_contributors_client_writes(ward, user, status):
    before = stands(ward)
    assert ask(ward, "POST", "Patient", PATIENT, user=user).status_code in (status, 401)
    assert stands(ward) == before


# Conditions and patches


MINE = {"system": "urn:test:ward", "value": "w1"}
BY_MINE = "identifier=urn:test:ward%7Cw1"
PATCH = {"Content-Type": "application/json-patch+json"}


def test_a_condition_finds_its_one_resource_among_ones_own(clinic):
    first = ask(clinic, "POST", "Patient", {**PATIENT, "identifier": [MINE]}, {"If-None-Exist": BY_MINE})
    formed = {"If-None-Exist": f"{BY_MINE}&_format=json"}  # as HAPI's client writes it
    again = ask(clinic, "POST", "Patient", {**PATIENT, "identifier": [MINE]}, formed)
    id_ = first.json()["id"]
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, id_)
    body = {**PATIENT, "identifier": [MINE], "gender": "male"}
    assert ask(clinic, "PUT", f"Patient?{BY_MINE}", body).headers["etag"] == 'W/"2"'
    assert ask(clinic, "PUT", f"Patient?{BY_MINE}", {**body, "id": "other"}).status_code == 400
    operations = [{"op": "replace", "path": "/gender", "value": "female"}]
    assert ask(clinic, "PATCH", f"Patient?{BY_MINE}", operations, PATCH).json()["gender"] == "female"
    assert ask(clinic, "PUT", "Patient?identifier=urn:test:ward%7Cw2", {**PATIENT, "id": "w2"}).json()["id"] == "w2"
    made(clinic, body)
    for method, sent in (("PUT", body), ("DELETE", None)):
        assert ask(clinic, method, f"Patient?{BY_MINE}", sent).status_code == 412, "two match"
    assert ask(clinic, "DELETE", f"Patient/{id_}").status_code == 204
    assert ask(clinic, "DELETE", f"Patient?{BY_MINE}").status_code == 204
    assert ask(clinic, "DELETE", f"Patient?{BY_MINE}").status_code == 404
    others = f"identifier=https://fhir.nhs.uk/Id/nhs-number%7C{ANN}"
    assert ask(clinic, "DELETE", f"Patient?{others}").status_code == 404, "another organisation's Patients"
    for criteria in ("", "?gender=female", "?zebra=1"):
        assert ask(clinic, "DELETE", f"Patient{criteria}").status_code == 400


LETTER = [
    ("status:not=final", 404), ("status=final", 204), ("code=http://loinc.org|", 404), ("code=http://snomed.info/sct|", 204),
    ("value-quantity=5", 404), ("value-quantity=1", 204), ("_lastUpdated=lt2000-01-01", 404), ("identifier:missing=false", 404),
    ("status:missing=false", 204), ("encounter.status=finished", 400), ("_security=R", 400), ("_has:Provenance:target:agent=x", 400),
    ("_include=Observation:patient", 400), ("_lastUpdated:missing=true", 400), ("_sort=date", 400),
]  # fmt: skip


@pytest.mark.parametrize("clause, status", LETTER)
@pytest.mark.hazard("HZ-WRITE-06")
def test_what_is_deleted_by_criteria_matches_each_of_them(ward, clause, status):
    patient = made(ward, PATIENT)
    made(ward, observation(patient))
    assert ask(ward, "DELETE", f"Observation?patient={patient}&{clause}").status_code == status


@pytest.mark.parametrize("criteria", ["identifier:missing=true", "identifier:not=urn:test:none%7C1", "code=x"])
def test_criteria_that_no_index_narrows_are_refused(ward, criteria):
    made(ward, observation(made(ward, PATIENT)))
    assert ask(ward, "DELETE", f"Observation?{criteria}").status_code == 400


def test_of_many_that_the_index_finds_only_so_many_are_looked_through(ward, monkeypatch):
    monkeypatch.setattr(ownership, "MOST_LOOKED", 30)
    patient = made(ward, PATIENT)
    for _ in range(31):
        made(ward, observation(patient))
    assert ask(ward, "DELETE", f"Observation?patient={patient}&status:not=final").status_code == 413
    assert ask(ward, "DELETE", f"Observation?patient={patient}&status=final").status_code == 412


@pytest.mark.hazard("HZ-WRITE-04")
def test_a_patch_is_of_what_was_sent_and_keeps_what_hides_it(clinic):
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    patient = made(clinic, PATIENT)
    id_ = made(clinic, observation(patient, meta=label))
    operations = [
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "replace", "path": "/status", "value": "amended"},
    ]
    answer = ask(clinic, "PATCH", f"Observation/{id_}", operations, {**PATCH, "If-Match": 'W/"1"'})
    assert answer.status_code == 200 and answer.json()["status"] == "amended", answer.text
    assert answer.json()["subject"]["reference"] == f"Patient/{patient}"
    assert "R" in {mark["code"] for mark in answer.json()["meta"]["security"]}
    assert ask(clinic, "PATCH", f"Observation/{id_}", operations, {**PATCH, "If-Match": 'W/"1"'}).status_code == 412


@pytest.mark.hazard("HZ-WRITE-10")
def test_a_patch_keeps_the_digits_of_a_number(ward):
    id_ = made(ward, observation(made(ward, PATIENT)))
    for digits in ("1.50", "0.1234567890123456789", "1.1"):
        body = f'[{{"op": "replace", "path": "/valueQuantity/value", "value": {digits}}}]'.encode()
        assert f'"value":{digits},' in ask(ward, "PATCH", f"Observation/{id_}", body, PATCH).text
    same = [{"op": "test", "path": "/valueQuantity/value", "value": 1.1}]
    assert ask(ward, "PATCH", f"Observation/{id_}", same, PATCH).status_code == 200


def test_an_update_by_criteria_overwrites_nothing_that_they_do_not_match(ward):
    ask(ward, "PUT", "Patient/stands", {**PATIENT, "id": "stands"})
    body = {**PATIENT, "id": "stands", "gender": "male"}
    other = "Patient?identifier=urn:test:none%7C9"
    assert ask(ward, "PUT", other, body).status_code == 409
    assert ask(ward, "PUT", other, body, {"If-Match": 'W/"1"'}).status_code == 200
    assert ask(ward, "PUT", "Patient/stands", body, {"If-None-Match": "*"}).status_code == 412
    assert ask(ward, "PUT", "Patient/stands", body, {"If-None-Match": 'W/"1"'}).status_code == 400
    fresh = {**PATIENT, "id": "fresh"}
    assert ask(ward, "PUT", "Patient/fresh", fresh, {"If-None-Match": "*"}).status_code == 201


@pytest.mark.parametrize(
    "condition", ["identifier=urn:test:q%7Ca?b", "Patient?identifier=urn:test:q%7Ca?b", "?identifier=urn:test:q%7Ca?b"]
)
def test_a_condition_may_hold_a_question_mark(ward, condition):
    body = {**PATIENT, "identifier": [{"system": "urn:test:q", "value": "a?b"}]}
    ask(ward, "POST", "Patient", body, {"If-None-Exist": "identifier=urn:test:q%7Ca?b"})
    assert ask(ward, "POST", "Patient", body, {"If-None-Exist": condition}).status_code == 200


@pytest.mark.hazard("HZ-WRITE-11")
def test_the_audit_names_whom_each_change_and_each_refusal_was_about(ward):
    first, second = made(ward, PATIENT), made(ward, PATIENT)
    id_ = made(ward, observation(first))

    def told(method, path, body=None, headers=None, user="tester"):
        ask(ward, method, path, body, headers, user)
        event = ward.audit()[-1]
        return event["patients"], [name.split("/")[1] for name in event["resources"]], event["outcome"]

    moved = {**observation(second), "id": id_}
    assert told("PUT", f"Observation/{id_}", moved) == (sorted([first, second]), [id_], "updated")
    stale = {"If-Match": 'W/"9"'}
    assert told("PUT", f"Observation/{id_}", moved, stale) == ([second], [id_], "not written: Stale")
    assert told("PUT", f"Observation/{id_}", {**moved, "status": "x"}) == (
        [second],
        [id_],
        "not written: Unprocessable",
    )
    assert told("PUT", f"Observation/{id_}", b"{") == ([second], [id_], "not written: Invalid")
    assert told("DELETE", f"Patient/{uid(1)}") == ([uid(1)], [uid(1)], "not written: NotFound")
    assert told("DELETE", f"Observation/{id_}") == ([second], [id_], "deleted")
    assert told("DELETE", f"Patient/{ANN}") == ([], [], "not written: Invalid")
    body = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "PUT", "url": f"Patient/{first}"}}],
    }
    assert told("POST", "", body) == ([first], [first], "not written: Invalid")


GROWING = [{"op": "add", "path": "/name", "value": [{"text": "x" * 1000}]}] + [
    {"op": "copy", "from": "/name", "path": "/name/-"}
] * 30
BAD_PATCHES = [
    ("no list", {}, 400),
    ("no operation", [{"op": "zebra", "path": "/a"}], 422),
    ("no such place", [{"op": "remove", "path": "/zebra/1"}], 422),
    ("a test that fails", [{"op": "test", "path": "/gender", "value": "male"}], 422),
    ("another id", [{"op": "replace", "path": "/id", "value": "x"}], 422),
    ("nothing left", [{"op": "replace", "path": "", "value": []}], 422),
    ("no R4", [{"op": "add", "path": "/zebra", "value": 1}], 422),
    ("too many", [{"op": "test", "path": "/gender", "value": "female"}] * 101, 413),
    ("one that grows for ever", GROWING, 413),
    (
        "many that go through much",
        [{"op": "add", "path": "/name", "value": [{"text": "x" * 900_000}]}]
        + [{"op": "add", "path": "/active", "value": True}] * 30,
        413,
    ),
]


@pytest.mark.parametrize(
    "operations, status", [case[1:] for case in BAD_PATCHES], ids=[case[0] for case in BAD_PATCHES]
)
def test_a_bad_patch_changes_nothing(ward, operations, status):
    ask(ward, "PUT", "Patient/patched", {**PATIENT, "id": "patched"})
    before = stands(ward)
    assert ask(ward, "PATCH", "Patient/patched", operations, PATCH).status_code == status
    assert stands(ward) == before


# What else reads the same rows


def test_a_tester_begins_anew_and_nobody_elses_record_is_touched(clinic):
    before = [clinic.get(f"/fhir/Patient/{uid(1)}").text, clinic.get(f"/fhir/Observation/{uid(3)}").text]
    patient = made(clinic, PATIENT)
    seen = made(clinic, observation(patient))
    answer = ask(clinic, "POST", "$reset")
    assert answer.status_code == 200 and "deleted: 2" in answer.text
    for name in (f"Patient/{patient}", f"Observation/{seen}"):
        assert ask(clinic, "PATCH", name, [], PATCH).status_code == 404
    assert [clinic.get(f"/fhir/Patient/{uid(1)}").text, clinic.get(f"/fhir/Observation/{uid(3)}").text] == before
    assert ask(clinic, "POST", "$reset", user="dr-green").status_code == 403


def test_what_was_written_stands_after_a_remap_and_beside_files_of_the_same_contributor(clinic, tmp_path):
    ask(clinic, "PUT", "Patient/p1", {**PATIENT, "id": "p1"})
    seen = made(clinic, observation("p1"))
    told = {"resourceType": "Patient", "id": "p1", "gender": "male"}
    (tmp_path / "p.json").write_text(json.dumps(told))
    door, source = clinic.service.door, sources()["fhir"]
    feed = Feed("ward", settings={"publisher": "8A998"})
    load.load(clinic.store, source, tmp_path / "p.json", feed, door.sets)
    load.remap(clinic.store, source, feed, door.sets)
    kept_as_is = [{"op": "test", "path": "/subject/reference", "value": "Patient/p1"}]
    answer = ask(clinic, "PATCH", f"Observation/{seen}", kept_as_is, PATCH)
    assert answer.status_code == 200 and answer.headers["etag"] == 'W/"1"', "a remap changed nothing"
    assert ask(clinic, "PATCH", "Patient/p1", [], PATCH).json()["gender"] == "female", "a file's id is its own"
    with clinic.store.read() as session:
        publisher = session.value("SELECT publisher FROM head WHERE id = 'p1'")
        ((_, loaded),) = [
            name for name in of_publisher(session, publisher) if name not in (("Patient", "p1"), ("Observation", seen))
        ]
    body = {**PATIENT, "id": loaded}
    answer = ask(clinic, "PUT", f"Patient/{loaded}", body)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"'), "what was loaded may be written"
    load.load(clinic.store, source, tmp_path / "p.json", feed, door.sets)
    assert ask(clinic, "PATCH", f"Patient/{loaded}", [], PATCH).json()["id"] == loaded


@pytest.mark.hazard("HZ-WRITE-05")
def test_labels_that_were_made_here_do_not_come_back_as_the_senders(clinic):
    """On what is new here nobody knows whose they are, so they hide."""
    ours = {"security": [{"system": "urn:nhs-record-gateway:label", "code": "linked"}]}
    patient = made(clinic, PATIENT)
    read, copied = made(clinic, observation(patient)), made(clinic, observation(patient, meta=ours))
    assert ask(clinic, "PUT", f"Observation/{read}", {**observation(patient, meta=ours), "id": read}).status_code == 200
    with clinic.store.read() as session:
        assert [session.value("SELECT own FROM head WHERE id = ?", id_) for id_ in (read, copied)] == [0, 1]


def test_a_medication_is_written_within_its_request(clinic):
    """A Medication is no resource of its own here: its code stands in the request, which is served with it."""
    patient = made(clinic, PATIENT)
    within = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": "https://dmd.nhs.uk", "code": "321177009"}]}}  # fmt: skip
    order = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": f"Patient/{patient}"}}  # fmt: skip
    answer = ask(clinic, "POST", "MedicationRequest", order | {"contained": [within], "medicationReference": {"reference": "#m"}})  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert answer.json()["medicationCodeableConcept"] == within["code"]
    assert ask(clinic, "POST", "Medication", within).status_code == 404
    dangling = order | {"medicationReference": {"reference": "Medication/m"}}
    assert ask(clinic, "POST", "MedicationRequest", dangling).status_code == 422
