"""A loaded world with its opt-out list and an approved project."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import config
from gateway.composition import create_gateway, open_gateway
from gateway.export import approval, national_list
from gateway.intake import load
from gateway.store.database import Store
from gateway.synth import world
from mappings import Feed, sources

TODAY = datetime.date(2026, 3, 1)
NOW = int(datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC).timestamp()) * 1_000_000
ROOT = bytes(range(32))
CONTRIBUTORS = ("A99001", "A99002", "RZZ", "990")


class Clock:
    """A clock that a test can move."""

    def __init__(self, now: int):
        self.now = now

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def document(name: str = "study", **changes) -> dict:
    return {
        "name": name, "purpose": "A test", "lawful_basis": "UK GDPR 6(1)(e)", "common_law_basis": "s251", "controller": "joint", "recipient": "8A999",
        "people": ["researcher"], "setting": "in-sde", "profile": "sde-research", "disclosure": "hes", "key_version": 1, "k": 1,
        "start": "2026-01-01", "end": "2026-12-31",
        "contributors": [{"ods": ods, "agreement": f"DSA-{ods}", "from": "2026-01-01", "to": "2026-12-31"} for ods in CONTRIBUTORS],
        **changes,
    }  # fmt: skip


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> world.Manifest:
    return world.write(tmp_path_factory.mktemp("world"), 16, 1, TODAY)


@pytest.fixture(scope="session")
def loaded_once(tmp_path_factory, made) -> Path:
    """The database of a store with everything loaded, to be copied."""
    settings = config.Settings(data_dir=tmp_path_factory.mktemp("loaded"))
    with create_gateway(settings, "sandbox", clock=Clock(NOW - 3_600_000_000)) as gateway:
        for name in ("emis", "hl7v2", "cld"):
            load.load(gateway.store, sources()[name], made.path(name), Feed(), gateway.code_sets(), workers=0)
        national_list.load(gateway.store, made.path("optout"))
    return settings.data_dir / "gateway.db"


@pytest.fixture
def loaded(tmp_path, loaded_once) -> Store:
    for path in loaded_once.parent.glob("*.db*"):
        shutil.copy(path, tmp_path / path.name)
    with open_gateway(config.Settings(data_dir=tmp_path), clock=Clock(NOW)) as gateway:
        yield gateway.store


@pytest.fixture
def approved(loaded) -> Callable[..., str]:
    """Add a project and approve it twice."""

    def make(name: str = "study", **changes) -> str:
        approval.add(loaded, document(name, **changes), "asker")
        approval.approve(loaded, name, "guardian")
        assert approval.approve(loaded, name, "controller") == "approved"
        return name

    return make
