"""``python -m tests.fuzz.one NAME SECONDS SEED KEEP``: one target under Atheris; what ``python -m tests.fuzz`` runs."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

SLOWEST, LARGEST, LONGEST = 10, 2048, 1 << 14
"""Seconds that an input may take, megabytes that the process may use, bytes of an input."""


def main() -> None:
    name, seconds, seed, keep = sys.argv[1:5]
    module = f"tests.fuzz.fuzz_{name}"
    sys.path.insert(0, str(Path(__file__).parents[2]))
    modules = importlib.import_module(module).MODULES
    forget((*modules, "tests.fuzz.fuzz_"))  # they are loaded again, instrumented
    with atheris.instrument_imports(include=list(modules)):
        target = importlib.import_module(module)
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, known in enumerate((*target.SEEDS(), *target.FAULTS)):
        (corpus / str(number)).write_bytes(known[:LONGEST])
    options = (
        f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={SLOWEST}", f"-rss_limit_mb={LARGEST}", f"-max_len={LONGEST}",
        f"-artifact_prefix={keep}/{name}-", "-print_final_stats=1", "-verbosity=0",
    )  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.target)
    atheris.Fuzz()


def forget(names: tuple[str, ...]) -> None:
    """Forget the modules whose names begin so, by their packages too: ``from package import module`` asks these."""
    for name in [name for name in sys.modules if name.startswith(names)]:
        del sys.modules[name]
        package, _, module = name.rpartition(".")
        if package in sys.modules:
            vars(sys.modules[package]).pop(module, None)


if __name__ == "__main__":
    main()
