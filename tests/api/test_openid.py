"""An issuer by its discovery document: its keys are followed without a restart, and only its access tokens hold."""

import time

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.errors import Refused
from gateway.nhs import sandbox
from gateway.signin import issuers, remote_keys
from gateway.signin.issue import issue, public_jwks
from tests.api.conftest import Api, Clock
from tests.signin import provider
from tests.signin.systems import OTHER_KEY, SHARED_KEY

GREEN = {**sandbox.claims("dr-green"), "scope": "user/*.rs", "acr": "AAL2_ANY"}
TABLE = """[staff]
iss = "{url}"
audience = "gateway"
algorithms = ["RS256"]
discovery = "{url}/.well-known/openid-configuration"
organisations = ["A99001"]
acr = ["AAL2_ANY"]
"""


class Staffed:
    """An application whose staff sign in at a provider."""

    def __init__(self, api: Api, source: provider.Provider):
        self.api, self.source = api, source

    def status(
        self, key: bytes = SHARED_KEY, typ: str = "at+jwt", iss: str = "", audience: str = "gateway", **claims: object
    ) -> int:
        """The status of a request with a new token."""
        token = issue(key, iss or self.source.url, audience, {**GREEN, **claims}, self.api.store.clock(), 300, typ=typ)
        return self.api.client.get("/fhir/Patient?_id=x", headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.fixture(scope="module")
def staffed(tmp_path_factory, data_dir):
    folder = data_dir(tmp_path_factory.mktemp("staffed") / "data")
    with provider.serving() as source:
        source.keys = public_jwks(SHARED_KEY)["keys"]
        path = folder / "issuers.toml"
        path.write_text(TABLE.format(url=source.url))
        store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
        api = Api(store, folder, issuers=path)
        yield Staffed(api, source)
        api.close()
        store.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Keys are asked for whenever there is a reason."""
    monkeypatch.setattr(remote_keys, "GAP", 0)


def test_a_person_signs_in_with_a_key_that_the_issuer_publishes(staffed):
    assert staffed.status() == 200
    assert staffed.source.asked == ["/.well-known/openid-configuration", "/jwks"]
    assert staffed.status() == 200 and len(staffed.source.asked) == 2, "the set is kept"


REFUSED = {
    "an ID token": {"typ": "JWT"}, "an ID token by its claims": {"nonce": "x"}, "another audience": {"audience": "app"},
    "a lower sign-in": {"acr": "AAL1_USERPASS"}, "no sign-in": {"acr": None}, "another sign-in": {"acr": "AAL3_ANY"},
    "another issuer": {"iss": "https://elsewhere.example"}, "a key of nobody": {"key": OTHER_KEY},
    "a password alone": {"amr": ["pwd"]}, "publishers": {"client_id": "x", "scope": "system/*.rs", "project": "demo", "publishers": ["fhir:A"]},
}  # fmt: skip


@pytest.mark.parametrize("changed", REFUSED.values(), ids=REFUSED)
def test_what_is_no_access_token_of_the_issuer_for_us_is_refused(staffed, changed):
    assert staffed.status(**changed) == 401
    assert staffed.status() == 200


def test_keys_are_rotated_without_a_restart_and_an_old_one_ends(staffed, monkeypatch):
    old, new = public_jwks(SHARED_KEY)["keys"], public_jwks(OTHER_KEY)["keys"]
    staffed.source.keys = old + new
    assert (staffed.status(OTHER_KEY), staffed.status(SHARED_KEY)) == (200, 200)
    staffed.source.keys = new
    monkeypatch.setattr(remote_keys, "FRESH", 0)
    assert (staffed.status(OTHER_KEY), staffed.status(SHARED_KEY)) == (200, 401)
    staffed.source.keys = old
    assert staffed.status(SHARED_KEY) == 200


def test_a_document_of_another_issuer_or_an_outage_changes_no_keys(staffed, monkeypatch):
    assert staffed.status() == 200
    monkeypatch.setattr(remote_keys, "FRESH", 0)
    kept, staffed.source.keys = staffed.source.keys, public_jwks(OTHER_KEY)["keys"]
    document = staffed.source.document
    for wrong in ({**document, "issuer": "https://elsewhere.example"}, {"issuer": document["issuer"]}, {}, [],
                  {**document, "jwks_uri": "file:///etc/passwd"}):  # fmt: skip
        staffed.source.document = wrong
        assert (staffed.status(), staffed.status(OTHER_KEY)) == (200, 401)
    staffed.source.document, staffed.source.keys = document, kept


def test_while_no_keys_can_be_had_nobody_is_told_that_their_token_does_not_hold(staffed, monkeypatch):
    state = staffed.api.app.state
    (remote,) = state.issuers.remote
    kept, document = dict(vars(remote)), staffed.source.document
    remote.__init__(remote._ask)
    staffed.source.document = {}
    token = issue(SHARED_KEY, staffed.source.url, "gateway", {**GREEN, "jti": "cold"}, staffed.api.store.clock(), 300,
                  typ="at+jwt")  # fmt: skip
    asked = {"headers": {"Authorization": f"Bearer {token}"}}
    answer = staffed.api.client.get("/fhir/Patient?_id=x", **asked)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    staffed.source.document = document
    monkeypatch.setattr(remote_keys, "EMPTY_GAP", 0)
    assert staffed.api.client.get("/fhir/Patient?_id=x", **asked).status_code == 200
    vars(remote).update(kept)


def test_a_server_asks_for_the_keys_when_it_starts(staffed):
    (remote,) = staffed.api.app.state.issuers.remote
    kept = dict(vars(remote))
    remote.__init__(remote._ask)
    staffed.api.app.state.issuers.ask_for_keys()
    until = time.monotonic() + 10
    while not remote.is_held and time.monotonic() < until:
        time.sleep(0.01)
    assert remote.is_held
    vars(remote).update(kept)


TABLES = {
    "both": {"jwks": "x"}, "neither": {"discovery": None}, "no address": {"discovery": 7}, "plain": {"discovery": "http://issuer.example/x"},
    "a file": {"discovery": "file:///etc/passwd"}, "a type of no access token": {"typ": "id_token"},
}  # fmt: skip


@pytest.mark.parametrize("changed", TABLES.values(), ids=TABLES)
def test_a_table_that_is_not_right_is_refused(changed):
    table = {"iss": "https://issuer.example", "audience": "gateway", "algorithms": ["RS256"],
             "discovery": "https://issuer.example/x", **changed}  # fmt: skip
    with pytest.raises(Refused):
        issuers.from_tables({"staff": {name: value for name, value in table.items() if value is not None}})
