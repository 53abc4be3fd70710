"""Compare the branch coverage that was measured with the floors of ``coverage.toml``, folder by folder.

``python .ci/coverage.py`` reads ``.coverage`` (made by ``pytest --cov``) and prints one line a folder; ``--lines`` also
lists what is not covered. It fails where a folder is below its floor, or where a floor names no folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FLOORS: dict[str, float] = tomllib.loads((ROOT / ".ci" / "coverage.toml").read_text(encoding="utf-8"))["floors"]
COUNTED = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def measured() -> dict[str, Any]:
    """What coverage measured, by file."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run(
            [sys.executable, "-m", "coverage", "json", "-q", "--include", "gateway/*,mappings/*", "-o", str(report)],
            cwd=ROOT,
            check=True,
        )
        files: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]
    return files


def percent(files: list[dict[str, Any]]) -> float:
    """Lines and branches that ran, of all there are (as coverage counts with ``branch = true``)."""
    lines, run, branches, taken = (sum(file["summary"][name] for file in files) for name in COUNTED)
    return 100 * (run + taken) / (lines + branches) if lines + branches else 100.0


def main() -> int:
    files = measured()
    failed = False
    for folder, floor in FLOORS.items():
        within = [file for path, file in files.items() if path.startswith(folder.rstrip("/") + "/")]
        reached = percent(within)
        is_below = not within or reached < floor
        failed |= is_below
        print(f"{folder:<20} {reached:6.2f} %  floor {floor} %{'  BELOW' if is_below else ''}")
    if "--lines" in sys.argv:
        for path, file in sorted(files.items()):
            branches = [branch for branch in file["missing_branches"] if branch[0] not in file["missing_lines"]]
            if file["missing_lines"] or branches:
                print(f"{path}: lines {file['missing_lines']} branches {branches}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
