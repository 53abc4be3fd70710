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


def test_with_them_it_serves_without_anything_of_the_sandbox(live, tmp_path, settings, issuer_key):
    api = Api(live, tmp_path, **settings)
    right = issue(issuer_key, ISS, AUDIENCE, sandbox.claims("dr-green"), live.clock())
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
