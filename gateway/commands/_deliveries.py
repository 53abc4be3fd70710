"""Shared by the commands about deliveries: sources by name, replays, and printing the load report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.commands._start import acting, start
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


def replay(source: str, feed: str, as_json: bool, *, rejects: bool) -> int:
    """Replay the rejects of a feed or the quarantine of a source, print the report, and return the exit code."""
    settings = start()
    format_ = source_named(source)
    from gateway import feeds
    from gateway.intake import load as intake

    replayed = intake.replay_rejects if rejects else intake.replay
    with acting(settings) as gateway:
        report = replayed(gateway.store, format_, feeds.read(settings, feed), gateway.code_sets())
    print_report(report, as_json)
    return report.exit_code


def print_report(report: Report, as_json: bool) -> None:
    """Print the report of a load, as tables or as one line of JSON."""
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        from gateway import console

        console.load_report(report.as_dict())
