"""``gateway explain``: what each column of a source becomes in FHIR, measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._deliveries import source_named
from gateway.commands._failures import OK
from gateway.commands._options import AsJson, SourceName
from gateway.commands._start import start


def explain(
    source: SourceName,
    html: Annotated[Path | None, typer.Option(help="Write the document as a page into this file.")] = None,
    as_json: AsJson = False,
) -> int:
    """Print what each column of a source becomes in FHIR, measured from its functions.

    It is the mapping document in Markdown: which column changes which elements, through which code table, and which
    change nothing. The samples are changed for it, one value at a time, which takes seconds."""
    start()
    from gateway import console
    from gateway.explain import mapping_document, trials

    chosen = source_named(source)
    with console.progress("explain", "values") as progress:
        effects = trials.measure(trials.open_samples(chosen), lambda done, of: progress("values changed", done, of))
    explanation = mapping_document.Explanation(chosen, effects)
    if html is not None:
        html.write_text(mapping_document.page(explanation), encoding="utf-8", newline="\n")
    if as_json:
        print(json.dumps(explanation.as_json()))
    elif html is None:
        print(mapping_document.markdown(explanation), end="")
    return OK


VERB = explain
