"""The application over small stores, asked over HTTP by the sandbox's named users."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from gateway import config, keys
from gateway.api.app import create_app
from gateway.composition import Gateway, create_gateway, open_service
from gateway.export import national_list
from gateway.intake import load
from gateway.signin.issue import new_key
from gateway.store.database import Store
from gateway.synth import world
from mappings import Feed, sources
from tests.api import people

TODAY = datetime.date(2026, 3, 1)
NOW = int(datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC).timestamp()) * 1_000_000


class Clock:
    """A clock that a test can move."""

    def __init__(self, now: int = NOW):
        self.now = now

    def __call__(self) -> int:
        self.now += 1000
        return self.now


class Api:
    """The application over a store, and whoever asks it."""

    def __init__(self, store: Store, folder: Path, **settings):
        self.store, self.settings = store, config.Settings(data_dir=folder, sandbox=store.is_sandbox, **settings)
        self.gateway = Gateway(self.settings, store)
        self.service = open_service(self.gateway)
        self.app = create_app(self.service)
        self.tokens: dict[tuple[str, str], str] = {}
        self.client = TestClient(self.app, raise_server_exceptions=False, follow_redirects=False)

    def token(self, user: str, project: str = "") -> str:
        """A user's token, issued once."""
        if (user, project) not in self.tokens:
            self.tokens[user, project] = self.gateway.sandbox_token(user, project)
        return self.tokens[user, project]

    def ask(
        self, method: str, path: str, user: str = "dr-green", headers: dict | None = None, **more
    ) -> httpx.Response:
        """An answer to ``user``, or to nobody for ""."""
        known = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        return self.client.request(method, path, headers=[*known.items(), *(headers or {}).items()], **more)

    def get(self, path: str, user: str = "dr-green", headers: dict | None = None, **parameters) -> httpx.Response:
        """A GET; a parameter's dots and colons are written as in ``get(path, **{"patient.identifier": …})``."""
        return self.ask("GET", path, user, headers, **({"params": parameters} if parameters else {}))

    def found(self, path: str, user: str = "dr-green", mode: str = "match", **parameters) -> list[str]:
        """``Type/id`` of what a search finds, in its order."""
        answer = self.get(path, user, **parameters)
        assert answer.status_code == 200, answer.text
        return [
            f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            for entry in answer.json().get("entry", ())
            if entry["search"]["mode"] == mode
        ]

    def permit(self, number: str, user: str, basis: str = "permission", **more: str) -> httpx.Response:
        said = {"number": number, "basis": basis, "reason": "asked, and agreed", **more}
        return self.ask("POST", "/sandbox/permission", user, json=said)

    def audit(self) -> list[dict]:
        return list(self.app.state.door.audit.events())

    def close(self) -> None:
        self.service.close()


@pytest.fixture(scope="session")
def issuer_key() -> bytes:
    """The key of the sandbox's issuer, made once."""
    return new_key()


@pytest.fixture(scope="session")
def data_dir(issuer_key) -> Callable[[Path], Path]:
    """Make a data folder that has the issuer's key."""

    def make(folder: Path) -> Path:
        settings = config.Settings(data_dir=folder)
        config.prepare_data_dir(settings)
        keys.read_or_create(settings.keys, keys.SANDBOX_ISSUER, lambda: issuer_key)
        return folder

    return make


@pytest.fixture
def clinic(store, tmp_path, data_dir) -> Api:
    """A practice, another practice and a trust with four people, on each database."""
    people.fill(store)
    api = Api(store, data_dir(tmp_path / "data"), hooks=("https://hooks.example",))
    yield api
    api.close()


@pytest.fixture(scope="module")
def everything(tmp_path_factory, data_dir) -> Api:
    """One person with a resource of each type. Tests only read it."""
    folder = data_dir(tmp_path_factory.mktemp("everything") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    people.fill_everything(store)
    api = Api(store, folder, body_limit=2000)
    yield api
    api.close()
    store.close()


@pytest.fixture(scope="module")
def ward(tmp_path_factory, data_dir) -> Api:
    """The same people on SQLite, for a module of writes that are refused."""
    folder = data_dir(tmp_path_factory.mktemp("ward") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox").store
    people.fill(store)
    api = Api(store, folder)
    yield api
    api.close()
    store.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> world.Manifest:
    """Ten synthetic people, as their sources' files; the practice wrote every decimal with one digit more, a zero."""
    written = world.write(tmp_path_factory.mktemp("world"), 10, 1, TODAY)
    (path,) = written.path("emis").glob("*CareRecord_Observation_*.csv")
    path.write_bytes(re.sub(rb'"(\d+\.\d+)"', rb'"\g<1>0"', path.read_bytes()))
    return written


@pytest.fixture(scope="module")
def town(tmp_path_factory, data_dir, made) -> Api:
    """The synthetic people, loaded from all three sources, with the list of opt-outs."""
    folder = data_dir(tmp_path_factory.mktemp("town") / "data")
    gateway = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock(NOW - 3_600_000_000))
    store = gateway.store
    for name in ("emis", "hl7v2", "cld"):
        load.load(store, sources()[name], made.path(name), Feed(), gateway.code_sets(), workers=0)
    national_list.load(store, made.path("optout"))
    store.clock.now = NOW
    api = Api(store, folder)
    yield api
    api.close()
    store.close()
