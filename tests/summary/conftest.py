"""The real application over a loaded sandbox world, at a time that does not pass."""

import datetime

import pytest

from gateway import config
from gateway.api.app import create_app
from gateway.composition import create_gateway, open_service
from gateway.intake import load
from gateway.nhs.sandbox import PRACTICE
from gateway.synth import world
from mappings import Feed, sources

TODAY = datetime.date(2026, 3, 1)
NOW = int(datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC).timestamp()) * 1_000_000


class Served:
    """The application with the world in it, and a token for any of the sandbox's users."""

    def __init__(self, folder):
        self.world = world.write(folder / "world", 12, 1, TODAY)
        self.settings = config.Settings(data_dir=folder / "data", sandbox=True)
        self.gateway = create_gateway(self.settings, "sandbox", clock=lambda: NOW)
        self.store, code_sets = self.gateway.store, self.gateway.code_sets()
        for name in ("emis", "hl7v2", "cld"):
            load.load(self.store, sources()[name], self.world.path(name), Feed(), code_sets, workers=0)
        self.service = open_service(self.gateway)
        self.app = create_app(self.service)

    def token(self, user: str) -> str:
        return self.gateway.sandbox_token(user)

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
    made.service.close()
    made.gateway.close()
