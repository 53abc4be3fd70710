"""The built wheel, installed where nothing else is, has all it needs: it runs the demo."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = {".csv", ".toml", ".json", ".html", ".css", ".svg", ".md"}
"""Kinds of files that the code reads, or that are read beside it."""


def run(*words: object, folder: Path) -> str:
    """Run a command outside the tree, with nothing of this process's Python or settings."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(word) for word in words], cwd=folder, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run("git", "clone", "--quiet", ROOT, folder / "tree", folder=folder)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "tree", folder=folder)
    return next(folder.glob("nhs_record_gateway-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_three_packages_and_all_their_files(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "gateway", "mappings", "terminology"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = {
        name for name in tracked.stdout.splitlines() if Path(name).suffix in DATA | {".py"} and "/samples/" not in name
    }
    held = set(zipfile.ZipFile(wheel).namelist())
    assert not wanted - held and {"gateway/py.typed", "mappings/py.typed"} <= held
    assert not [name for name in held if "bench" in name or "volume" in name], "what only measures is not shipped"
    assert {name.split("/")[0] for name in held if ".dist-info" not in name} == {"gateway", "mappings", "terminology"}


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_runs_the_demo(wheel, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    bin_ = tmp_path / "venv" / "bin"
    run(bin_ / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, folder=tmp_path)
    place = run(bin_ / "python", "-c", "import gateway; print(gateway.__file__)", folder=tmp_path).strip()
    assert Path(place).is_relative_to(tmp_path / "venv")
    told = run(bin_ / "gateway", "demo", "--no-serve", "--people", "10", "--out", "out", folder=tmp_path)
    assert "chain whole" in told
    assert json.loads((tmp_path / "out" / "refusal.json").read_text())["status"] == 403
    assert "<style>" in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "export" / "manifest.json").is_file()
    assert '"valid": true' in _validated(bin_, tmp_path)


def _validated(bin_: Path, folder: Path) -> str:
    (folder / "patient.json").write_text('{"resourceType": "Patient", "id": "a", "birthDate": "1960-01-01"}')
    return run(bin_ / "gateway", "validate", "patient.json", folder=folder)
