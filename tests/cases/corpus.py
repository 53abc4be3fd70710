"""The cases of ../shared/cases by folder, and the facts beside a test module that say what is right in each."""

import tomllib
from pathlib import Path
from typing import Any


def facts(name: str) -> dict[str, Any]:
    """The tables of ``<name>.toml``, one for each case."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))


def folders(shared: Path, *areas: str) -> set[str]:
    """Every case of these areas, as ``<area>/<folder>``."""
    return {f"{area}/{path.parent.name}" for area in areas for path in (shared / "cases" / area).glob("*/case.md")}
