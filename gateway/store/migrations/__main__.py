"""Generates the next migration and the column lists from ``tables.py``.

``python -m gateway.store.migrations "Add consents"`` compares the tables with what the migrations make, writes the
difference as ``versions/0003_add_consents.py`` for its author to read, complete and format, and rewrites
``columns.py``.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from gateway.store import columns, tables
from gateway.store.database import open_store
from gateway.store.migrations import HERE, drafting, revisions


def main(title: str) -> None:
    """Write both files. Where nothing changed, no migration is written."""
    metadata = tables.StoreInfo.metadata
    Path(columns.__file__).write_text(drafting.columns(metadata), encoding="utf-8")
    last = revisions()[-1]
    number = f"{int(last) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/gateway.db", create="sandbox")
        with store.engine.connect() as connection:
            text = drafting.migration(connection, metadata, title, number, last)
        store.close()
    if text:
        path = HERE / "versions" / f"{number}_{re.sub('[^a-z0-9]+', '_', title.lower())}.py"
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Change the schema")
