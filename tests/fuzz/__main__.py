"""``python -m tests.fuzz [--seconds N] [name…]``: every target, or those named, each in a process of its own.

An error that is not declared, an input that takes more than ten seconds and one that needs more than two gigabytes end
a target; its input is then under ``--keep``. ``--seed`` makes a run that another can repeat: continuous integration
tries the same inputs each time, so that it judges the change and not its luck. Atheris has wheels for
Linux on x86-64 alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

from tests import fuzz

PREFIX = "fuzz_"


def names() -> list[str]:
    modules = (module.name for module in pkgutil.iter_modules(fuzz.__path__))
    return sorted(name.removeprefix(PREFIX) for name in modules if name.startswith(PREFIX))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(names())}")
    parser.add_argument("--seconds", type=int, default=60, help="how long each runs (60)")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same inputs for the same number; 0 for others each time (0)"
    )
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where inputs at fault are kept")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names()):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: it is in the extra `dev`, for Linux on x86-64")
        return 1
    arguments.keep.mkdir(parents=True, exist_ok=True)
    at_fault = []
    for name in arguments.names or names():
        print(f"+ {name}", flush=True)
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.one",
            name,
            *map(str, (arguments.seconds, arguments.seed, arguments.keep)),
        ]
        environment = os.environ | ({"PYTHONHASHSEED": "0"} if arguments.seed else {})
        if subprocess.run(command, check=False, timeout=arguments.seconds * 2 + 120, env=environment).returncode:
            at_fault.append(name)
    if at_fault:
        print(f"at fault: {', '.join(at_fault)}; the inputs are in {arguments.keep}")
    return bool(at_fault)


if __name__ == "__main__":
    sys.exit(main())
