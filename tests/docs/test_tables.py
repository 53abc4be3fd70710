"""The generated tables of the documents are what the code says. ``--update-golden`` writes them anew."""

from pathlib import Path

import pytest

from tests.docs import tables

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_tables_of_a_document_are_what_the_code_says(path, golden):
    golden(path, tables.written(path.read_text(encoding="utf-8")))


def test_every_table_is_shown_somewhere():
    shown = {mark[1] for path in DOCUMENTS for mark in tables.MARK.finditer(path.read_text(encoding="utf-8"))}
    assert shown == set(tables.TABLES)
