"""Operations that collect one person's record: what they hold, in pages, by date, and that limits hold on every hop."""

import base64
import importlib
import re

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.fhir import model
from gateway.nhs import labels
from gateway.records import choosing
from gateway.store import compartment
from gateway.store.hashes import id_hash
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import HL7, SETS, coded, observation, to, uid
from tests.toy import deliver, resource, row

everything = importlib.import_module("gateway.records.everything")  # the package has a function of this name
ALL = f"/fhir/Patient/{uid(1)}/$everything"


def ids(answer, mode: str = "") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [
        f"{entry['resource']['resourceType']}/{int(entry['resource']['id'][:8])}"
        for entry in answer.json().get("entry", ())
        if mode in ("", entry["search"]["mode"])
    ]


def following(api, answer, user: str = "dr-green"):
    url = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), None)
    return url and api.get("/fhir/" + url.partition("/fhir/")[2], user)


def staff(name: str = "Quill", order: int = 1):
    return row(
        "staff",
        resource("Practitioner", uid(501), name=[{"family": name}]),
        resource("Organization", uid(502), name="Office"),
        resource(
            "PractitionerRole", uid(503), practitioner=to("Practitioner", 501), organization=to("Organization", 502)
        ),
        resource("Organization", uid(504), name="Unused"),
        resource("Practitioner", uid(506), name=[{"family": "Asker"}]),
        order=order,
    )


LETTER, PAGE = b"Dear Ann", b"<script>alert(1)</script>"


def letter(id_: int, code: str, date: str, *attachments: dict, **elements) -> dict:
    return resource(
        "DocumentReference", uid(id_), status="current", type=coded(code, "urn:test:letters"), subject=to("Patient", 1), date=date,
        content=[{"attachment": attachment} for attachment in attachments], **elements,
    )  # fmt: skip


def attached(type_: str, data: bytes) -> dict:
    return {"contentType": type_, "data": base64.b64encode(data).decode(), "title": "Clinic letter"}


def letters() -> list:
    """A letter of two contents, one about care of another year than its date, one that is hidden from others."""
    care = {"period": {"start": "2019-01-01", "end": "2019-02-01"}}
    return [
        row("letter", letter(601, "a", "2024-01-01T10:00:00Z", attached("text/plain; charset=utf-8", LETTER), attached("text/html", PAGE))),
        row("late", letter(602, "b", "2024-06-01T10:00:00Z", {"url": "https://elsewhere.example/1", "contentType": "a/b"}, context=care)),
        row("secret", letter(603, "a", "2024-02-01T10:00:00Z", attached("text/plain of words", LETTER), security=["R"])),
    ]  # fmt: skip


def results() -> list:
    """Two codes, one named by two systems, with a tie, an error that is the newest, and one the ward is not shown."""
    both = {"coding": [{"system": "urn:a", "code": "1"}, {"system": "urn:b", "code": "2"}]}
    laboratory = [coded("laboratory", HL7 + "observation-category")]

    def result(id_: int, code: dict, day: str, **elements) -> dict:
        return {**observation(id_, 1, effectiveDateTime=day, category=laboratory, **elements), "code": code}

    return [
        row("r1", result(701, coded("1", "urn:a"), "2020-01-01")), row("r2", result(702, both, "2020-01-02")),
        row("r3", result(703, coded("2", "urn:b"), "2020-01-03")), row("r4", result(704, coded("2", "urn:b"), "2020-01-03")),
        row("r5", {**result(705, coded("2", "urn:b"), "2020-01-09"), "status": "entered-in-error"}),
        row("r6", result(706, {"text": "Words"}, "2020-01-04")), row("r7", result(707, {"text": "words"}, "2020-01-05")),
        row("r8", result(708, coded("1", "urn:a"), "2020-01-08", security=["R"])),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory, data_dir):
    """Ann with resources of several dates, and the staff that they name. Tests only read it."""
    folder = data_dir(tmp_path_factory.mktemp("full") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox").store
    people.fill(store)
    active = coded("active", HL7 + "allergyintolerance-clinical")
    old = row(
        "old",
        observation(510, 1, effectiveDateTime="2001-02-03", performer=[to("PractitionerRole", 503)]),
        observation(511, 1),
        resource("AllergyIntolerance", uid(512), clinicalStatus=active, code={"text": "x"}, patient=to("Patient", 1),
                 recordedDate="1999-01-01", extension=[{"url": "urn:test:asked-by", "valueReference": to("Practitioner", 506)}]),
        resource("Procedure", uid(513), status="completed", subject=to("Patient", 1), performedDateTime="1999-01-01"),
    )  # fmt: skip
    deliver(store, [staff(), old, *letters(), *results()], SETS)
    deliver(store, [staff("New", 2)], SETS)
    api = Api(store, folder)
    api.permit(people.ANN, "dr-ward")
    yield api
    api.close()
    store.close()


DATED = [
    ({}, {"Observation/3", "Observation/510", "Observation/511", "AllergyIntolerance/512", "Procedure/513"}),
    ({"start": "2001"}, {"Observation/3", "Observation/510", "Observation/511", "AllergyIntolerance/512"}),
    ({"start": "2001-02-04"}, {"Observation/3", "Observation/511", "AllergyIntolerance/512"}),
    ({"start": "2001", "end": "2001"}, {"Observation/510", "Observation/511", "AllergyIntolerance/512"}),
    ({"end": "1999-01-01"}, {"Observation/511", "AllergyIntolerance/512", "Procedure/513"}),
    ({"end": "1998"}, {"Observation/511"}),
    ({"_since": "2999"}, set()),
    ({"_type": "Procedure,AllergyIntolerance"}, {"AllergyIntolerance/512", "Procedure/513"}),
]
"""What is asked for → what of Ann's record, beside registrations and visits."""


@pytest.mark.hazard("HZ-API-08")
def test_what_may_hold_ever_since_is_not_cut_by_the_beginning_of_a_time(full):
    for asked, expected in DATED:
        answer = full.get(ALL, **asked)
        found = {name for name in ids(answer, "match") if not name.startswith(("Patient", "E", "Doc", "Observation/7"))}
        assert found == expected, asked
        assert model.check(answer.content) == []
        assert ("_type" in asked or "_since" in asked) == ("Patient/1" not in ids(answer)), asked


def test_elements_are_cut_by_type_and_what_nothing_is_asked_of_is_whole(full):
    one = full.get(ALL, _elements="Observation.effective,Observation.code").json()["entry"]
    kept = {frozenset(entry["resource"]) for entry in one if entry["resource"]["resourceType"] == "Observation"}
    always = {"resourceType", "id", "meta", "status", "code"}
    assert kept == {frozenset(always), frozenset({*always, "effectiveDateTime"})}
    assert all("name" in entry["resource"] for entry in one if entry["resource"]["resourceType"] == "Patient")
    every = full.get(ALL, _elements="birthDate").json()
    for cut in (entry["resource"] for entry in every["entry"]):
        assert "name" not in cut and {"code": "SUBSETTED"}.items() <= cut["meta"]["tag"][-1].items()
        assert ("birthDate" in cut) == (cut["resourceType"] == "Patient")
    for asked in ("none", "Observation.birthDate", "Basic.code", "code,", "code&_summary=true"):
        assert full.get(f"{ALL}?_elements={asked}").status_code == 400, asked
    paged = full.get(ALL, _elements="birthDate", _count=2)
    assert "SUBSETTED" in following(full, paged).text
    sent = {"resourceType": "Parameters", "parameter": [{"name": "_elements", "valueString": "Observation.code"}]}
    answer = full.ask("POST", ALL, json=sent)
    assert answer.status_code == 200 and "SUBSETTED" in answer.text


def test_the_directory_is_followed_to_its_end_and_only_where_something_leads(full):
    assert ids(full.get(ALL), "include") == [
        "Practitioner/501",
        "Organization/502",
        "PractitionerRole/503",
        "Practitioner/506",
    ]
    assert ids(full.get(ALL, start="2002"), "include") == ["Practitioner/506"]
    assert ids(full.get(ALL, _type="Practitioner")) == ["Practitioner/501", "Practitioner/506"]
    moment = full.get(f"/fhir/Observation/{uid(510)}").json()["meta"]["lastUpdated"]
    changed = full.get(f"/fhir/Practitioner/{uid(501)}").json()["meta"]["lastUpdated"]
    assert moment < changed and ids(full.get(ALL, _since=changed)) == ["Practitioner/501"]


def test_pages_hold_each_resource_once_and_are_the_callers_own(full):
    whole, answer, found = ids(full.get(ALL)), full.get(ALL, _count="2"), []
    while answer:
        found += ids(answer)
        assert len(ids(answer, "match")) <= 2
        answer = following(full, answer)
    assert found == whole and len(set(found)) == len(whole) > 8
    first = full.get(ALL, _count="2")
    link = next(link["url"] for link in first.json()["link"] if link["relation"] == "next").partition(":8000")[2]
    for user, path in (
        ("dr-ward", link),
        ("dr-green", link.replace("_count=2", "_count=3")),
        ("dr-green", link.replace(uid(1), uid(31))),
    ):
        answer = full.get(path, user)
        assert (answer.status_code, answer.json()["issue"][0]["diagnostics"]) == (400, "parameter _cursor")


def test_the_same_is_asked_by_get_by_form_and_by_parameters(full):
    asked = {"_type": "Observation,Patient", "start": "2001", "_count": "3"}
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueCode": "Observation,Patient"}, {"name": "start", "valueDate": "2001"}, {"name": "_count", "valueInteger": 3}]}  # fmt: skip
    answers = [
        full.get(ALL, **asked),
        full.ask("POST", ALL, data=asked),
        full.ask("POST", ALL, json=body, headers={"Content-Type": "application/fhir+json"}),
    ]
    assert len({str(ids(answer)) for answer in answers}) == 1 and len(ids(answers[0])) == 3
    assert all(following(full, answer) for answer in answers)


@pytest.mark.parametrize(
    "name, value, words",
    [("_type", "Medication", "parameter _type: a type that is not served"), ("_type", "9990009990", "parameter _type: a type that is not served"),
     ("_count", "0", "parameter _count"), ("start", "x", "parameter start"), ("_since", "9990009990", "parameter _since"),
     ("_elements", "none", "parameter _elements"), ("_cursor", "x", "parameter _cursor")],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused_by_name(full, name, value, words):
    answer = full.get(ALL, **{name: value})
    assert (answer.status_code, answer.json()["issue"][0]["diagnostics"]) == (400, words)


REFUSED = [("dr-other", 1, 404), ("dr-ward", 1, 404), ("dr-green", 21, 404), ("dr-green", 9, 404), ("dr-green", 41, 404), ("admin", 1, 403),
           ("privacy-officer", 1, 403), ("researcher", 1, 403)]  # fmt: skip


def test_whoever_may_not_read_a_patient_is_answered_as_for_an_unknown_one(clinic):
    for user, number, status in REFUSED:
        answer = clinic.get(f"/fhir/Patient/{uid(number)}/$everything", user)
        assert answer.status_code == status, (user, number)
        if status == 404:
            assert answer.content == clinic.get(f"/fhir/Patient/{uid(9)}/$everything", user).content
    assert ids(clinic.get(ALL, "receptionist")) == ["Patient/1"]
    event = clinic.audit()[-1]
    assert (event["act"], event["outcome"], event["resources"]) == ("everything", "ok", [f"Patient/{uid(1)}/1"])


@pytest.mark.hazard("HZ-API-09")
def test_what_a_hidden_item_leads_to_is_not_told(clinic):
    """A hidden observation's performer stays away."""
    hidden = [
        staff(),
        row("flagged", observation(510, 1, performer=[to("Practitioner", 501)], security=["R"])),
    ]
    deliver(clinic.store, hidden, SETS)
    clinic.permit(people.ANN, "dr-ward")
    assert "Practitioner/501" in ids(clinic.get(ALL)) and "Observation/510" in ids(clinic.get(ALL))
    shown = ids(clinic.get(ALL, "dr-ward"))
    assert "Observation/3" in shown and not {"Observation/510", "Practitioner/501"} & set(shown)


DOCREF = [
    ("dr-green", {}, ["603", "601", "602"]), ("dr-ward", {}, ["601", "602"]), ("dr-green", {"start": "2024"}, ["603", "601"]),
    ("dr-green", {"start": "2019-02-01", "end": "2023"}, ["602"]), ("dr-green", {"type": "urn:test:letters|a"}, ["603", "601"]),
    ("dr-green", {"type": "b,c"}, ["602"]), ("dr-green", {"type": "urn:other|a"}, []), ("dr-green", {"on-demand": "false", "end": "2023"}, ["602"]),
    ("dr-other", {}, []),
]  # fmt: skip
LASTN = [
    ("dr-green", {"category": "laboratory"}, ["708", "707"]), ("dr-ward", {"category": "laboratory"}, ["707", "703", "704"]),
    ("dr-green", {"category": "laboratory", "max": "2"}, ["708", "703", "704", "707", "706"]),
    ("dr-green", {"code": "urn:a|1"}, ["708"]), ("dr-ward", {"code": "urn:a|1", "max": "9"}, ["702", "701"]),
    ("dr-green", {"code": ["urn:a|1", "urn:b|2"], "max": "9"}, ["702"]), ("dr-green", {"code": "urn:a|1,urn:b|2"}, ["708"]),
    ("dr-green", {"category": ["laboratory", "vital-signs"]}, []), ("dr-green", {"category": "vital-signs"}, []), ("dr-other", {"category": "laboratory"}, []),
]  # fmt: skip


@pytest.mark.hazard("HZ-API-10")
def test_the_newest_result_is_one_that_holds_and_that_this_caller_sees(full):
    for user, asked, expected in LASTN:
        answer = full.get("/fhir/Observation/$lastn", user, subject=f"Patient/{uid(1)}", **asked)
        assert sorted(name.partition("/")[2] for name in ids(answer)) == sorted(expected), (user, asked)
        assert model.check(answer.content) == []
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueId": uid(31)}, {"name": "max", "valuePositiveInt": 2}, {"name": "category", "valueCodeableConcept": coded("laboratory", HL7 + "observation-category")}]}  # fmt: skip
    posted = full.ask("POST", "/fhir/Observation/$lastn", json=body, headers={"Content-Type": "application/fhir+json"})
    numbers = [name.partition("/")[2] for name in ids(posted)]
    assert (numbers[0], set(numbers[1:3]), numbers[3:]) == ("708", {"703", "704"}, ["707", "706"])


TYPED = [
    ("Observation/$lastn", ({"name": "subject", "valueReference": to("Patient", 1)}, {"name": "code", "valueCoding": {"code": "1"}}), ["708"]),
    ("Observation/$lastn", ({"name": "patient", "valueReference": to("Patient", 1)}, {"name": "category", "valueCodeableConcept": {"coding": [{"code": "laboratory"}]}}), ["708", "707"]),
    ("DocumentReference/$docref", ({"name": "patient", "valueReference": to("Patient", 1)}, {"name": "type", "valueCoding": {"system": "urn:test:letters", "code": "b"}}), ["602"]),
]  # fmt: skip


def test_parameters_take_each_type_that_their_table_names(full):
    for path, typed, expected in TYPED:
        body = {"resourceType": "Parameters", "parameter": list(typed)}
        answer = full.ask("POST", f"/fhir/{path}", json=body, headers={"Content-Type": "application/fhir+json"})
        assert [name.partition("/")[2] for name in ids(answer)] == expected, path


def test_a_persons_documents_come_with_the_addresses_of_their_contents(full):
    for user, asked, expected in DOCREF:
        answer = full.get("/fhir/DocumentReference/$docref", user, patient=uid(31), **asked)
        assert [name.partition("/")[2] for name in ids(answer)] == expected, (user, asked)
        assert model.check(answer.content) == [] and b'"data"' not in answer.content
    letter_ = full.get(f"/fhir/DocumentReference/$docref?patient={uid(1)}&type=a").json()["entry"][1]["resource"]
    attachment = letter_["content"][0]["attachment"]
    assert attachment["url"].endswith(f"/fhir/Binary/{uid(601)}.0") and attachment["size"] == len(LETTER)
    assert letter_["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert full.get("/fhir/" + attachment["url"].partition("/fhir/")[2]).content == LETTER


WRONG = [
    ("DocumentReference/$docref", "on-demand", "true", "parameter on-demand: no document is made on demand"),
    ("DocumentReference/$docref", "profile", "x", "parameter profile"), ("DocumentReference/$docref", "start", "x", "parameter start"),
    ("DocumentReference/$docref", "patient", "a b", "parameter patient: one Patient is needed"),
    ("Observation/$lastn", "max", "0", "parameter max"), ("Observation/$lastn", "date", "2020", "parameter date"),
    ("Observation/$lastn", "code", "|", "parameter code: code, |code, system| or system|code"),
]  # fmt: skip


def test_what_no_operation_knows_is_refused_by_name(full):
    for path, name, value, words in WRONG:
        answer = full.get(f"/fhir/{path}", **({"patient": uid(1)} | {name: value}))
        assert (answer.status_code, answer.json()["issue"][0]["diagnostics"]) == (400, words)


BINARIES = [
    ("601.0", "", 200, "text/plain; charset=utf-8", "inline", LETTER), ("601.1", "text/html", 200, "text/html", "attachment", PAGE),
    ("603.0", "", 200, "application/octet-stream", "attachment", LETTER), ("601.2", "", 404, "", "", b""), ("602.0", "", 404, "", "", b""),
    ("3.0", "", 404, "", "", b""), ("601", "", 404, "", "", b""),
]  # fmt: skip


@pytest.mark.hazard("HZ-API-11")
def test_a_content_is_read_as_its_document_is_and_cannot_act_in_a_browser(full):
    for name, accept, status, type_, disposition, data in BINARIES:
        number, dot, place = name.partition(".")
        path = f"/fhir/Binary/{uid(int(number))}{dot}{place}"
        answer = full.get(path, headers={"Accept": accept} if accept else {})
        assert answer.status_code == status, name
        if status == 200:
            headers = answer.headers
            assert (headers["content-type"], headers["content-disposition"], answer.content) == (
                type_,
                disposition,
                data,
            )
            assert headers["x-content-type-options"] == "nosniff" and "sandbox" in headers["content-security-policy"]
        for user in ("dr-other", *(["dr-ward"] if number == "603" else [])):
            refused = full.get(path, user)
            assert (refused.status_code, refused.content) == (404, full.get(f"/fhir/Binary/{uid(9)}.0", user).content)
    assert full.get(f"/fhir/Binary/{uid(601)}.0", "receptionist").status_code == 403
    event = full.audit()[-3]
    assert (event["act"], event["type"]) == ("read", "DocumentReference")
    wrapped = full.get(f"/fhir/Binary/{uid(601)}.0", headers={"Accept": "application/fhir+json"})
    assert model.check(wrapped.content) == [] and base64.b64decode(wrapped.json()["data"]) == LETTER
    assert wrapped.json()["securityContext"] == to("DocumentReference", 601)


def stated(full, id_: int, **columns: int) -> None:
    """Set columns of the head of a resource."""
    with full.store.write() as session:
        for name, value in columns.items():
            assert session.run(f"UPDATE head SET {name} = ? WHERE id_hash = ?", value, id_hash(uid(id_))) == 1


def told_to_the_ward(full) -> list[bytes]:
    """All that the ward is answered, but for the sealed handle of a next page."""
    person = f"/fhir/Patient/{uid(1)}/$everything"
    paths = [person, f"{person}?start=2001", f"{person}?_type=Practitioner,Observation", f"{person}?_count=1", f"/fhir/Binary/{uid(601)}.0",
             f"/fhir/Binary/{uid(601)}.7", f"/fhir/Observation/$lastn?patient={uid(1)}&max=2", f"/fhir/Observation/$lastn?patient={uid(99)}", f"/fhir/DocumentReference/$docref?patient={uid(1)}",
             f"/fhir/Observation?patient={uid(1)}&_summary=true", f"/fhir/Observation?patient={uid(1)}&_elements=code"]  # fmt: skip
    answers, pages = [full.get(path, "dr-ward") for path in paths], full.get(f"{person}?_count=8", "dr-ward")
    while pages:
        answers.append(pages)
        pages = following(full, pages, "dr-ward")
    return [
        re.sub(rb"_cursor=[^\"]*", b"_cursor=", answer.content) + str(answer.status_code).encode() for answer in answers
    ]


@pytest.mark.hazard("HZ-API-09")
@pytest.mark.parametrize("id_", [510, 601])
def test_a_withheld_item_is_as_one_that_is_not_there(full, id_):
    """Byte for byte, in every answer that collects, counts, pages or leads on."""
    before = told_to_the_ward(full)
    stated(full, id_, labels=labels.CONFIDENTIAL)
    withheld = told_to_the_ward(full)
    stated(full, id_, labels=0, deleted=1)
    absent = told_to_the_ward(full)
    stated(full, id_, deleted=0)
    assert withheld == absent != before


CHOOSING = ["Observation/$lastn", "DocumentReference/$docref"]


def test_the_work_of_a_request_is_bounded(full, monkeypatch):
    """What is read at once, what a page holds, what is looked at; and the record is read for its directory once."""
    whole, documents = ids(full.get(ALL)), full.get(f"/fhir/DocumentReference/$docref?patient={uid(1)}").content
    monkeypatch.setattr(compartment, "BATCH_BYTES", 600)
    assert ids(full.get(ALL)) == whole
    assert full.get(f"/fhir/DocumentReference/$docref?patient={uid(1)}").content == documents
    walks, walk = [], everything._Directory.pointed_at
    monkeypatch.setattr(everything._Directory, "pointed_at", lambda *args: walks.append(args) or walk(*args))
    for asked in ({"_count": "3"}, {}):
        monkeypatch.setattr(everything, "MOST_BYTES", 1 if not asked else 10**6)
        answer, found = full.get(ALL, **asked), []
        while answer:
            found.append(ids(answer))
            answer = following(full, answer)
        assert [name for page in found for name in page] == whole and len(walks) == 1, asked
        assert asked or len(found) > 10, "a page of few bytes holds one resource"
        walks.clear()
    monkeypatch.setattr(choosing, "MOST_BYTES", 1000)
    refused = full.get(f"/fhir/Observation/$lastn?patient={uid(1)}")
    assert refused.status_code == 413 and full.audit()[-1]["outcome"] == "refused"


@pytest.mark.hazard("HZ-API-09")
def test_a_directory_of_many_comes_in_pages_of_its_own(full, monkeypatch):
    whole = ids(full.get(ALL))
    monkeypatch.setattr(everything, "MOST", 2)
    answer, found = full.get(ALL), []
    while answer:
        found.append(ids(answer))
        answer = following(full, answer)
    assert [name for page in found for name in page] == whole and [len(page) for page in found[1:]] == [2]


@pytest.mark.hazard("HZ-API-09")
def test_a_patient_that_is_not_shown_is_as_one_that_is_not_there(full, clinic):
    """Of a ward without permission, which holds a record of the same person, and of a Patient that is no longer."""
    rows = [row("o", observation(710, 31), publisher="T")]
    deliver(clinic.store, rows, SETS, name="trust", kind="hospital")
    own = clinic.get(f"/fhir/Observation/$lastn?patient={uid(31)}", "dr-ward")
    assert "entry" in own.json(), "of its own record of the person it is answered"
    for path in CHOOSING:
        assert clinic.get(f"/fhir/Patient/{uid(1)}", "dr-ward").status_code == 404
        answers = {
            clinic.get(f"/fhir/{path}?patient={uid(id_)}", "dr-ward").content.replace(uid(id_).encode(), b"")
            for id_ in (1, 99)
        }
        assert len(answers) == 1 and b"entry" not in answers.pop()
        assert full.get(f"/fhir/{path}?patient={uid(31)}").json()["entry"]
        stated(full, 31, deleted=1)
        assert "entry" not in full.get(f"/fhir/{path}?patient={uid(31)}").json()
        stated(full, 31, deleted=0)


@pytest.mark.hazard("HZ-API-09")
def test_what_is_blanked_of_an_item_leads_nowhere(full):
    assert "Practitioner/506" in ids(full.get(ALL, "dr-ward"))
    stated(full, 512, labels=labels.BLANKED)
    shown = ids(full.get(ALL, "dr-ward"))
    assert "AllergyIntolerance/512" in shown and "Practitioner/506" not in shown
    assert "Practitioner/506" in ids(full.get(ALL)), "the organisation that recorded it is shown it whole"
    stated(full, 512, labels=0)


@pytest.mark.hazard("HZ-API-09")
def test_the_directory_is_what_would_be_read_of_it(full):
    stated(full, 506, labels=labels.HIDDEN_ALWAYS)
    assert full.get(f"/fhir/Practitioner/{uid(506)}").status_code == 404
    assert "Practitioner/506" not in ids(full.get(ALL)) and "Practitioner/501" in ids(full.get(ALL))
    stated(full, 506, labels=0)


@pytest.mark.hazard("HZ-API-09")
def test_the_time_of_care_that_is_blanked_finds_no_document(full):
    def shown(user: str, **asked) -> list[str]:
        return ids(full.get("/fhir/DocumentReference/$docref", user, patient=uid(1), **asked))

    stated(full, 602, labels=labels.BLANKED)
    assert shown("dr-ward", end="2020") == [] and shown("dr-ward", start="2024-05") == ["DocumentReference/602"]
    assert shown("dr-green", end="2020") == ["DocumentReference/602"]
    stated(full, 602, labels=0)
