"""The two stores behind their applications, asked the same by the same caller, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import config
from gateway.composition import create_gateway
from gateway.fhir.dates import DAY
from gateway.nhs import access
from tests.api.conftest import NOW, Api
from tests.api.leaks import twins
from tests.api.leaks.asking import Answer, Asker, Probe
from tests.api.leaks.twins import Case

SIGHTED = frozenset(
    {
        "dr-green", "dr-other", "nurse-ward", "dr-ward", "pharmacist", "social-worker", "receptionist", "privacy-officer", "guardian-ward", "scoped-ward",
        "launched-ward",
    }
)  # fmt: skip
"""Callers who are shown something of somebody. The others are refused before anything is looked up."""
PERMITTING = ("dr-ward", "social-worker")


@dataclass(frozen=True)
class Leak:
    """A probe whose answers tell the two stores apart."""

    case: str
    user: str
    probe: Probe
    answers: tuple[Answer, Answer]


class Twins:
    """Both applications. Their clocks stand still, so that no time tells them apart."""

    def __init__(self, folders: Sequence[Path]):
        self.apis = [_opened(folder, variant) for folder, variant in zip(folders, twins.WORDS, strict=True)]
        self._askers = [Asker(api.app) for api in self.apis]

    def answers(self, user: str, probe: Probe) -> list[tuple[Answer, Answer]]:
        """The answers of each store to a caller, page by page."""
        asked = zip(self.apis, self._askers)
        first, second = (asker.ask(probe, api.token(user) if user else "") for api, asker in asked)
        shorter = min(len(first), len(second))
        if len(first) != len(second):
            shorter -= 1  # the last of them differs in its links, so a longer list of pages is seen
        return list(zip(first[: max(shorter, 1)], second))

    def leaks(self, case: Case, user: str, probes: Iterable[Probe]) -> Iterator[Leak]:
        """The probes that tell a caller which of the two stores was asked."""
        for probe in probes:
            if case.but and case.but in probe.path + probe.body.decode():
                continue
            for pair in self.answers(user, probe):
                if pair[0] != pair[1]:
                    yield Leak(case.name, user, probe, pair)
                    break

    def close(self) -> None:
        for api, asker in zip(self.apis, self._askers):
            asker.close()
            api.close()
            api.store.close()


def _opened(folder: Path, variant: str) -> Api:
    """Everything was recorded three days ago, and all permission but what has ended today."""
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=lambda: NOW - 3 * DAY).store
    twins.fill(store, variant)
    api = Api(store, folder)
    for basis in ("expired", *access.BASES):
        if basis != "expired":
            api.store.clock = lambda: NOW
            api.tokens.clear()
        for case in twins.CASES:
            if case.basis == basis:
                _permit(api, case.name, "permission" if basis == "expired" else basis)
    return api


def _permit(api: Api, name: str, basis: str) -> None:
    """Record what the ward and the council were permitted."""
    for user in PERMITTING:
        sent = {"number": twins.nhs_number(name), "basis": basis, "reason": "agreed for some weeks"}
        assert api.ask("POST", "/sandbox/permission", user, json=sent).status_code == 201, name
