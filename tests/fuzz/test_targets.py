"""Each fuzz target holds for what it begins with and for what once was a fault, without Atheris."""

import importlib
import re
from pathlib import Path

import pytest

from tests.fuzz.__main__ import names

ROOT = Path(__file__).parents[2]
TARGETS = {name: importlib.import_module(f"tests.fuzz.fuzz_{name}") for name in names()}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_its_seeds_and_for_what_once_was_a_fault(name):
    module = TARGETS[name]
    inputs = [*module.SEEDS(), *module.FAULTS, b"", b"\0", b"\xff\xfe"]
    assert len(inputs) > 6 and module.MODULES
    for data in inputs:
        module.target(data)
        for cut in (1, len(data) // 2, len(data) - 1):
            module.target(data[:cut])


def test_continuous_integration_runs_every_target_within_eight_minutes():
    (seconds,) = re.findall(r"-m tests\.fuzz --seconds (\d+)", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert int(seconds) * len(TARGETS) <= 480 and int(seconds) >= 60
