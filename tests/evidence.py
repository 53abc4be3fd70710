"""Which tests there are, so that a table can name one as evidence."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def names_of_tests(path: str) -> frozenset[str]:
    """The tests of a module, which is named from the project's root; none where there is no such module."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def is_test(named: str) -> bool:
    """Whether ``path::name`` is a test."""
    path, _, name = named.partition("::")
    return name in names_of_tests(path)
