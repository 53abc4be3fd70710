"""``gateway export``: pseudonymised exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import AsJson, OutFolder, Workers
from gateway.commands._start import acting

if TYPE_CHECKING:
    from gateway.composition import Gateway

VERB = typer.Typer(help="Pseudonymised exports for approved projects.")


@VERB.command()
def run(
    project: Annotated[str, typer.Option(help="The approved project.")],
    out: OutFolder,
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Make a release for a project."""
    with acting() as gateway:
        from gateway.export import asking, folder, standing

        gateway.require_labelled()
        root, days = gateway.export_root(), gateway.settings.optout_days
        folder.require_free(out)
        job = asking.start(gateway.store, project, "operator", optout_days=days, root=root, kind=standing.BY_HAND)
        return _release(gateway, job, out, root, workers, as_json)


@VERB.command()
def resume(
    job: Annotated[str, typer.Argument(help="The id of the job, as the log names it.")],
    out: OutFolder,
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Continue a release that was interrupted."""
    with acting() as gateway:
        from gateway.store import jobs
        from gateway.store.changes import record_write

        gateway.require_labelled()
        root = gateway.export_root()
        with gateway.store.write() as session:
            if jobs.get(session, job):
                record_write(session, {"act": "export.resume", "by": "operator", "job": job})
        return _release(gateway, job, out, root, workers, as_json)


def _release(gateway: Gateway, job: str, out: Path, root: bytes, workers: int | None, as_json: bool) -> int:
    from gateway import console
    from gateway.export import running

    with console.progress("export", "parts") as progress:
        manifest = running.run(gateway.store, job, out, root, workers=workers, progress=progress)
    if as_json:
        print(json.dumps(manifest))
    else:
        console.export_report(manifest, out)
    return OK
