"""A column of a table is named by ``tables.py`` alone: no statement that inserts has a list of its own."""

import ast
import re
from pathlib import Path

import pytest

from gateway import store

FOLDER = Path(store.__file__).parent
MODULES = sorted(path for path in FOLDER.rglob("*.py") if "migrations" not in path.parts)
LITERAL = re.compile(r"INSERT INTO \S+ \(\s*\w", re.IGNORECASE)
"""A list of columns that begins with a name. Where a constant goes in, the text holds braces."""


def literal_lists(tree: ast.AST) -> set[int]:
    """The lines of inserts that name columns by a text in their place: SQL, and calls of a session's methods."""
    lines = set()
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr() | ast.Constant(value=str()) if LITERAL.search(_text(node)):
                lines.add(node.lineno)
            case ast.Call(
                func=ast.Attribute(attr="insert" | "ignore"), args=[ast.Constant(), ast.Constant() | ast.JoinedStr(), _]
            ):
                lines.add(node.lineno)
    return lines


def _text(node: ast.AST) -> str:
    """A text with ``{}`` in place of whatever is formatted into it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "{}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_insert_names_its_columns_by_a_list_of_its_own(path):
    assert literal_lists(ast.parse(path.read_text(encoding="utf-8"))) == set()


@pytest.mark.parametrize(
    ("text", "is_literal"),
    [
        ("session.insert('entry', 'patient, param', rows)", True),
        ("session.ignore('entry', f'patient, {name}', rows)", True),
        ("session.insert('entry', _ENTRY, rows)", False),
        ("session.run('INSERT INTO entry (patient, param) VALUES (?, ?)')", True),
        ("session.run('INSERT INTO entry ' '(patient) VALUES (?)')", True),
        ("session.run(f'INSERT INTO {name} (patient) VALUES (?)')", True),
        ("session.run(f'INSERT INTO {name} ({_ENTRY}) VALUES (?)')", False),
    ],
)
def test_a_list_of_its_own_is_seen(text, is_literal):
    assert bool(literal_lists(ast.parse(text))) == is_literal
