"""``python -m tests.bench [--quick] [name…]``: every benchmark, or those named, and one table of what they found."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time

from tests import bench
from tests.bench.room import open_room
from tests.bench.table import Line, printed

PREFIX = "bench_"


def main() -> int:
    names = sorted(found.name.removeprefix(PREFIX) for found in pkgutil.iter_modules(bench.__path__) if found.name.startswith(PREFIX))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="small stores and short measurements: whether it runs, not how fast")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    lines: list[Line] = []
    with open_room(arguments.quick) as room:
        for name in arguments.names or names:
            started = time.perf_counter()
            print(f"{name} …", end="", file=sys.stderr, flush=True)
            lines += importlib.import_module(f"tests.bench.{PREFIX}{name}").measure(room)
            print(f" {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(printed(lines))
    return 0 if all(line.is_met for line in lines) else 1


if __name__ == "__main__":
    raise SystemExit(main())
