"""Run ``mypy --strict`` and compare the number of errors in each room with ``types.csv``: a number may only fall.

``python .ci/types.py`` fails where a room has more errors than the table says, or fewer: then ``--update`` writes the new
table. A room that is not in the table has none.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / ".ci" / "types.csv"
PACKAGES = ("gateway", "mappings", "terminology")
_ERROR = re.compile(r"^([^:\n]+\.py):\d+: error: ", re.M)


def room(path: str) -> str:
    """The room of a file: ``gateway/store/find.py`` lies in ``gateway/store``, ``gateway/log.py`` is one itself."""
    parts = Path(path).parts
    return "/".join(parts[:2])


def counted() -> tuple[Counter[str], str]:
    """The number of errors by room, and what mypy printed. Raises ``SystemExit`` where mypy itself failed."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return Counter(room(path) for path in _ERROR.findall(done.stdout)), done.stdout


def main() -> int:
    counts, printed = counted()
    if "--update" in sys.argv:
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("room", "errors"), *sorted(counts.items())])
        print(f"{TABLE.relative_to(ROOT)}: {counts.total()} errors")
        return 0
    with TABLE.open(encoding="utf-8", newline="") as file:
        allowed = Counter({row["room"]: int(row["errors"]) for row in csv.DictReader(file)})
    more = {name: count for name, count in counts.items() if count > allowed[name]}
    fewer = {name: counts[name] for name, count in allowed.items() if counts[name] < count}
    if more:
        print("\n".join(line for line in printed.splitlines() if any(line.startswith(name) for name in more)))
    for words, rooms in (("more", more), ("fewer", fewer)):
        for name, count in sorted(rooms.items()):
            print(f"{name}: {count} errors, {words} than the {allowed[name]} of {TABLE.relative_to(ROOT)}")
    if fewer and not more:
        print("write the lower numbers down: python .ci/types.py --update")
    print(f"mypy --strict: {counts.total()} errors in {sum(map(bool, counts.values()))} rooms")
    return 1 if more or fewer else 0


if __name__ == "__main__":
    raise SystemExit(main())
