"""What every test shares: the corpora beside the project (where they are), golden files, and both databases."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the diff")
    parser.addoption("--corpora", action="store_true", help="run the tests that read ../shared, and fail if it is absent")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--corpora") and not SHARED.is_dir():
        raise pytest.UsageError("--corpora: there is no shared folder beside the project")
    if not SHARED.is_dir():
        items[:] = [item for item in items if not item.get_closest_marker("corpora")]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test corpora beside the project."""
    return SHARED


@pytest.fixture
def golden(request):
    """Compare text with a golden file: ``golden(path, text)``; ``--update-golden`` writes it."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.read_text(encoding="utf-8") == text, f"{path.name} differs; run with --update-golden and read the diff"

    return compare
