"""The privacy officer's pages: their own organisation's alerts, what led to each in words, and nothing clinical."""

import pytest

from gateway.care.alarming import alarm
from gateway.nhs import alerting, roles, sandbox
from gateway.oversight import triage
from tests.api.conftest import Api, data_dir, issuer_key  # noqa: F401 (fixtures)
from tests.api.people import ANN, fill, uid

NOTE = "spoke with the doctor: a visit was expected"
HTML = {"accept": "text/html"}


@pytest.fixture
def clinic(store, tmp_path, data_dir):  # noqa: F811
    fill(store)
    api = Api(store, data_dir(tmp_path / "data"))
    yield api
    api.close()


def raised(api, user="dr-green") -> int:
    """An alert about a view that was really made."""
    request = api.get(f"/fhir/Patient/{uid(1)}", user).headers["x-request-id"]
    with api.store.write() as session:
        return alarm(session, roles.caller_from_claims(sandbox.claims(user)), "2", "5", request)


def moved(api, key, user="privacy-officer", headers=None, **form):
    return api.ask("POST", f"/alerts/{key}", user, headers, data=form)


@pytest.mark.hazard("HZ-ACCESS-49")
def test_an_officer_sees_why_and_how_it_was_decided_and_no_clinical_data(clinic):
    key = raised(clinic)
    queue = clinic.ask("GET", "/alerts", "privacy-officer", HTML)
    assert queue.status_code == 200 and "access made in an emergency" in queue.text and "0 hours" in queue.text
    assert ANN not in queue.text and uid(1) not in queue.text and "<script" not in queue.text
    shown = clinic.ask("GET", f"/alerts/{key}", "privacy-officer", HTML)
    assert shown.status_code == 200 and "GREEN, Asha (Dr)" in shown.text and uid(1) in shown.text
    assert "registered here; permission is implied" in shown.text and "read Patient, ok" in shown.text
    assert "Ames" not in shown.text and ANN not in shown.text
    (looked,) = [event for event in clinic.audit() if event["act"] == "audit.look"]
    assert looked["alert"] == key and uid(1) in looked["patients"]


@pytest.mark.hazard("HZ-ACCESS-49")
def test_another_organisations_alert_is_as_one_that_is_not_there_and_others_see_none(clinic):
    other = raised(clinic, "dr-ward")
    for method in ("GET", "POST"):
        answers = [
            clinic.ask(method, f"/alerts/{key}", "privacy-officer", data={"state": "closed", "note": NOTE})
            for key in (other, 99, "x", "9" * 40)
        ]
        assert {answer.status_code for answer in answers} == {404} and len({answer.content for answer in answers}) == 1
    assert "None." in clinic.ask("GET", "/alerts", "privacy-officer", HTML).text
    for user in ("dr-green", "receptionist", "admin"):
        assert clinic.get("/alerts", user).status_code == clinic.get(f"/alerts/{other}", user).status_code == 403
        assert moved(clinic, other, user, state="closed", note=NOTE).status_code == 403
    assert triage.every(clinic.store)[0].row.state == alerting.OPEN


def test_an_alert_is_moved_by_its_form_and_what_is_wrong_is_said_on_its_page(clinic):
    key = raised(clinic)
    assert moved(clinic, key, state="closed", note="").status_code == 400
    answer = moved(clinic, key, state="closed", note=NOTE)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/alerts/{key}")
    assert NOTE in clinic.ask("GET", f"/alerts/{key}", "privacy-officer", HTML).text
    assert f"Alert {key}" in clinic.ask("GET", "/alerts?state=closed", "privacy-officer", HTML).text
    assert "None." in clinic.ask("GET", "/alerts", "privacy-officer", HTML).text
    assert clinic.get("/alerts?state=none", "privacy-officer").status_code == 400


def signed_in(api, user) -> str:
    """The token of the forms of somebody who signed in in a browser."""
    page = api.client.get("/signin", headers=HTML).text
    api.client.post("/signin", data={"token": token(page), "user": user, "to": "/alerts"})
    return token(api.client.get("/", headers=HTML).text)


def token(page: str) -> str:
    return page.partition('name="token" value="')[2].partition('"')[0]


@pytest.mark.hazard("HZ-ACCESS-49")
def test_in_a_browser_another_sites_form_moves_nothing(clinic):
    key, post = raised(clinic), clinic.client.post
    kept = signed_in(clinic, "privacy-officer")
    assert 'href="/alerts"' in clinic.client.get("/", headers=HTML).text
    form = {"state": "closed", "note": NOTE}
    assert post(f"/alerts/{key}", data=form, headers=HTML).status_code == 403
    assert post(f"/alerts/{key}", data={**form, "token": kept}, headers={**HTML, "sec-fetch-site": "cross-site"}).status_code == 403  # fmt: skip
    assert triage.every(clinic.store)[0].row.state == alerting.OPEN
    wrong = post(f"/alerts/{key}", data={"state": "closed", "note": "", "token": kept}, headers=HTML)
    assert wrong.status_code == 400 and "note: 10 to 1000 characters" in wrong.text
    assert post(f"/alerts/{key}", data={**form, "token": kept}, headers=HTML).status_code == 303
    assert triage.every(clinic.store)[0].row.state == alerting.CLOSED
