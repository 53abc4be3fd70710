"""A live store: it serves nobody without its code sets, and has no issuer, user or route of the sandbox."""

import json

import pytest

from gateway import config
from gateway.composition import Gateway, open_service
from gateway.errors import Refused
from gateway.nhs import sandbox
from gateway.nhs.codesets import REQUIRED
from gateway.signin.issue import issue, public_jwks
from gateway.store.database import open_store
from tests.api.conftest import Api

ISS, AUDIENCE = "https://issuer.example", "gateway"


@pytest.fixture
def live(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="live")
    yield store
    store.close()


@pytest.fixture
def settings(tmp_path, issuer_key) -> dict:
    """What a live store is served with: an issuer, and code sets of its own."""
    (tmp_path / "jwks.json").write_text(json.dumps(public_jwks(issuer_key)))
    (tmp_path / "issuers.toml").write_text(
        f'[one]\niss = "{ISS}"\naudience = "{AUDIENCE}"\nalgorithms = ["RS256"]\njwks = "{tmp_path / "jwks.json"}"\n'
        f'organisations = ["A99001", "RZZ"]\noperators = ["8J999"]\nprojects = ["falls"]\n'
        f'acr = ["AAL2_ANY", "AAL3_ANY"]\n'
    )
    folder = tmp_path / "sets"
    folder.mkdir()
    index = []
    for name, effects in REQUIRED.items():
        (folder / f"{name}.csv").write_text(
            "system,code,effect\n" + "".join(f"urn:test,{effect},{effect}\n" for effect in sorted(effects))
        )
        index.append(
            f'[{name}]\nname = "{name}"\nfile = "{name}.csv"\nversion = "1"\ndate = "2026-01-01"\norigin = "a test"\n'
        )
    (folder / "index.toml").write_text("\n".join(index))
    return {"issuers": tmp_path / "issuers.toml", "code_sets": folder}


def test_without_its_code_sets_a_live_store_serves_nobody(live, tmp_path, settings):
    with pytest.raises(Refused, match="code sets are missing: .*sensitive"):
        open_service(Gateway(config.Settings(data_dir=tmp_path, issuers=settings["issuers"]), live))


@pytest.mark.parametrize("name", REQUIRED)
def test_an_empty_category_is_a_missing_set(live, tmp_path, settings, name):
    (settings["code_sets"] / f"{name}.csv").write_text("system,code,effect\n")
    shipped = {"type1", "scr-preference", "sharing", "confidential-marker", "sensitive-services"}
    if name in shipped:  # ours are there too
        open_service(Gateway(config.Settings(data_dir=tmp_path, **settings), live))
    else:
        with pytest.raises(Refused, match=name):
            open_service(Gateway(config.Settings(data_dir=tmp_path, **settings), live))


@pytest.mark.parametrize(
    "url, is_served", [("", False), ("http://gateway.example", False), ("https://g.example", True)]
)
def test_nobody_signs_in_to_a_live_store_over_a_plain_connection(live, tmp_path, settings, url, is_served):
    """Its cookie would go over one too."""
    (tmp_path / "secret").write_text("x" * 32)
    (tmp_path / "secret").chmod(0o600)
    lines = settings["issuers"].read_text().splitlines()
    lines = [line if not line.startswith("jwks") else f'discovery = "{ISS}/x"' for line in lines]
    pages = ["[one.pages]", 'client = "pages"', 'secret = "secret"']
    settings["issuers"].write_text("\n".join([*lines, *pages]))
    gateway = Gateway(config.Settings(data_dir=tmp_path, base_url=url, **settings), live)
    if is_served:
        open_service(gateway).close()
    else:
        with pytest.raises(Refused, match="GATEWAY_BASE_URL"):
            open_service(gateway)


def test_with_them_it_serves_without_anything_of_the_sandbox(live, tmp_path, settings, issuer_key):
    api = Api(live, tmp_path, **settings)
    claims = {**sandbox.claims("dr-green"), "acr": "AAL2_ANY", "scope": "user/*.rs"}
    right = issue(issuer_key, ISS, AUDIENCE, claims, live.clock())
    sandboxs = issue(
        issuer_key, "urn:nhs-record-gateway:sandbox", "nhs-record-gateway", sandbox.claims("dr-green"), live.clock()
    )

    def ask(method, path, token, **more):
        return api.client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)

    assert ask("GET", "/fhir/Organization", right).status_code == 200
    assert ask("GET", "/fhir/Organization", sandboxs).status_code == 401
    body = {"number": "9990000018", "basis": "permission", "reason": "asked"}
    assert ask("POST", "/sandbox/permission", right, json=body).status_code == 404
    assert api.client.get("/readyz").status_code == 200
    with pytest.raises(Refused):
        api.gateway.sandbox_token("dr-green")
    api.close()


VOUCHED = {
    "its organisation's staff": ("dr-green", {}, 200),
    "staff of another organisation": ("dr-other", {}, 401),
    "staff of a council": ("social-worker", {}, 401),
    "its operators": ("admin", {"organisation": "8J999"}, 200),
    "operators of an organisation whose staff it signs in": ("admin", {}, 401),
    "staff of an organisation whose operators it signs in": ("dr-green", {"organisation": "8J999"}, 401),
    "no sign-in told": ("dr-green", {"acr": None}, 401),
    "a sign-in that is not listed": ("dr-green", {"acr": "AAL2_OR_AAL3_ANY"}, 401),
    "a password": ("dr-green", {"acr": "AAL1_USERPASS"}, 401),
    "no scopes": ("dr-green", {"scope": None}, 401),
    "scopes that open nothing": ("dr-green", {"scope": "openid"}, 403),
    "a project's client": ("researcher", {"project": "falls", "scope": "system/*.rs"}, 403),
    "another project's client": ("researcher", {"project": "demo", "scope": "system/*.rs"}, 401),
}


@pytest.mark.hazard("HZ-ACCESS-22")
@pytest.mark.parametrize("user, changes, status", VOUCHED.values(), ids=VOUCHED)
def test_an_issuer_vouches_for_whom_its_table_names_and_for_nobody_else(
    live, tmp_path, settings, issuer_key, user, changes, status
):
    """A vouched-for client of a project reaches the policy: the directory is not for system clients (403)."""
    api = Api(live, tmp_path, **settings)
    claims = {**sandbox.claims(user), "acr": "AAL3_ANY", "scope": "user/*.rs", **changes}
    if organisation := claims.pop("organisation", ""):
        (role,) = claims["nhsid_nrbac_roles"]
        claims["nhsid_nrbac_roles"] = [{**role, "org_code": organisation}]
    token = issue(
        issuer_key, ISS, AUDIENCE, {name: value for name, value in claims.items() if value is not None}, live.clock()
    )
    assert api.client.get("/fhir/Organization", headers={"Authorization": f"Bearer {token}"}).status_code == status
    api.close()


def test_an_issuer_whose_table_names_nobody_vouches_for_nobody(live, tmp_path, settings, issuer_key):
    path = settings["issuers"]
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("organisations")))
    api = Api(live, tmp_path, **settings)
    claims = {**sandbox.claims("dr-green"), "acr": "AAL3_ANY", "scope": "user/*.rs"}
    token = issue(issuer_key, ISS, AUDIENCE, claims, live.clock())
    assert api.client.get("/fhir/Organization", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    api.close()


def test_a_sandbox_and_its_setting_go_together(live, tmp_path, settings):
    with pytest.raises(Refused, match="go together"):
        open_service(Gateway(config.Settings(data_dir=tmp_path, sandbox=True, **settings), live))
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}", create="sandbox")
    with pytest.raises(Refused, match="go together"):
        open_service(Gateway(config.Settings(data_dir=tmp_path, **settings), other))
    other.close()


def test_without_an_issuer_nobody_is_served(live, tmp_path, settings):
    with pytest.raises(Refused, match="GATEWAY_ISSUERS"):
        open_service(Gateway(config.Settings(data_dir=tmp_path, code_sets=settings["code_sets"]), live))
