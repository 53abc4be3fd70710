"""A store's schema, brought up once and copied: bringing it up for each test was most of what many of them took."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from gateway.store import migrations
from gateway.store.connecting import new_engine


def migrated(url: str) -> str:
    """Bring up the schema of an empty database, without a store in it; return its URL."""
    engine = new_engine(url)
    migrations.upgrade(engine)
    engine.dispose()
    return url


def sqlite_url(path: Path) -> str:
    """The URL of a new SQLite database at ``path`` that has the schema: ``open_store`` makes the store in it."""
    path.touch(mode=0o600)
    path.write_bytes(_file())
    return f"sqlite:///{path}"


@lru_cache(maxsize=1)
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        migrated(f"sqlite:///{path}")
        return path.read_bytes()
