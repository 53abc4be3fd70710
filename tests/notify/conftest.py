"""A practice and a trust with registered systems, and a real receiver of their notifications."""

import json

import pytest

from gateway.fhir.dates import microseconds_now
from gateway.notify.notifier import Notifier
from gateway.store import subscriptions
from gateway.store.database import open_store
from tests.api import people
from tests.api.conftest import Api, data_dir, issuer_key  # noqa: F401  (fixtures)
from tests.notify.receiver import Receiver
from tests.signin.systems import SHARED_KEY, System
from tests.toy import deliver

JSON = {"content-type": "application/fhir+json"}
CONTENT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"


class Area:
    """The stores' people, the systems ``gp`` (the practice A99001's) and ``ward`` (the trust RZZ's), and what they are
    told."""

    def __init__(self, api: Api, receiver: Receiver):
        self.api, self.store, self.receiver, self.offset = api, api.store, receiver, 0
        self.tokens: dict[tuple[str, str], tuple[str, int]] = {}
        self.store.clock = lambda: microseconds_now() + self.offset
        self.notifier = Notifier(api.service.door, api.service.hooks)
        self.systems = {"gp": ("A99001", "fhir:A99001"), "ward": ("RZZ", "fhir:RZZ"), "gp2": ("A99001", "fhir:A99001")}
        for name, (organisation, publisher) in self.systems.items():
            System(name, SHARED_KEY).register(
                self.store, organisation=organisation, publishers=(publisher,), projects=(), scopes=frozenset({"system/*.cruds"})
            )  # fmt: skip

    def token(self, client: str, scope: str = "system/*.cruds") -> str:
        """A token, issued anew when it gets old: there is a rate."""
        system, now = System(client, SHARED_KEY), self.store.clock() // 1_000_000
        token, until = self.tokens.get((client, scope), ("", 0))
        if now >= until:
            form = system.form(system.sign(system.claims(self.api.app.state.token_url, now)), scope=scope)
            token = self.api.client.post("/auth/token", data=form).json()["access_token"]
            self.tokens[client, scope] = token, now + 200
        return token

    def ask(
        self, method: str, path: str, client: str = "gp", body: object = None, scope: str = "system/*.cruds", **headers
    ):
        known = {**JSON, "authorization": f"Bearer {self.token(client, scope)}", **headers}
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.api.client.request(method, f"/fhir/{path}", headers=known, content=content)

    def wish(self, criteria: str = "Observation?status=final", content: str = "id-only", **changed) -> dict:
        """A Subscription to this area's receiver."""
        channel = {"type": "rest-hook", "endpoint": f"{self.receiver.origin}/hook", **changed.pop("channel", {})}
        if content:
            channel |= {
                "payload": JSON["content-type"],
                "_payload": {"extension": [{"url": CONTENT, "valueCode": content}]},
            }
        return {"resourceType": "Subscription", "status": "requested", "reason": "a test", "criteria": criteria, "channel": channel, **changed}  # fmt: skip

    def subscribe(
        self, criteria: str = "Observation?status=final", client: str = "gp", content: str = "id-only", **changed
    ):
        """A new subscription that the receiver has accepted: its id and its secret."""
        answer = self.ask("POST", "Subscription", client, self.wish(criteria, content, **changed))
        assert answer.status_code == 201, answer.text
        if content:
            self.work()
            assert [came.status["type"] for came in self.receiver.taken()] == ["handshake"]
        return answer.json()["id"], answer.headers["webhook-secret"]

    def work(self, seconds: float = 0) -> None:
        """Notice and send all that is due, some seconds later."""
        self.offset += int(seconds * 1_000_000)
        while self.notifier.work_once():
            pass

    def told(self, seconds: float = 2) -> list[str]:
        """What the receiver is told of, some seconds later: ``Type/id``."""
        self.work(seconds)
        return [name for came in self.receiver.taken() for name in came.focus]

    def deliver(self, *rows, source: str = "toy", kind: str = "gp") -> None:
        deliver(self.store, rows, people.SETS, name=source, kind=kind)

    def row(self, id_: str) -> dict:
        return self.ask("GET", f"Subscription/{id_}").json()


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as receiver:
        yield receiver


def opened(store, folder, receiver) -> Area:
    people.fill(store)
    return Area(Api(store, folder, hooks=(f"{receiver.origin}+private", "https://hooks.example")), receiver)


@pytest.fixture
def area(store, tmp_path, data_dir, receiver):  # noqa: F811
    """On each database, of a test's own."""
    area = opened(store, data_dir(tmp_path / "data"), receiver)
    yield area
    area.api.close()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory, data_dir, receiver):  # noqa: F811
    folder = data_dir(tmp_path_factory.mktemp("site") / "data")
    store = open_store(f"sqlite:///{folder / 'gateway.db'}", create="sandbox")
    site = opened(store, folder, receiver)
    yield site
    site.api.close()
    store.close()


@pytest.fixture
def site(shared_site):
    """On SQLite, for a module; each test begins without subscriptions."""
    yield shared_site
    with shared_site.store.write() as session:
        for row in subscriptions.every(session):
            subscriptions.remove(session, row.id)
    shared_site.receiver.answers, shared_site.receiver.headers = [], {}
    shared_site.receiver.taken()
