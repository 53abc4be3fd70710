"""A SMART app in a sandbox: its user signs in for one patient, and the app reads what they may see of that one."""

import base64
import hashlib
import html
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from jose import jws

from gateway import config
from gateway.composition import create_gateway
from gateway.nhs.sandbox import claims
from gateway.signin.issue import issue
from gateway.signin.sandbox import AUDIENCE, ISSUER
from gateway.signin.sessions import form_token
from tests.api import people
from tests.api.conftest import Api, Clock
from tests.api.people import ABE, ANN, uid
from tests.api.test_signing_in import token_in

CALLBACK, VERIFIER = "https://app.example/back", "v" * 43


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class App:
    """An app, and the sandbox in which it is tried."""

    def __init__(self, api: Api):
        self.api = api

    def asks(self, **changed: str) -> dict[str, str]:
        form = {"response_type": "code", "client_id": "growth", "redirect_uri": CALLBACK, "state": "s&1",
                "scope": "launch/patient patient/*.rs", "aud": self.api.app.state.base,
                "code_challenge": challenge(), "code_challenge_method": "S256", **changed}  # fmt: skip
        return {name: value for name, value in form.items() if value}

    def chosen(self, user: str = "dr-green", number: str = ANN, **changed: str):
        return self.api.client.post("/auth/authorize", data={**self.asks(**changed), "user": user, "number": number})

    def code(self, user: str = "dr-green", number: str = ANN, **changed: str) -> str:
        answer = self.chosen(user, number, **changed)
        assert answer.status_code == 303, answer.text
        told = parse_qs(urlsplit(answer.headers["location"]).query)
        assert answer.headers["location"].startswith(CALLBACK) and told["state"] == ["s&1"]
        return told["code"][0]

    def redeem(self, code: str, **changed: str):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": "growth",
                "code_verifier": VERIFIER, **changed}  # fmt: skip
        return self.api.client.post("/auth/token", data=form)

    def launched(self, **changed: str) -> dict:
        answer = self.redeem(self.code(**changed))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self, token: str, path: str, **form: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        method = "POST" if form else "GET"
        return self.api.client.request(method, path, headers=headers, **({"data": form} if form else {})).status_code


@pytest.fixture(scope="module")
def app(tmp_path_factory, data_dir) -> App:
    folder = data_dir(tmp_path_factory.mktemp("apps") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    people.fill(store)
    api = Api(store, folder)
    yield App(api)
    api.close()
    store.close()


def test_an_app_is_told_where_its_user_signs_in(app):
    members = app.api.get("/fhir/.well-known/smart-configuration", "").json()
    assert members["authorization_endpoint"].endswith("/auth/authorize")
    assert {"launch-standalone", "client-public", "context-standalone-patient", "permission-patient"} <= set(
        members["capabilities"]
    )
    assert "authorize" in app.api.get("/fhir/metadata", "").text
    shown = app.api.client.get("/auth/authorize", params=app.asks(state='"><script>'))
    assert shown.status_code == 200 and "dr-green" in shown.text and "<script>" not in shown.text
    assert "researcher" not in shown.text and "form-action" not in shown.headers["content-security-policy"]


@pytest.mark.hazard("HZ-SYSTEM-03")
def test_an_app_reads_the_patient_that_it_was_launched_for_and_nobody_else(app):
    """A practice registers both; the app was launched for one."""
    members = app.launched()
    token, ann = members["access_token"], members["patient"]
    other = app.launched(number=ABE)["patient"]
    assert ann != other and members["scope"] == "launch/patient patient/*.rs"
    number = f"https://fhir.nhs.uk/Id/nhs-number|{ABE}"
    assert app.status(token, f"/fhir/Patient/{ann}") == 200
    assert app.status(token, f"/fhir/Observation?patient={ann}") == 200
    assert app.status(token, f"/fhir/Patient/{ann}/$summary") == 200
    assert app.api.get(f"/fhir/Patient/{other}").status_code == 200, "the user may see them"
    for path in (f"/fhir/Patient/{other}", f"/fhir/Patient/{other}/_history", f"/fhir/Patient/{other}/$summary"):
        assert app.status(token, path) == 404, path
    assert app.status(token, "/fhir/Patient/_search", identifier=number) == 404
    assert app.status(token, "/fhir/Patient/$summary", identifier=number) == 404
    headers = {"Authorization": f"Bearer {token}"}
    for query in (f"Patient?_id={ann},{other}", f"Observation?patient={other}"):
        bundle = app.api.client.get(f"/fhir/{query}", headers=headers).text
        assert other not in bundle.replace(query, ""), query
    assert app.status(token, "/sandbox/permission", number=ABE) in (403, 415)


def test_scopes_of_users_and_of_one_type_are_kept_and_others_left_out(app):
    members = app.launched(scope="patient/Observation.read launch/patient openid fhirUser system/*.rs online_access")
    assert members["scope"] == "patient/Observation.read launch/patient openid fhirUser"
    token = members["access_token"]
    assert app.status(token, f"/fhir/Observation?patient={members['patient']}") == 200
    assert app.status(token, f"/fhir/Condition?patient={members['patient']}") == 403
    of_user = app.launched(scope="user/*.rs", number="")
    assert "patient" not in of_user and app.status(of_user["access_token"], f"/fhir/Patient/{uid(1)}") == 200


BACK = {
    "another response": ({"response_type": "token"}, "unsupported_response_type"), "no challenge": ({"code_challenge": ""}, "invalid_request"),
    "a plain challenge": ({"code_challenge_method": "plain"}, "invalid_request"), "another server": ({"aud": "https://x.example/fhir"}, "invalid_request"),
    "no scope": ({"scope": "profile launch/patient system/*.rs"}, "invalid_scope"), "a launch that there is not": ({"launch": "x", "scope": "launch patient/*.rs"}, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize("changed, error", BACK.values(), ids=BACK)
def test_what_an_app_asks_wrongly_is_shown_with_a_way_back_and_nobody_is_sent_on(app, changed, error):
    for answer in (app.chosen(**changed), app.api.client.get("/auth/authorize", params=app.asks(**changed))):
        assert answer.status_code == 400 and "location" not in answer.headers
        (address,) = re.findall(r'href="(https://app[^"]+)"', answer.text)
        back = parse_qs(urlsplit(html.unescape(address)).query)
        assert (back["error"], back["state"]) == ([error], ["s&1"]) and "code" not in back


def test_no_link_and_no_other_site_chooses_for_the_user(app):
    """Apps are not registered: what sends a browser on without its user sends it anywhere."""
    choice = {**app.asks(scope="user/*.rs"), "user": "dr-green"}
    by_link = app.api.client.get("/auth/authorize", params=choice)
    elsewhere = app.api.client.post("/auth/authorize", data=choice, headers={"Sec-Fetch-Site": "cross-site"})
    for answer in (by_link, elsewhere):
        assert answer.status_code == 200 and "location" not in answer.headers and "<select" in answer.text
    here = app.api.client.post("/auth/authorize", data=choice, headers={"Sec-Fetch-Site": "same-origin"})
    assert here.status_code == 303


def test_a_code_that_comes_again_ends_the_token_that_was_given_for_it(app):
    code = app.code()
    token, other = app.redeem(code).json()["access_token"], app.launched()["access_token"]
    assert app.status(token, "/fhir/Observation?patient=x") == 200
    assert app.redeem(code, code_verifier="w" * 43).status_code == 400
    assert app.status(token, "/fhir/Observation?patient=x") == 200, "only who knows the verifier has had the code"
    assert app.redeem(code).json()["error_description"] == "code: it was used before"
    assert app.status(token, "/fhir/Observation?patient=x") == 401
    assert app.status(other, "/fhir/Observation?patient=x") == 200
    launches = [event for event in app.api.audit() if event["act"] == "token.launch"]
    (refused,) = (event for event in launches if event["outcome"] == "refused")
    of_launch = refused["token"].partition(".")[0]
    assert of_launch in {event["token"].partition(".")[0] for event in launches if event["outcome"] == "ok"}


@pytest.mark.parametrize(
    "redirect",
    [
        "",
        "http://app.example/x",
        "javascript:alert(1)",
        "https://a@app.example/",
        "https://app.example/#x",
        "//x",
        "https://",
    ],
)
def test_nobody_is_sent_to_an_address_that_is_no_apps(app, redirect):
    answer = app.chosen(redirect_uri=redirect)
    assert answer.status_code == 400 and "location" not in answer.headers


@pytest.mark.parametrize(
    "user, number",
    [("dr-other", ANN), ("no-role", ANN), ("researcher", ANN), ("nobody", ANN), ("dr-green", "999"), ("dr-green", "")],
)
def test_no_code_is_given_for_whom_the_user_may_not_see(app, user, number):
    assert "location" not in app.chosen(user, number).headers


GRANTS = {
    "another verifier": {"code_verifier": "w" * 43}, "a short verifier": {"code_verifier": "v"}, "no verifier": {"code_verifier": ""},
    "another app": {"client_id": "other"}, "another address": {"redirect_uri": "https://app.example/other"}, "no code": {"code": "x.y.z"},
}  # fmt: skip


@pytest.mark.parametrize("changed", GRANTS.values(), ids=GRANTS)
def test_a_code_is_only_for_the_app_that_asked(app, changed):
    answer = app.redeem(**{"code": app.code(), **changed})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_holds_once_and_for_a_minute_and_is_no_token(app):
    code = app.code()
    assert app.status(code, f"/fhir/Patient/{uid(1)}") == 401
    assert app.redeem(code).status_code == 200
    assert app.redeem(code).json()["error_description"] == "code: it was used before"
    late = app.code()
    app.api.store.clock.now += 61_000_000
    assert app.redeem(late).json()["error"] == "invalid_grant"
    token = app.api.token("dr-green")
    assert app.redeem(token).json()["error"] == "invalid_grant", "a token is no code"
    events = [event for event in app.api.audit() if event["act"] == "token.launch"]
    assert events and code not in json.dumps(events) and events[-1]["app"] == "growth"


def test_scopes_about_a_patient_without_a_patient_open_nothing(app):
    key, now = app.api.gateway.sandbox_key(), app.api.store.clock()
    for context, status in (({}, 403), ({"patient": ""}, 403), ({"patient": uid(1)}, 200)):
        token = issue(key, ISSUER, AUDIENCE, {**claims("dr-green"), "scope": "patient/*.rs", **context}, now)
        assert app.status(token, f"/fhir/Patient/{uid(1)}") == status, context
    token = issue(
        key, ISSUER, AUDIENCE, {**claims("dr-green"), "scope": "user/*.rs patient/*.cruds", "patient": "x"}, now
    )
    assert app.status(token, f"/fhir/Patient/{uid(1)}") == 404, "a scope of users does not free an app from its patient"


# Identity, encounters, and refresh


def claims_of(token: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_a_code_is_a_secret_that_tells_nothing_and_is_kept_as_a_digest(app):
    code = app.code()
    assert "." not in code and len(code) == 43
    with app.api.store.read() as session:
        kept = session.rows("SELECT digest, body FROM handle WHERE kind = 'code'")
    assert code not in str(kept) and hashlib.sha256(code.encode()).hexdigest() in str(kept)


def test_an_app_is_told_who_signed_in_by_a_token_that_is_no_access_token(app):
    members = app.launched(scope="launch/patient patient/*.rs openid fhirUser", nonce="n-1")
    told = claims_of(members["id_token"])
    found = app.api.get("/auth/.well-known/openid-configuration", "").json()
    assert told["iss"] == found["issuer"] == app.api.get("/fhir/.well-known/smart-configuration", "").json()["issuer"]
    assert (told["aud"], told["nonce"], told["sub"]) == ("growth", "n-1", claims("dr-green")["sub"])
    keys = app.api.get("/auth/jwks", "").json()["keys"]
    assert jws.verify(members["id_token"], keys[0], ["RS256"])
    assert app.status(members["id_token"], f"/fhir/Patient/{members['patient']}") == 401
    path = told["fhirUser"].removeprefix(app.api.app.state.root)
    user = app.api.get(path).json()
    assert (user["resourceType"], user["name"][0]["text"]) == ("Practitioner", "GREEN, Asha (Dr)")
    assert app.api.get("/fhir/Practitioner/sandbox-tester").status_code == 404
    assert "id_token" not in app.launched() and "fhirUser" not in app.launched(scope="user/*.rs fhirUser")["scope"]


def test_an_app_is_told_the_visit_that_its_user_chose(app):
    choice = {**app.asks(scope="launch/encounter patient/*.rs"), "user": "dr-ward", "number": ANN}
    app.api.permit(ANN, "dr-ward")
    page = app.api.client.post("/auth/authorize", data=choice)
    visits = re.findall(r'<option value="([^"]+)">', page.text)
    assert page.status_code == 200 and visits and "Choose a visit" in page.text
    chosen = app.api.client.post("/auth/authorize", data={**choice, "encounter": visits[0]})
    code = parse_qs(urlsplit(chosen.headers["location"]).query)["code"][0]
    members = app.redeem(code).json()
    assert members["encounter"] == visits[0]
    for path in (f"Encounter/{visits[0]}", f"Patient/{members['patient']}"):
        assert app.status(members["access_token"], f"/fhir/{path}") == 200, "both are of the one whom the app may read"
    for encounter in ("another", uid(1)):
        answer = app.api.client.post("/auth/authorize", data={**choice, "encounter": encounter})
        assert answer.status_code == 200 and "location" not in answer.headers
    nothing = app.api.client.post("/auth/authorize", data={**choice, "encounter": ""})
    code = parse_qs(urlsplit(nothing.headers["location"]).query)["code"][0]
    assert "encounter" not in app.redeem(code).json()


def refresh(app, token: str, **more: str):
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "growth", **more}
    form = {name: value for name, value in form.items() if value}
    return app.api.client.post("/auth/token", data=form)


OFFLINE = "launch/patient patient/*.rs offline_access"


def test_a_refresh_token_gives_a_new_pair_and_narrower_scopes_where_they_are_asked_for(app):
    members = app.launched(scope=f"{OFFLINE} user/Observation.rs")
    assert refresh(app, members["refresh_token"], client_id="another").status_code == 400
    again = refresh(app, members["refresh_token"], client_id="", scope="patient/Observation.rs").json()
    assert "error" in again, "that was not granted as such"
    again = refresh(app, members["refresh_token"], scope="patient/*.rs").json()
    assert again["scope"] == "patient/*.rs" and again["patient"] == members["patient"] and "id_token" not in again
    assert app.status(again["access_token"], f"/fhir/Patient/{members['patient']}") == 200
    whole = refresh(app, again["refresh_token"]).json()
    assert whole["scope"] == members["scope"] and whole["refresh_token"] != again["refresh_token"]


@pytest.mark.hazard("HZ-SIGNIN-08")
def test_a_refresh_token_that_comes_again_ends_all_that_its_launch_was_given(app):
    other, members = app.launched(scope=OFFLINE), app.launched(scope=OFFLINE)
    again = refresh(app, members["refresh_token"]).json()
    path = f"/fhir/Patient/{members['patient']}"
    assert [app.status(token["access_token"], path) for token in (members, again)] == [200, 200]
    stolen = refresh(app, members["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert refresh(app, again["refresh_token"]).status_code == 400
    assert [app.status(token["access_token"], path) for token in (members, again, other)] == [401, 401, 200]
    assert refresh(app, other["refresh_token"]).status_code == 200
    assert [e for e in app.api.audit() if e["act"] == "token.launch"][-2]["outcome"] == "refused"


def test_a_code_that_comes_again_also_ends_the_refresh_token(app):
    code = app.code(scope=OFFLINE)
    members = app.redeem(code).json()
    assert app.redeem(code).status_code == 400
    assert refresh(app, members["refresh_token"]).status_code == 400


@pytest.mark.parametrize("more, error", [({"client_id": "another"}, "invalid_grant"), ({"scope": "user/*.rs"}, "invalid_scope"),
                                         ({"scope": "user/Observation.rs"}, "invalid_scope"), ({"scope": "patient/*.cruds"}, "invalid_scope")])  # fmt: skip
def test_a_refresh_gives_no_other_app_anything_and_nobody_more(app, more, error):
    """Least of all a token that is no longer held to the patient of its launch."""
    token = app.launched(scope=f"{OFFLINE} user/Observation.rs")["refresh_token"]
    assert refresh(app, token, **more).json()["error"] == error
    assert refresh(app, token).status_code == 200, "and it is not used up"


def test_a_refresh_token_ends_and_none_is_given_unasked(app):
    token = app.launched(scope=OFFLINE)["refresh_token"]
    for members in (app.launched(), app.launched(scope="launch/patient patient/*.rs online_access")):
        assert "refresh_token" not in members and "online_access" not in members["scope"]
    app.api.store.clock.now += 25 * 3600 * 1_000_000
    assert refresh(app, token).status_code == 400
    assert refresh(app, "another").status_code == 400 and refresh(app, "").status_code == 400


# Launched from our page


def signed_in(app) -> str:
    """The form token of a session in this browser."""
    app.api.client.cookies.clear()
    token = token_in(app.api.client.get("/signin").text)
    app.api.client.post("/signin", data={"token": token, "user": "dr-green"})
    return form_token(app.api.client.cookies["session"])


def from_page(at: App, form_token: str, **changed: str):
    form = {"token": form_token, "app": "https://app.example/launch", "number": ANN, **changed}
    return at.api.client.post("/launch", data=form)


def launched_from_page(app, **changed: str) -> dict[str, str]:
    """What an app asks for that was launched from our page."""
    place = urlsplit(from_page(app, signed_in(app)).headers["location"])
    query = {name: value[0] for name, value in parse_qs(place.query).items()}
    assert place.netloc == "app.example" and query["iss"] == app.api.app.state.base
    return app.asks(**{"scope": "launch patient/*.rs online_access", "launch": query["launch"], **changed})


def gone_on(app, asked: dict[str, str]):
    return app.api.client.post("/auth/authorize", data={**asked, "go_on": "yes"})


@pytest.mark.hazard("HZ-SIGNIN-09")
def test_an_app_that_our_page_launches_is_told_the_patient_and_the_user_of_that_page(app):
    asked = launched_from_page(app)
    page = app.api.client.get("/auth/authorize", params=asked)
    assert page.status_code == 200 and "Open an app" in page.text and "<select" not in page.text
    answer = app.api.client.post("/auth/authorize", data={**asked, "go_on": "yes", "user": "dr-other", "number": ABE})
    members = app.redeem(parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]).json()
    assert members["patient"] == app.launched()["patient"] and members["need_patient_banner"] is True
    event = [e for e in app.api.audit() if e["act"] == "token.launch" and e["scopes"][0] == "launch"][-1]
    assert event["user"] == "dr-green", "and nobody else, whatever the form says"
    again = refresh(app, members["refresh_token"]).json()
    app.api.client.post("/signout", data={"token": form_token(app.api.client.cookies["session"])})
    assert refresh(app, again["refresh_token"]).status_code == 400, "online access ends with the session"


def test_a_launch_holds_once_for_five_minutes_in_its_own_session_and_with_its_scope(app):
    asked = launched_from_page(app)
    assert gone_on(app, asked).status_code == 303 and gone_on(app, asked).status_code == 400
    asked = launched_from_page(app)
    signed_in(app)
    assert gone_on(app, asked).status_code == 400, "another session in this browser"
    asked = launched_from_page(app, scope="patient/*.rs")
    assert gone_on(app, asked).status_code == 400, "without the scope launch"
    asked = launched_from_page(app)
    assert "location" not in app.api.client.get("/auth/authorize", params={**asked, "go_on": "yes"}).headers
    app.api.store.clock.now += 301 * 1_000_000
    assert gone_on(app, asked).status_code == 400


@pytest.mark.parametrize("changed", [{"app": "javascript:alert(1)"}, {"app": "http://app.example/"}, {"number": "123"}, {"encounter": "x"},
                                     {"token": "x"}, {"number": "9990000000"}])  # fmt: skip
def test_no_app_is_launched_at_a_wrong_address_or_for_whom_the_user_may_not_see(app, changed):
    answer = from_page(app, signed_in(app), **changed)
    assert answer.status_code in (400, 403, 404) and "location" not in answer.headers
