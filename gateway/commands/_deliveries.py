"""Shared by the commands about deliveries: sources by name, and printing the load report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.intake.report import Report
    from mappings import Source


def source_named(name: str) -> Source:
    """Return a source by its name. Raises ``Refused`` naming the sources there are."""
    from mappings import sources

    by_name = sources()
    if name not in by_name:
        raise Refused(f"no source of that name; there are {', '.join(sorted(by_name))}")
    return by_name[name]


def print_report(report: Report, as_json: bool) -> None:
    """Print the report of a load, as tables or as one line of JSON."""
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        from gateway import console

        console.load_report(report.as_dict())
