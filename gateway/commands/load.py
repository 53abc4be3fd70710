"""``gateway load``: load a delivery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._deliveries import print_report, source_named
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson, FeedName, Mappers, SourceName
from gateway.commands._start import acting, start
from gateway.errors import Refused


def load(
    source: SourceName,
    path: Annotated[
        Path, typer.Argument(help="The delivery: a file, a folder or a zip; files may be gzipped or PGP-encrypted.")
    ],
    feed: FeedName = "default",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 also when constraints of UK Core are broken.")
    ] = False,
    workers: Mappers = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what was sent before and this whole delivery lacks.")
    ] = False,
    confirm: Annotated[
        int,
        typer.Option(
            "--confirm-gone", min=0, help="Confirm that --replace deletes exactly this many rows.", show_default=False
        ),
    ] = 0,
    as_json: AsJson = False,
) -> int:
    """Load a delivery of a source. After an interruption, run it again: it continues where it stopped."""
    settings = start()
    format_ = source_named(source)
    if not path.exists():
        raise Refused("no such file or folder")
    from gateway import console, feeds
    from gateway.intake import load as intake
    from gateway.intake import staging
    from gateway.intake.replacing import Replace

    stream = feeds.read(settings, feed)
    with (
        acting(settings) as gateway,
        console.progress(source) as progress,
        staging.opened(settings.spool, path, stream) as ready,
    ):
        report = intake.load(
            gateway.store,
            format_,
            ready,
            stream,
            gateway.code_sets(),
            workers=workers,
            progress=progress,
            replace=Replace(confirm) if replace or confirm else None,
            name=path.name,
        )
    print_report(report, as_json)
    return WITH_REJECTS if report.exit_code or (strict and report.uk_core) else OK


VERB = load
