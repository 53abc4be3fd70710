"""``gateway pull``: another region's release, fetched into a research store."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson
from gateway.commands._start import start

STORE = "research.db"


def pull(
    region: Annotated[Path, typer.Argument(help="The TOML file that describes the region.")],
    into: Annotated[
        Path, typer.Option(help="The folder of the research store: new, empty, or one of an earlier pull.")
    ],
    full: Annotated[
        bool, typer.Option("--full", help="Fetch all of it, not what changed since the last pull.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Pull another region's bulk export, verify it and keep it in a research store of its own.

    A pull that was cut off goes on where it ended. A release is applied whole or not at all. Exit 1 where the region
    itself tells of errors in its export.
    """
    settings = start()
    from gateway import console, keys
    from gateway.errors import Refused
    from gateway.pull import pulling
    from gateway.pull.conversation import Conversation
    from gateway.pull.region import read
    from gateway.pull.research import ResearchStore
    from gateway.store import file_locks

    if keys.is_present(settings.keys, keys.EXPORT_ROOT):
        raise Refused(
            "the gateway of this data folder holds a key of exports: nobody holds such a key and receives data under "
            "pseudonyms. Pull as another user, with a GATEWAY_DATA_DIR of its own"
        )
    described = read(region)
    _require_own(into)
    lock = file_locks.sole(str(into / "pull.lock"), "gateway pull")
    try:
        with (
            ResearchStore(f"sqlite:///{into / STORE}") as store,
            Conversation(described, lambda: time.time_ns() // 1000) as conversation,
            console.progress("pull", "files") as step,
        ):
            report = pulling.pull(
                described, into, store, conversation, is_full=full, now=time.time_ns() // 1000, step=step
            )
    finally:
        os.close(lock)
    print(json.dumps(report)) if as_json else _say(report)
    return WITH_REJECTS if report["issues"].keys() & pulling.FAULTS else OK


def _require_own(into: Path) -> None:
    """Make the folder. Raises ``Refused`` for one that holds anything but a research store."""
    from gateway.errors import Refused

    os.makedirs(into, mode=0o700, exist_ok=True)
    names = {path.name for path in into.iterdir()}
    if names and STORE not in names and names != {"pull.lock"}:
        raise Refused("--into: the folder is not empty and holds no research store")


def _say(report: dict[str, Any]) -> None:
    what = f"what changed since {report['since']}" if report["since"] else "all of it"
    print(f"{report['region']}: release {report['release']}, {what}, as at {report['until']}")
    print(f"{report['files']} files; {sum(report['resources'].values()):,} resources came, {report['gone']:,} went")
    for name, count in report["held"].items():
        print(f"  {name:<24} {count:>12,}")
    for severity, count in report["issues"].items():
        print(f"the region tells of {count:,} issues of severity {severity}")


VERB = pull
