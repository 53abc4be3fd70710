"""People sign in in a browser and see pages in one role: what a session is, when it ends, what does not begin one."""

import re

import pytest

from gateway import config
from gateway.api import rates
from gateway.composition import create_gateway
from gateway.signin.sessions import form_token
from tests.api import people
from tests.api.conftest import Api, Clock
from tests.api.people import ABE, ANN, uid

MINUTE = 60_000_000
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def practice(tmp_path_factory, data_dir) -> Api:
    """A sandbox with four people, as people open it."""
    folder = data_dir(tmp_path_factory.mktemp("pages") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    people.fill(store)
    api = Api(store, folder)
    api.client.headers["accept"] = BROWSER
    yield api
    api.close()
    store.close()


@pytest.fixture(autouse=True)
def new_browser(practice):
    practice.client.cookies.clear()


def token_in(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page)[1]


def signed_in(api: Api, user: str = "dr-green", to: str = ""):
    """The answer to a sign-in through the page."""
    token = token_in(api.client.get("/signin", params={"to": to} if to else {}).text)
    return api.client.post("/signin", data={"token": token, "user": user, "to": to})


def secret(api: Api) -> str:
    return api.client.cookies["session"]


def give(api: Api, secret: str) -> None:
    api.client.cookies.set("session", secret, domain="testserver.local", path="/")


def record(api: Api, number: str = ANN, **form: str):
    return api.client.post("/record", data={"token": form_token(secret(api)), "number": number, **form})


def test_a_tester_gets_to_a_record_page_without_a_token(practice):
    asked = practice.client.get("/")
    assert (asked.status_code, asked.headers["location"]) == (303, "/signin")
    page = practice.client.get("/signin")
    assert "dr-green: Clinical Practitioner" in page.text and "researcher" not in page.text
    assert page.headers["content-security-policy"] == POLICY and page.headers["cache-control"] == "no-store"
    assert signed_in(practice).headers["location"] == "/"
    home = practice.client.get("/")
    assert "GREEN, Asha (Dr), Clinical Practitioner at A99001" in home.text and "/quality" not in home.text
    shown = record(practice)
    assert shown.status_code == 200 and "Sign out" in shown.text and ANN not in shown.text.replace(" ", "X")
    assert practice.client.get(f"/record/{uid(1)}").status_code == 200
    events = practice.audit()
    view, begun = ([event for event in events if event["act"] == act][-1] for act in ("shared", "signin"))
    assert view["act"] == "shared" and view["token"] == begun["token"] and view["user"] == begun["user"]
    assert begun["outcome"] == "ok" and begun["role"] == "R8000" and begun["organisation"] == "A99001"
    assert secret(practice) not in str(events)


@pytest.mark.hazard("HZ-SIGNIN-01")
def test_a_session_sees_what_a_token_of_the_same_role_sees(practice):
    """The same refusals too: who has no relationship, who may see no record, and a number that nobody has."""
    for user in ("dr-green", "dr-other", "nurse-ward", "receptionist", "admin"):
        practice.client.cookies.clear()
        signed_in(practice, user)
        for number in (ANN, ABE, "9990000000"):
            by_token = practice.ask("POST", "/record", user, data={"number": number})
            by_session = record(practice, number)
            assert by_session.status_code == by_token.status_code, (user, number)
    signed_in(practice, "admin")
    assert practice.client.get("/quality", headers={"Accept": "text/html"}).status_code == 200
    signed_in(practice, "dr-green")
    assert practice.client.get("/quality").status_code == 403


def test_a_session_opens_pages_and_nothing_of_the_api(practice):
    """A browser sends its cookie whoever made it ask: the API takes tokens alone."""
    signed_in(practice)
    for method, path in (("GET", f"/fhir/Patient/{uid(1)}"), ("POST", "/sandbox/permission"), ("POST", "/fhir/$reset"),
                         ("GET", f"/fhir/Patient/{uid(1)}/$summary"), ("GET", "/metrics")):  # fmt: skip
        assert practice.client.request(method, path).status_code == 401, path


@pytest.mark.hazard("HZ-SIGNIN-02")
def test_a_session_ends_when_it_is_idle_and_in_any_case(practice):
    signed_in(practice)
    clock = practice.store.clock
    for _ in range(4):
        clock.now += 14 * MINUTE
        assert practice.client.get("/").status_code == 200
    clock.now += 16 * MINUTE
    late = practice.client.get(f"/record/{uid(1)}")
    assert (late.status_code, late.headers["location"]) == (303, f"/signin?to=/record/{uid(1)}")
    signed_in(practice)
    for _ in range(60):
        clock.now += 10 * MINUTE
        last = practice.client.get("/")
    assert last.status_code == 303, "ten hours are the end, whatever was asked meanwhile"


def test_whoever_signs_out_is_out_and_so_is_a_copy_of_the_cookie(practice):
    signed_in(practice)
    kept = secret(practice)
    assert practice.client.get("/signout").status_code in (404, 405), "no link signs out"
    assert practice.client.post("/signout", data={"token": "x"}).status_code == 403
    out = practice.client.post("/signout", data={"token": form_token(kept)})
    assert (out.status_code, out.headers["location"]) == (303, "/signin")
    assert "session" not in practice.client.cookies
    give(practice, kept)
    assert practice.client.get("/").status_code == 303
    assert [event["token"] for event in practice.audit() if event["act"] == "signout"][-1]


def test_nobody_is_told_that_they_are_out_while_the_session_cannot_be_ended(practice, monkeypatch):
    signed_in(practice)
    token = form_token(secret(practice))
    monkeypatch.setattr(practice.store, "patience", 0.05)
    with practice.store.write():
        answer = practice.client.post("/signout", data={"token": token})
    assert answer.status_code == 503 and practice.client.get("/").status_code == 200
    assert practice.client.post("/signout", data={"token": token}).status_code == 303


@pytest.mark.hazard("HZ-SIGNIN-03")
def test_no_other_site_signs_anybody_in(practice):
    """Login CSRF: who works unknowingly in another's session writes and reads under a wrong name."""
    ours = token_in(practice.client.get("/signin").text)
    theirs = form_token("a browser of the attacker")
    for form, headers in (
        ({"user": "dr-green"}, {}),
        ({"user": "dr-green", "token": theirs}, {}),
        ({"user": "dr-green", "token": ours}, {"Sec-Fetch-Site": "cross-site"}),
        ({"user": "dr-green", "token": ours}, {"Sec-Fetch-Site": "same-site"}),
    ):
        answer = practice.client.post("/signin", data=form, headers=headers)
        assert answer.status_code == 403 and "session" not in answer.cookies, form
    practice.client.cookies.clear()
    assert practice.client.post("/signin", data={"user": "dr-green", "token": ours}).status_code == 403
    assert practice.client.get("/signin", params={"user": "dr-green", "token": ours}).cookies.get("session") is None


def test_a_session_that_somebody_fixed_before_is_not_taken_over(practice):
    give(practice, "fixed-by-the-attacker")
    signed_in(practice)
    assert secret(practice) != "fixed-by-the-attacker"
    first = secret(practice)
    signed_in(practice, "nurse-ward")
    second = secret(practice)
    give(practice, first)
    assert first != second and practice.client.get("/").status_code == 303, "the one before has ended"


def test_no_form_of_another_site_or_of_another_session_is_answered(practice):
    signed_in(practice)
    old = form_token(secret(practice))
    signed_in(practice)
    for path, fields in (("/record", {"number": ANN}), ("/signin/role", {"role": "100000000001"}), ("/signout", {})):
        for token, headers in (("", {}), (old, {}), (form_token(secret(practice)), {"Sec-Fetch-Site": "cross-site"})):
            answer = practice.client.post(path, data={**fields, "token": token}, headers=headers)
            assert answer.status_code == 403 and "This page cannot be shown" in answer.text, (path, token)
    assert practice.client.get("/").status_code == 200, "the session is as it was"


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "/record/../signout", "/record/x?y", "/signin",
                                "javascript:alert(1)", "/record/x/y", "/fhir/metadata", "/quality\n"])  # fmt: skip
def test_nobody_is_sent_elsewhere_after_sign_in(practice, to):
    token = token_in(practice.client.get("/signin").text)
    answer = practice.client.post("/signin", data={"token": token, "user": "dr-green", "to": to})
    assert answer.headers.get("location", "/") == "/"


def test_somebody_is_sent_to_the_page_that_they_asked_for(practice):
    assert signed_in(practice, to=f"/record/{uid(1)}").headers["location"] == f"/record/{uid(1)}"


@pytest.mark.parametrize("url, name, flags", [("https://gateway.example", "__Host-session", True), ("", "session", False)])  # fmt: skip
def test_the_cookie_is_kept_from_scripts_from_other_sites_and_from_plain_connections(practice, url, name, flags):
    practice.app.state.root, kept = url or practice.app.state.root, practice.app.state.root
    try:
        page = practice.client.get("/signin")
        name_of_browser = name.replace("session", "signing-in")
        browser = re.search(rf"{name_of_browser}=([^;]+);", page.headers["set-cookie"])[1]
        answer = practice.client.post(
            "/signin", data={"token": form_token(browser), "user": "dr-green"}, headers={"Cookie": f"{name_of_browser}={browser}"}
        )  # fmt: skip
        (cookie,) = (line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}="))
        words = {word.strip().lower() for word in cookie.split(";")[1:]}
        assert words == {"path=/", "httponly", "samesite=lax", *(["secure"] if flags else [])}
    finally:
        practice.app.state.root = kept


def test_only_a_named_user_of_the_sandbox_who_has_a_role_signs_in(practice):
    for user in ("researcher", "tester", "no-role", "nobody", ""):
        answer = signed_in(practice, user)
        assert answer.status_code == 400 and "session" not in practice.client.cookies, user


def test_what_takes_no_page_is_told_that_nobody_is_signed_in_as_by_the_api(practice):
    answer = practice.client.get(f"/record/{uid(1)}", headers={"Accept": "application/fhir+json"})
    assert answer.status_code == 401 and answer.json()["resourceType"] == "OperationOutcome"


def test_a_page_says_why_it_is_refused_in_words(practice):
    signed_in(practice, "student")
    refused = record(practice)
    assert refused.status_code == 403 and refused.headers["content-type"].startswith("text/html")
    assert "This page cannot be shown" in refused.text and ANN not in refused.text
    signed_in(practice)
    wrong = record(practice, "123")
    assert wrong.status_code == 400 and "NHS number" in wrong.text
    assert practice.client.get("/record/unknown").status_code == 404


@pytest.mark.parametrize(
    "path, user",
    [("/", "dr-green"), ("/permission", "dr-green"), ("/alerts", "privacy-officer")],
)
def test_a_page_of_staff_lets_nothing_else_in(practice, path, user):
    signed_in(practice, user)
    shown = practice.client.get(path)
    assert (shown.status_code, shown.headers["content-security-policy"]) == (200, POLICY)


FORMS = {
    **dict.fromkeys(("/record", "/launch", "/signin/role", "/find", "/permission"), "dr-green"),
    "/alerts/a": "privacy-officer",
}


@pytest.mark.parametrize("path", FORMS)
def test_a_field_that_comes_twice_is_refused_on_every_form(practice, path):
    signed_in(practice, FORMS[path])
    token = form_token(secret(practice))
    answer = practice.client.post(path, data={"token": ["x", token], "number": ANN, "app": "https://app.example/"})
    assert answer.status_code == 400 and "each once" in answer.text


@pytest.fixture
def rated(practice):
    """Sets the rates of the application for one test."""
    kept = practice.app.state.rates

    def set_(**settings: str) -> None:
        practice.app.state.rates = rates.open_rates(config.Settings(**settings))

    yield set_
    practice.app.state.rates = kept


PAGES = (("GET", "/"), ("GET", "/signin/role"), ("POST", "/signin/role"), ("POST", "/signout"))


@pytest.mark.parametrize("method, path", [*PAGES, ("GET", "/signin")])
def test_a_stranger_who_asks_for_pages_too_often_is_told_to_wait(practice, rated, method, path):
    rated(stranger_rate="3/day")
    for _ in range(5):
        give(practice, "made up") if path != "/signout" else practice.client.cookies.clear()
        answer = practice.client.request(
            method, path, data={"token": form_token("made up")} if method == "POST" else None
        )
    assert answer.status_code == 429


@pytest.mark.parametrize("method, path", PAGES[:3])
def test_somebody_who_is_signed_in_is_counted_on_each_page(practice, rated, method, path):
    """Each role that is selected is a row of the audit, and takes the writer's turn."""
    signed_in(practice)
    rated(caller_rate="3/day")
    for _ in range(4):
        form = {"token": form_token(secret(practice)), "role": "100000000001"}
        answer = practice.client.request(method, path, data=form if method == "POST" else None)
    assert answer.status_code == 429
