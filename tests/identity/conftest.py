"""A door to ask, and a fake PDS."""

import pytest

from gateway import records
from gateway.egress import Origin
from gateway.fhir.parse import parse
from gateway.identity import tracing
from gateway.identity.pds import Access, Pds
from gateway.nhs.codesets import CodeSets
from gateway.records import open_door
from gateway.store.database import Store
from tests.identity.people import GREEN
from tests.pds.fake import BASE, Fake, served

NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


@pytest.fixture(scope="session")
def server():
    with served(Fake()) as fake:
        yield fake


@pytest.fixture
def fake(server):
    """A fake PDS that holds nobody yet."""
    server.people, server.troubles, server.requests = {}, [], []
    return server


@pytest.fixture
def trace(fake):
    """Trace who is due in a store; the report."""

    def run(store: Store, **more):
        with Origin(fake.url + BASE, per_second=1e6, pause=lambda seconds: None) as origin:
            pds = Pds(Access(fake.url + BASE), origin, None, store.clock)
            return tracing.run(store, pds, CodeSets(), tracing.due(store, **more), "tester")

    return run


@pytest.fixture
def seen(store):
    """The ids of the observations that dr-green finds by an NHS number, or None where refused."""

    def ask(number: str, type_: str = "Observation"):
        door = open_door(store, CodeSets())
        try:
            page = records.search(door, GREEN, parse(type_, [("patient.identifier", f"{NUMBER}|{number}")]), "r")
            return {int(one.id[:8]) for one in page.matches}
        except Exception as refusal:
            return getattr(refusal, "code", type(refusal).__name__)
        finally:
            door.audit.close()

    return ask
