"""``python -m tests.bench [--quick] [name…]``: every benchmark, or those named, and one table of what they found."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Iterable

from tests import bench
from tests.bench.room import Room, open_room
from tests.bench.table import Line, printed

PREFIX = "bench_"


def main() -> int:
    names = sorted(
        found.name.removeprefix(PREFIX)
        for found in pkgutil.iter_modules(bench.__path__)
        if found.name.startswith(PREFIX)
    )
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(names)}")
    parser.add_argument(
        "--quick", action="store_true", help="small stores and short measurements: whether it runs, not how fast"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    lines: list[Line] = []
    try:
        with open_room(arguments.quick) as room:
            for name in arguments.names or names:
                started = time.perf_counter()
                print(f"{name} …", end="", file=sys.stderr, flush=True)
                for line in _measured(name, room):
                    lines.append(line)
                print(f" {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    finally:
        print(printed(lines))  # what was measured before something failed is still worth reading
    return 0 if all(line.is_met for line in lines) else 1


def _measured(name: str, room: Room) -> Iterable[Line]:
    """The lines of a benchmark. One that only has ``main`` prints its own, before the table."""
    module = importlib.import_module(f"tests.bench.{PREFIX}{name}")
    if hasattr(module, "measure"):
        return module.measure(room)
    module.main()
    return ()


if __name__ == "__main__":
    raise SystemExit(main())
