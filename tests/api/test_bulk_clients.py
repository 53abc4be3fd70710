"""Clients of Bulk Data fetch a whole export from a running server and sign in with a key (Backend Services): one that
others wrote, with its defaults (smart-fetch of PyPI, which filters Observations and compresses what it keeps), and our
own ``gateway pull``."""

import base64
import datetime
import gzip
import json
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import config
from gateway.commands import main
from gateway.composition import create_gateway
from gateway.export import approval, national_list, worker
from gateway.intake import load
from gateway.pull.research import ResearchStore
from gateway.synth import world
from mappings import Feed, sources
from tests.api.conftest import Api
from tests.api.test_backend_service import running
from tests.api.test_real_clients import run
from tests.export.conftest import ROOT, document
from tests.pull.test_pull_command import described
from tests.signin.systems import System, ec_key

SMART_FETCH = "smart-fetch==1.0.3"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def region(tmp_path_factory, data_dir):
    """A store of today with an approved project, and a registered system that may have all of it; a worker runs."""
    folder = data_dir(tmp_path_factory.mktemp("region") / "data")
    today = datetime.datetime.now(datetime.UTC).date()
    made = world.write(tmp_path_factory.mktemp("sent"), 16, 1, today)
    with create_gateway(config.Settings(data_dir=folder), "sandbox") as gateway:
        for name in ("emis", "hl7v2", "cld"):
            load.load(gateway.store, sources()[name], made.path(name), Feed(), gateway.code_sets(), workers=0)
        national_list.load(gateway.store, made.path("optout"))
        dates = {"start": "2026-01-01", "end": "2099-12-31"}
        agreements = [
            {**contributor, "from": dates["start"], "to": dates["end"]} for contributor in document()["contributors"]
        ]
        approval.add(gateway.store, document("study", **dates, contributors=agreements), "asker")
        for name in ("guardian", "controller"):
            approval.approve(gateway.store, "study", name)
        system = System("researcher", ec_key(), "ES384")
        system.register(gateway.store, projects=("study",))
        api = Api(gateway.store, folder)
        with worker.beside(gateway.store, folder / "exports", ROOT, workers=1), running(api) as address:
            yield f"{address}/fhir", system
        api.close()


def private_jwks(system: System) -> dict:
    number = load_pem_private_key(system.key, None).private_numbers().private_value
    d = base64.urlsafe_b64encode(number.to_bytes(48, "big")).rstrip(b"=").decode()
    (public,) = system.jwks["keys"]
    return {"keys": [{**public, "d": d, "key_ops": ["sign"]}]}


def fetched(folder: Path) -> dict[str, int]:
    """How many resources of each type a client wrote."""
    counts: dict[str, int] = {}
    for path in folder.rglob("*.ndjson*"):
        data = path.read_bytes()
        for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines():
            name = json.loads(line).get("resourceType", "")
            counts[name] = counts.get(name, 0) + 1
    return {name: count for name, count in counts.items() if name and name != "OperationOutcome"}


def test_smart_fetch_exports_with_its_defaults(region, tmp_path):
    base, system = region
    (tmp_path / "key.jwks").write_text(json.dumps(private_jwks(system)))
    run(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    run(tmp_path / "venv/bin/pip", "install", "-q", SMART_FETCH, folder=tmp_path)
    words = [
        "bulk",
        "--fhir-url",
        base,
        "--smart-client-id",
        system.id,
        "--smart-key",
        tmp_path / "key.jwks",
        tmp_path / "out",
    ]
    print(run(tmp_path / "venv/bin/smart-fetch", *words, folder=tmp_path))
    counts = fetched(tmp_path / "out")
    assert {"Patient", "Observation", "Condition", "Encounter"} <= counts.keys() and counts["Patient"] > 10


def test_gateway_pull_keeps_our_own_release_whole(region, tmp_path, monkeypatch, capsys):
    base, system = region
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    toml = described(tmp_path / "about", base, system.id, system.key, system.kid)
    assert main(["pull", str(toml), "--into", str(tmp_path / "research"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["files"] > 5 and report["resources"]["Patient"] > 10 and not report["jobKept"]
    with ResearchStore(f"sqlite:///{tmp_path / 'research' / 'research.db'}") as store:
        assert store.counts("north") == report["held"] == report["resources"]
    assert fetched(tmp_path / "research") == {}, "what was fetched lies in the store alone"
    assert main(["pull", str(toml), "--into", str(tmp_path / "research")]) == 2
    assert "--full" in capsys.readouterr().err, "this gateway knows no _since yet"
    assert main(["pull", str(toml), "--into", str(tmp_path / "research"), "--full", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["held"] == report["held"] and again["release"] == 2
