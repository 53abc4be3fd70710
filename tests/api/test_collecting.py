"""Operations that collect one person's record: what they hold, in pages, by date, and that limits hold on every hop."""

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.fhir import model
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import HL7, SETS, coded, observation, to, uid
from tests.toy import deliver, resource, row

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
        order=order,
    )


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
                 recordedDate="1999-01-01"),
        resource("Procedure", uid(513), status="completed", subject=to("Patient", 1), performedDateTime="1999-01-01"),
    )  # fmt: skip
    deliver(store, [staff(), old], SETS)
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
        found = {name for name in ids(answer, "match") if not name.startswith(("Patient", "E"))}
        assert found == expected, asked
        assert model.check(answer.content) == []
        assert ("_type" in asked or "_since" in asked) == ("Patient/1" not in ids(answer)), asked


def test_the_directory_is_followed_to_its_end_and_only_where_something_leads(full):
    assert ids(full.get(ALL), "include") == ["Practitioner/501", "Organization/502", "PractitionerRole/503"]
    assert ids(full.get(ALL, start="2002"), "include") == []
    assert ids(full.get(ALL, _type="Practitioner")) == ["Practitioner/501"]
    moment = full.get(f"/fhir/Observation/{uid(510)}").json()["meta"]["lastUpdated"]
    changed = full.get(f"/fhir/Practitioner/{uid(501)}").json()["meta"]["lastUpdated"]
    assert moment < changed and ids(full.get(ALL, _since=changed)) == ["Practitioner/501"]


def test_pages_hold_each_resource_once_and_are_the_callers_own(full):
    whole, answer, found = ids(full.get(ALL)), full.get(ALL, _count="2"), []
    while answer:
        found += ids(answer)
        assert len(ids(answer)) <= 2
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
     ("_elements", "id", "parameter _elements"), ("_cursor", "x", "parameter _cursor")],
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
    """A hidden observation's performer stays away; an allergy whose visit is hidden leads nowhere."""
    hidden = [
        staff(),
        row("flagged", observation(510, 1, performer=[to("Practitioner", 501)], security=["R"])),
    ]
    deliver(clinic.store, hidden, SETS)
    clinic.permit(people.ANN, "dr-ward")
    assert "Practitioner/501" in ids(clinic.get(ALL)) and "Observation/510" in ids(clinic.get(ALL))
    shown = ids(clinic.get(ALL, "dr-ward"))
    assert "Observation/3" in shown and not {"Observation/510", "Practitioner/501"} & set(shown)
