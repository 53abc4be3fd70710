"""``gateway trace``: which project, and which of its releases, a found file came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting

if TYPE_CHECKING:
    from gateway.export.origin import Report


def trace(
    file: Annotated[Path, typer.Argument(help="The file that was found: NDJSON, CSV or any other text.")],
    by: Actor,
    as_json: AsJson = False,
) -> int:
    """Name the project and the release that a found file came from, by the pseudonyms in it.

    Ten rows are enough, and any column with pseudonyms. It tells nobody's identity. The audit holds who asked, and of
    which projects the answer was. Exit 1 where no pseudonym of the file was made here.
    """
    with acting() as gateway:
        from gateway import console
        from gateway.export import origin
        from gateway.store.changes import record_write

        tokens = origin.pseudonyms(file)
        with console.progress("trace", "names") as progress, gateway.store.read() as session:
            report = origin.trace(
                session, gateway.export_root(), tokens, lambda tried, of: progress("names tried", tried, of)
            )
        with gateway.store.write() as session:
            projects = ", ".join(sorted({own.project for own in report.origins}))
            record_write(session, {"act": "export.trace", "by": by, "project": projects, "looked_for": len(tokens)})
        print(json.dumps(asdict(report)) if as_json else _text(report))
    return OK if report.origins else WITH_REJECTS


def _text(report: Report) -> str:
    others = "not met: not all names held here were tried" if report.stopped_early else "not made here"
    lines = [f"{report.looked_for} pseudonyms looked for, {report.unknown} {others}", f"{report.tried} names tried"]
    for own in report.origins:
        lines.append(f"project {own.project}, key version {own.key_version}: {own.pseudonyms} pseudonyms")
        for release in own.releases:
            order = "too few people to tell" if release.in_order is None else f"{release.in_order:.0%}"
            held = f"can have held {release.could_hold}, rows in its order: {order}"
            lines.append(f"  release {release.release} of {release.at}: {held}")
    return "\n".join(lines)


VERB = trace
