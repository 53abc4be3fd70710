"""A real OpenID provider (npm ``oidc-provider``) as the issuer by discovery: a system and a person sign in at it, its
ID tokens are refused, and its keys change without a restart of the gateway."""

import base64
import hashlib
import json
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.nhs import sandbox
from gateway.signin import remote_keys
from tests.api.conftest import Api
from tests.signin.systems import System, ec_key

SCRIPT = Path(__file__).parents[1] / "signin" / "openid_provider.mjs"
VERSION = "9"
BACKEND = System("backend", ec_key(), "ES384")
RESEARCHER = {"org_code": "8A999", "project": "demo"}
GREEN = {name: value for name, value in sandbox.claims("dr-green").items() if name != "sub"} | {"acr": "AAL2_ANY"}
CALLBACK = "http://127.0.0.1:1/callback"
TABLE = """[real]
iss = "{url}"
audience = "gateway"
algorithms = ["RS256"]
discovery = "{url}/.well-known/openid-configuration"
organisations = ["A99001"]
projects = ["demo"]
acr = ["AAL2_ANY"]
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A folder with the provider, installed from npm."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("provider")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here")
    words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"oidc-provider@{VERSION}"]
    if subprocess.run(words, cwd=folder, capture_output=True, timeout=300, check=False).returncode:
        pytest.skip("oidc-provider cannot be installed here")
    shutil.copy(SCRIPT, folder / SCRIPT.name)
    return folder


@contextmanager
def running(package: Path, port: int):
    """The provider, while the block runs."""
    claims = json.dumps({"researcher": RESEARCHER, "backend": RESEARCHER, "app": GREEN, "jwks": BACKEND.jwks})
    with subprocess.Popen(
        ["node", SCRIPT.name, str(port), claims], cwd=package, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:  # fmt: skip
        try:
            while (line := process.stdout.readline()) and line.strip() != "ready":
                pass
            assert line, "the provider does not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def of_a_system(url: str) -> str:
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "resource": "urn:gateway"}
    answer = httpx.post(f"{url}/token", data=form, auth=("researcher", "secret-of-a-test"))
    return answer.raise_for_status().json()["access_token"]


def of_a_backend(url: str) -> str:
    """https://hl7.org/fhir/smart-app-launch/backend-services.html, at a server that is not ours."""
    endpoint = httpx.get(f"{url}/.well-known/openid-configuration").json()["token_endpoint"]
    proof = BACKEND.sign(BACKEND.claims(endpoint, int(time.time())))
    answer = httpx.post(endpoint, data=BACKEND.form(proof, resource="urn:gateway"))
    return answer.raise_for_status().json()["access_token"]


def of_a_person(url: str) -> dict:
    """The tokens of somebody who signs in at the provider's own pages, with PKCE."""
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"client_id": "app", "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid user/*.rs",
             "resource": "urn:gateway", "code_challenge": challenge, "code_challenge_method": "S256"}  # fmt: skip
    with httpx.Client(base_url=url) as browser:
        answer = browser.get("/auth", params=asked)
        for _ in range(12):
            if answer.is_redirect:
                place = answer.headers["location"]
                if place.startswith(CALLBACK):
                    break
                answer = browser.get(place)
                continue
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)[1]
            action = re.search(r'action="([^"]+)"', answer.text)[1]
            answer = browser.post(action, data={"prompt": prompt, "login": "green", "password": "x"})
        code = parse_qs(urlsplit(place).query)["code"][0]
        form = {"grant_type": "authorization_code", "client_id": "app", "code": code, "redirect_uri": CALLBACK,
                "code_verifier": verifier, "resource": "urn:gateway"}  # fmt: skip
        return browser.post("/token", data=form).raise_for_status().json()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@pytest.mark.slow
def test_systems_and_people_of_a_real_provider_are_known_and_its_keys_are_followed(
    package, tmp_path, data_dir, monkeypatch
):
    port, folder = free_port(), data_dir(tmp_path / "data")
    path = tmp_path / "issuers.toml"
    path.write_text(TABLE.format(url=f"http://127.0.0.1:{port}"))
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        api = Api(gateway.store, folder, issuers=path)

        def status(token: str, address: str = "/fhir/bulk/x") -> int:
            return api.client.get(address, headers={"Authorization": f"Bearer {token}"}).status_code

        with running(package, port) as url:
            system, person = of_a_system(url), of_a_person(url)
            for token in (system, of_a_backend(url)):
                assert status(token) == 404, "known, and there is no such job"
            assert status(person["access_token"], "/fhir/Patient?_id=x") == 200
            assert status(person["id_token"], "/fhir/Patient?_id=x") == 401
            assert status(person["access_token"], "/fhir/bulk/x") == 403
        monkeypatch.setattr(remote_keys, "GAP", 0)
        with running(package, port) as url:
            assert status(of_a_system(url)) == 404, "a new key is taken without a restart"
        api.close()
