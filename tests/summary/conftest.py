"""The real application over a loaded sandbox world, at a time that does not pass."""

import datetime

import pytest

from gateway import config
from gateway.api import sandbox
from gateway.api.app import create_app
from gateway.intake import load
from gateway.nhs.sandbox import PRACTICE
from gateway.store.database import open_store
from gateway.synth import world
from gateway.terminology import sets
from mappings import Feed, sources

TODAY = datetime.date(2026, 3, 1)
NOW = int(datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC).timestamp()) * 1_000_000


class Served:
    """The application with the world in it, and a token for any of the sandbox's users."""

    def __init__(self, folder):
        self.world = world.write(folder / "world", 12, 1, TODAY)
        self.settings = config.Settings(data_dir=folder / "data", sandbox=True)
        config.prepare_data_dir(self.settings)
        self.store = open_store(self.settings.url, create="sandbox", clock=lambda: NOW)
        code_sets = sets.load(sandbox=True)
        for name in ("emis", "hl7v2", "cld"):
            load.load(self.store, sources()[name], self.world.path(name), Feed(), code_sets, workers=0)
        self.app = create_app(self.settings, self.store)

    def token(self, user: str) -> str:
        return sandbox.issue(self.settings, self.store, user)

    def numbers(self) -> list[str]:
        """The numbers of the fixed people of the practice who may be shown to it."""
        hidden = ("restricted", "opted-out")
        return [
            who.nhs_number
            for role, who in self.world.people.items()
            if who.practice == PRACTICE and who.nhs_number and role not in hidden
        ]


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.store.close()
