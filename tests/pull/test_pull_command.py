"""``gateway pull`` as an operator runs it. tests/api/test_bulk_clients.py pulls from this gateway's own server."""

import json
from pathlib import Path

import pytest

from gateway.commands import main
from tests.pull.server import Server, serving
from tests.pull.test_pulling import KEY, line


def described(folder: Path, base: str, client: str = "us", key: bytes = KEY, kid: str = "k", more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "key.pem").write_bytes(key)
    (folder / "key.pem").chmod(0o600)
    text = f'name = "north"\nbase = "{base}"\nclient = "{client}"\nkey = "key.pem"\nkid = "{kid}"\n{more}'
    (folder / "north.toml").write_text(text)
    return folder / "north.toml"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A data folder without keys: that of somebody who pulls and exports nothing."""
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_a_pull_says_what_came(own, capsys):
    server = Server()
    server.files = {"Patient.0.ndjson": line("Patient", "a")}
    with serving(server) as address:
        toml = described(own / "about", f"{address}/fhir")
        assert main(["pull", str(toml), "--into", str(own / "research"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["held"] == {"Patient": 1}
    server.errors = {"OperationOutcome.0.ndjson": line("OperationOutcome", "x", issue=[{"severity": "error"}])}
    with serving(server) as address:
        toml = described(own / "about", f"{address}/fhir")
        assert main(["pull", str(toml), "--into", str(own / "research"), "--full"]) == 1
    said = capsys.readouterr().out
    assert "release 2, all of it" in said and "1 issues of severity error" in said
    assert {path.name for path in (own / "research").iterdir()} >= {"research.db"}


def test_who_holds_a_key_of_exports_pulls_nothing(own, capsys):
    (own / "data" / "keys").mkdir(parents=True)
    (own / "data" / "keys" / "export-root.key").write_bytes(bytes(32))
    assert main(["pull", str(described(own / "about", "http://127.0.0.1:9")), "--into", str(own / "r")]) == 2
    assert "holds a key of exports" in capsys.readouterr().err and not (own / "r").exists()


def test_a_folder_of_something_else_is_left_as_it_is(own, capsys):
    (own / "r").mkdir()
    (own / "r" / "mine.txt").write_text("mine")
    assert main(["pull", str(described(own / "about", "http://127.0.0.1:9")), "--into", str(own / "r")]) == 2
    assert "--into" in capsys.readouterr().err and [path.name for path in (own / "r").iterdir()] == ["mine.txt"]
