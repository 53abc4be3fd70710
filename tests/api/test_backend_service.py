"""A client of SMART Backend Services, written with httpx and jose alone, against a running server: it discovers, signs
in with a key at its own address, exports, rotates its key and takes its token back."""

import contextlib
import json
import threading
import uuid

import httpx
import pytest
from jose import jws

from gateway import config
from gateway.api import server
from gateway.api.app import create_app
from gateway.export import approval, worker
from gateway.signin import registration, remote_keys
from gateway.signin.registration import Client
from tests.api.conftest import Api
from tests.export.conftest import ROOT, document
from tests.signin import provider
from tests.signin.systems import KIND, System, ec_key


@contextlib.contextmanager
def running(api: Api):
    """A server over a store, on a free port; the address at which it is reached."""
    listeners, stop = server.listen("127.0.0.1", 0), threading.Event()
    address = config.address("127.0.0.1", listeners[0].getsockname()[1])
    app = create_app(api.service, address)
    thread = threading.Thread(target=server.serve, args=(app, listeners, stop))
    thread.start()
    yield address
    stop.set()
    thread.join()


class Backend:
    """The client: an id, a key, and the address of a FHIR server."""

    def __init__(self, base: str, id_: str, system: System, now):
        self.http = httpx.Client(timeout=30)
        self.base, self.id, self.system, self.now = base, id_, system, now
        self.smart = self.http.get(f"{base}/.well-known/smart-configuration").raise_for_status().json()

    def proof(self) -> dict[str, str]:
        claims = {"iss": self.id, "sub": self.id, "aud": self.smart["token_endpoint"], "jti": str(uuid.uuid4()),
                  "exp": self.now() + 240}  # fmt: skip
        headers = {"kid": self.system.kid, "typ": "JWT"}
        signed = jws.sign(claims, self.system.key.decode(), headers=headers, algorithm="ES384")
        return {"client_assertion_type": KIND, "client_assertion": signed}

    def sign_in(self, scope: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "scope": scope, **self.proof()}
        return self.http.post(self.smart["token_endpoint"], data=form)

    def get(self, address: str, token: str, **headers: str) -> httpx.Response:
        return self.http.get(address, headers={"Authorization": f"Bearer {token}", **headers})


@pytest.mark.slow
def test_a_system_signs_in_and_fetches_its_export(town, monkeypatch):
    approval.add(town.store, document("study"), "asker")
    for name in ("guardian", "controller"):
        approval.approve(town.store, "study", name)
    first, second = System("researcher", ec_key(), "ES384"), System("researcher", ec_key(), "ES384")
    with provider.serving() as source, running(town) as address:
        source.keys = first.jwks["keys"]
        scopes = frozenset({"system/Patient.rs", "system/Condition.rs"})
        registered = Client("researcher", "", "8A999", (), ("study",), scopes, None, f"{source.url}/jwks", True)
        registration.add(town.store, registered, "me")

        client = Backend(f"{address}/fhir", "researcher", first, lambda: town.store.clock() // 1_000_000)
        granted = client.sign_in("system/*.rs").raise_for_status().json()
        assert granted["scope"] == "system/Condition.rs system/Patient.rs"
        token = granted["access_token"]
        started = client.get(f"{client.base}/$export?_type=Patient", token, Prefer="respond-async")
        assert started.status_code == 202, started.text
        place = started.headers["content-location"]
        assert place.startswith(address)
        while worker.work_once(town.store, town.settings.data_dir / "exports", ROOT, workers=1):
            pass
        manifest = client.get(place, token).raise_for_status().json()
        lines = [
            json.loads(line)
            for output in manifest["output"]
            for line in client.get(output["url"], token).raise_for_status().text.splitlines()
        ]
        assert lines and {line["resourceType"] for line in lines} == {"Patient"}
        assert client.get(f"{client.base}/Patient?_id=x", token).status_code == 403

        source.keys, client.system = second.jwks["keys"], second
        again = client.sign_in("system/*.rs")
        assert again.status_code == 401 and again.json()["error"] == "invalid_client", "asked for a moment ago"
        monkeypatch.setattr(remote_keys, "GAP", 0)
        assert client.sign_in("system/*.rs").status_code == 200, "a new key is taken without a stop"
        client.http.post(
            client.smart["revocation_endpoint"], data={"token": token, **client.proof()}
        ).raise_for_status()
        assert client.get(place, token).status_code == 401
        client.http.close()
