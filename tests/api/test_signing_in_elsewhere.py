"""People sign in at an OpenID issuer: what the answers of the issuer and of the browser must be, attack by attack."""

import base64
import hashlib
import json
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.errors import Refused
from gateway.nhs import sandbox
from gateway.signin import issuers, page_client
from gateway.signin.code_flow import LOGOUT_EVENT
from gateway.signin.issue import issue, new_key, public_jwks
from gateway.signin.sessions import form_token
from tests.api import people
from tests.api.conftest import Api, Clock
from tests.api.people import ANN
from tests.api.test_signing_in import BROWSER, give, secret, token_in
from tests.signin import provider
from tests.signin.systems import OTHER_KEY, SHARED_KEY

GREEN = {name: value for name, value in sandbox.claims("dr-green").items() if name != "selected_roleid"}
NURSE = sandbox.claims("nurse-ward")["nhsid_nrbac_roles"]
SECOND = {**NURSE[0], "org_code": "A99002"}
ASSURED = {"acr": "AAL3_ANY", "sid": "at-the-issuer", "id_assurance_level": 3, "authentication_assurance_level": 3}
BACKCHANNEL = "/signin/smartcard/logout"
TABLE = """[smartcard]
iss = "{smartcard}"
audience = "gateway"
algorithms = ["RS256"]
discovery = "{smartcard}/.well-known/openid-configuration"
organisations = ["A99001", "A99002"]
acr = ["AAL3_ANY"]
[smartcard.pages]
client = "pages"
secret = "smartcard-secret"
title = "NHS smartcard"
scopes = ["openid", "nationalrbacaccess"]

[login]
iss = "{login}"
audience = "gateway"
algorithms = ["RS256"]
discovery = "{login}/.well-known/openid-configuration"
[login.pages]
client = "pages-of-patients"
key = "login.pem"
kid = "login-1"
title = "NHS login"
scopes = ["openid", "profile"]
people = "patients"
"""


class Elsewhere:
    """An application, its two issuers, and a browser."""

    def __init__(self, api: Api, sources: dict[str, provider.Provider]):
        self.api, self.sources = api, sources

    def begin(self, name: str = "smartcard") -> dict[str, str]:
        """What the browser takes to the issuer."""
        token = token_in(self.api.client.get("/signin").text)
        answer = self.api.client.post("/signin", data={"token": token, "provider": name})
        assert answer.status_code == 303, answer.text
        place = urlsplit(answer.headers["location"])
        assert f"{place.scheme}://{place.netloc}" == self.sources[name].url
        return {name: value[0] for name, value in parse_qs(place.query).items()}

    def tokens(self, asked: dict[str, str], name: str = "smartcard", key: bytes = SHARED_KEY, iss: str = "",
               audience: str = "", seconds: int = 300, typ: str = "JWT", userinfo: object = None, **changed) -> None:  # fmt: skip
        """Let the issuer answer a code with an ID token, and tell the roles as CIS2 does."""
        source = self.sources[name]
        claims = {"sub": GREEN["sub"], "nonce": asked["nonce"], **ASSURED, **changed}
        claims = {name: value for name, value in claims.items() if value is not None}
        now = self.api.store.clock()
        id_token = issue(key, iss or source.url, audience or asked["client_id"], claims, now, seconds, typ=typ)
        source.answers["/token"] = {"access_token": "opaque", "token_type": "Bearer", "id_token": id_token}
        source.answers["/userinfo"] = GREEN if userinfo is None else userinfo

    def back(self, asked: dict[str, str], name: str = "smartcard", **changed):
        """The browser comes back."""
        answer = {"code": "the-code", "state": asked["state"], "iss": self.sources[name].url, **changed}
        return self.api.client.get(
            f"/signin/{name}/back", params={name: value for name, value in answer.items() if value}
        )

    def signed_in(self, name: str = "smartcard", **changed):
        asked = self.begin(name)
        self.tokens(asked, name, **changed)
        return self.back(asked, name)

    def is_in(self) -> bool:
        return self.api.client.get("/").status_code == 200


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, data_dir):
    folder = data_dir(tmp_path_factory.mktemp("elsewhere") / "data")
    with ExitStack() as stack:
        sources = {name: stack.enter_context(provider.serving()) for name in ("smartcard", "login")}
        for source in sources.values():
            source.keys = public_jwks(SHARED_KEY)["keys"]
            places = {"authorization_endpoint": "auth", "token_endpoint": "token", "userinfo_endpoint": "userinfo"}
            source.document |= {name: f"{source.url}/{path}" for name, path in places.items()}
            source.document["authorization_response_iss_parameter_supported"] = True
        for name, content in (("smartcard-secret", b"a-secret-of-a-test"), ("login.pem", new_key())):
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
        path = folder / "issuers.toml"
        path.write_text(TABLE.format(**{name: source.url for name, source in sources.items()}))
        store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
        people.fill(store)
        api = Api(store, folder, issuers=path)
        api.client.headers["accept"] = BROWSER
        yield Elsewhere(api, sources)
        api.close()
        store.close()


@pytest.fixture(autouse=True)
def new_browser(elsewhere):
    elsewhere.api.client.cookies.clear()
    for source in elsewhere.sources.values():
        source.posted.clear()


def test_a_member_of_staff_signs_in_and_is_the_one_whom_the_issuer_names(elsewhere):
    asked = elsewhere.begin()
    assert asked["scope"] == "openid nationalrbacaccess" and asked["acr_values"] == "AAL3_ANY"
    assert asked["code_challenge_method"] == "S256" and asked["redirect_uri"].endswith("/signin/smartcard/back")
    elsewhere.tokens(asked)
    assert elsewhere.back(asked).headers["location"] == "/"
    ((path, form, proof),) = elsewhere.sources["smartcard"].posted
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (path, form["code"]) == ("/token", "the-code")
    assert base64.b64decode(proof.removeprefix("Basic ")) == b"pages:a-secret-of-a-test"
    page = elsewhere.api.client.post("/record", data={"token": form_token(secret(elsewhere.api)), "number": ANN})
    assert page.status_code == 200 and "GREEN, Asha (Dr), Clinical Practitioner at A99001" in page.text
    event = [event for event in elsewhere.api.audit() if event["act"] == "signin"][-1]
    assert event["issuer"] == elsewhere.sources["smartcard"].url and event["organisation"] == "A99001"


REFUSED = {
    "another nonce": {"nonce": "another"}, "no nonce": {"nonce": None}, "another issuer": {"iss": "https://elsewhere.example"},
    "another client": {"audience": "another"}, "several audiences": {"audience": ["pages", "another"], "azp": "pages"},
    "passed on": {"azp": "another"}, "another key": {"key": OTHER_KEY}, "ended": {"seconds": -60}, "for days": {"seconds": 200_000},
    "of another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "a logout token": {"typ": "logout+jwt"}, "no subject": {"sub": None},
    "an access token": {"typ": "at+jwt"}, "a weak sign-in": {"acr": "AAL1_USERPASS"}, "no assurance": {"acr": None},
    "another assurance": {"acr": "AAL2_ANY"}, "little assurance": {"authentication_assurance_level": 1},
    "a password": {"amr": ["pwd"]}, "the roles of another": {"userinfo": {**GREEN, "sub": "another"}}, "no roles": {"userinfo": {"sub": GREEN["sub"]}},
    "roles of another organisation": {"userinfo": {**GREEN, "nhsid_nrbac_roles": NURSE}},
    "a role that is not held": {"selected_roleid": "000"}, "roles that are none": {"userinfo": {**GREEN, "nhsid_nrbac_roles": "x"}},
    "a client's scopes": {"userinfo": {"sub": GREEN["sub"], "client_id": "x", "scope": "system/*.cruds", "project": "demo"}},
}  # fmt: skip


@pytest.mark.hazard("HZ-SIGNIN-04")
@pytest.mark.parametrize("changed", REFUSED.values(), ids=REFUSED)
def test_what_an_issuer_says_that_does_not_hold_signs_nobody_in(elsewhere, changed):
    answer = elsewhere.signed_in(**changed)
    assert answer.status_code == 403 and "session" not in elsewhere.api.client.cookies
    assert "You are not signed in" in answer.text and not elsewhere.is_in()
    event = [event for event in elsewhere.api.audit() if event["act"] == "signin"][-1]
    assert (event["outcome"], event["user"]) == ("refused", "")


BROWSERS = {
    "another state": {"state": "another"}, "no state": {"state": ""}, "no code": {"code": ""}, "an error": {"error": "access_denied"},
    "another issuer's answer": {"iss": "https://elsewhere.example"}, "nobody's answer": {"iss": ""},
}  # fmt: skip


@pytest.mark.parametrize("changed", BROWSERS.values(), ids=BROWSERS)
def test_an_answer_that_the_issuer_did_not_send_signs_nobody_in(elsewhere, changed):
    asked = elsewhere.begin()
    elsewhere.tokens(asked)
    assert elsewhere.back(asked, **changed).status_code == 403 and not elsewhere.is_in()
    assert not elsewhere.sources["smartcard"].posted, "no code went out"


def test_what_a_stranger_makes_up_fills_no_audit_and_is_no_lack_of_a_role(elsewhere):
    before = len(elsewhere.api.audit())
    for query in ("code=x&state=y", "state=y&state=z", "state=%zz", ""):
        answer = elsewhere.api.client.get(f"/signin/smartcard/back?{query}")
        assert answer.status_code == 403 and "did not come to an end" in answer.text
    assert len(elsewhere.api.audit()) == before


@pytest.mark.hazard("HZ-SIGNIN-03")
def test_a_code_of_another_browser_signs_nobody_in(elsewhere):
    """Login CSRF: the attacker began the sign-in, and the victim follows the last link."""
    asked = elsewhere.begin()
    elsewhere.tokens(asked)
    elsewhere.api.client.cookies.clear()
    elsewhere.api.client.get("/signin")
    assert elsewhere.back(asked).status_code == 403 and not elsewhere.is_in()
    assert not elsewhere.sources["smartcard"].posted


def test_an_answer_holds_once_and_for_ten_minutes(elsewhere):
    asked = elsewhere.begin()
    elsewhere.tokens(asked)
    kept = elsewhere.api.client.cookies["signing-in"]
    assert elsewhere.back(asked).status_code == 303
    elsewhere.api.client.cookies.clear()
    elsewhere.api.client.cookies.set("signing-in", kept, domain="testserver.local", path="/")
    assert elsewhere.back(asked).status_code == 403, "a stolen code that comes again"
    asked = elsewhere.begin()
    elsewhere.api.store.clock.now += 11 * 60_000_000
    elsewhere.tokens(asked)
    assert elsewhere.back(asked).status_code == 403


def test_the_answers_of_two_issuers_are_not_mixed_up(elsewhere):
    """https://www.rfc-editor.org/rfc/rfc9700#section-4.4: one issuer would get the other's code."""
    asked = elsewhere.begin("login")
    elsewhere.tokens(asked)
    assert elsewhere.back(asked, "smartcard").status_code == 403
    assert not elsewhere.sources["smartcard"].posted and not elsewhere.sources["login"].posted


PATIENT = {"sub": "patient-1", "acr": None, "sid": None, "identity_proofing_level": "P9", "vot": "P9.Cp.Cd", "id_assurance_level": None,
           "authentication_assurance_level": None, "userinfo": {"sub": "patient-1", "name": "Joan", "nhsid_nrbac_roles": GREEN["nhsid_nrbac_roles"]}}  # fmt: skip


@pytest.mark.hazard("HZ-SIGNIN-05")
@pytest.mark.parametrize(
    "changed",
    [{}, {"identity_proofing_level": "P5"}, {"identity_proofing_level": None}, {"vot": "P9.Cp"}, {"vot": "P5.Cp.Cd"}],
)
def test_a_patient_signs_in_only_with_a_proved_identity_and_has_no_role_whatever_is_said(elsewhere, changed):
    answer = elsewhere.signed_in("login", **{**PATIENT, **changed})
    assert answer.status_code == (403 if changed else 303)
    if changed:
        return
    ((_, form, _),) = elsewhere.sources["login"].posted
    assert form["client_assertion_type"].endswith("jwt-bearer") and form["client_id"] == "pages-of-patients"
    home = elsewhere.api.client.get("/")
    assert home.status_code == 200 and "/my/looked" in home.text
    record = elsewhere.api.client.post("/record", data={"token": form_token(secret(elsewhere.api)), "number": ANN})
    assert record.status_code == 401 and "location" not in record.headers, "nobody without a role is shown anything"


@pytest.mark.hazard("HZ-SIGNIN-06")
def test_who_holds_several_roles_selects_one_and_is_nobody_before(elsewhere):
    elsewhere.signed_in(userinfo={**GREEN, "nhsid_nrbac_roles": [*GREEN["nhsid_nrbac_roles"], SECOND, *NURSE]})
    client, first = elsewhere.api.client, secret(elsewhere.api)
    assert client.get("/").headers["location"] == "/signin/role"
    assert client.get("/quality").headers["location"] == "/signin/role"
    page = client.get("/signin/role").text
    assert "Clinical Practitioner at A99001" in page and "Nurse at A99002" in page and "RZZ" not in page
    token = form_token(first)
    assert client.post("/signin/role", data={"token": token, "role": "100000000099"}).status_code == 400
    assert client.post("/signin/role", data={"token": token}).status_code == 400
    assert client.post("/signin/role", data={"token": token, "role": SECOND["person_roleid"]}).status_code == 303
    assert "Nurse at A99002" in client.get("/").text and secret(elsewhere.api) != first
    event = [event for event in elsewhere.api.audit() if event["act"] == "signin.role"][-1]
    assert (event["role"], event["organisation"]) == ("R8001", "A99002")
    give(elsewhere.api, first)
    assert not elsewhere.is_in(), "the secret from before has ended"


def test_the_role_that_was_selected_at_the_issuer_is_the_only_one(elsewhere):
    both = {**GREEN, "nhsid_nrbac_roles": [*GREEN["nhsid_nrbac_roles"], SECOND]}
    elsewhere.signed_in(selected_roleid=SECOND["person_roleid"], userinfo=both)
    page = elsewhere.api.client.get("/").text
    assert "Nurse at A99002" in page and "Change role" not in page


def test_a_member_of_staff_whose_role_has_no_code_is_not_shown_the_page_of_patients(elsewhere):
    (role,) = GREEN["nhsid_nrbac_roles"]
    elsewhere.signed_in(userinfo={**GREEN, "nhsid_nrbac_roles": [{**role, "role_code": ""}]})
    page = elsewhere.api.client.get("/")
    assert page.status_code == 200 and "Find a patient" in page.text and "Your record" not in page.text


# Back-channel logout


def logout(elsewhere, key: bytes = SHARED_KEY, iss: str = "", audience: str = "pages", seconds: int = 120,
           typ: str = "logout+jwt", later: int = 0, **changed) -> int:  # fmt: skip
    claims = {"sub": GREEN["sub"], "sid": "at-the-issuer", "events": {LOGOUT_EVENT: {}}, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    now = elsewhere.api.store.clock() + later * 1_000_000
    token = issue(key, iss or elsewhere.sources["smartcard"].url, audience, claims, now, seconds, typ=typ)
    elsewhere.api.client.cookies, kept = None, elsewhere.api.client.cookies
    status = elsewhere.api.client.post(BACKCHANNEL, data={"logout_token": token}).status_code
    elsewhere.api.client.cookies = kept
    return status


LOGOUTS = {
    "another key": {"key": OTHER_KEY}, "another issuer": {"iss": "https://elsewhere.example"}, "another client": {"audience": "another"},
    "with a nonce": {"nonce": "x"}, "an ID token": {"events": None}, "another event": {"events": {"x": {}}}, "of nobody": {"sub": None, "sid": None},
    "ended": {"seconds": -60}, "of yesterday": {"later": -90_000}, "of tomorrow": {"later": 90_000}, "an access token": {"typ": "at+jwt"},
}  # fmt: skip


@pytest.mark.parametrize("changed", LOGOUTS.values(), ids=LOGOUTS)
def test_a_logout_that_the_issuer_did_not_send_ends_nothing(elsewhere, changed):
    elsewhere.signed_in()
    assert logout(elsewhere, **changed) == 400
    assert elsewhere.is_in()


@pytest.mark.hazard("HZ-SIGNIN-07")
@pytest.mark.parametrize("changed, is_in", [({}, False), ({"sub": None}, False), ({"sid": None}, False), ({"sid": "another"}, True),
                                            ({"sub": "another"}, True), ({"sid": None, "sub": "another"}, True)])  # fmt: skip
def test_whom_the_issuer_signs_out_is_out_here_at_once_and_nobody_else(elsewhere, changed, is_in):
    elsewhere.signed_in()
    assert logout(elsewhere, **changed) == 200
    assert elsewhere.is_in() is is_in


def test_a_session_of_a_long_name_is_ended_by_its_issuer_too(elsewhere):
    elsewhere.signed_in(sid="s" * 140 + "1")
    assert logout(elsewhere, sid="s" * 140 + "2") == 200 and elsewhere.is_in()
    assert logout(elsewhere, sid="s" * 140 + "1") == 200 and not elsewhere.is_in()


def test_a_logout_token_holds_once(elsewhere):
    elsewhere.signed_in()
    assert (logout(elsewhere, jti="once"), logout(elsewhere, jti="once")) == (200, 400)


def test_signing_out_goes_on_to_the_issuer_where_it_has_a_place_for_that(elsewhere):
    source = elsewhere.sources["smartcard"]
    elsewhere.signed_in()
    source.document["end_session_endpoint"] = f"{source.url}/leave"
    elsewhere.api.app.state.sessions.providers["smartcard"]._discovery._known = (-1e9, {})
    out = elsewhere.api.client.post("/signout", data={"token": form_token(secret(elsewhere.api))})
    assert out.headers["location"].startswith(f"{source.url}/leave?client_id=pages&post_logout_redirect_uri=")
    assert not elsewhere.is_in()
    del source.document["end_session_endpoint"]


def test_an_issuer_that_does_not_answer_is_no_sign_in_and_no_fault(elsewhere):
    providers = elsewhere.api.app.state.sessions.providers
    kept, providers["smartcard"]._discovery._known = providers["smartcard"]._discovery._known, (-1e9, {})
    source = elsewhere.sources["smartcard"]
    document, source.document = source.document, {"issuer": "https://elsewhere.example"}
    token = token_in(elsewhere.api.client.get("/signin").text)
    answer = elsewhere.api.client.post("/signin", data={"token": token, "provider": "smartcard"})
    assert answer.status_code == 503 and "Retry-After" in answer.headers and "<h1>" in answer.text
    source.document, providers["smartcard"]._discovery._known = document, kept


def test_without_keys_a_logout_is_asked_for_again_and_a_sign_in_is_put_off(elsewhere):
    """To answer that the token does not hold would leave the session open for good."""
    elsewhere.signed_in()
    asked = elsewhere.begin()
    elsewhere.tokens(asked)
    remote = elsewhere.api.app.state.sessions.providers["smartcard"].issuer.remote
    kept, source = dict(vars(remote)), elsewhere.sources["smartcard"]
    document, source.document = source.document, {}
    remote.__init__(remote._ask)
    assert logout(elsewhere) == 503
    assert elsewhere.back(asked).status_code == 503
    source.document = document
    vars(remote).update(kept)
    assert logout(elsewhere) == 200 and not elsewhere.is_in()


PAGES = {
    "no client": {"client": None}, "neither": {"secret": None}, "both": {"key": "k"}, "no kid": {"secret": None, "key": "k"},
    "a scope missing": {"scopes": ["profile"]}, "unknown": {"colour": "x"}, "people": {"people": "robots"}, "no file": {"secret": "none"},
    "an open file": {"secret": "open"}, "a short one": {"secret": "short"},
}  # fmt: skip


@pytest.mark.parametrize("changed", PAGES.values(), ids=PAGES)
def test_a_table_of_pages_that_is_not_right_is_refused(tmp_path, changed):
    for name, content, mode in (
        ("right", b"x" * 32, 0o600),
        ("open", b"x" * 32, 0o644),
        ("short", b"x", 0o600),
        ("k", b"x" * 300, 0o600),
    ):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(mode)
    table = {"client": "pages", "secret": "right", **changed}
    table = {name: value for name, value in table.items() if value is not None}
    with pytest.raises(Refused, match="pages"):
        page_client.from_table("smartcard", table, tmp_path)
    assert page_client.from_table("smartcard", {"client": "pages", "secret": "right"}, tmp_path).secret == "x" * 32


def test_pages_need_a_discovery_document(tmp_path):
    (tmp_path / "jwks").write_text(json.dumps(public_jwks(SHARED_KEY)))
    (tmp_path / "secret").write_text("x" * 32)
    (tmp_path / "secret").chmod(0o600)
    table = {"iss": "https://issuer.example", "audience": "a", "algorithms": ["RS256"], "jwks": str(tmp_path / "jwks"),
             "pages": {"client": "pages", "secret": "secret"}}  # fmt: skip
    with pytest.raises(Refused, match="discovery"):
        issuers.from_tables({"staff": table}, tmp_path)
