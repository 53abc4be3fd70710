"""Every case is run: each folder of ../shared/cases/<area> is named by a test here, as a string or as a table of the
facts that its test reads. A case that is added without a test fails."""

import ast
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.corpora

HERE = Path(__file__).parent


def strings() -> set[str]:
    """Every string of the tests here, and the name of every table beside them, at whatever depth."""
    named: set[str] = set()
    for path in HERE.glob("test_*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        named.update(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    for path in HERE.glob("*.toml"):
        named.update(keys(tomllib.loads(path.read_text(encoding="utf-8"))))
    return named


def keys(table: object) -> set[str]:
    """The names in a table, and those that its rows have as ``case`` or ``folder``."""
    if isinstance(table, list):
        return set().union(*map(keys, table))
    if not isinstance(table, dict):
        return set()
    cases = {table[name] for name in ("case", "folder") if isinstance(table.get(name), str)}
    return {*table, *cases}.union(*map(keys, table.values()))


def unnamed(cases: Path) -> list[str]:
    """The cases, as area/folder, that no test names: neither so nor by the folder alone."""
    named = strings()
    folders = sorted(path.parent for path in cases.glob("*/*/case.md"))
    names = {f"{folder.parent.name}/{folder.name}": folder.name for folder in folders}
    return [case for case, name in names.items() if not {case, name} & named]


def test_every_folder_of_a_case_is_named_by_a_test(shared):
    assert len(list((shared / "cases").glob("*/*/case.md"))) >= 150
    assert unnamed(shared / "cases") == []


def test_a_folder_that_no_test_names_is_seen(tmp_path):
    folder = tmp_path / "area" / f"{99}-nobody"
    folder.mkdir(parents=True)
    (folder / "case.md").touch()
    assert unnamed(tmp_path) == [f"area/{folder.name}"]
