"""A patient in a browser: who looked at their record and who was refused, and when nothing is shown at all."""

import re
from html import unescape

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.nhs import sandbox
from gateway.nhs.oneself import ENHANCED_REVIEW
from gateway.nhs.optout import RESTRICTIVE, UNRECOGNISED
from gateway.nhs.refusals import ASK_YOUR_PRACTICE
from gateway.records import own_view
from gateway.store import append_file
from gateway.web.patient_pages import CHOICES, HELD
from tests.api import people
from tests.api.conftest import Api, Clock
from tests.api.people import ABE, ANN, NOBODY, ODD, SETS, observation, patient, registered, to
from tests.api.test_signing_in import BROWSER, signed_in
from tests.toy import deliver, resource, row

DAY = 86_400_000_000
CHILD, REVIEWED, GUARDED = "9990000093", "9990000107", "9990000115"


@pytest.fixture(scope="module")
def town(tmp_path_factory, data_dir) -> Api:
    """The four people; and a child, somebody whose practice wants to review first, and somebody at risk."""
    folder = data_dir(tmp_path_factory.mktemp("own") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    people.fill(store)
    alert = {"status": "active", "subject": to("Patient", 81), "code": {"text": "Domestic abuse: at risk"}}
    deliver(store, [
        row("child", patient(61, CHILD, "Young", "Yan", born="2015-01-01"), registered(62, 61)),
        row("review", patient(71, REVIEWED, "Rev", "Rae"), registered(72, 71),
            observation(73, 71, ENHANCED_REVIEW, effectiveDateTime="2024-01-01")),
        row("guarded", patient(81, GUARDED, "Gard", "Gus"), registered(82, 81), resource("Flag", people.uid(83), **alert)),
    ], SETS, name="more")  # fmt: skip
    api = Api(store, folder)
    api.client.headers["accept"] = BROWSER
    with pytest.MonkeyPatch.context() as patch:  # the file of the audit has the machine's clock
        patch.setattr(append_file, "microseconds_now", store.clock)
        yield api
    api.close()
    store.close()


@pytest.fixture(autouse=True)
def new_browser(town):
    town.client.cookies.clear()
    town.tokens.clear()  # they end in an hour, and tests move the clock


def as_patient(town: Api, monkeypatch, number: str = ANN, **claims) -> None:
    """Sign a patient in in the browser."""
    known = {**sandbox.USERS["patient"], "nhs_number": number, **claims}
    monkeypatch.setitem(sandbox.USERS, "patient", known)
    assert signed_in(town, "patient").headers["location"] == "/"


def rows(page: str, table: str) -> list[str]:
    """The rows of a table of the page, as text."""
    body = re.search(rf"<caption class=\"unseen\">{table}</caption>.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    cells = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    texts = (plain(unescape(re.sub("<[^>]+>", " ", cell))) for cell in cells)
    return [" ".join(text.split()) for text in texts]


def plain(page: str) -> str:
    """A page without the marks that keep what others wrote from turning the text after it."""
    return re.sub("[\u2066-\u2069]", "", page)


def others(town: Api, **query) -> list[str]:
    answer = town.client.get("/my/looked", params=query)
    assert answer.status_code == 200, answer.text
    return rows(answer.text, "Who looked, and who was refused")


@pytest.mark.hazard("HZ-ACCESS-50")
def test_a_patient_sees_who_looked_and_who_was_refused_and_nothing_of_anybody_else(town, monkeypatch):
    as_patient(town, monkeypatch)
    assert others(town) == []
    for user in ("dr-green", "dr-other", "nurse-ward"):
        town.ask("POST", "/record", user, data={"number": ANN})
    town.permit(ANN, "nurse-ward")
    town.ask("POST", "/record", "nurse-ward", data={"number": ANN})
    town.ask("POST", "/record", "dr-green", data={"number": ABE})
    listed = others(town)
    assert len(listed) == 5, listed
    said = "\n".join(listed)
    assert "Clinical Practitioner Quillbank Surgery Opened your shared record Reason: You are registered" in said
    refused = "Opened your shared record Refused: permission to view was not recorded"
    assert f"Clinical Practitioner Organisation A99002 {refused}" in said
    assert "Nurse Vellshire Hospital Opened your shared record Refused: permission to view was not recorded" in said
    permitted = "Recorded permission to view your record Reason: They recorded that you were asked and agreed Done"
    assert f"Nurse Vellshire Hospital {permitted}" in said
    assert "Reason: They recorded that you were asked and agreed Shown" in said
    page = town.client.get("/my/looked").text
    assert all(name not in page for name in ("GREEN", "WARD", "asked</", ANN, ABE, people.uid(1)))
    assert town.audit()[-1]["act"] == "looked" and town.audit()[-1]["patients"]
    for user in ("dr-green", "privacy-officer", "admin", "no-role", "researcher"):
        assert town.get("/my/looked", user).status_code in (401, 403), user
    for path in ("/record/" + people.uid(1), "/quality"):
        assert town.client.get(path).status_code == 403, path
    assert town.get(f"/fhir/Observation?patient={people.uid(1)}", "patient").status_code == 403
    assert town.get("/fhir/Organization", "patient").status_code == 403


@pytest.mark.hazard("HZ-ACCESS-51")
def test_nobody_looked_is_said_of_the_time_that_the_audit_covers_alone(town, monkeypatch):
    as_patient(town, monkeypatch, number=ABE)
    town.store.clock.now += 31 * DAY
    signed_in(town, "patient")
    page = town.client.get("/my/looked", params={"days": "30"}).text
    assert "Nobody looked at your record in this period, and nobody was refused." in page and "list begins" not in page
    assert "This does not" not in page and town.client.get("/my/looked", params={"days": "3"}).status_code == 400
    begins = {"begun": town.store.clock() - 5 * DAY}
    monkeypatch.setattr(town.app.state.door.audit, "naming", lambda *_: ([], False, begins["begun"]))
    assert "The list begins on " in town.client.get("/my/looked", params={"days": "30"}).text
    monkeypatch.setattr(town.app.state.door.audit, "naming", lambda *_: ([], True, None))
    assert "There is more than fits on this page" in town.client.get("/my/looked").text


@pytest.mark.hazard("HZ-ACCESS-52")
def test_where_nothing_is_shown_online_the_words_tell_no_reason(town, monkeypatch):
    """A child, who is to be reviewed first, another birth date, nobody: the same bytes; the audit has the reason."""
    answers = set()
    for number, claims in ((CHILD, {}), (REVIEWED, {}), (ANN, {"birthdate": "1980-02-28"}), (NOBODY, {})):
        town.client.cookies.clear()
        with monkeypatch.context() as patch:
            as_patient(town, patch, number, **claims)
            choices = town.client.get("/my/choices")
            answer = town.client.get("/my/looked")
            assert answer.status_code == choices.status_code == 403 and choices.text == answer.text
            assert ASK_YOUR_PRACTICE in plain(answer.text)
            answers.add(answer.text)
            assert town.audit()[-1]["outcome"] == "refused" and town.audit()[-1]["refusal"] == "not-online"
    assert len(answers) == 1
    town.client.cookies.clear()
    as_patient(town, monkeypatch, birthdate="1980-02-29")
    assert town.client.get("/my/looked").status_code == 200


@pytest.mark.hazard("HZ-ACCESS-53")
@pytest.mark.parametrize("number, place", [(GUARDED, 81), (ODD, 41)], ids=["an alert of safeguarding", "restricted"])
def test_of_people_at_risk_no_place_is_named(town, monkeypatch, number, place):
    for user in ("dr-green", "nurse-ward", "dr-other"):
        town.ask("POST", "/record", user, data={"number": number})
    as_patient(town, monkeypatch, number)
    page = plain(town.client.get("/my/looked").text)
    assert "An organisation that is not named here" in page
    assert all(name not in page for name in ("Quillbank", "Vellshire", "A99001", "A99002", "RZZ", people.uid(place)))


@pytest.mark.hazard("HZ-ACCESS-54")
def test_ones_own_visits_stand_apart_and_another_account_does_not_pass_for_them(town, monkeypatch):
    town.store.clock.now += 40 * DAY
    as_patient(town, monkeypatch, ABE, sub="another account")
    town.client.get("/my/looked")
    town.client.cookies.clear()
    as_patient(town, monkeypatch, ABE, sub="patient")
    town.client.get("/my/looked")
    town.client.get("/my/looked")
    page = town.client.get("/my/looked", params={"days": "30"}).text
    (own,) = rows(page, "Your own visits")
    (other,) = rows(page, "Who looked, and who was refused")
    assert "(2 times) You Looked at who has used your record" in own
    assert "Somebody who signed in with your NHS number, by another account than yours" in other


CHOSEN = [
    ((), "This gateway holds no choice of yours in the records that were received."),
    ((("scr-preference:dissent", "2024"),), "as if you want no Summary Care Record."),
    ((("sharing:objection", "2024"), ("sharing:consent", "2025")), "as if you agree"),
    ((("type1:dissent", "2024"),), "as if you opted out."),
    (((f"{UNRECOGNISED}:x", ""),), "as if you opted out."),
]


@pytest.mark.hazard("HZ-SUMMARY-59")
@pytest.mark.parametrize("stated, words", CHOSEN)
def test_a_choice_is_told_as_this_gateway_acts_on_it(town, monkeypatch, stated, words):
    """Of everything that ``nhs.optout`` knows; what is not known holds back, and nothing says that the practice wrote
    it."""
    as_patient(town, monkeypatch)
    monkeypatch.setattr(own_view.preferences, "stated", lambda *_: [(1, *choice) for choice in stated])
    page = plain(town.client.get("/my/choices").text)
    assert words in page and "https://www.nhs.uk/your-nhs-data-matters/" in page and ANN not in page
    assert town.audit()[-1]["act"] == "choices"


def test_every_choice_that_is_acted_on_has_its_words():
    known = {(name, effect) for name, key in CHOICES.items() for effect in RESTRICTIVE[key]}
    assert HELD.keys() == known and set(CHOICES.values()) == RESTRICTIVE.keys()


def test_more_than_is_read_is_said(town, monkeypatch):
    as_patient(town, monkeypatch)
    for _ in range(2):
        town.client.get("/my/looked")
    monkeypatch.setattr(own_view, "MOST", 1)
    assert "There is more than fits on this page" in town.client.get("/my/looked", params={"days": "365"}).text


def test_the_first_page_of_a_patient_leads_to_their_own_pages(town, monkeypatch):
    as_patient(town, monkeypatch)
    home = town.client.get("/").text
    assert "/my/looked" in home and "NHS number" not in home and "Find a patient" not in home
