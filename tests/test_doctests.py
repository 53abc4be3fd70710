"""The examples in docstrings are run: an example that is wrong, or broken over its lines, fails here."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import gateway
import mappings

LEFT_OUT = {"gateway.__main__", "gateway.store.migrations.__main__", "gateway.store.migrations.env"}
"""Modules that do their work when they are imported."""


def names() -> list[str]:
    packages: list[ModuleType] = [gateway, mappings]
    found = (module.name for package in packages for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))  # fmt: skip
    return ["gateway", "mappings", *(name for name in found if name not in LEFT_OUT and ".versions." not in name)]


NAMES = names()


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_module_hold(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert not failed


def test_the_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in NAMES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 40
