"""The pages of permission to view, as a browser without scripts asks them: no basis is chosen, who is alerted is said
before anything is recorded, and every number is answered alike."""

import re

import pytest

from gateway import config
from gateway.api import finding_pages
from gateway.composition import create_gateway
from gateway.nhs.access import ANSWERS
from gateway.signin.sessions import form_token
from gateway.store import alerts
from gateway.web.session_pages import Bar, found_page
from tests.api import people
from tests.api.conftest import Api
from tests.api.people import ANN, NOBODY, ODD
from tests.api.test_signing_in import BROWSER, secret, signed_in

WHY = "cannot speak, found collapsed"


@pytest.fixture(scope="module")
def site(tmp_path_factory, data_dir) -> Api:
    folder = data_dir(tmp_path_factory.mktemp("site") / "data")
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        people.fill(gateway.store)
        api = Api(gateway.store, folder)
        api.client.headers["accept"] = BROWSER
        yield api
        api.close()


def begin(api: Api, user: str) -> None:
    """Another browser, in which somebody signs in."""
    api.client.cookies.clear()
    assert signed_in(api, user).status_code == 303


def post(api: Api, path: str, **form: str):
    return api.client.post(path, data={"token": form_token(secret(api)), **form})


def count(api: Api) -> tuple[int, int]:
    """The permissions and the alerts that there are."""
    with api.store.read() as session:
        return session.value("SELECT count(*) FROM permission"), len(alerts.listed(session))


@pytest.mark.hazard("HZ-ACCESS-41")
def test_who_is_alerted_is_said_before_anything_is_recorded(site):
    begin(site, "dr-ward")
    before = count(site)
    entered = {"number": NOBODY, "basis": "emergency", "reason": WHY}
    check = post(site, "/permission", **entered)
    assert check.status_code == 200 and "the privacy officers of RZZ are alerted" in _words(check.text)
    assert re.search(r"until \d\d-\w{3}-\d{4} \d\d:\d\d (GMT|BST)", _words(check.text))
    assert count(site) == before
    done = post(site, "/permission", **entered, confirmed="yes")
    assert done.status_code == 201 and count(site) == (before[0] + 1, before[1] + 1)
    assert NOBODY not in str(done.url) and "no-store" in done.headers["cache-control"]


def test_what_alerts_nobody_is_recorded_at_once_and_opens_the_record(site):
    begin(site, "dr-ward")
    refused = post(site, "/record", number=ANN)
    assert refused.status_code == 403 and f'value="{ANN}"' in refused.text
    assert post(site, "/permission", number=ANN, basis="permission").status_code == 201
    assert post(site, "/record", number=ANN).status_code == 200


@pytest.mark.hazard("HZ-ACCESS-41")
@pytest.mark.parametrize("user", ["dr-ward", "nurse-ward", "receptionist"])
def test_the_page_offers_what_the_role_may_record_and_chooses_nothing(site, user):
    begin(site, user)
    shown = site.client.get("/permission").text
    offered = re.findall(r'name="basis" value="([\w-]+)"', shown)
    assert set(offered) == (set(ANSWERS) if user == "dr-ward" else {name for name in ANSWERS if ANSWERS[name].act == "permit"})  # fmt: skip
    assert "checked" not in shown and "<script" not in shown


@pytest.mark.hazard("HZ-ACCESS-42")
def test_every_number_is_asked_about_alike_and_a_missing_relationship_is_said_as_it_is(site):
    begin(site, "dr-other")
    asked = {number: post(site, "/record", number=number) for number in (ANN, ODD, NOBODY)}
    assert {answer.status_code for answer in asked.values()} == {403}
    assert len({answer.text.replace(number, "") for number, answer in asked.items()}) == 1
    for number in asked:
        assert post(site, "/permission", number=number, basis="permission").status_code == 201
    asked = {number: post(site, "/record", number=number) for number in asked}
    assert len({answer.text.replace(number, "") for number, answer in asked.items()}) == 1
    words = _words(asked[ANN].text)
    assert "no current relationship" in words and "ask the patient" not in words.lower()


FAULTS = {
    "nothing chosen": ({"number": ANN}, "Say why this record may be viewed."),
    "no number": ({"basis": "permission"}, "NHS number: 10 digits"),
    "no reason": ({"number": ANN, "basis": "emergency"}, "Reason: 10 to 500 characters."),
    "no end": ({"number": ANN, "basis": "permission-extended", "reason": WHY}, "a day is needed"),
    "an end in the past": (
        {"number": ANN, "basis": "permission-extended", "reason": WHY, "until": "2020-01-01"},
        "Last day on which it holds: a day from today to 90 days from now.",
    ),
}


@pytest.mark.parametrize("form, words", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_form_is_said_and_what_was_entered_stays(site, form, words):
    begin(site, "dr-ward")
    before = count(site)
    answer = post(site, "/permission", **form)
    assert answer.status_code == 400 and words in _words(answer.text) and count(site) == before
    assert all(f'value="{value}"' in answer.text for value in form.values())


def test_a_form_of_another_site_or_of_a_role_without_the_right_records_nothing(site):
    begin(site, "dr-ward")
    before = count(site)
    entered = {"number": ANN, "basis": "permission"}
    assert site.client.post("/permission", data={"token": "x", **entered}).status_code == 403
    begin(site, "nurse-ward")
    assert post(site, "/permission", **{**entered, "basis": "emergency", "reason": WHY, "confirmed": "yes"}).status_code == 403  # fmt: skip
    begin(site, "admin")
    assert site.client.get("/permission").status_code == 403
    assert "Your role may not do this" in post(site, "/record", number=ANN).text
    assert count(site) == before


def test_after_a_refusal_the_page_says_so_and_an_emergency_is_not_recorded(site):
    begin(site, "dr-ward")
    before = count(site)
    check = post(site, "/permission", number=ODD, basis="denied")
    assert check.status_code == 200 and "for a day no emergency opens" in _words(check.text) and count(site) == before
    assert "are alerted" not in _words(check.text)
    assert post(site, "/permission", number=ODD, basis="denied", confirmed="yes").status_code == 201
    answer = post(site, "/permission", number=ODD, basis="emergency", reason=WHY, confirmed="yes")
    assert answer.status_code == 403 and "refused permission to view" in _words(answer.text)


ANN_AMES = {"family": "ames", "given": "ANN", "born": "1980-02-29", "sex": "female"}
UNLIKE = {
    "the beginning of a name": {"family": "Ame"},
    "another birth date": {"born": "1980-02-28"},
    "no such day": {"born": "1980-13-40"},
    "another sex": {"sex": "male"},
    "another postcode": {"postcode": "ZZ9 9ZZ"},
    "nobody": {"family": "Nobody"},
    "another practice's": {"given": "Amy", "sex": "", "postcode": "ZZ1 1ZZ"},
}


@pytest.mark.hazard("HZ-ACCESS-43")
def test_a_patient_is_found_by_exact_details_alone_and_all_else_is_one_answer(site):
    begin(site, "dr-green")
    shown = post(site, "/find", **ANN_AMES)
    assert shown.status_code == 200 and "AMES, Ann" in _words(shown.text) and ANN not in str(shown.url)
    answers = [post(site, "/find", **{**ANN_AMES, **change}) for change in UNLIKE.values()]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    event = site.audit()[-1]
    assert (event["act"], event["type"], event["parameters"]) == ("search", "Patient", ["birthdate", "family", "given"])
    for missing in ({"sex": ""}, {"born": "1980"}, {"given": " "}, {"sex": "f"}):
        assert post(site, "/find", **{**ANN_AMES, **missing}).status_code == 400
    begin(site, "receptionist")
    assert post(site, "/find", **ANN_AMES).status_code == 200
    begin(site, "admin")
    assert post(site, "/find", **ANN_AMES).status_code == 403


@pytest.mark.hazard("HZ-ACCESS-43")
def test_the_way_from_a_find_is_the_patient_that_matched_and_not_the_number_they_claim():
    form = {"family": "Now", "given": "Zoe"}
    claimed = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": ANN}
    names = [{"use": "old", "family": "Maiden", "given": ["Zoe"]}, {"family": "Now", "given": ["Zoe"]}]
    patient = {"resourceType": "Patient", "id": "zed", "identifier": [claimed], "name": names}
    details = finding_pages._shown(patient, form)
    assert (details["Name"], details["NHS number"]) == ("NOW, Zoe", "not verified")
    shown = found_page(Bar("Dr", "Doctor", "RZZ", "t"), details, "zed")
    assert 'href="/record/zed"' in shown and "MAIDEN" not in shown and '/record"' not in shown


def _words(text: str) -> str:
    return re.sub("[\u2066-\u2069]", "", text)
