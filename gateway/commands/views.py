"""``gateway views``: the NDJSON files of a release, or of any bulk download, as Parquet tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import AsJson, Workers
from gateway.commands._start import start


def views(
    release: Annotated[Path, typer.Argument(help="The folder of the release, or of another bulk download.")],
    out: Annotated[Path, typer.Option(help="The folder to write the tables into: new, or empty.")],
    view: Annotated[
        list[Path] | None,
        typer.Option(help="The file of a ViewDefinition, in place of the views that are shipped; may be repeated."),
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Turn a release into tables: a Parquet file for each SQL-on-FHIR view, with a data dictionary.

    The views that are shipped are one for each exported type, and a set in the shape of the OMOP CDM. Each row has the
    pseudonym of its person. The same release gives the same bytes. Exit 1 where resources are of nobody in the release.
    It needs the extra `views`, and no store.
    """
    start()
    from functools import partial

    from gateway import console
    from gateway.export import engines
    from gateway.views import release_tables, shipped

    definitions = [shipped.read(path) for path in view] if view else list(shipped.definitions())
    with console.progress("views", "types") as progress:
        report = release_tables.write(release, out, definitions, partial(engines.map_parts, workers=workers), progress)
    print(json.dumps(report)) if as_json else console.tables_report(report, out)
    return WITH_REJECTS if report["unlinked"] else OK


VERB = views
