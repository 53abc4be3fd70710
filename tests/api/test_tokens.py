"""The token endpoint: a registered system gets a token of minutes that opens its own, and every attack gets none."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization

from gateway import config, keys
from gateway.composition import create_gateway
from gateway.egress import Document
from gateway.errors import Refused, Unavailable
from gateway.signin import registration
from gateway.signin.client_assertion import KeySets
from gateway.signin.issue import issue
from gateway.signin.token_endpoint import NotGranted, TokenEndpoint
from gateway.store import clients
from tests.api.conftest import Api, Clock
from tests.signin.systems import KIND, OTHER_KEY, SHARED_KEY, System, ec_key

EC_KEY = ec_key()
PATIENTS, BOTH = "system/Patient.rs", frozenset({"system/Patient.rs", "system/Observation.r"})
KEYS_AT = "https://keys.example/jwks.json"


class Ward:
    """An application with registered systems: ``ward`` signs with RSA, ``trust`` with EC and keys at an address."""

    def __init__(self, api: Api):
        self.api, self.url, self.fetched = api, api.app.state.token_url, []
        self.published = System("trust", EC_KEY, "ES384").jwks
        endpoint = api.app.state.tokens
        api.app.state.tokens = TokenEndpoint(api.store, api.gateway.token_key(), KeySets(False, self.fetch))
        assert endpoint.name == api.app.state.tokens.name
        self.ward, self.trust, self.off = (
            System("ward", SHARED_KEY),
            System("trust", EC_KEY, "ES384"),
            System("off", SHARED_KEY),
        )
        self.many, self.gp = System("many", SHARED_KEY), System("gp", SHARED_KEY)
        self.ward.register(api.store)
        self.trust.register(api.store, keys=None, keys_at=KEYS_AT, scopes=BOTH)
        self.off.register(api.store)
        self.plain = System("plain", SHARED_KEY)
        (key,) = self.plain.jwks["keys"]
        self.plain.register(api.store, keys={"keys": [{name: key[name] for name in ("kty", "kid", "n", "e")}]})
        self.many.register(api.store, projects=("one", "demo"))
        self.gp.register(api.store, projects=(), publishers=("fhir:A99001",))
        registration.set_active(api.store, "off", False, "me")

    def fetch(self, address: str, *, is_near: bool) -> Document:
        self.fetched.append((address, is_near))
        if not self.published:
            raise Unavailable("away")
        return Document(self.published)

    @property
    def now(self) -> int:
        return self.api.store.clock() // 1_000_000

    def ask(self, form: dict[str, str], path: str = "/auth/token", **more):
        return self.api.client.post(path, data=form, **more)

    def assertion(self, system: System | None = None, **claims: object) -> str:
        system = system or self.ward
        return system.sign(system.claims(self.url, self.now, **claims))

    def token(self, system: System | None = None, **form: str) -> dict:
        system = system or self.ward
        answer = self.ask(system.form(self.assertion(system), **form))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, token: str, path: str = "/fhir/bulk/x"):
        return self.api.client.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def systems(tmp_path_factory, data_dir) -> Ward:
    folder = data_dir(tmp_path_factory.mktemp("systems") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    api = Api(store, folder, token_rate="1000/minute")
    yield Ward(api)
    api.close()
    store.close()


def claims_of(token: str) -> tuple[dict, dict]:
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])


def b64(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_system_gets_a_token_that_its_own_gateway_knows(systems):
    answer = systems.ask(systems.ward.form(systems.assertion()))
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    members = answer.json()
    assert (members["token_type"], members["expires_in"], members["scope"]) == ("bearer", 300, "system/*.rs")
    header, claims = claims_of(members["access_token"])
    assert header["typ"] == "at+jwt" and claims["exp"] - claims["iat"] == 300
    assert (claims["client_id"], claims["org_code"], claims["project"]) == ("ward", "8A999", "demo")
    assert systems.get(members["access_token"]).status_code == 404, "known, and there is no such job"
    assert systems.get(members["access_token"], "/fhir/Patient?_id=x").status_code == 403, "THE TABLE gives no more"
    (event,) = [
        event for event in systems.api.audit() if event.get("token") == claims["jti"] and event["act"] == "token.issue"
    ]
    assert (event["user"], event["organisation"], event["project"], event["scopes"]) == (
        "ward",
        "8A999",
        "demo",
        ["system/*.rs"],
    )
    assert event["kid"] == systems.ward.kid and members["access_token"] not in json.dumps(systems.api.audit())


SCOPES = [
    ("ward", "system/*.rs", "system/*.rs"),
    ("ward", "system/*.read", "system/*.read"),
    ("ward", "system/*.cruds", "system/*.rs"),
    ("ward", "system/*.*", "system/*.rs"),
    ("ward", "system/Patient.rs system/Patient.write", "system/Patient.rs"),
    ("ward", "system/Patient.rs openid user/*.rs launch/patient", "system/Patient.rs"),
    ("trust", "system/*.rs", "system/Observation.r system/Patient.rs"),
    ("trust", "system/*.read system/Condition.read", "system/Observation.r system/Patient.rs"),
    ("trust", "system/Observation.read", "system/Observation.r"),
    ("trust", "system/Patient.read", "system/Patient.read"),
    ("trust", "system/Condition.rs", ""),
    ("ward", "", ""),
    ("ward", "system/Patient.rs?_security=x", ""),
    ("ward", "system/Nothing.rs", ""),
    ("ward", "patient/*.rs", ""),
    ("ward", "system/Patient.cud", ""),
]


@pytest.mark.parametrize("client, asked, named", SCOPES)
def test_scopes_only_narrow_what_was_granted_and_what_the_table_gives(systems, client, asked, named):
    system = getattr(systems, client)
    answer = systems.ask(system.form(systems.assertion(system), scope=asked))
    if named:
        assert answer.json()["scope"] == named
        assert set(claims_of(answer.json()["access_token"])[1]["scope"].split()) == set(named.split())
    else:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def hmac_with_the_public_key(systems) -> str:
    public = serialization.load_pem_private_key(SHARED_KEY, None).public_key()
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = systems.ward.claims(systems.url, systems.now)
    signed = f"{b64({'alg': 'HS256', 'typ': 'JWT', 'kid': systems.ward.kid})}.{b64(claims)}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def headed(header: dict, key: bytes = b"", algorithm: str = ""):
    return lambda systems: systems.ward.sign(systems.ward.claims(systems.url, systems.now), header, key, algorithm)


def claimed(**claims: object):
    return lambda systems: systems.assertion(**claims)


def timed(**offsets: int):
    return lambda systems: systems.assertion(**{name: systems.now + offset for name, offset in offsets.items()})


def as_another(systems) -> str:
    claims = systems.ward.claims(systems.url, systems.now, iss="trust", sub="trust")
    return systems.ward.sign(claims)


def cut(systems) -> str:
    header, claims, signature = systems.assertion().split(".")
    return f"{header}.{b64({**systems.ward.claims(systems.url, systems.now), 'sub': 'ward'})}.{signature}"


def with_another_algorithm(algorithm: str):
    """Signed with an algorithm that SMART does not name, by a client whose published key names none."""
    return lambda systems: systems.plain.sign(systems.plain.claims(systems.url, systems.now), algorithm=algorithm)


HOLDS_NOT = "client_assertion: it does not hold"
ATTACKS = {
    "alg none": (lambda systems: f"{b64({'alg': 'none', 'kid': systems.ward.kid})}.{b64(systems.ward.claims(systems.url, systems.now))}.", HOLDS_NOT),
    "HS256 with the public key": (hmac_with_the_public_key, HOLDS_NOT),
    "RS256": (headed({}, algorithm="RS256"), HOLDS_NOT),
    "RS256 where the key names none": (with_another_algorithm("RS256"), HOLDS_NOT),
    "RS512 where the key names none": (with_another_algorithm("RS512"), HOLDS_NOT),
    "another key": (headed({}, OTHER_KEY), HOLDS_NOT),
    "another's key id": (headed({"kid": System("trust", EC_KEY, "ES384").kid}), HOLDS_NOT),
    "a key id of SQL": (headed({"kid": "' OR 1=1 --"}), HOLDS_NOT),
    "a key id of a path": (headed({"kid": "../../etc/passwd"}), HOLDS_NOT),
    "a key id of no text": (headed({"kid": {"a": 1}}), HOLDS_NOT),
    "no key id": (headed({"kid": ""}), HOLDS_NOT),
    "its own key in the header": (headed({"jwk": System("x", OTHER_KEY).jwks["keys"][0]}, OTHER_KEY), HOLDS_NOT),
    "its own address in the header": (headed({"jku": "https://evil.example/jwks"}, OTHER_KEY), HOLDS_NOT),
    "something to understand": (headed({"crit": ["exp"]}), HOLDS_NOT),
    "a type of another kind": (headed({"typ": "at+jwt"}), HOLDS_NOT),
    "claims changed": (cut, HOLDS_NOT),
    "no client": (claimed(sub="nobody", iss="nobody"), HOLDS_NOT),
    "another client": (as_another, HOLDS_NOT),
    "two names": (claimed(iss="trust"), HOLDS_NOT),
    "a disabled client": (lambda systems: systems.assertion(systems.off), HOLDS_NOT),
    "foreign aud": (claimed(aud="https://elsewhere.example/token"), "client_assertion: aud"),
    "aud of the API": (claimed(aud="http://127.0.0.1:8000/fhir"), "client_assertion: aud"),
    "aud of several": (lambda systems: systems.assertion(aud=[systems.url, "https://elsewhere.example/token"]), "client_assertion: aud"),
    "aud with a slash": (lambda systems: systems.assertion(aud=systems.url + "/"), "client_assertion: aud"),
    "no aud": (claimed(aud=None), "client_assertion: aud"),
    "expired": (timed(iat=-400, exp=-120), "client_assertion: exp"),
    "too long": (timed(exp=3600), "client_assertion: exp"),
    "no end": (claimed(exp=None), "client_assertion: exp"),
    "an end that is no number": (claimed(exp="soon"), "client_assertion: exp"),
    "an end of true": (claimed(exp=True), "client_assertion: exp"),
    "of the future": (timed(iat=200, exp=320), "client_assertion: iat"),
    "longer than five minutes since it was made": (timed(iat=-100, exp=280), "client_assertion: iat"),
    "not yet": (timed(nbf=200), "client_assertion: nbf"),
    "no jti": (claimed(jti=None), "client_assertion: jti"),
    "a jti of no text": (claimed(jti=7), "client_assertion: jti"),
    "an endless jti": (claimed(jti="x" * 300), "client_assertion: jti"),
    "oversized": (claimed(more="x" * 9000), HOLDS_NOT),
    "a deep one": (lambda systems: f"{b64(b'[' * 600)}.{b64({})}.{b64(b'x')}", HOLDS_NOT),
    "not ASCII": (lambda systems: "é.é.é", HOLDS_NOT),
    "an access token": (lambda systems: systems.token()["access_token"], HOLDS_NOT),
    "a token of the sandbox": (lambda systems: systems.api.token("researcher"), HOLDS_NOT),
}  # fmt: skip


@pytest.mark.hazard("HZ-SYSTEM-02")
@pytest.mark.parametrize("make, words", ATTACKS.values(), ids=ATTACKS)
def test_an_assertion_that_does_not_hold_gets_no_token(systems, make, words):
    answer = systems.ask(systems.ward.form(make(systems)))
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client", "error_description": words}
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_at_the_edge_of_time_still_holds(systems):
    for offsets in ({"iat": 20, "exp": 310}, {"iat": -290, "exp": 5}, {"exp": 299, "iat": None}, {"nbf": 10}):
        times = {name: None if offset is None else systems.now + offset for name, offset in offsets.items()}
        assert systems.ask(systems.ward.form(systems.assertion(**times))).status_code == 200, offsets
    assert systems.ask(systems.ward.form(systems.assertion(aud=[systems.url]))).status_code == 200


def test_an_assertion_is_used_once_also_after_a_restart_and_is_then_forgotten(systems):
    assertion = systems.assertion()
    assert systems.ask(systems.ward.form(assertion)).status_code == 200
    again = TokenEndpoint(systems.api.store, systems.api.gateway.token_key())
    systems.api.app.state.tokens, kept = again, systems.api.app.state.tokens
    answer = systems.ask(systems.ward.form(assertion))
    systems.api.app.state.tokens = kept
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client") and "jti" in answer.text
    systems.api.store.clock.now += 400_000_000 + clients.KEPT_BEYOND
    systems.token()
    with systems.api.store.read() as session:
        assert session.value("SELECT count(*) FROM spent WHERE kind = ?", clients.ASSERTION) == 1


@pytest.mark.hazard("HZ-SYSTEM-02")
def test_an_assertion_that_ended_while_its_use_waited_for_a_turn_gets_nothing(systems):
    """Verified just before its end, used just after it: the row of its first use may be gone by then."""
    endpoint, form = systems.api.app.state.tokens, systems.ward.form(systems.assertion())
    assert systems.ask(form).status_code == 200
    late = systems.ward.form(systems.assertion())
    proof = endpoint.proven(late, systems.url)
    clock = systems.api.store.clock
    kept, clock.now = clock.now, proof.until
    with pytest.raises(NotGranted, match="exp"):
        endpoint.granted(proof, late, {})
    clock.now = kept


def test_keys_that_cannot_be_had_are_no_fault_of_the_client(systems):
    state, systems.fetched = systems.api.app.state, []
    kept, state.tokens = (
        state.tokens,
        TokenEndpoint(systems.api.store, systems.api.gateway.token_key(), KeySets(False, systems.fetch)),
    )
    published, systems.published = systems.published, None
    answers = [systems.ask(systems.trust.form(systems.assertion(systems.trust))) for _ in range(3)]
    state.tokens, systems.published = kept, published
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.headers["retry-after"] == "5"
    assert len(systems.fetched) == 1


def test_one_jti_of_several_clients_is_several(systems):
    for system in (systems.ward, systems.trust, systems.plain):
        claims = system.claims(systems.url, systems.now, jti="same")
        assert systems.ask(system.form(system.sign(claims), scope=PATIENTS)).status_code == 200


FORMS = {
    "no grant": ({"grant_type": ""}, 400, "invalid_request"),
    "another grant": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "no kind": ({"client_assertion_type": ""}, 400, "invalid_request"),
    "another kind": ({"client_assertion_type": "urn:x"}, 400, "invalid_request"),
    "no assertion": ({"client_assertion": ""}, 400, "invalid_request"),
    "another's id": ({"client_id": "trust"}, 401, "invalid_client"),
    "another's project": ({"project": "none"}, 400, "invalid_request"),
    "too long": ({"scope": "x" * 70_000}, 413, "invalid_request"),
    "a control": ({"scope": "system/*.rs\x00"}, 400, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize("changed, status, error", FORMS.values(), ids=FORMS)
def test_a_form_that_is_not_right_is_told_so_in_the_words_of_oauth(systems, changed, status, error):
    answer = systems.ask(systems.ward.form(systems.assertion(), **changed))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"} and "xxx" not in answer.text


def test_a_form_is_read_from_the_body_alone_and_each_name_once(systems):
    form = systems.ward.form(systems.assertion())
    for answer in (
        systems.api.client.post("/auth/token", params=form),
        systems.api.client.post("/auth/token", json=form),
        systems.ask(form, "/auth/token?scope=system/*.rs"),
        systems.ask({**form, "scope": ["system/*.rs", "system/*.rs"]}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert systems.api.client.get("/auth/token").status_code == 405
    assert systems.ask(form).status_code == 200


def test_a_token_is_for_one_project_and_a_contributor_has_its_publishers(systems):
    answer = systems.ask(systems.many.form(systems.assertion(systems.many)))
    assert answer.json()["error"] == "invalid_request"
    for project in ("one", "demo"):
        token = systems.token(systems.many, project=project)["access_token"]
        assert claims_of(token)[1]["project"] == project
    claims = claims_of(systems.token(systems.gp)["access_token"])[1]
    assert (claims["project"], claims["publishers"]) == ("", ["fhir:A99001"])


def test_a_new_key_at_an_address_is_taken_without_a_stop_and_an_invented_one_asks_once(systems):
    state = systems.api.app.state
    fresh = TokenEndpoint(systems.api.store, systems.api.gateway.token_key(), KeySets(False, systems.fetch))
    kept, state.tokens, systems.fetched = state.tokens, fresh, []
    systems.token(systems.trust, scope=PATIENTS)
    assert systems.fetched == [(KEYS_AT, False)]
    for number in range(5):
        claims = systems.trust.claims(systems.url, systems.now)
        systems.ask(systems.trust.form(systems.trust.sign(claims, {"kid": f"x{number}"})))
    systems.token(systems.trust, scope=PATIENTS)
    assert len(systems.fetched) == 1
    state.tokens = kept


def test_a_jku_may_name_the_registered_address_and_no_other(systems):
    for address, status in ((KEYS_AT, 200), ("https://evil.example/jwks.json", 401)):
        claims = systems.trust.claims(systems.url, systems.now)
        form = systems.trust.form(systems.trust.sign(claims, {"jku": address}), scope=PATIENTS)
        assert systems.ask(form).status_code == status


CHANGES = {
    "narrowed": lambda store: registration.change(store, "brief", "me", scopes=frozenset({"system/Patient.rs"})),
    "disabled": lambda store: registration.set_active(store, "brief", False, "me"),
    "another organisation": lambda store: _set(store, "organisation", "RZZ"),
    "another project": lambda store: _set(store, "projects", "other"),
    "fewer scopes": lambda store: _set(store, "scopes", "system/Patient.rs"),
    "removed": lambda store: _set(store, "id", "gone"),
}


def _set(store, column: str, value: str) -> None:
    with store.write() as session:
        session.run(f"UPDATE client SET {column} = ? WHERE id = ?", value, "brief")


@pytest.mark.hazard("HZ-SYSTEM-01")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_token_ends_at_once_when_the_registry_no_longer_says_what_it_says(systems, change):
    brief = System("brief", SHARED_KEY)
    brief.register(systems.api.store)
    token = systems.token(brief)["access_token"]
    assert systems.get(token).status_code == 404
    change(systems.api.store)
    assert systems.get(token).status_code == 401
    with systems.api.store.write() as session:
        session.run("DELETE FROM client WHERE id IN ('brief', 'gone')")


@pytest.mark.hazard("HZ-SYSTEM-01")
def test_new_keys_end_what_was_got_with_the_old_ones_and_nothing_brings_it_back(systems):
    brief = System("rekeyed", SHARED_KEY)
    brief.register(systems.api.store)
    token = systems.token(brief)["access_token"]
    assert systems.get(token).status_code == 404
    for is_active in (False, True):
        registration.set_active(systems.api.store, "rekeyed", is_active, "me")
    assert systems.get(token).status_code == 401, "let in again, it signs in again"
    token = systems.token(brief)["access_token"]
    registration.set_keys(systems.api.store, "rekeyed", System("rekeyed", OTHER_KEY).jwks, "", "me")
    assert systems.get(token).status_code == 401
    assert systems.ask(brief.form(systems.assertion(brief))).status_code == 401
    systems.token(System("rekeyed", OTHER_KEY))


def test_a_token_of_ours_ends_after_five_minutes(systems):
    token = systems.token()["access_token"]
    systems.api.store.clock.now += 331_000_000
    assert systems.get(token).status_code == 401


def forged(systems, **claims: object) -> str:
    name = systems.api.app.state.tokens.name
    (ward,) = (client for client in registration.every(systems.api.store) if client.id == "ward")
    token = {
        "sub": "ward",
        "client_id": "ward",
        "org_code": "8A999",
        "project": "demo",
        "scope": "system/*.rs",
        "registered": ward.changed,
        **claims,
    }
    return issue(systems.api.gateway.token_key(), name, name, token, systems.api.store.clock(), 300, "RS256", "at+jwt")


def test_our_own_key_vouches_for_registered_systems_alone(systems):
    """Also who holds the key of the endpoint makes nobody a member of staff with it."""
    from gateway.nhs.sandbox import claims

    assert systems.get(forged(systems)).status_code == 404
    for more in ({"client_id": "nobody"}, {"registered": 1}, {"registered": "x"}, {"org_code": "RZZ"}, {"project": "x"}, {"publishers": ["fhir:A99001"]},
                 {"scope": "system/*.cruds"}):  # fmt: skip
        assert systems.get(forged(systems, **more)).status_code == 401, more
    name = systems.api.app.state.tokens.name
    person = issue(systems.api.gateway.token_key(), name, name, {**claims("dr-green"), "scope": "user/*.rs"},
                   systems.api.store.clock(), 300, "RS256", "at+jwt")  # fmt: skip
    assert systems.get(person, "/fhir/Patient?_id=x").status_code == 401


def test_no_other_issuer_names_publishers(systems):
    """The sandbox's issuer may say anything of its own users; a configured one may not make a contributor."""
    from gateway.errors import Unauthenticated
    from gateway.nhs.roles import Caller
    from gateway.signin import vouching

    caller = Caller("x", "x", "RZZ", kind="system", project="demo", scopes=frozenset({"system/*.rs"}))
    vouches = vouching.Vouches(projects=frozenset({"demo"}))
    vouching.require(vouches, caller, {})
    with pytest.raises(Unauthenticated):
        vouching.require(vouches, replace(caller, publishers=frozenset({"fhir:A99001"})), {})


def prove(systems, system: System, **more: str) -> dict[str, str]:
    return {"client_assertion_type": KIND, "client_assertion": systems.assertion(system), **more}


def test_a_client_asks_about_its_own_tokens_and_takes_them_back(systems):
    token = systems.token()["access_token"]
    told = systems.ask(prove(systems, systems.ward, token=token), "/auth/introspect").json()
    claims = claims_of(token)[1]
    assert (told["active"], told["client_id"], told["scope"], told["exp"]) == (
        True,
        "ward",
        "system/*.rs",
        claims["exp"],
    )
    inactive = {"active": False}
    for other in (systems.api.token("dr-green"), "garbage", systems.token(systems.many, project="one")["access_token"]):
        assert systems.ask(prove(systems, systems.ward, token=other), "/auth/introspect").json() == inactive
    assert systems.ask({"token": token}, "/auth/introspect").status_code == 400
    assert systems.ask(prove(systems, systems.ward), "/auth/introspect").status_code == 400

    assert systems.ask(prove(systems, systems.many, token=token), "/auth/revoke").status_code == 200
    assert systems.get(token).status_code == 404, "another client took nothing back"
    assert systems.ask(prove(systems, systems.ward, token=token), "/auth/revoke").status_code == 200
    assert systems.get(token).status_code == 401
    assert systems.ask(prove(systems, systems.ward, token=token), "/auth/introspect").json() == inactive
    assert systems.ask(prove(systems, systems.ward, token=token), "/auth/revoke").status_code == 200
    assert [event["token"] for event in systems.api.audit() if event["act"] == "token.revoke"] == [claims["jti"]]


def test_a_refusal_of_a_registered_client_is_audited_without_a_value(systems):
    before = len(systems.api.audit())
    systems.ask(systems.ward.form(systems.assertion(aud="https://secret.example/9990009990")))
    systems.ask(systems.ward.form("nobody.is.this"))
    (event,) = systems.api.audit()[before:]
    assert (event["act"], event["user"], event["outcome"], event["why"]) == (
        "token.issue", "ward", "refused", "client_assertion: aud")  # fmt: skip
    assert "9990009990" not in json.dumps(event)


def test_an_audit_that_cannot_be_written_is_said_in_the_words_of_oauth(systems, monkeypatch):
    def away(event):
        raise Unavailable("the audit cannot be written")

    monkeypatch.setattr(systems.api.app.state.door.audit, "record", away)
    answer = systems.ask(systems.ward.form(systems.assertion(aud="x")))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


def test_a_client_and_a_stranger_may_ask_only_so_often(systems, tmp_path, data_dir):
    with create_gateway(config.Settings(data_dir=data_dir(tmp_path / "data")), "sandbox", clock=Clock()) as gateway:
        api = Api(gateway.store, tmp_path / "data", token_rate="2/minute", stranger_rate="3/minute")
        System("ward", SHARED_KEY).register(gateway.store)
        here = System("ward", SHARED_KEY)
        url = api.app.state.token_url

        def ask(**claims: object):
            assertion = here.sign(here.claims(url, gateway.store.clock() // 1_000_000, **claims))
            return api.client.post("/auth/token", data=here.form(assertion))

        before = len(api.audit())
        assert [ask(aud="x").status_code for _ in range(9)] == [401, 401, 401, *[429] * 6]
        assert len(api.audit()) == before + 3, "who asks too often writes nothing"
        too_long = api.client.post("/auth/token", data={"scope": "x" * 70_000})
        assert (too_long.status_code, too_long.json()["error"]) == (429, "temporarily_unavailable")
        answers = [ask() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["retry-after"] and answers[2].json()["error"] == "temporarily_unavailable"
        api.close()


def test_a_live_store_without_a_key_says_that_it_issues_none(tmp_path):
    with create_gateway(config.Settings(data_dir=tmp_path), "live") as gateway:
        assert gateway.token_key() == b""
        endpoint = TokenEndpoint(gateway.store, b"")
        assert endpoint.jwks == {"keys": []}
        with pytest.raises(Exception, match="GATEWAY_TOKEN_KEY is not set") as refusal:
            endpoint.proven({}, "x")
        assert refusal.value.code == "temporarily_unavailable"
    path = tmp_path / "key.pem"
    for content, mode, words in ((SHARED_KEY, 0o644, "others"), (b"x" * 300, 0o600, "PEM"), (b"", 0o600, "empty")):
        path.write_bytes(content)
        path.chmod(mode)
        settings = config.Settings(data_dir=tmp_path, token_key=path)
        with create_gateway(settings, "live") as gateway, pytest.raises(Refused, match=words):
            gateway.token_key()
    path.write_bytes(EC_KEY)
    with create_gateway(config.Settings(data_dir=tmp_path, token_key=path), "live") as gateway:
        assert TokenEndpoint(gateway.store, gateway.token_key()).jwks["keys"][0]["alg"] == "ES384"
    assert keys.is_present(tmp_path / "keys", keys.SANDBOX_ISSUER) is False


def test_a_client_discovers_what_is_offered_and_no_more(systems):
    """The configuration of SMART and the CapabilityStatement name addresses that answer."""
    told = systems.api.get("/fhir/.well-known/smart-configuration", "")
    assert told.status_code == 200 and told.headers["content-type"] == "application/json"
    members = told.json()
    assert members["token_endpoint"] == systems.url and members["issuer"].endswith("/auth")
    scopes = [scope for scope in members["scopes_supported"] if scope.startswith("system/")]
    every = System("every", SHARED_KEY)
    every.register(systems.api.store, scopes=frozenset({"system/*.cruds"}))
    assert {"system/*.read"} < set(scopes)
    for scope in scopes:
        assert systems.token(every, scope=scope)["scope"] == scope
    root = systems.api.app.state.root
    for name, address in members.items():
        if name.endswith(("_endpoint", "_uri")):
            assert systems.api.client.request("OPTIONS", address.removeprefix(root)).status_code == 405, name
    (security,) = [rest["security"] for rest in systems.api.get("/fhir/metadata", "").json()["rest"]]
    (extension,) = security["extension"]
    addresses = {part["url"]: part["valueUri"] for part in extension["extension"]}
    assert addresses["token"] == systems.url and addresses["revoke"] == members["revocation_endpoint"]
    assert "SMART-on-FHIR" in json.dumps(security["service"])
    (key,) = systems.api.get("/auth/jwks", "").json()["keys"]
    assert key["kid"] == claims_of(systems.token()["access_token"])[0]["kid"] and "d" not in key


def test_what_is_off_is_not_promised(systems):
    state = systems.api.app.state
    kept, state.tokens = state.tokens, TokenEndpoint(systems.api.store, b"")
    documents, state.documents = state.documents, {}
    answers = [systems.api.get(path, "") for path in ("/fhir/.well-known/smart-configuration", "/fhir/metadata")]
    refused = systems.ask(systems.ward.form("x"))
    state.tokens, state.documents = kept, documents
    assert answers[0].status_code == 404 and "GATEWAY_TOKEN_KEY" in answers[0].text
    assert "oauth-uris" not in answers[1].text and "SMART" not in answers[1].text
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
