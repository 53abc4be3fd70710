"""A command that the audit holds seals it at its end: what was done by hand is under a seal at once."""

import json

import pytest

from gateway import composition, config
from gateway.commands import main

ACTS = ("rejects purge", "rejects drop 99", "rejects list", "optout status", "audit verify")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    composition.create_gateway(config.read(), "sandbox").close()


@pytest.mark.parametrize("words", ACTS)
def test_nothing_is_left_unsealed(data, capsys, words):
    assert main(words.split()) in (0, 1)
    capsys.readouterr()
    assert main(["audit", "verify"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["unsealed"] == 0 and verdict["keyed"] == verdict["rows"]
